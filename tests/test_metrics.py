from __future__ import annotations

import evaluate
import numpy as np
import pytest

from hf_lstm_attn.metrics import ClassificationMetric, Loss, build_metrics

# Worked out by hand, rows are true classes 0, 1, 2 and columns predicted ones:
#   0: 2 1 0     1: 0 3 1     2: 1 0 0
REFERENCES = [0, 0, 0, 1, 1, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 1, 1, 2, 0]


def test_three_classes_by_hand() -> None:
    metrics = build_metrics(3).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert metrics == pytest.approx(
        {
            "accuracy": 5 / 8,
            "precision": (2 / 3 + 3 / 4 + 0) / 3,
            "recall": (2 / 3 + 3 / 4 + 0) / 3,
            "f1": (2 / 3 + 3 / 4 + 0) / 3,
            "macro_recall": (2 / 3 + 3 / 4 + 0) / 3,
        }
    )


def test_two_classes_score_class_one() -> None:
    metrics = build_metrics(2).compute(predictions=[1, 1, 0, 1], references=[1, 0, 0, 0])
    assert metrics == pytest.approx(
        {"accuracy": 0.5, "precision": 1 / 3, "recall": 1.0, "f1": 0.5, "macro_recall": (1 / 3 + 1) / 2}
    )


@pytest.mark.parametrize("num_labels", [2, 3, 5])
def test_agree_with_scikit_learn(num_labels: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(num_labels)
    references = generator.integers(0, num_labels, 200)
    logits = generator.normal(size=(200, num_labels))
    predictions = logits.argmax(1)
    average = "binary" if num_labels == 2 else "macro"
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
        references, predictions, average=average, zero_division=0
    )
    expected = {
        "accuracy": sklearn.accuracy_score(references, predictions),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "macro_recall": sklearn.balanced_accuracy_score(references, predictions),
    }
    assert build_metrics(num_labels).compute(predictions=predictions, references=references) == pytest.approx(expected)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = Loss().compute(predictions=logits, references=references)["loss"]
    assert loss == pytest.approx(sklearn.log_loss(references, probabilities), abs=1e-6)


def test_classes_without_predictions_or_examples_count_as_zero() -> None:
    metrics = build_metrics(2).compute(predictions=[0, 0], references=[0, 0])
    assert metrics == {"accuracy": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_recall": 0.5}


def test_metrics_combine_and_add_batches_as_those_of_the_hub_do() -> None:
    combined = evaluate.combine([ClassificationMetric("f1", 3), ClassificationMetric("accuracy", 3)])
    for start in range(0, len(REFERENCES), 3):
        combined.add_batch(predictions=PREDICTIONS[start : start + 3], references=REFERENCES[start : start + 3])
    whole = build_metrics(3).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert combined.compute() == pytest.approx({name: whole[name] for name in ("f1", "accuracy")})


def test_errors_name_what_was_found() -> None:
    with pytest.raises(ValueError, match=r"0 \.\. 1; found 0 \.\. 2"):
        build_metrics(2).compute(predictions=[0, 2], references=[0, 1])
    with pytest.raises(ValueError, match="found 'auc'"):
        ClassificationMetric("auc", 2)
