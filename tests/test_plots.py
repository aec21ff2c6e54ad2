from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from hf_lstm_attn.plots import (
    CURVES,
    plot_ablation,
    plot_architecture,
    plot_confusion,
    plot_curves,
    plot_heatmap,
    plot_reliability,
    save_figure,
)

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


def test_architecture_fits_its_boxes() -> None:
    boxes = [
        ("Words", "spaCy's rules, 1,234,567 known words", "n"),
        ("Hidden layer", "weighted mean of all words beside max and mean", "n × 1024"),
        ("Head", "negative, neutral, positive, mixed, none of the others at all", "5 classes"),
    ]
    figure = plot_architecture(boxes, beside="1,234,567 words")
    figure.draw_without_rendering()
    axis = figure.axes[0]
    *frames, below = [patch.get_window_extent() for patch in axis.patches if isinstance(patch, FancyBboxPatch)]
    *texts, beside = [text for text in axis.texts if text.get_text()]
    assert len(frames) == len(boxes)
    assert below.contains(*beside.get_window_extent().min)
    assert below.contains(*beside.get_window_extent().max)
    assert [text.get_text() for text in texts[::3]] == [name for name, _, _ in boxes]
    for number, frame in enumerate(frames):
        inside = [text.get_window_extent() for text in texts[3 * number : 3 * number + 3]]
        for box in inside:
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1
        for upper, lower in pairwise(inside):
            assert lower.y1 < upper.y0


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


def test_ablation_shows_every_seed_and_the_means() -> None:
    scores = {"default": [91.0, 92.0], "sharp": [90.0]}
    figure = plot_ablation(scores, reference="default", title="imdb", score_name="F1, %")
    (axis,) = figure.axes
    seeds, means, reference = axis.lines
    assert list(zip(*seeds.get_data(), strict=True)) == [(91.0, 0), (92.0, 0), (90.0, 1)]
    assert list(zip(*means.get_data(), strict=True)) == [(91.5, 0), (90.0, 1)]
    assert list(reference.get_xdata()) == [91.5, 91.5]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["default", "sharp"]
    assert len(plot_ablation(scores, reference="none", title="", score_name="").axes[0].lines) == 2


def draw_heatmap(words: list[str], scores: list[float], *, signed: bool = True) -> Figure:
    return plot_heatmap(words, scores, signed=signed, title="positive 75.0%", score_name="log-odds", note="a note")


def read_cells(figure: Figure) -> dict[str, str]:
    """Each word drawn and the colour behind the middle of it."""
    axis = figure.axes[0]
    (mesh,) = axis.collections[:1]
    rows, columns = mesh.get_array().shape
    figure.draw_without_rendering()
    colours = mesh.get_facecolors().reshape(rows, columns, 4)
    places = {text.get_text(): text.get_position() for text in axis.texts}
    return {word: to_hex(colours[int(row), int(column)]) for word, (column, row) in places.items()}


def test_heatmap_shades_each_word_by_its_score() -> None:
    cells = read_cells(draw_heatmap(["not", "a", "gem"], [-2.0, 0.0, 2.0]))
    assert cells == {"not": "#d55e00", "a": "#ffffff", "gem": "#0072b2"}
    cells = read_cells(draw_heatmap(["not", "a", "gem"], [0.5, 0.0, 0.25], signed=False))
    assert cells["not"] == "#009e73"
    assert cells["a"] == "#ffffff"


def test_heatmap_of_400_words_overlaps_nowhere() -> None:
    words = [f"word{i}" + "y" * (i % 9) for i in range(399)] + ["x" * 300]
    figure = draw_heatmap(words, [i / 400 for i in range(400)])
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts[:399]] == words[:399]
    assert texts[399].get_text() == "x" * 15 + "…" + "x" * 15
    assert figure.get_figwidth() < 11
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts]
    frame = figure.axes[0].get_window_extent()
    for one, other in pairwise(boxes):
        assert one.x1 < other.x0 or other.y1 < one.y0
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)


def test_heatmap_runs_from_right_to_left_where_the_text_does() -> None:
    for words in (["שלום", "עולם", "gem"], ["gem", "שלום", "עולם"]):
        figure = draw_heatmap(words, [0.1, 0.2, 0.3])
        figure.draw_without_rendering()
        first, *_, last = (text.get_window_extent().x0 for text in figure.axes[0].texts)
        assert (first > last) == (words[0] == "שלום")


STRANGE_WORDS = [
    [],
    ["🎬", "🙃", "👨\u200d👩\u200d👧", "❤️", "🇫🇷"],
    ["你好", "$\\frac$", "<b>"],
    ["\x1b[31m", "\x00"],
    ["مرحبا", "e\u0301"],
]


@pytest.mark.parametrize("words", STRANGE_WORDS)
def test_heatmap_draws_any_text_without_warnings(words: list[str], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(draw_heatmap(words, [0.5] * len(words)), tmp_path / "heatmap.png")
    assert (tmp_path / "heatmap.png").stat().st_size > 1000
