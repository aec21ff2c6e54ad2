"""Train the tweets model of recipe `default` on the 45,615 labelled tweets of train, and on nothing else.

    python scripts/train_tweets.py                      # runs/lstm-attn-tweets, about 10 minutes on two cores
    python scripts/train_tweets.py --data tweet_eval    # a folder in Hub layout, or of raw SemEval files

The folder holds model, card, results.json and figures, ready to push. An interrupted run goes on where it stopped.
The classes weigh alike in training, since macro-recall, by which SemEval ranks systems, counts them alike.
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
    load_tweets,
    train_tokenizer,
)
from hf_lstm_attn.data import DATASETS
from hf_lstm_attn.word_vectors import initialize_embeddings

DATA = DATASETS["tweets"]
RECIPE = RECIPES["default"]


def main(arguments: Sequence[str] | None = None) -> None:
    options = build_parser(__doc__, "runs/lstm-attn-tweets").parse_args(arguments)
    if load_finished(options.output_dir):
        return
    dataset = limit_rows(load_tweets(options.data or DATA.path), options.limit)
    texts = dataset["train"]["text"][:]
    tokenizer = train_tokenizer(texts, normalization=DATA.normalization, **RECIPE.tokenizer)
    set_seed(SEED)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=len(tokenizer), num_labels=3, **RECIPE.model))
    initialize_embeddings(model, "train", texts, tokenizer, seed=SEED)
    trainer = LstmAttnTrainer(
        model=model,
        args=LstmAttnTrainingArguments(
            str(options.output_dir),
            num_train_epochs=1 if options.limit else None,
            balance_classes=True,
            metric_for_best_model="macro_recall",
            seed=SEED,
            dataset_name=DATA.path,
            dataset_config=DATA.config_name,
            license=DATA.license,
            recipe="default",
        ),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": "tweets", "limit": options.limit},
    )
    train_and_test(trainer, dataset["test"])


if __name__ == "__main__":
    main()
