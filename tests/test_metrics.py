"""Metrics equal scikit-learn's, and calibration finds the temperature that was put in."""

from __future__ import annotations

import evaluate
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support, recall_score

from hf_lstm_attn.metrics import (
    MIN_ROWS,
    ClassificationMetric,
    compute_metrics,
    compute_reliability,
    decide,
    fit_temperature,
)


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_equal_scikit_learns(classes: int) -> None:
    generator = np.random.default_rng(classes)
    logits, labels = generator.normal(size=(200, classes)), generator.integers(max(classes - 1, 2), size=200)
    predictions, average = logits.argmax(-1), "binary" if classes == 2 else "macro"
    names = list(range(classes))
    scores = precision_recall_fscore_support(labels, predictions, labels=names, average=None, zero_division=0)
    expected = [scores[i][1] if average == "binary" else scores[i].mean() for i in range(3)]
    found = compute_metrics(logits, labels)
    assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected)
    assert found["accuracy"] == accuracy_score(labels, predictions)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=names))
    if classes == 2:
        assert found["macro_recall"] == pytest.approx(recall_score(labels, predictions, average="macro"))


def test_the_metric_adds_batches_and_combines() -> None:
    metric = ClassificationMetric(num_labels=2, keep_in_memory=True)
    for predictions, references in (([0, 1], [0, 1]), ([1, 1], [0, 1])):
        metric.add_batch(predictions=predictions, references=references)
    assert metric.compute()["accuracy"] == 0.75
    combined = evaluate.combine([ClassificationMetric(num_labels=2, keep_in_memory=True)])
    assert combined.compute(predictions=[0, 1], references=[0, 1])["f1"] == 1.0


def test_the_temperature_that_was_put_in_is_found() -> None:
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(5_000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(3, p=row) for row in chances])
    temperature = fit_temperature(3 * logits, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    before, after = (compute_reliability(3 * logits, labels, by) for by in (1.0, temperature))
    assert after["expected_calibration_error"] < 0.02 < before["expected_calibration_error"]
    assert sum(row["examples"] for row in after["bins"]) == 5_000


def test_no_temperature_where_the_data_cannot_tell_one() -> None:
    logits = np.array([[3.0, -3.0], [-3.0, 3.0]] * 150)
    assert fit_temperature(logits, np.array([0, 1] * 150)) is None  # all right: the surer the better
    assert fit_temperature(logits[:100], np.array([0, 1, 1, 0] * 25)) is None  # too few


def test_a_label_among_several_is_given_from_a_half_on() -> None:
    assert decide(np.array([[0.4, -0.4], [-2.0, 2.0]]), np.zeros((2, 2))).tolist() == [[1, 0], [0, 1]]


def test_few_rows_support_no_temperature() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, MIN_ROWS)
    logits = 3 * np.eye(2)[np.where(generator.random(MIN_ROWS) < 0.2, 1 - labels, labels)]
    assert fit_temperature(logits, labels) == pytest.approx(2.2, abs=0.5)
    assert fit_temperature(logits[1:], labels[1:]) is None
