"""Every figure: plain values in, a Figure out. The only file that imports matplotlib and seaborn."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib import cm, colors, font_manager, ticker
from matplotlib.figure import Figure

from .text import make_visible

CURVES = ("loss", "accuracy", "precision", "recall", "f1")
# Okabe and Ito's colours differ for every kind of colour vision; black text is legible on those that stand behind text.
COLORS = BLUE, VERMILION, GREEN, SKY, *_ = ("#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00", "#CC79A7", "#000000")
SIGNED = colors.LinearSegmentedColormap.from_list("signed", [VERMILION, "white", SKY], 257)
UNSIGNED = colors.LinearSegmentedColormap.from_list("unsigned", ["white", GREEN])
MAX_CLASSES = 25  # a confusion matrix of more classes shows those with the most errors
MAX_WORDS = 500  # of a heatmap
# matplotlib's own font; beside it, where they are installed, some that have Chinese, Japanese, Korean, Hindi or Thai.
OTHER_FONTS = "Noto Sans CJK SC,Noto Sans CJK JP,PingFang SC,Microsoft YaHei,Malgun Gothic,Noto Sans Devanagari,Tahoma"
FONTS = ["DejaVu Sans", *sorted({*OTHER_FONTS.split(",")} & {*font_manager.get_font_names()})]
LETTERS = {sign for name in FONTS for sign in font_manager.get_font(font_manager.findfont(name)).get_charmap()}
RC: Any = {**seaborn.axes_style("whitegrid"), "font.family": FONTS, "text.parse_math": False}


def _show(text: str, longest: int = 34) -> str:
    """A text as it can be drawn: on one line, the middle of a long one left out, signs that no font has by name."""
    shown = ""
    for sign in make_visible(" ".join(text.split())):
        names = {"So": f":{unicodedata.name(sign, '?').lower()}:", "Mn": "", "Me": "", "Cf": "", "Sk": ""}
        shown += sign if ord(sign) in LETTERS else names.get(unicodedata.category(sign), "□")
    shown = shown.replace(" %", "\N{NO-BREAK SPACE}%")  # no line begins with it
    return shown if len(shown) <= longest else f"{shown[: longest // 2]}…{shown[-longest // 2 :]}"


def _add_title(figure: Figure, title: str) -> Figure:
    figure.suptitle(textwrap.fill(_show(title, 300), int(9 * figure.get_figwidth())), fontsize=13)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write it in the format that the path's ending names; as PNG, the same figure gives the same bytes."""
    figure.savefig(path, dpi=120, metadata={"Software": None} if Path(path).suffix == ".png" else None)


@matplotlib.rc_context(RC)
def plot_curves(epochs: Sequence[Mapping[str, Any]], *, best_epoch: float | None, title: str) -> Figure:
    """Loss, accuracy, precision, recall and F1 per epoch, training against validation.

    Args:
        epochs: `{"epoch": 1.0, "train": {"loss": ..., "f1": ...}, "validation": {...}}` each; what is missing is not
            drawn.
        best_epoch: The epoch whose weights were kept: a dotted line, and its validation value in numbers.
    """
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    *axes, corner = figure.subplots(2, 3).flat
    for axis, metric in zip(axes, CURVES, strict=True):
        for split, color, form in (("train", BLUE, "o-"), ("validation", VERMILION, "s--")):
            points = {row["epoch"]: row[split][metric] for row in epochs if metric in (row.get(split) or {})}
            if points:
                axis.plot(list(points), list(points.values()), form, color=color, label=split)
        if best_epoch in points:
            axis.axvline(best_epoch, color="0.4", linestyle=":", label=f"kept: epoch {best_epoch:g}")
            kept, box = (best_epoch, points[best_epoch]), {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1}
            axis.annotate(f"{kept[1]:.4f}", kept, (0, 9), textcoords="offset points", ha="center", bbox=box)
        axis.margins(0.15, 0.2)
        axis.set(title=metric.capitalize(), xlabel="epoch")
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
    corner.axis("off")
    corner.legend(*axes[0].get_legend_handles_labels(), loc="center", fontsize="large", frameon=False)
    return _add_title(figure, title)


