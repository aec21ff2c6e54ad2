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
from scipy.special import log_softmax, softmax

METRICS = ("accuracy", "precision", "recall", "f1", "macro_recall")
BINS = 15
MIN_ROWS = 200  # fewer do not tell a temperature
TEMPERATURE_BOUNDS = (0.05, 20.0)
Labels = Sequence[int] | np.ndarray  # (examples,) class ids; multi-label: (examples, num_labels) of 0 and 1


def compute_scores(predictions: Labels, references: Labels, num_labels: int) -> dict[str, float]:
    """All of `METRICS`. Macro-recall, by which SemEval-2017 task 4A ranks systems, is the mean over two classes too.

    In a multi-label task accuracy counts texts all of whose labels are right, precision, recall and F1 are means over
    the labels, and `micro_f1` counts all labels of all texts together.
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    labels, is_multi = np.arange(num_labels), np.ndim(references) == 2
    *per_class, _ = precision_recall_fscore_support(references, predictions, labels=labels, zero_division=0)
    positive = num_labels == 2 and not is_multi
    precision, recall, f1 = (float(row[1] if positive else row.mean()) for row in per_class)
    accuracy, macro_recall = float(accuracy_score(references, predictions)), float(per_class[1].mean())
    scores = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1, "macro_recall": macro_recall}
    if is_multi:
        scores["micro_f1"] = float(f1_score(references, predictions, average="micro", zero_division=0))
    return scores


def decide(logits: np.ndarray, references: Labels) -> np.ndarray:
    """Class ids, or in a multi-label task, as the references tell, (examples, num_labels) of 0 and 1."""
    return (logits > 0).astype(int) if np.ndim(references) == 2 else logits.argmax(axis=-1)


def cross_entropy(logits: np.ndarray, references: Labels) -> float:
    """Mean negative log-probability (nats) of the true class; logits are (examples, num_labels)."""
    if np.ndim(references) == 2:  # of each label by itself
        return float(np.logaddexp(0, np.where(references, -1, 1) * logits).mean())
    log_probabilities = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return float(-log_probabilities[np.arange(len(log_probabilities)), np.asarray(references)].mean())


def compute_metrics(logits: np.ndarray, references: Labels) -> dict[str, float]:
    """Loss and all of `METRICS`; logits are (examples, num_labels)."""
    scores = compute_scores(decide(logits, references), references, np.shape(logits)[-1])
    return {"loss": cross_entropy(logits, references), **scores}


def compute_intervals(
    predictions: np.ndarray, references: np.ndarray, num_labels: int, *, seed: int = 42, resamples: int = 500
) -> tuple[dict[str, float], dict[str, float]]:
    """The ends of the 95 % percentile bootstrap interval, over examples, of every figure of `compute_scores`."""
    generator = np.random.default_rng(seed)
    draws = (generator.integers(len(references), size=len(references)) for _ in range(resamples))
    rows = [compute_scores(predictions[draw], references[draw], num_labels) for draw in draws]
    ends = {name: np.quantile([row[name] for row in rows], [0.025, 0.975]).tolist() for name in rows[0]}
    return {name: low for name, (low, _) in ends.items()}, {name: high for name, (_, high) in ends.items()}


class ClassificationMetric(evaluate.Metric):
    """All of `METRICS` as an `evaluate.Metric` that works offline, where `evaluate.load` would download a script.

    `ClassificationMetric(num_labels=3).compute(predictions=..., references=...)`; it adds batches (`add_batch`) and
    combines (`evaluate.combine`) as the metrics of the Hub do.
    """

    def __init__(self, num_labels: int, **kwargs: Any) -> None:
        self.num_labels = num_labels
        super().__init__(**kwargs)

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(dict.fromkeys(("predictions", "references"), datasets.Value("int64")))
        return evaluate.MetricInfo(description=__doc__ or "", citation="", features=features)

    def _compute(self, predictions: Labels, references: Labels) -> dict[str, float]:
        return compute_scores(predictions, references, self.num_labels)


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
    bins = []
    for number in np.unique(numbers):
        rows = numbers == number
        means = {"confidence": float(confidence[rows].mean()), "accuracy": float(is_right[rows].mean())}
        bins.append({**means, "examples": int(rows.sum())})
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
