"""Figures: this file and `audit_plots.py` alone import matplotlib and seaborn. Plain results in, a Figure out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .characters import count_columns, make_visible, name_sign, reads_from_right

CURVES = {"loss": "Loss", "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
# Okabe and Ito's blue and vermilion differ for every kind of colour vision; dashes and markers differ without colour.
STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "validation": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


# Against, neither, for: vermilion and blue again. Scores without a sign: white to bluish green.
SIGNED_SHADES = LinearSegmentedColormap.from_list("signed", ["#D55E00", "#FFFFFF", "#0072B2"], N=257)
UNSIGNED_SHADES = LinearSegmentedColormap.from_list("unsigned", ["#FFFFFF", "#009E73"])
COLUMNS = 88  # letters in a row of words
LONGEST = 30  # letters of a word that is drawn whole
LETTERS = "DejaVu Sans Mono"  # comes with matplotlib
COLUMN, ROW = 0.098, 0.3  # inches of a letter of 11 points


def plot_curves(epochs: Sequence[Mapping[str, Any]], *, best_epoch: int, title: str) -> Figure:
    """Loss, accuracy, precision, recall and F1 per epoch, training against validation, as in the report.

    Args:
        epochs: One mapping per epoch: `{"epoch": 1, "train": {"loss": ..., "f1": ...}, "validation": {...}}`.
        best_epoch: The epoch whose weights were kept; a vertical line marks it.
    """
    with seaborn.axes_style("whitegrid"):
        figure = Figure(figsize=(13, 7), layout="constrained")
        axes = figure.subplots(2, 3).flatten()
        for axis, (metric, label) in zip(axes, CURVES.items(), strict=False):
            for split, style in STYLES.items():
                axis.plot(
                    [row["epoch"] for row in epochs], [row[split][metric] for row in epochs], label=split, **style
                )
            axis.axvline(best_epoch, color="0.4", linestyle=":", label=f"kept: epoch {best_epoch}")
            axis.set(title=label, xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = axes[0].get_legend_handles_labels()
        axes[-1].axis("off")
        axes[-1].legend(handles, labels, loc="center", fontsize="large", frameon=False)
        figure.suptitle(title)
    return figure


def plot_confusion(confusion: Sequence[Sequence[int]], label_names: Sequence[str], *, title: str) -> Figure:
    """Counts of true (rows) against predicted classes (columns), coloured and annotated by their share of the row."""
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [
        [f"{share:.1%}\n{count:,}" for share, count in zip(*row, strict=True)]
        for row in zip(shares, counts, strict=True)
    ]
    size = 2.6 + 0.9 * len(label_names)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axis = figure.subplots()
    seaborn.heatmap(
        shares,
        annot=np.asarray(texts),
        fmt="",
        cmap="cividis",
        vmin=0,
        vmax=1,
        square=True,
        xticklabels=label_names,
        yticklabels=label_names,
        cbar_kws={"label": "share of the true class"},
        ax=axis,
    )
    axis.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def plot_reliability(reliability: Mapping[str, Mapping[str, Any]], *, title: str) -> Figure:
    """Accuracy against confidence, a panel per entry of `reliability` (name -> `compute_reliability`).

    Bars are the accuracy of a bin; a dot's area is its share of the examples; the diagonal is perfect calibration.
    """
    with seaborn.axes_style("whitegrid"):
        figure = Figure(figsize=(5.2 * len(reliability), 5), layout="constrained")
        for axis, (name, values) in zip(
            figure.subplots(1, len(reliability), squeeze=False)[0], reliability.items(), strict=True
        ):
            bins = values["bins"]
            confidence = [row["confidence"] for row in bins]
            examples = np.array([row["examples"] for row in bins])
            axis.plot([0, 1], [0, 1], color="0.4", linestyle=":", label="perfect calibration")
            axis.plot(confidence, [row["accuracy"] for row in bins], color="#0072B2", label="accuracy of a bin")
            axis.scatter(
                confidence,
                [row["accuracy"] for row in bins],
                s=600 * examples / examples.sum(),
                color="#D55E00",
                zorder=3,
                label="its share of the examples (area)",
            )
            error = values["expected_calibration_error"]
            axis.set(
                title=f"{name}\nexpected calibration error {error:.1%}",
                xlabel="confidence",
                ylabel="accuracy",
                xlim=(0, 1.02),
                ylim=(0, 1.02),
            )
            axis.legend(loc="lower right", markerscale=0.5)
        figure.suptitle(title)
    return figure


def plot_architecture(boxes: Sequence[tuple[str, str, str]], *, beside: str | None = None) -> Figure:
    """The stack from words to classes, from left to right, readable on light and dark pages.

    Args:
        boxes: For each layer its name, what it does, and the shape of what it hands on.
        beside: What leads from the first to the last past the others, below them.
    """
    width, gap = 1.75, 0.3  # inches; small enough to be read at the width of a card's column
    total = (width + gap) * len(boxes) - gap
    bottom = -0.75 if beside else 0
    figure = Figure(figsize=(total + 0.2, 2.3 - bottom), facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-0.1, total + 0.1), ylim=(bottom, 2.3))
    axis.axis("off")
    colours = ("#F0F0F0", "#D6EAF8", "#CDEBDD", "#FBE3C8", "#F3D9E8")
    arrow = {"arrowstyle": "-|>", "linewidth": 1.8, "color": "#333333", "mutation_scale": 18}
    for number, (name, task, shape) in enumerate(boxes):
        left = number * (width + gap)
        _draw_frame(axis, (left, 0.1), width, 2.1, colours[number % len(colours)])
        for height, text, style in (
            (1.85, name, {"fontsize": 15, "weight": "bold"}),
            (1.12, textwrap.fill(task, 18), {"fontsize": 11.5}),
            (0.36, shape, {"fontsize": 12, "family": LETTERS, "color": "#333333"}),
        ):
            axis.text(left + width / 2, height, text, ha="center", va="center", parse_math=False, **style)
        if number:
            axis.annotate("", xy=(left + 0.02, 1.15), xytext=(left - gap - 0.02, 1.15), arrowprops=arrow)
    if beside:
        first, last = width + gap, total - width - gap
        _draw_frame(axis, (first, -0.63), last - first, 0.46, "#FFF6C9")
        axis.text(total / 2, -0.4, beside, ha="center", va="center", parse_math=False, fontsize=11.5)
        for xy, xytext, bend in (
            ((first - 0.02, -0.4), (width / 2, 0.08), "angle,angleA=-90,angleB=0"),
            ((total - width / 2, 0.08), (last + 0.02, -0.4), "angle,angleA=0,angleB=90"),
        ):
            axis.annotate("", xy=xy, xytext=xytext, arrowprops=arrow | {"connectionstyle": bend})
    return figure


def _draw_frame(axis: Axes, corner: tuple[float, float], width: float, height: float, colour: str) -> None:
    """A box with round corners; `corner` is the lower left one."""
    pad = 0.08
    axis.add_patch(
        FancyBboxPatch(
            (corner[0] + pad, corner[1] + pad),
            width - 2 * pad,
            height - 2 * pad,
            boxstyle=f"round,pad={pad}",
            facecolor=colour,
            edgecolor="#333333",
            linewidth=1.4,
        )
    )


MODEL_STYLES: tuple[dict[str, Any], ...] = (  # Okabe and Ito again, and a shape for each
    {"color": "#E69F00", "marker": "^"},
    {"color": "#CC79A7", "marker": "D"},
    {"color": "#0072B2", "marker": "o"},
    {"color": "#009E73", "marker": "s"},
)
COSTS = {"training_seconds": "training, seconds", "bytes": "size, MB", "texts_per_second": "texts per second"}


def plot_comparison(comparison: Mapping[str, Any]) -> Figure:
    """Quality of every model on the three splits, with the report's own figures, and what each model costs.

    Args:
        comparison: The fields of `Comparison` (comparison.py).
    """
    models = comparison["models"]
    metrics = {name: label for name, label in CURVES.items() if name != "loss"}
    with seaborn.axes_style("whitegrid"):
        figure = Figure(figsize=(13, 8), layout="constrained")
        upper, lower = figure.subplots(2, 3, height_ratios=(3, 2))
        for axis, (split, title) in zip(
            upper, {"train": "training", "validation": "validation", "test": "testing"}.items(), strict=True
        ):
            for number, ((name, model), style) in enumerate(zip(models.items(), MODEL_STYLES, strict=False)):
                places = np.arange(len(metrics)) + (number - (len(models) - 1) / 2) * 0.17
                spread = model["spread"].get(split, {})
                axis.errorbar(
                    places,
                    [100 * model[split][metric] for metric in metrics],
                    yerr=[100 * spread[metric] for metric in metrics] if spread else None,
                    linestyle="none",
                    markersize=8,
                    label=name,
                    **style,
                )
                for metric, value in comparison["reported"].get(name, {}).get(split, {}).items():
                    place = places[list(metrics).index(metric)]
                    axis.plot(place, 100 * value, linestyle="none", markersize=12, fillstyle="none", **style)
            axis.set(title=title, xticks=range(len(metrics)), xticklabels=metrics.values())
            axis.grid(visible=False, axis="x")
        upper[0].set_ylabel("%")
        for axis, (cost, label) in zip(lower, COSTS.items(), strict=True):
            values = [model[cost] / (1e6 if cost == "bytes" else 1) for model in models.values()]
            colours = [style["color"] for style, _ in zip(MODEL_STYLES, models, strict=False)]
            bars = axis.barh(list(models), values, color=colours)
            axis.bar_label(
                bars, labels=[f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in values], padding=3
            )
            axis.set(title=label, xlim=(0, 1.25 * max(values)))
            axis.invert_yaxis()
            axis.grid(visible=False, axis="y")
        handles, labels = upper[-1].get_legend_handles_labels()
        if comparison["reported"]:
            handles += upper[-1].plot([], [], "o", color="0.4", markersize=12, fillstyle="none")
            labels.append("the report's figure")
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        synthetic = " (synthetic data)" if comparison["dataset"]["synthetic"] else ""
        spreads = (
            f", mean and standard deviation of {len(comparison['seeds'])} seeds" if len(comparison["seeds"]) > 1 else ""
        )
        figure.suptitle(
            f"{comparison['dataset']['name']}{synthetic}, protocol {comparison['protocol']}, "
            f"recipe {comparison['recipe']}{spreads}"
        )
    return figure


def plot_ablation(scores: Mapping[str, Sequence[float]], *, reference: str, title: str, score_name: str) -> Figure:
    """A score of every seed, a row per configuration, and each row's mean.

    Args:
        scores: Configuration -> one score per seed.
        reference: The configuration whose mean the others are held against: a vertical line, where there is one.
        score_name: What a score is, and its unit.
    """
    with seaborn.axes_style("whitegrid"):
        figure = Figure(figsize=(9, 1.7 + 0.4 * len(scores)), layout="constrained")
        axis = figure.subplots()
        means = [float(np.mean(values)) for values in scores.values()]
        seeds = [(value, row) for row, values in enumerate(scores.values()) for value in values]
        axis.plot(*zip(*seeds, strict=True), "o", color="#0072B2", alpha=0.6, label="a seed")
        axis.plot(means, range(len(means)), "|", color="#D55E00", markersize=20, markeredgewidth=3, label="mean")
        if reference in scores:
            axis.axvline(float(np.mean(scores[reference])), color="0.4", linestyle=":", label=f"mean of {reference}")
        axis.set(xlabel=score_name, yticks=range(len(scores)), yticklabels=list(scores), ylim=(len(scores) - 0.5, -0.5))
        axis.grid(visible=False, axis="y")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(title)
    return figure


def plot_heatmap(
    words: Sequence[str], scores: Sequence[float], *, signed: bool, title: str, score_name: str, note: str = ""
) -> Figure:
    """The words of a text in their order, each in a cell as wide as itself, coloured by its score.

    Rows run from right to left where the first letter does. Signs that no installed font has are drawn by name.

    Args:
        scores: One per word; shares of 1, unless they are signed. Colours reach as far as the largest, on both sides of
            zero if they are signed.
        score_name: What a score is; stands beside the colours.
        note: Stands below the words.
    """
    drawn, families = _choose_fonts(words)
    sizes = [max(1, count_columns(word)) for word in drawn]
    places, rows = _place_words(sizes)
    width = max((column + size for (_, column), size in zip(places, sizes, strict=True)), default=0)
    shades = np.full((rows, max(width, 60)), np.nan)  # (rows, columns): a word's score in all columns of the word
    for (row, column), size, score in zip(places, sizes, scores, strict=True):
        shades[row, column : column + size] = score
    limit = max(map(abs, scores), default=0.0) or 1.0
    lowest, shade = (-limit, SIGNED_SHADES) if signed else (0.0, UNSIGNED_SHADES)

    head, foot = textwrap.wrap(title, shades.shape[1]), textwrap.wrap(note, shades.shape[1] * 5 // 4)
    top, bottom, side = 0.2 + 0.25 * len(head), 0.75 + 0.18 * len(foot), 0.3  # inches around the words
    size_x, size_y = COLUMN * shades.shape[1], ROW * rows
    total_x, total_y = size_x + 2 * side, size_y + top + bottom
    figure = Figure(figsize=(total_x, total_y), facecolor="white")
    axis = figure.add_axes((side / total_x, bottom / total_y, size_x / total_x, size_y / total_y))
    legend = figure.add_axes((side / total_x, (bottom - 0.3) / total_y, min(3.0, size_x) / total_x, 0.12 / total_y))
    seaborn.heatmap(
        shades,
        cmap=shade,
        vmin=lowest,
        vmax=limit,
        ax=axis,
        cbar_ax=legend,
        cbar_kws={
            "orientation": "horizontal",
            "ticks": MaxNLocator(5),
            "format": None if signed else PercentFormatter(1),
        },
        xticklabels=False,
        yticklabels=False,
    )
    axis.hlines(range(rows + 1), 0, shades.shape[1], color="white", linewidth=4)  # between the rows
    for (row, column), size, word, score in zip(places, sizes, drawn, scores, strict=True):
        axis.text(
            column + size / 2,
            row + 0.5,
            word,
            ha="center",
            va="center",
            fontsize=11,
            family=families,
            color=_choose_ink(shade, (score - lowest) / (limit - lowest)),
            parse_math=False,
        )
    if not words:
        axis.text(0, 0.5, "(no words)", va="center", fontsize=11, color="0.25")
    if reads_from_right("".join(words)):
        axis.invert_xaxis()
    legend.tick_params(labelsize=8)
    figure.text(
        (side + min(3.0, size_x) + 0.2) / total_x, (bottom - 0.3) / total_y, score_name, fontsize=9, parse_math=False
    )
    figure.text(
        side / total_x, 1 - 0.12 / total_y, "\n".join(head), va="top", fontsize=13, weight="bold", parse_math=False
    )
    figure.text(side / total_x, 0.1 / total_y, "\n".join(foot), va="bottom", fontsize=9, color="0.25", parse_math=False)
    return figure


def _place_words(sizes: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Each word's row and first column, one column of space between words; and the number of rows, at least one."""
    places, row, column = [], 0, 0
    for size in sizes:
        if column + size > COLUMNS:
            row, column = row + 1, 0
        places.append((row, column))
        column += size + 1
    return places, row + 1


