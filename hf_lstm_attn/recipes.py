"""Named bundles of settings: an architecture, stock training arguments and what stands between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How a model is built and trained.

    Attributes:
        architecture: The configuration's `model_type`: `"lstm_attn"`, or a baseline's (see baselines.py).
        model: Fields of the configuration that differ from its defaults.
        arguments: Fields of `transformers.TrainingArguments` that differ from its defaults.
        max_length: Words kept of a text: a number, `"mean"` of the training texts, or a percentile such as `"p95"`.
        truncation_side: Where a longer text loses its words: `"right"` or `"left"`. Reviewers conclude at the end: of
            BERT's 512 words the last served better than the first (Sun et al. 2019, "How to Fine-Tune BERT").
        min_frequency: How often training must contain a word for it to enter the vocabulary.
        word_vectors: Initial word vectors: None (random), `"train"`, `"unlabelled"` or a file (see word_vectors.py).
        init_from: Folder of `pretrain` whose vocabulary, embedding and LSTMs the model starts with, or a run folder,
            whose pooling it takes too; `word_vectors` and `min_frequency` are then without effect, and sizes that
            `model` leaves open are the folder's.
        encoder_learning_rate: Share of the learning rate at which the LSTMs train; the embedding trains at its square,
            pooling and head at the full rate (see fine_tuning.py). None: all at the same.
        frozen_epochs: Epochs, the first ones, in which embedding and LSTMs do not train.
        max_epochs: Epochs at most; None takes as many as read `MIN_WORDS` words, from 3 to 20.
        ema_decay: Decay per step of the averaged weights that are evaluated and kept; None keeps the raw ones.
        early_stopping_patience: Epochs without a better validation score after which training ends; None never ends it.
        balance_classes: Whether a task scored by macro-recall trains with logits adjusted by the training prior.
        adversarial_radius: Adversarial training on word vectors (see adversarial.py): length of the perturbation as a
            share of the length of a text's word vectors; None trains without. Doubles the time of a step.
        virtual_adversarial_radius: The same for virtual adversarial training, which also reads unlabelled texts where
            the data has them. Adds two passes to a step.
        entropy_weight: Of the entropy of predictions on unlabelled texts, which is added to the loss where the data has
            such texts; 0 trains without.
        teachers: Models whose class probabilities, averaged, are learned beside the labels, on unlabelled texts of the
            data set too (see distillation.py).
        ngrams: Whether words, pairs and triples of words vote beside the trained network (see ngrams.py).
        low_precision: Whether to use bfloat16 or float16 where the hardware is fast at it.
    """

    architecture: str = "lstm_attn"
    model: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    max_length: int | str = 400
    truncation_side: str = "left"
    min_frequency: int = 5
    word_vectors: str | None = "train"
    init_from: str | None = None
    encoder_learning_rate: float | None = None
    frozen_epochs: int = 0
    max_epochs: int | None = None
    ema_decay: float | None = 0.998
    early_stopping_patience: int | None = 2
    balance_classes: bool = True
    adversarial_radius: float | None = None
    virtual_adversarial_radius: float | None = None
    entropy_weight: float = 0.0
    teachers: tuple[str, ...] = ()
    ngrams: bool = False
    low_precision: bool = True

    @property
    def reads_unlabelled(self) -> bool:
        """Whether unlabelled texts are trained on beside the labelled ones."""
        return self.virtual_adversarial_radius is not None or self.entropy_weight > 0


MIN_WORDS = 7_000_000

_DEFAULT = Recipe(
    model={
        "pooling": "attention+max+mean",
        "word_dropout": 0.1,
        "embedding_dropout": 0.5,
        "classifier_dropout": 0.5,
    },
    arguments={
        "learning_rate": 2e-3,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,  # below 1: a share of all steps
        "weight_decay": 0.01,
        "per_device_train_batch_size": 64,
    },
    ngrams=True,
)

