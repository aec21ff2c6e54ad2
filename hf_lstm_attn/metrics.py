"""How good predictions are (accuracy, precision, recall, F1, macro-recall; also as an `evaluate.Metric`), and whether
their probabilities mean what they say (Guo et al. 2017, "On Calibration of Modern Neural Networks").

Precision, recall and F1 are those of class 1 for two classes and macro averages for more, as in the report. A class
that is never predicted has precision 0, a class without examples recall 0, and F1 is 0 where both are: scikit-learn's
`zero_division=0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

METRICS = ("accuracy", "precision", "recall", "f1", "macro_recall")
BINS = 15
MIN_ROWS = 200  # fewer do not tell a temperature
TEMPERATURE_BOUNDS = (0.05, 20.0)


def confusion_matrix(
    predictions: Sequence[int] | np.ndarray, references: Sequence[int] | np.ndarray, num_labels: int
) -> np.ndarray:
    """(num_labels, num_labels) counts; the row is the true class and the column the predicted one.

    Raises:
        ValueError: if a class id is not in 0 .. num_labels - 1, or the two sequences differ in length.
    """
    predicted, true = np.asarray(predictions, dtype=np.int64), np.asarray(references, dtype=np.int64)
    if predicted.shape != true.shape:
        raise ValueError(f"There are {predicted.size} predictions and {true.size} references.")
    for name, ids in (("predictions", predicted), ("references", true)):
        if ids.size and (ids.min() < 0 or ids.max() >= num_labels):
            raise ValueError(f"The {name} {ids.min()} to {ids.max()} are not all in 0 .. {num_labels - 1}.")
    return np.bincount(true * num_labels + predicted, minlength=num_labels**2).reshape(num_labels, num_labels)


def summarize_confusion(confusion: np.ndarray) -> dict[str, float]:
    """All of `METRICS`, from counts (num_labels, num_labels); macro-recall is the mean over all classes, two too:
    SemEval-2017 task 4A ranks systems by it."""
    hits, true, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    per_class = {
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, true),
        "f1": _divide(2 * hits, true + predicted),
    }
    averages = {name: float(row[1] if len(row) == 2 else row.mean()) for name, row in per_class.items()}
    accuracy = float(hits.sum() / max(confusion.sum(), 1))
    return {"accuracy": accuracy, **averages, "macro_recall": float(per_class["recall"].mean())}


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def cross_entropy(logits: np.ndarray, references: Sequence[int] | np.ndarray) -> float:
    """Mean negative log-probability (nats) of the true class; logits are (examples, num_labels)."""
    scores = np.asarray(logits, dtype=np.float64)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(scores)), np.asarray(references, dtype=np.int64)].mean())


def compute_metrics(logits: np.ndarray, references: Sequence[int] | np.ndarray) -> dict[str, float]:
    """Loss and all of `METRICS`; logits are (examples, num_labels)."""
    confusion = confusion_matrix(np.asarray(logits).argmax(-1), references, np.shape(logits)[-1])
    return {"loss": cross_entropy(logits, references), **summarize_confusion(confusion)}


class ClassificationMetric(evaluate.Metric):
    """All of `METRICS` as an `evaluate.Metric` that works offline, where `evaluate.load` would download a script.

    `ClassificationMetric(num_labels=3).compute(predictions=..., references=...)`; it adds batches (`add_batch`) and
    combines (`evaluate.combine`) as the metrics of the Hub do.
    """

    def __init__(self, num_labels: int, **kwargs: Any) -> None:
        self.num_labels = num_labels
        super().__init__(**kwargs)

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=__doc__ or "",
            citation="",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        return summarize_confusion(confusion_matrix(predictions, references, self.num_labels))


def compute_reliability(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict[str, Any]:
    """How often predictions of a confidence, the probability of the predicted class, are right.

    Args:
        logits: (examples, num_labels).
        labels: (examples,) class ids.
        temperature: What the logits are divided by.

    Returns:
        `expected_calibration_error`, the mean of |accuracy - confidence| over `BINS` intervals of equal width,
        weighted by their examples; and `bins`, those with examples, each with mean `confidence`, `accuracy` and
        `examples`.
    """
    probabilities = softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    confidence = probabilities.max(axis=1)  # (examples,)
    is_right = probabilities.argmax(axis=1) == np.asarray(labels)
    numbers = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        {
            "confidence": float(confidence[numbers == number].mean()),
            "accuracy": float(is_right[numbers == number].mean()),
            "examples": int((numbers == number).sum()),
        }
        for number in np.unique(numbers)
    ]
    error = sum(abs(row["accuracy"] - row["confidence"]) * row["examples"] for row in bins) / max(len(confidence), 1)
    return {"expected_calibration_error": float(error), "bins": bins}


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """The temperature that minimises the cross entropy; above 1 where the classifier is too sure of itself.

    It changes probabilities and never the predicted class. Fit it on examples that neither training nor test saw.

    Returns:
        None for fewer than `MIN_ROWS` examples, or where the best temperature lies at the bounds of the search.
    """
    if len(labels) < MIN_ROWS:
        return None
    scores = np.asarray(logits, dtype=np.float64)

    def compute_loss(log_temperature: float) -> float:
        return cross_entropy(scores / np.exp(log_temperature), labels)

    bounds = np.log(TEMPERATURE_BOUNDS)
    found = minimize_scalar(compute_loss, bounds=bounds, method="bounded")
    return None if min(map(compute_loss, bounds)) <= found.fun + 1e-6 else float(np.exp(found.x))