def _choose_ink(shade: Colormap, level: float) -> str:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade(level)[:3]
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "white" if luminance < 0.179 else "black"  # whichever has the greater contrast (WCAG 2)


def _choose_fonts(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words as they can be drawn, and font families that together have all their letters."""
    visible = [make_visible(word) for word in words]
    families, missing = _find_families(frozenset("".join(visible)))
    drawn = ("".join(name_sign(letter) if letter in missing else letter for letter in word) for word in visible)
    return [
        word if len(word) <= LONGEST else f"{word[: LONGEST // 2]}…{word[-LONGEST // 2 :]}" for word in drawn
    ], families


@lru_cache(maxsize=8)
def _find_families(letters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Font families for these letters, and those of the letters that no installed font has."""
    families = [LETTERS]
    fonts = [font for font in font_manager.fontManager.ttflist if font.style == "normal" and font.weight == 400]
    for font in sorted(fonts, key=lambda font: (font.name != LETTERS, font.name != "DejaVu Sans", font.name)):
        if letters and not font.name.startswith("Last Resort"):  # which has a box for every letter
            face = font_manager.get_font(font_manager.findfont(font.name))  # of several files, the one that draws
            found = {letter for letter in letters if face.get_char_index(ord(letter))}
            families += [font.name] if found else []
            letters -= found
    return list(dict.fromkeys(families)), letters


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