@matplotlib.rc_context(RC | {"axes.grid": False})
def plot_confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str], *, title: str) -> Figure:
    """Counts of true (rows) against predicted labels (columns), shaded by their share of the row.

    Of more than `MAX_CLASSES` labels it shows those with the most errors.

    Args:
        confusion: (num_labels, num_labels) counts.
        labels: Names in id order.
    """
    counts = np.asarray(confusion)
    support, chosen = counts.sum(axis=1), list(range(len(counts)))
    title += f": accuracy {100 * counts.trace() / max(counts.sum(), 1):.1f} %"
    if len(counts) > MAX_CLASSES:
        errors = support + counts.sum(axis=0) - 2 * counts.diagonal()
        chosen = sorted(np.argsort(-errors, kind="stable")[:MAX_CLASSES].tolist())
        title += f" (the {MAX_CLASSES} most confused of {len(counts):,} labels)"
    part, names = counts[np.ix_(chosen, chosen)], [_show(labels[index]) for index in chosen]
    letters, cell = max(map(len, names)), min(0.9, 9.5 / len(names))  # inches of a cell
    side = cell * len(names) + 0.085 * letters
    figure = Figure(figsize=(max(4.5, side + 1.3), side + 0.9), layout="constrained")
    axis = figure.subplots()
    shares = part / np.maximum(support[chosen, None], 1)
    texts = [[f"{count:,}" if count else "" for count in row] for row in part.tolist()]
    size = min(12.0, 100 * cell / len(f"{part.max():,}"))
    looks: Any = {"cmap": "Blues", "vmin": 0, "vmax": 2.2, "linewidths": 0.5, "linecolor": "0.9"}  # its paler half
    looks |= {"annot": texts, "fmt": "", "annot_kws": {"size": size, "color": "black"}, "cbar": False, "square": True}
    rows = [f"{name} ({support[i]:,})" for name, i in zip(names, chosen, strict=True)]
    seaborn.heatmap(shares, xticklabels=names, yticklabels=rows, ax=axis, **looks)
    axis.tick_params("x", rotation=0 if 0.1 * letters < cell else 90)
    axis.tick_params("y", rotation=0)
    axis.set(xlabel="predicted label", ylabel="true label (texts)")
    return _add_title(figure, title)


@matplotlib.rc_context(RC)
def plot_reliability(reliability: Mapping[str, Mapping[str, Any]], *, title: str) -> Figure:
    """Share of right predictions by confidence, a panel per entry of `reliability` (name -> `compute_reliability`).

    The numbers in the bars count texts.
    """
    from .metrics import BINS

    figure = Figure(figsize=(5.5 * len(reliability), 5), layout="constrained")
    axes = figure.subplots(1, len(reliability), squeeze=False, sharex=True)[0]
    for axis, (name, measured) in zip(axes, reliability.items(), strict=True):
        for row in measured["bins"]:
            middle = (min(int(BINS * row["confidence"]), BINS - 1) + 0.5) / BINS
            axis.bar(middle, row["accuracy"], 1 / BINS, color="#BFDDF0", edgecolor=BLUE)
            axis.text(middle, 0.02, f"{row['examples']:,}", rotation=90, ha="center", va="bottom", fontsize=9)
        axis.axline((1, 1), slope=1, linestyle=":", color=VERMILION, linewidth=2, label="perfect calibration")
        axis.set_title(f"{_show(name)}: calibration error {100 * measured['expected_calibration_error']:.1f} %")
        axis.set(xlabel="confidence (in bars: texts)", ylabel="share right", xlim=(None, 1), ylim=(0, 1.15))
        axis.legend(loc="upper left")
    return _add_title(figure, title)


