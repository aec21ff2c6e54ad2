"""Figures: the only file that imports matplotlib and seaborn. Functions take plain results and return a Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

CURVES = {"loss": "Loss", "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
# Okabe and Ito's blue and vermilion differ for every kind of colour vision; dashes and markers differ without colour.
STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "validation": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


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


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
