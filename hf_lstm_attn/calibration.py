"""Whether a classifier's probabilities mean what they say: expected calibration error and temperature scaling, both
after Guo et al. 2017, "On Calibration of Modern Neural Networks"."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from .metrics import cross_entropy

BINS = 15
TEMPERATURE_BOUNDS = (0.05, 20.0)


def compute_reliability(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict[str, Any]:
    """How often predictions of a confidence are right.

    Confidence is the probability of the predicted class. Examples fall into `BINS` intervals of equal width over
    0 .. 1; empty ones are left out. A well calibrated classifier is right in 80 % of the cases it calls 0.8.

    Args:
        logits: (examples, num_labels).
        labels: (examples,) class ids.
        temperature: What the logits are divided by.

    Returns:
        `expected_calibration_error`, the mean of |accuracy - confidence| over the bins, weighted by their examples; and
        `bins`, each with mean `confidence`, `accuracy` and `examples`.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    confidence = (exponentials / exponentials.sum(axis=1, keepdims=True)).max(axis=1)  # (examples,)
    is_right = scaled.argmax(axis=1) == np.asarray(labels)
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


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the cross entropy; above 1 where the classifier is too sure of itself.

    It changes probabilities and never the predicted class. Fit it on examples that neither training nor test saw.
    """
    logits = np.asarray(logits, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / np.exp(log_temperature), labels)

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURE_BOUNDS), method="bounded")
    return float(np.exp(found.x))
