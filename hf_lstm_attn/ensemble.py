"""Several classifiers as one: the mean of their class probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from scipy.special import softmax
from transformers import TextClassificationPipeline

from .metrics import compute_metrics
from .trainer import predict_dataset


def predict_members(classifiers: Sequence[TextClassificationPipeline], texts: Sequence[str]) -> np.ndarray:
    """Class probabilities by each classifier, (members, examples, classes), examples in the order of the texts.

    Members may be any sequence classifiers; each reads the texts with its own tokenizer, cut at its own length.

    Raises:
        ValueError: if not all have the same classes in the same order.
    """
    first, *others = [tuple(classifier.model.config.id2label.values()) for classifier in classifiers]
    for number, names in enumerate(others, start=2):
        if names != first:
            raise ValueError(
                f"Expected models with the same classes in the same order; found {', '.join(first)} in the first and "
                f"{', '.join(names)} in model {number}. Choose models of one task."
            )
    dataset = Dataset.from_dict({"text": list(texts), "label": [0] * len(texts)})  # logits do not depend on labels
    logits = [predict_dataset(classifier.model, classifier.tokenizer, dataset)[0] for classifier in classifiers]
    return softmax(np.stack(logits).astype(np.float64), axis=-1)


def predict_probabilities(classifiers: Sequence[TextClassificationPipeline], texts: Sequence[str]) -> np.ndarray:
    """The ensemble's class probabilities, (examples, classes): the mean of `predict_members`, which says what
    it raises."""
    return predict_members(classifiers, texts).mean(axis=0)


def evaluate_ensemble(
    classifiers: Sequence[TextClassificationPipeline], dataset: Dataset
) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Loss, accuracy, precision, recall, F1 and macro-recall on columns text, label: each member's, and the ensemble's.

    Raises:
        ValueError: as `predict_members` does.
    """
    members = predict_members(classifiers, dataset["text"])

    def measure(probabilities: np.ndarray) -> dict[str, float]:
        return compute_metrics(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)), dataset["label"])

    return [measure(member) for member in members], measure(members.mean(axis=0))
