"""Train the IMDB model of recipe `default` on the 22,500 labelled reviews of train, and on nothing else.

    python scripts/train_imdb.py                     # runs/lstm-attn-imdb, about 15 minutes on two cores
    python scripts/train_imdb.py --data aclImdb      # the unpacked archive, or a folder in Hub layout

The folder holds model, card, results.json and figures, ready to push. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import SEED, build_parser, limit_rows, load_finished, train_and_test
from transformers import set_seed

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    load_imdb,
    train_tokenizer,
)
from hf_lstm_attn.word_vectors import initialize_embeddings

HUB_ID = "stanfordnlp/imdb"
RECIPE = RECIPES["default"]


def main(arguments: Sequence[str] | None = None) -> None:
    options = build_parser(__doc__, "runs/lstm-attn-imdb").parse_args(arguments)
    if load_finished(options.output_dir):
        return
    dataset = limit_rows(load_imdb(options.data or HUB_ID), options.limit)
    texts = dataset["train"]["text"][:]
    tokenizer = train_tokenizer(texts, **RECIPE.tokenizer)
    set_seed(SEED)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=len(tokenizer), num_labels=2, **RECIPE.model))
    initialize_embeddings(model, "train", texts, tokenizer, seed=SEED)
    trainer = LstmAttnTrainer(
        model=model,
        args=LstmAttnTrainingArguments(
            str(options.output_dir),
            num_train_epochs=1 if options.limit else None,
            seed=SEED,
            dataset_name=HUB_ID,
            license="other",  # the terms of the reviews
            recipe="default",
        ),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": "imdb", "limit": options.limit},
    )
    train_and_test(trainer, dataset["test"])


if __name__ == "__main__":
    main()
