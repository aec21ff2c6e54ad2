from __future__ import annotations

import numpy as np
import pytest

from hf_lstm_attn.calibration import compute_reliability, fit_temperature


def logits_of(probabilities: list[float]) -> np.ndarray:
    """Two classes; the probability of the second."""
    positive = np.array(probabilities)
    return np.log(np.stack([1 - positive, positive], axis=1))


def test_expected_calibration_error_by_hand() -> None:
    # Two bins: four examples at 0.9, of which three are right; one at 0.6, which is wrong.
    reliability = compute_reliability(logits_of([0.9, 0.9, 0.1, 0.1, 0.6]), np.array([1, 1, 0, 1, 0]))
    assert reliability["expected_calibration_error"] == pytest.approx((4 * 0.15 + 1 * 0.6) / 5)
    assert [row["examples"] for row in reliability["bins"]] == [1, 4]
    assert [row["accuracy"] for row in reliability["bins"]] == [0, 0.75]
    assert [row["confidence"] for row in reliability["bins"]] == pytest.approx([0.6, 0.9])


def test_certainty_falls_into_the_last_bin() -> None:
    reliability = compute_reliability(np.array([[0.0, 1000.0]]), np.array([1]))
    assert reliability == {
        "expected_calibration_error": 0.0,
        "bins": [{"confidence": 1.0, "accuracy": 1.0, "examples": 1}],
    }


def test_temperature_undoes_overconfidence() -> None:
    generator = np.random.default_rng(0)
    honest = generator.normal(size=(20_000, 3))
    probabilities = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > generator.random((len(honest), 1))).argmax(axis=1)
    temperature = fit_temperature(honest * 2.5, labels)
    assert temperature == pytest.approx(2.5, rel=0.05)
    before = compute_reliability(honest * 2.5, labels)["expected_calibration_error"]
    after = compute_reliability(honest * 2.5, labels, temperature)["expected_calibration_error"]
    assert after < 0.02 < before
