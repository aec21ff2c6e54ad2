from __future__ import annotations

from pathlib import Path

from hf_lstm_attn.plots import CURVES, plot_curves, save_figure

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
