"""Whether probabilities mean what they say: temperature scaling and expected calibration error, both after Guo et al.
2017, "On Calibration of Modern Neural Networks"."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from .metrics import cross_entropy

BINS = 15
MIN_ROWS = 200  # fewer do not tell a temperature
TEMPERATURE_BOUNDS = (0.05, 20.0)


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
