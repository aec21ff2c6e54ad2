"""Train the best tweets model: from the built-in model `sentiment`, taught by the same MiniLM.

python scripts/teach_sentiment.py --datasets FOLDER
python scripts/finetune_tweets.py               # runs/lstm-attn-tweets-pretrained, about 5 minutes on two cores
python scripts/finetune_tweets.py --seed 43     # runs/lstm-attn-tweets-pretrained-43; and 44, for a mean of three
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import add_seed, build_parser, limit_rows, load_finished, name_run, train_and_test
from transformers import AutoTokenizer, set_seed

from hf_lstm_attn import (
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    built_in,
    load_tweets,
    soft_labels,
)
from hf_lstm_attn.named_data import DATASETS

DATA = DATASETS["tweets"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = build_parser(__doc__, "runs/lstm-attn-tweets-pretrained")
    add_seed(parser)
    parser.add_argument("--teacher", default="runs/minilm-sentiment", help="of teach_sentiment.py")
    options = parser.parse_args(arguments)
    output_dir = name_run(options.output_dir, options.seed)
    if load_finished(output_dir):
        return
    dataset = limit_rows(load_tweets(options.data or DATA.path), options.limit)
    start = built_in("sentiment")
    tokenizer = AutoTokenizer.from_pretrained(start)
    taught = soft_labels(dataset["train"], [options.teacher], tokenizer=tokenizer, match_shares=True)
    set_seed(options.seed)
    trainer = LstmAttnTrainer(
        model=LstmAttnForSequenceClassification.from_pretrained(start),
        args=LstmAttnTrainingArguments(
            str(output_dir),
            num_train_epochs=1 if options.limit else 2,
            per_device_train_batch_size=64,
            learning_rate=1e-3,
            body_learning_rate=5e-4,
            balance_classes=True,
            metric_for_best_model="macro_recall",
            seed=options.seed,
            dataset_name=DATA.path,
            dataset_config=DATA.config_name,
            license=DATA.license,
        ),
        train_dataset=taught,
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": "tweets", "limit": options.limit},
        origin={"model_name_or_path": start.name, "teachers": [Path(options.teacher).name]},
    )
    train_and_test(trainer, dataset["test"])


if __name__ == "__main__":
    main()
