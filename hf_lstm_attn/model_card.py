"""The model card and its figures, from results.json alone: what a run did not record, its card does not mention."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from . import plots
from .metrics import METRICS, MIN_ROWS
from .results import SCHEMA_VERSION, save_text
from .text import make_visible

TEMPLATE = Path(__file__).with_name("model_card_template.md")
MAX_HEATMAPS = 3
EXPORTS = ("onnx/model_int8.onnx", "onnx/model.onnx")  # the card tells of the first
PARTS = "machine dataset labels model training epochs metrics confusion reliability examples audit".split()
logger = logging.getLogger("hf_lstm_attn")


def render_card(
    results: Mapping[str, Any], *, repo_id: str | None = None, license: str | None = None, figures: Collection[str] = ()
) -> str:
    """The card: metadata that the Hub reads, then Markdown.

    Args:
        results: What `load_results` gives. Parts may be missing.
        repo_id: Where the model is on the Hub; without it, the lines that load it name a place to fill in.
        license: What the model is offered under; by default what the results record. Without either, none is named.
        figures: Names of the figures and exports beside the card.

    Raises:
        ValueError: for results of another schema version.
    """
    results = _fill(results)
    name = (results["dataset"].get("name") or "own-data").rpartition("/")[2]
    own_id = "you/lstm-attn-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    repo_id = repo_id or results.get("built_in", {}).get("name") or own_id
    texts = [make_visible(row["text"]) for row in results["examples"]]  # on one line
    text = min(texts, key=len, default="A text to classify.")
    recorded = [metric for row in results["metrics"].values() for metric in row]
    card = ModelCard.from_template(
        _build_data(results, repo_id.rpartition("/")[2], license),
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        results=results,
        repo_id=repo_id,
        python_repo=json.dumps(repo_id),
        shell_repo=shlex.quote(repo_id),
        python_text=json.dumps(text, ensure_ascii=False),
        shell_text=shlex.quote(text),
        metrics=[metric for metric in dict.fromkeys(["loss", *METRICS, *recorded]) if metric in recorded],
        figures=figures,
        escape=escape,
    )
    return re.sub(r"\n{3,}", "\n\n", str(card)).rstrip() + "\n"


def _build_data(results: Mapping[str, Any], model_name: str, license: str | None) -> ModelCardData:
    dataset, scores = results["dataset"], _list_scores(results)
    answers = [(row["text"], {"label": row["label"], "score": row["score"]}) for row in results["examples"]]
    return ModelCardData(
        model_name=model_name if scores else None,  # the Hub knows it as the name of a list of scores alone
        language=dataset.get("language"),
        license=license or results.get("license"),
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["lstm", "attention", "hf_lstm_attn", *(["synthetic-data"] if dataset.get("synthetic") else [])],
        datasets=[dataset["hub_id"]] if dataset.get("hub_id") else None,
        metrics=["accuracy", "f1", "precision", "recall"],
        eval_results=scores or None,
        widget=[{"text": make_visible(text), "output": [answer]} for text, answer in answers] or None,
    )


def _list_scores(results: Mapping[str, Any]) -> list[EvalResult]:
    """The test split's metrics for the Hub's index of models."""
    dataset, found = results["dataset"], results["metrics"].get("test", {})
    name = dataset.get("name") or "own data"
    rows = dataset.get("splits", {}).get("test", {}).get("rows")
    is_cut = bool((dataset.get("arguments") or {}).get("fractions"))  # all splits are parts of the data's train
    return [
        EvalResult(
            task_type="text-classification",
            dataset_type=dataset.get("hub_id") or name,
            dataset_name=f"{name}, {rows:,} rows" if rows else name,
            dataset_config=dataset.get("config"),
            dataset_split="train" if is_cut else "test",
            metric_type=metric.removeprefix("macro_"),
            metric_name=metric,
            metric_value=found[metric],
        )
        for metric in METRICS
        if metric in found
    ]


def save_card(results: Mapping[str, Any], folder: str | Path, **kwargs: Any) -> None:
    """Write README.md into the folder, with the figures and exports that lie there; `kwargs` as of `render_card`."""
    figures = sorted(path.name for path in Path(folder).glob("*.png"))
    figures += [name for name in EXPORTS if Path(folder, name).is_file()]
    card = render_card(results, **{"figures": figures, **kwargs})
    save_text(card.encode("utf-8", "replace").decode("utf-8"), Path(folder) / "README.md")


def save_figures(results: Mapping[str, Any], folder: str | Path) -> None:
    """Draw into the folder every figure that the results allow. One that fails is a warning in the log.

    Raises:
        ValueError: for results of another schema version.
    """
    results = _fill(results)
    title = (results["dataset"].get("name") or "own data") + " (synthetic)" * bool(results["dataset"].get("synthetic"))
    best = next((row["epoch"] for row in results["epochs"] if row.get("step") == results.get("best_step")), None)
    confusion, reliability = (results[part].get("test") for part in ("confusion", "reliability"))
    folder = Path(folder)
    if results["epochs"]:
        _draw(folder / "curves.png", plots.plot_curves, results["epochs"], best_epoch=best, title=title)
    if confusion:
        _draw(folder / "confusion.png", plots.plot_confusion, confusion, results["labels"], title=f"{title}, test")
    if reliability and sum(row["examples"] for row in reliability["as trained"]["bins"]) >= MIN_ROWS:
        _draw(folder / "reliability.png", plots.plot_reliability, reliability, title=f"{title}, test")
    for number, row in enumerate([row for row in results["examples"] if row.get("words")][:MAX_HEATMAPS], start=1):
        words, weights = ([word[key] for word in row["words"]] for key in ("word", "weight"))
        said = f"Predicted label: {row['label']} ({100 * row['score']:.0f} %)"
        _draw(folder / f"heatmap_{number}.png", plots.plot_heatmap, words, weights, signed=False, title=said)
    if results["audit"]:
        _draw(folder / "audit.png", plots.plot_audit, results["audit"], title=f"Audit of explanations: {title}")


def _draw(path: Path, plot: Callable[..., Any], *values: Any, **options: Any) -> None:
    try:
        plots.save_figure(plot(*values, **options), path)
    except Exception as error:
        logger.warning(f"{path.name} was not drawn: {type(error).__name__}: {error}")


def escape(text: Any) -> str:
    """Text as Markdown, HTML and tables show it literally, on one line and without links."""
    line = make_visible(" ".join(str(text).split()))
    acting = r"[&<>|`*\[\]\\~$#!:@]|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is one
    return re.sub(acting, lambda match: f"&#{ord(match[0])};", line)


def _fill(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results with an empty value for each part that is missing."""
    if (version := results.get("schema_version")) != SCHEMA_VERSION:
        problem = f"results.json has schema version {version or 1}, and this hf_lstm_attn reads {SCHEMA_VERSION} alone."
        raise ValueError(f"{problem} Make the card with the version that trained the model.")
    return {name: {} for name in PARTS} | {name: value for name, value in results.items() if value is not None}