RECIPES: dict[str, Recipe] = {
    "default": _DEFAULT,
    "fast": replace(
        _DEFAULT,
        model=_DEFAULT.model | {"embedding_size": 64, "hidden_size": 64},
        arguments=_DEFAULT.arguments | {"learning_rate": 4e-3},
        max_length=200,
        max_epochs=2,
    ),
    # It helps the network alone on film reviews, and beside n-grams no more; on tweets it does not help. See
    # model_cards/ablation.
    "best": replace(_DEFAULT, adversarial_radius=0.02),
    # Virtual adversarial training regularises: with the default's dropout on top, film reviews were underfitted.
    "semi-supervised": replace(
        _DEFAULT,
        model=_DEFAULT.model | {"word_dropout": 0.0, "embedding_dropout": 0.3, "classifier_dropout": 0.3},
        virtual_adversarial_radius=0.02,
        entropy_weight=1.0,
    ),
    # For a few thousand short texts, such as the embedded samples: a small network and many small steps. Averaged
    # weights and early stopping would end on the plateau before it learns the order of words.
    "small": Recipe(
        model={"embedding_size": 64, "hidden_size": 64, "embedding_dropout": 0.2, "classifier_dropout": 0.2},
        arguments={
            "learning_rate": 1e-2,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.05,
            "per_device_train_batch_size": 32,
        },
        word_vectors=None,
        max_epochs=15,
        ema_decay=None,
        early_stopping_patience=None,
    ),
    # The report: Adam, 15 epochs, batch 64, texts cut at the mean length, no regularisation, random word vectors.
    # Where it says nothing (sizes, learning rate), the usual values of its time stand in.
    "report": Recipe(
        model={"bidirectional": False},
        arguments={
            "learning_rate": 1e-3,
            "lr_scheduler_type": "constant",
            "per_device_train_batch_size": 64,
        },
        max_length="mean",
        truncation_side="right",
        word_vectors=None,
        max_epochs=15,
        ema_decay=None,
        early_stopping_patience=None,
        balance_classes=False,
    ),
}

# What each is, and what for.
RECIPE_DESCRIPTIONS: dict[str, str] = {
    "default": "two directions, word vectors of the training texts, dropout, averaged weights, n-grams; for most data",
    "fast": "the default halved in every size, two epochs; for a first look",
    "best": "the default with adversarial training; twice its time, and so far no better",
    "semi-supervised": "virtual adversarial training, entropy minimisation and less dropout, for data whose unlabelled "
    "texts are of the kind of the labelled ones; slow",
    "small": "a small network and many small steps; for a few thousand short texts, and the demo",
    "report": "the report's network and training, one direction and no regularisation; for its figures",
}


def list_settings(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Setting -> value of a recipe as `results.json` holds it, those inside `model` and `arguments` by their own names.

    A file or folder stands there by its name alone; a field younger than the record has its default.
    """
    fields = {**asdict(Recipe()), **recorded}
    settings = {**fields.pop("model"), **fields.pop("arguments"), **fields}
    return {name: _shorten(value) for name, value in settings.items()}


def _shorten(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_shorten(item) for item in value]
    return Path(value).name if isinstance(value, str) else value


def list_differences(settings: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from `base`'s; None for one that only `base` has."""
    return {name: settings.get(name) for name in {**base, **settings} if settings.get(name) != base.get(name)}


def describe_differences(settings: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """`list_differences` in words, as Markdown."""
    differences = list_differences(settings, base)
    return [
        f"no `{name}`"
        if value is None or value == []
        else f"`{name}` {', '.join(value) if isinstance(value, list) else value}"
        for name, value in differences.items()
    ]


def find_recipe(recorded: Mapping[str, Any]) -> str | None:
    """The recipe of `RECIPES` that a run followed, by its recipe as `results.json` holds it; None if none fits.

    One fits if the run has its architecture and all that it sets. What it leaves at a default, the run's options may
    have set. Of several that fit, the run followed the one that sets most.
    """
    settings = list_settings(recorded)
    fitting = {}
    for name, recipe in RECIPES.items():
        own = list_differences(list_settings(asdict(recipe)), list_settings({})) | {"architecture": recipe.architecture}
        if own.items() <= settings.items():
            fitting[name] = len(own)
    return max(fitting, key=fitting.__getitem__, default=None)


def compute_epochs(recipe: Recipe, train_words: int) -> int:
    """Epochs of a run whose labelled training texts have `train_words` words together.

    Unlabelled texts do not count: they lengthen an epoch, and labelled ones are read as often as without them.
    """
    if recipe.max_epochs is not None:
        return recipe.max_epochs
    return min(max(round(MIN_WORDS / max(train_words, 1)), 3), 20)
