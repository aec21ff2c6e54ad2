"""Classification metrics: plain functions, and `evaluate.Metric` classes around them that need no network.

Precision, recall and F1 are those of class 1 for two classes and macro averages for more, as in the report. A class
that is never predicted has precision 0, a class without examples recall 0, and F1 is 0 where both are: scikit-learn's
`zero_division=0`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np


def confusion_matrix(
    predictions: Sequence[int] | np.ndarray, references: Sequence[int] | np.ndarray, num_labels: int
) -> np.ndarray:
    """(num_labels, num_labels) counts; the row is the true class and the column the predicted one.

    Raises:
        ValueError: if a class id is not in 0 .. num_labels - 1, or the two sequences differ in length.
    """
    predicted, true = np.asarray(predictions, dtype=np.int64), np.asarray(references, dtype=np.int64)
    if predicted.shape != true.shape:
        raise ValueError(f"Expected as many predictions as references; found {predicted.size} and {true.size}.")
    for name, ids in (("predictions", predicted), ("references", true)):
        if ids.size and (ids.min() < 0 or ids.max() >= num_labels):
            raise ValueError(
                f"Expected {name} in 0 .. {num_labels - 1}; found {ids.min()} .. {ids.max()}. Check num_labels."
            )
    return np.bincount(true * num_labels + predicted, minlength=num_labels**2).reshape(num_labels, num_labels)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _average(per_class: np.ndarray) -> float:
    return float(per_class[1] if len(per_class) == 2 else per_class.mean())


def accuracy(confusion: np.ndarray) -> float:
    """Share of examples whose predicted class is the true one; 0 without examples."""
    return float(confusion.trace() / max(confusion.sum(), 1))


def precision(confusion: np.ndarray) -> float:
    """Share of true ones among the predictions of a class."""
    return _average(_ratio(confusion.diagonal(), confusion.sum(axis=0)))


def recall(confusion: np.ndarray) -> float:
    """Share of a class's examples that were found."""
    return _average(_ratio(confusion.diagonal(), confusion.sum(axis=1)))


def f1(confusion: np.ndarray) -> float:
    """Harmonic mean of a class's precision and recall."""
    return _average(_ratio(2 * confusion.diagonal(), confusion.sum(axis=0) + confusion.sum(axis=1)))


def macro_recall(confusion: np.ndarray) -> float:
    """Mean recall over all classes, two classes too: SemEval-2017 task 4A ranks systems by it."""
    return float(_ratio(confusion.diagonal(), confusion.sum(axis=1)).mean())


METRICS: dict[str, Callable[[np.ndarray], float]] = {
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "macro_recall": macro_recall,
}


def cross_entropy(logits: Sequence[Sequence[float]] | np.ndarray, references: Sequence[int] | np.ndarray) -> float:
    """Mean negative log-probability (nats) of the true class; logits are (examples, num_labels)."""
    scores = np.asarray(logits, dtype=np.float64)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(scores)), np.asarray(references, dtype=np.int64)].mean())


def compute_metrics(logits: np.ndarray, references: Sequence[int] | np.ndarray) -> dict[str, float]:
    """Loss and all of `METRICS`; logits are (examples, num_labels)."""
    confusion = confusion_matrix(logits.argmax(-1), references, logits.shape[-1])
    return {
        "loss": cross_entropy(logits, references),
        **{name: compute(confusion) for name, compute in METRICS.items()},
    }


class ClassificationMetric(evaluate.Metric):
    """One of `METRICS` as an `evaluate.Metric`: `ClassificationMetric("f1", num_labels=3)`.

    It combines (`evaluate.combine`) and adds batches (`add_batch`) as the metrics of the Hub do, and is part of the
    package, where `evaluate.load` would download a script.

    Raises:
        ValueError: if the name is not in `METRICS`.
    """

    def __init__(self, config_name: str, num_labels: int, **kwargs: Any) -> None:
        if config_name not in METRICS:
            raise ValueError(f"Expected a metric of {', '.join(METRICS)}; found {config_name!r}.")
        self.num_labels = num_labels
        super().__init__(config_name=config_name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return _metric_info(METRICS[self.config_name].__doc__, {"predictions": datasets.Value("int64")})

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        confusion = confusion_matrix(predictions, references, self.num_labels)
        return {self.config_name: METRICS[self.config_name](confusion)}


class Loss(evaluate.Metric):
    """Mean cross entropy as an `evaluate.Metric`; predictions are logits."""

    def _info(self) -> evaluate.MetricInfo:
        return _metric_info(cross_entropy.__doc__, {"predictions": datasets.Sequence(datasets.Value("float32"))})

    def _compute(self, predictions: Sequence[Sequence[float]], references: Sequence[int]) -> dict[str, float]:
        return {"loss": cross_entropy(predictions, references)}


def _metric_info(description: str | None, predictions: dict[str, Any]) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(
        description=description or "",
        citation="",
        features=datasets.Features({**predictions, "references": datasets.Value("int64")}),
    )


def build_metrics(num_labels: int) -> evaluate.CombinedEvaluations:
    """All of `METRICS` in one object: `build_metrics(3).compute(predictions=..., references=...)`."""
    return evaluate.combine([ClassificationMetric(name, num_labels, keep_in_memory=True) for name in METRICS])
