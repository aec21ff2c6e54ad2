from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hf_lstm_attn.plots import CURVES, plot_confusion, plot_curves, plot_heatmap, save_figure

EPOCHS = [{"epoch": float(n), "validation": dict.fromkeys(CURVES, n / 20)} for n in (1, 2, 3)]


def read_texts(figure: Figure) -> list[str]:
    """What is written in the first axes."""
    figure.draw_without_rendering()
    return [text.get_text().strip() for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize("epochs", [EPOCHS, EPOCHS[1:2], [{**row, "train": row["validation"]} for row in EPOCHS]])
def test_curves_write_the_kept_epochs_value(epochs: list[dict[str, Any]]) -> None:
    figure = plot_curves(epochs, best_epoch=2.0, title="reviews")
    assert read_texts(figure) == ["0.1000"]
    splits = {"train", "validation"} & set(epochs[0])
    assert {line.get_label() for line in figure.axes[4].lines} == {*splits, "kept: epoch 2"}


def test_confusion_writes_counts_support_and_accuracy(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        figure = plot_confusion([[3, 1], [0, 2500]], ["$x^$", "_a_"], title="reviews")
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert read_texts(figure) == ["3", "1", "2,500"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["$x^$ (4)", "_a_ (2,500)"]
    assert figure.get_suptitle() == "reviews: accuracy 100.0\N{NO-BREAK SPACE}%"  # never at the start of a line


@pytest.mark.parametrize("classes", [1, 25, 1000])
def test_confusion_of_many_classes_is_bounded(classes: int) -> None:
    counts = np.diag(np.full(classes, 10_000))
    if classes > 25:
        counts[70, 3] = counts[8, 5] = 7
    figure = plot_confusion(counts, [f"not_updated_after_cash_or_cheque_{n}" for n in range(classes)], title="")
    assert len(read_texts(figure)) == (27 if classes > 25 else classes)
    assert max(figure.get_size_inches()) <= 14
    if classes > 25:
        shown = {label.get_text().rpartition("_")[2] for label in figure.axes[0].get_xticklabels()}
        assert (len(shown), {"70", "3", "8", "5"} - shown) == (25, set())
        assert "of 1,000 labels" in figure.get_suptitle()


def test_heatmap_shades_words_by_their_scores_without_overlap() -> None:
    words = [f"word{n}" + "y" * (n % 9) for n in range(120)] + ["x" * 300]
    figure = plot_heatmap(words, [-1.0, 0.0, 1.0] + [0.5] * 118, signed=True, title="Predicted label: positive (97 %)")
    assert read_texts(figure)[:120] == words[:120]
    axis = figure.axes[0]
    shades = [to_hex(text.get_bbox_patch().get_facecolor()) for text in axis.texts[:3]]
    assert shades == ["#d55e00", "#ffffff", "#56b4e9"]
    boxes = [text.get_window_extent() for text in axis.texts]
    assert all(one.x1 < other.x0 or one.y0 > other.y1 for one, other in pairwise(boxes))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("words", [[], ["👨\u200d👧", "你好"], ["$\\a$", "\x1b[1m", "\u202e"], ["שלום", "עולם", "gem"]])
def test_any_word_is_drawn_as_text_without_warnings(words: list[str], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_heatmap(words, [0.5] * len(words), signed=False, title="$x^$ " + " ".join(words))
        save_figure(figure, tmp_path / "heatmap.png")
    places = [text.get_window_extent().x0 for text in figure.axes[0].texts]
    assert places == sorted(places, reverse="gem" in words)  # from right to left