@matplotlib.rc_context(RC)
def plot_heatmap(words: Sequence[str], scores: Sequence[float], *, signed: bool, title: str) -> Figure:
    """The words of a text in rows, each on the colour of its score; right to left where the first letter is so.

    Args:
        words, scores: The first `MAX_WORDS` are drawn.
        signed: Whether scores speak for (blue) or against a label (vermilion); else they are shares of 1.
    """
    limit = max(map(abs, scores), default=0.0) or 1.0
    shades = cm.ScalarMappable(colors.Normalize(-limit if signed else 0, limit), SIGNED if signed else UNSIGNED)
    head = textwrap.wrap(_show(title, 300), 75)
    head += [f"(the first {MAX_WORDS} of {len(words):,} words)"] if len(words) > MAX_WORDS else []
    width, x, y = 9.0, 0.2, 0.25 + 0.25 * len(head)  # inches; from the left, from the top
    figure = Figure(figsize=(width, 1))
    axis = figure.add_axes((0, 0, 1, 1), frame_on=False, xticks=[], yticks=[])
    for word, score in zip(words[:MAX_WORDS], scores[:MAX_WORDS], strict=True):
        box = {"facecolor": shades.to_rgba(np.array(score)), "edgecolor": "none", "pad": 3}
        text = axis.text(0, 0, _show(word), fontsize=12, ha="center", bbox=box)
        size = text.get_window_extent().width / figure.dpi + 0.12  # inches, with the box
        x, y = (x, y) if x + size < width - 0.2 else (0.2, y + 0.33)
        text.set_position((x + size / 2, y + 0.2))
        x += size
    height = y + 1.25
    figure.set_size_inches(width, height)
    directions = (unicodedata.bidirectional(letter) for letter in "".join(words))
    is_mirrored = next((kind != "L" for kind in directions if kind in ("L", "R", "AL")), False)
    axis.set(xlim=(width, 0) if is_mirrored else (0, width), ylim=(height, 0))
    figure.text(0.2 / width, 1 - 0.12 / height, "\n".join(head), va="top", fontsize=13, weight="bold")
    meaning = "score: for the label above 0, against it below 0" if signed else "share of the attention weight"
    key = figure.add_axes((0.3 / width, 0.55 / height, 4 / width, 0.13 / height))
    figure.colorbar(shades, cax=key, orientation="horizontal", ticks=ticker.MaxNLocator(4), label=meaning)
    return figure


@matplotlib.rc_context(RC)
def plot_audit(audit: Mapping[str, Any], *, title: str) -> Figure:
    """How faithful explanations are, from `faithfulness.audit`: deletion curves, comprehensiveness and sufficiency with
    their intervals, and the caption below."""
    scores = {"comprehensiveness": "higher is better", "sufficiency": "lower is better"}
    figure = Figure(figsize=(14, 6), layout="constrained")
    curves, *panels = figure.subplots(1, 3, width_ratios=(6, 5, 5))
    for (method, measured), color, marker in zip(audit["methods"].items(), COLORS, "osD^xv+", strict=False):
        curves.plot([f"{n} %" for n in audit["deletion_percentages"]], measured["deletion"], f"{marker}-", color=color)
        for axis, score in zip(panels, scores, strict=True):
            mean, low, high = (measured[score][end] for end in ("mean", "low", "high"))
            axis.errorbar(mean, method.replace("_", " "), xerr=[[mean - low], [high - mean]], fmt=marker, color=color)
    curves.set(title="Mean probability of the predicted label", xlabel="highest-ranked words removed")
    for axis, (score, meaning) in zip(panels, scores.items(), strict=True):
        axis.set(title=f"{score.capitalize()}: {meaning}", xlabel="fall of the probability")
        axis.invert_yaxis()
    figure.supxlabel(textwrap.fill(_show(audit["caption"], 2000), 190), x=0.01, ha="left", fontsize=9)
    return _add_title(figure, title)
