"""Figures: the only file that imports matplotlib and seaborn. Functions take plain results and return a Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
