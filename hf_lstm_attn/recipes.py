"""Recipes: named settings of tokenizer, model and training, for those who have not chosen their own."""

from __future__ import annotations

from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """What `hf-lstm-attn train --recipe NAME` starts from; every option that is given wins over it.

    Attributes:
        tokenizer: Arguments of `train_tokenizer`.
        model: Fields of the configuration, without sizes of vocabulary and labels.
        training: Fields of `LstmAttnTrainingArguments` that differ from its defaults.
        word_vectors: Initial word vectors: "train" (skip-gram on the training texts), a file, or None (random).
    """

    tokenizer: dict[str, Any] = {}
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    word_vectors: str | None = None


RECIPES: dict[str, Recipe] = {
    # Two directions, word vectors of the training texts, dropout, averaged weights; rate and steps follow the rows.
    "default": Recipe(
        model={
            "pooling": "attention+max+mean",
            "word_dropout": 0.1,
            "embedding_dropout": 0.5,
            "classifier_dropout": 0.5,
        },
        word_vectors="train",
    ),
    # A small network and many small steps; for a few hundred to a few thousand rows, and the demo. Averaged weights and
    # early stopping would end on the plateau before it learns the order of words.
    "small": Recipe(
        model={
            "pooling": "attention",
            "embedding_size": 64,
            "hidden_size": 64,
            "embedding_dropout": 0.2,
            "classifier_dropout": 0.2,
        },
        training={
            "learning_rate": 1e-2,
            "weight_decay": 0.0,
            "per_device_train_batch_size": 32,
            "num_train_epochs": 15,
            "ema_decay": None,
            "early_stopping_patience": None,
        },
    ),
    # The report's network and training, for its figures: one direction, Adam, 15 epochs, batch 64, texts cut at the
    # mean length, no regularisation, random word vectors. Where the report says nothing (sizes, learning rate), the
    # usual values of its time stand in.
    "report": Recipe(
        tokenizer={"max_length": "mean", "min_frequency": 5},
        model={"bidirectional": False},
        training={
            "max_length": None,
            "truncation_mode": "keep_start",
            "learning_rate": 1e-3,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "weight_decay": 0.0,
            "num_train_epochs": 15,
            "ema_decay": None,
            "early_stopping_patience": None,
            "balance_classes": False,
        },
    ),
}
