from __future__ import annotations

from pathlib import Path

from hf_lstm_attn.plots import CURVES, plot_confusion, plot_curves, plot_reliability, save_figure

EPOCHS = [
    {
        "epoch": epoch,
        "train": dict.fromkeys(CURVES, epoch / 10),
        "validation": dict.fromkeys(CURVES, epoch / 20),
    }
    for epoch in (1, 2, 3)
]


def test_curves_show_training_against_validation() -> None:
    figure = plot_curves(EPOCHS, best_epoch=2, title="reviews")
    drawn = {axis.get_title(): axis for axis in figure.axes if axis.get_title()}
    assert list(drawn) == ["Loss", "Accuracy", "Precision", "Recall", "F1"]
    for axis in drawn.values():
        lines = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
        assert lines["train"] == [0.1, 0.2, 0.3]
        assert lines["validation"] == [0.05, 0.1, 0.15]
        assert "kept: epoch 2" in lines


def test_same_figure_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_figure(plot_curves(EPOCHS, best_epoch=2, title="reviews"), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_confusion_shows_shares_and_counts_of_the_true_class() -> None:
    figure = plot_confusion([[3, 1], [0, 0]], ["negative", "positive"], title="reviews")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["75.0%\n3", "25.0%\n1", "0.0%\n0", "0.0%\n0"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true")


def test_reliability_shows_accuracy_against_confidence() -> None:
    values = {
        "expected_calibration_error": 0.125,
        "bins": [
            {"confidence": 0.55, "accuracy": 0.4, "examples": 1},
            {"confidence": 0.9, "accuracy": 0.8, "examples": 3},
        ],
    }
    figure = plot_reliability({"as trained": values, "calibrated": values}, title="reviews")
    assert [axis.get_title() for axis in figure.axes] == [
        "as trained\nexpected calibration error 12.5%",
        "calibrated\nexpected calibration error 12.5%",
    ]
    dots = figure.axes[0].collections[0]
    assert dots.get_offsets().tolist() == [[0.55, 0.4], [0.9, 0.8]]
    assert dots.get_sizes()[1] == 3 * dots.get_sizes()[0]
