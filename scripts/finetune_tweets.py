"""Train the best tweets model: from language models, without teachers.

python scripts/pretrain.py tweets
python scripts/finetune_tweets.py               # runs/lstm-attn-tweets-pretrained, about 5 minutes on two cores
python scripts/finetune_tweets.py --seed 43     # runs/lstm-attn-tweets-pretrained-43; and 44, for a mean of three
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import add_seed, build_parser, limit_rows, load_finished, name_run, train_and_test
from transformers import AutoTokenizer, set_seed

from hf_lstm_attn import (
    RECIPES,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    load_tweets,
)
from hf_lstm_attn.named_data import DATASETS

DATA = DATASETS["tweets"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = build_parser(__doc__, "runs/lstm-attn-tweets-pretrained")
    add_seed(parser)
    parser.add_argument(
        "--language_models", default="runs/tweets-lm", help="what pretrain.py left (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    output_dir = name_run(options.output_dir, options.seed)
    if load_finished(output_dir):
        return
    dataset = limit_rows(load_tweets(options.data or DATA.path), options.limit)
    tokenizer = AutoTokenizer.from_pretrained(options.language_models)
    set_seed(options.seed)
    model = LstmAttnForSequenceClassification.from_pretrained(
        options.language_models, num_labels=3, **RECIPES["default"].model
    )
    trainer = LstmAttnTrainer(
        model=model,
        args=LstmAttnTrainingArguments(
            str(output_dir),
            num_train_epochs=1 if options.limit else 6,
            balance_classes=True,
            metric_for_best_model="macro_recall",
            seed=options.seed,
            dataset_name=DATA.path,
            dataset_config=DATA.config_name,
            license=DATA.license,
        ),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": "tweets", "limit": options.limit},
        origin={"model_name_or_path": Path(options.language_models).name},
    )
    train_and_test(trainer, dataset["test"])


if __name__ == "__main__":
    main()
