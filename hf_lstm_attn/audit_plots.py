"""The picture of an audit; `plots.py` has the other figures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plots import SIGNED_SHADES

# Okabe and Ito's colours; markers and dashes differ without colour.
METHOD_STYLES: dict[str, dict[str, Any]] = {
    "attention": {"label": "attention", "color": "#009E73", "marker": "o"},
    "gradient_x_input": {"label": "gradient × input", "color": "#E69F00", "marker": "^"},
    "integrated_gradients": {"label": "integrated gradients", "color": "#0072B2", "marker": "s"},
    "leave_one_out": {"label": "leave one out", "color": "#D55E00", "marker": "D"},
    "random": {"label": "random", "color": "#000000", "marker": "x", "linestyle": ":"},
    "permuted_attention": {"label": "permuted attention", "color": "#CC79A7", "marker": "+", "linestyle": ":"},
    "uniform": {"label": "uniform", "color": "#56B4E9", "marker": "v", "linestyle": "--"},
}


def plot_audit(audit: Mapping[str, Any], *, title: str) -> Figure:
    """Deletion curves, comprehensiveness and sufficiency with their intervals, Kendall's tau between methods, entropy
    of the attention weights; from `audit_explanations`, whose caption stands below."""
    with seaborn.axes_style("whitegrid"):
        figure = Figure(figsize=(14, 10.6))
        upper = figure.add_gridspec(
            1, 5, left=0.07, right=0.97, top=0.89, bottom=0.6, width_ratios=[10, 3.4, 6, 0.4, 6]
        )
        lower = figure.add_gridspec(1, 3, left=0.15, right=0.97, top=0.5, bottom=0.19, width_ratios=[12, 1.6, 8.5])
        _draw_deletion(figure.add_subplot(upper[0]), audit)
        comprehensiveness = figure.add_subplot(upper[2])
        _draw_intervals(comprehensiveness, audit, "comprehensiveness", "higher is better")
        sufficiency = figure.add_subplot(upper[4], sharey=comprehensiveness)
        _draw_intervals(sufficiency, audit, "sufficiency", "lower is better")
        sufficiency.tick_params(labelleft=False)
        _draw_tau(figure.add_subplot(lower[0]), audit["kendall_tau"])
        if "attention_entropy" in audit:
            _draw_entropy(figure.add_subplot(lower[2]), audit["attention_entropy"])
        figure.suptitle(title, fontsize="x-large", parse_math=False)
        caption = "\n".join(textwrap.wrap(audit["caption"], 180))
        figure.text(0.02, 0.02, caption, va="bottom", fontsize=10, color="0.25", parse_math=False)
    return figure


def _draw_deletion(axis: Axes, audit: Mapping[str, Any]) -> None:
    percentages = audit["deletion_percentages"]
    for method, measured in audit["methods"].items():
        axis.plot(range(len(percentages)), measured["deletion"], **METHOD_STYLES[method])
    axis.set(
        title="Deletion: without the highest-ranked words\n(signs as on the right)",
        xlabel="words removed",
        ylabel="mean probability of the predicted class",
        xticks=range(len(percentages)),
        xticklabels=[f"{percentage} %" for percentage in percentages],
    )


def _draw_intervals(axis: Axes, audit: Mapping[str, Any], score: str, direction: str) -> None:
    methods = list(audit["methods"])
    for place, method in enumerate(methods):
        values, style = audit["methods"][method][score], METHOD_STYLES[method]
        axis.plot([values["low"], values["high"]], [place, place], color=style["color"], linewidth=2)
        axis.plot(values["mean"], place, color=style["color"], marker=style["marker"], markersize=8)
    axis.axvline(0, color="0.4", linewidth=1)
    axis.set(title=f"{score.capitalize()}\n({direction})", xlabel="fall of the probability")
    axis.set(yticks=range(len(methods)), yticklabels=[METHOD_STYLES[method]["label"] for method in methods])
    axis.set_ylim(len(methods) - 0.5, -0.5)


def _draw_tau(axis: Axes, kendall_tau: Mapping[str, Mapping[str, float]]) -> None:
    methods = list(kendall_tau)
    names = [METHOD_STYLES[method]["label"] for method in methods]
    values = [[1.0 if one == other else kendall_tau[one].get(other, np.nan) for other in methods] for one in methods]
    seaborn.heatmap(
        np.array(values).reshape(len(methods), len(methods)).round(2) + 0.0,  # no -0.00
        annot=True,
        fmt=".2f",
        cmap=SIGNED_SHADES,
        vmin=-1,
        vmax=1,
        xticklabels=[name.replace(" ", "\n", 1) for name in names],
        yticklabels=names,
        cbar_kws={"label": "mean of Kendall's tau"},
        ax=axis,
    )
    axis.tick_params(axis="x", rotation=0, labelsize=9)
    axis.set_title("Agreement of two methods' rankings")


def _draw_entropy(axis: Axes, entropy: Mapping[str, Any]) -> None:
    counts = entropy["counts"]
    axis.bar((np.arange(len(counts)) + 0.5) / len(counts), counts, width=1 / len(counts), color="#009E73", alpha=0.8)
    axis.axvline(entropy["mean"], color="#D55E00", linestyle="--", label=f"mean {entropy['mean']:.2f}")
    axis.set(
        title="Entropy of the attention weights",
        xlabel="share of the highest: 0 all on one word, 1 the same on each",
        ylabel="texts",
        xlim=(0, 1),
    )
    axis.legend()
