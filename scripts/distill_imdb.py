"""Train the best IMDB model: from language models, taught by NB-SVM on labelled and unlabelled reviews.

    python scripts/pretrain.py
    python scripts/distill_imdb.py               # runs/lstm-attn-imdb-pretrained, about an hour on two cores
    python scripts/distill_imdb.py --seed 43     # runs/lstm-attn-imdb-pretrained-43; and 44, for a mean of three

`--teachers nb-svm RUN` lets a finished run teach as well. Every model learns from the same language models.
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
    load_imdb,
    soft_labels,
)

HUB_ID = "stanfordnlp/imdb"
LABELS = {0: "negative", 1: "positive"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = build_parser(__doc__, "runs/lstm-attn-imdb-pretrained")
    add_seed(parser)
    parser.add_argument(
        "--language_models", default="runs/imdb-lm", help="what pretrain.py left (default: %(default)s)"
    )
    parser.add_argument("--teachers", nargs="+", default=["nb-svm"], help="nb-svm, runs, Hub ids (default: nb-svm)")
    options = parser.parse_args(arguments)
    output_dir = name_run(options.output_dir, options.seed)
    if load_finished(output_dir):
        return
    dataset = limit_rows(load_imdb(options.data or HUB_ID), options.limit)
    tokenizer = AutoTokenizer.from_pretrained(options.language_models)
    unlabelled = dataset["unsupervised"]["text"][:] if "unsupervised" in dataset else []
    taught = soft_labels(dataset["train"], options.teachers, tokenizer=tokenizer, unlabelled=unlabelled)
    set_seed(options.seed)
    model = LstmAttnForSequenceClassification.from_pretrained(
        options.language_models,
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
        **RECIPES["default"].model,
    )
    trainer = LstmAttnTrainer(
        model=model,
        args=LstmAttnTrainingArguments(
            str(output_dir),
            num_train_epochs=1 if options.limit else 2,
            seed=options.seed,
            dataset_name=HUB_ID,
            license="other",
        ),
        train_dataset=taught,
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": "imdb", "limit": options.limit},
        origin={
            "model_name_or_path": Path(options.language_models).name,
            "teachers": [Path(teacher).name for teacher in options.teachers],
        },
    )
    train_and_test(trainer, dataset["test"])


if __name__ == "__main__":
    main()
