"""The model card and its figures, from results.json alone: what a run did not record, its card does not mention."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .metrics import METRICS, MIN_ROWS
from .results import SCHEMA_VERSION
from .text import make_visible

CARD_FILE = "README.md"
TEMPLATE = Path(__file__).with_name("model_card_template.md")
MAX_HEATMAPS = 3
MACRO = {"average": "macro"}
Figures = dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]
logger = logging.getLogger("hf_lstm_attn")


def render_card(
    results: Mapping[str, Any],
    *,
    repo_id: str | None = None,
    license: str | None = None,
    figures: Collection[str] | None = None,
) -> str:
    """The card: metadata that the Hub reads, then Markdown.

    Args:
        results: What `load_results` gives. Parts may be missing.
        repo_id: Where the model is on the Hub; without it, the lines that load it name a place to fill in.
        license: What the model is offered under; by default what the results record. Without either, none is named.
        figures: File names of the figures beside the card; by default all that the results allow.

    Raises:
        ValueError: for results of another schema version.
    """
    results = _fill(results)
    name = (results["dataset"].get("name") or "own-data").rpartition("/")[2]
    own_id = "you/lstm-attn-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    repo_id = repo_id or results.get("built_in", {}).get("name") or own_id
    text = make_visible(min((row["text"] for row in results["examples"]), key=len, default="A text to classify."))
    card = ModelCard.from_template(
        _build_data(results, repo_id.rpartition("/")[2], license),
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        results=results,
        repo_id=repo_id,
        python_repo=json.dumps(repo_id),
        shell_repo=shlex.quote(repo_id),
        python_text=json.dumps(text, ensure_ascii=False),
        shell_text=shlex.quote(text),
        metrics=sorted({name for row in results["metrics"].values() for name in row}, key=_rank_metric),
        figures=[name for name in list_figures(results) if figures is None or name in figures],
        escape=escape,
    )
    return re.sub(r"\n{3,}", "\n\n", str(card)).rstrip() + "\n"


def _rank_metric(name: str) -> tuple[int, str]:
    """The order of columns: loss, then METRICS, then others by name."""
    known = ("loss", *METRICS)
    return (known.index(name) if name in known else len(known)), name


def _build_data(results: Mapping[str, Any], model_name: str, license: str | None) -> ModelCardData:
    dataset, examples = results["dataset"], results["examples"]
    scores = _list_scores(results)
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
        widget=[{"text": row["text"], "output": [{name: row[name] for name in ("label", "score")}]} for row in examples]
        or None,
    )


def _list_scores(results: Mapping[str, Any]) -> list[EvalResult]:
    """The test split's metrics for the Hub's index of models."""
    dataset, found = results["dataset"], results["metrics"].get("test", {})
    rows = dataset.get("splits", {}).get("test", {}).get("rows")
    is_cut = bool((dataset.get("arguments") or {}).get("fractions"))  # all splits are parts of the data's train
    average = {"average": "binary"} if len(results["labels"]) == 2 else MACRO
    averages = {"accuracy": None, **dict.fromkeys(("f1", "precision", "recall"), average), "macro_recall": MACRO}
    return [
        EvalResult(
            task_type="text-classification",
            dataset_type=dataset.get("hub_id") or dataset.get("name") or "own data",
            dataset_name=f"{dataset.get('name') or 'own data'}{f', {rows:,} rows' if rows else ''}",
            dataset_config=dataset.get("config"),
            dataset_split="train" if is_cut else "test",
            metric_type=name.removeprefix("macro_"),
            metric_name=name,
            metric_value=found[name],
            metric_args=arguments,
        )
        for name, arguments in averages.items()
        if name in found
    ]


def save_card(results: Mapping[str, Any], folder: str | Path, **kwargs: Any) -> None:
    """Write README.md into the folder, with the figures that lie there; `kwargs` are those of `render_card`.

    An interruption leaves the old card or the new one, never a half.
    """
    path = Path(folder) / CARD_FILE
    card = render_card(results, **{"figures": [file.name for file in path.parent.glob("*.png")], **kwargs})
    part = path.with_name(CARD_FILE + ".part")
    part.write_text(card, encoding="utf-8", errors="replace")
    part.replace(path)


def save_figures(results: Mapping[str, Any], folder: str | Path) -> None:
    """Draw into the folder every figure that the results allow. One that fails is a warning in the log.

    Raises:
        ValueError: for results of another schema version.
    """
    from . import plots

    for name, (function, arguments, options) in list_figures(_fill(results)).items():
        try:
            plots.save_figure(getattr(plots, function)(*arguments, **options), Path(folder) / name)
        except Exception as error:
            logger.warning(f"{name} was not drawn: {type(error).__name__}: {error}")


def list_figures(results: Mapping[str, Any]) -> Figures:
    """File name -> the function of plots.py that draws it and its arguments, for what the results hold."""
    title = (results["dataset"].get("name") or "own data") + " (synthetic)" * bool(results["dataset"].get("synthetic"))
    best = next((row["epoch"] for row in results["epochs"] if row.get("step") == results.get("best_step")), None)
    figures: Figures = {}
    if results["model"].get("model_type") == "lstm_attn":
        figures["architecture.png"] = ("plot_architecture", (results,), {})
    if results["epochs"]:
        figures["curves.png"] = ("plot_curves", (results["epochs"],), {"best_epoch": best, "title": title})
    for split, counts in list(results["confusion"].items())[:1]:
        figures["confusion.png"] = ("plot_confusion", (counts, results["labels"]), {"title": f"{title}, {split}"})
    for split, measured in list(results["reliability"].items())[:1]:
        if sum(row["examples"] for row in measured["as trained"]["bins"]) >= MIN_ROWS:
            figures["reliability.png"] = ("plot_reliability", (measured,), {"title": f"{title}, {split}"})
    for number, row in enumerate([row for row in results["examples"] if row.get("words")][:MAX_HEATMAPS], start=1):
        words, weights = ([word[key] for word in row["words"]] for key in ("word", "weight"))
        options = {"signed": False, "title": f"Predicted label: {row['label']} ({100 * row['score']:.0f} %)"}
        figures[f"heatmap_{number}.png"] = ("plot_heatmap", (words, weights), options)
    if results["audit"]:
        figures["audit.png"] = ("plot_audit", (results["audit"],), {"title": f"Audit of explanations: {title}"})
    return figures


def escape(text: Any) -> str:
    """Text as Markdown, HTML and tables show it literally, on one line and without links."""
    line = make_visible(" ".join(str(text).split()))
    acting = r"[&<>|`*\[\]\\~$#!:@]|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is one
    return re.sub(acting, lambda match: f"&#{ord(match[0])};", line)


def _fill(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results with an empty value for each part that is missing."""
    version = results.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"results.json has schema version {version or 1}, and this version of hf_lstm_attn reads {SCHEMA_VERSION} "
            "alone. Make the card with the version of hf_lstm_attn that trained the model."
        )
    parts = "versions machine dataset model tokenizer training metrics confusion reliability audit".split()
    filled: dict[str, Any] = {**{part: {} for part in parts}, "labels": [], "epochs": [], "examples": []}
    filled |= {name: value for name, value in results.items() if value is not None}
    filled["examples"] = [{**row, "text": " ".join(row["text"].split())} for row in filled["examples"]]
    return filled
