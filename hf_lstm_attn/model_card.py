"""The model card and its figures, from `results.json` alone: what a run did not record, its card does not mention."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .results import METRIC_NAMES, RunResult, render_markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CARD_FILE = "README.md"
TEMPLATE = Path(__file__).parent / "model_card_template.md"
WATTS_PER_CORE = 10  # assumed of a busy core, memory and power supply included
WATTS_PER_ACCELERATOR = 400  # assumed of a busy accelerator
HEATMAPS = 2  # of the widget's texts
METRIC_TITLES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "macro_recall": "Macro-recall",
}


def render_card(result: RunResult) -> str:
    """The card: metadata that the Hub reads, then Markdown. Where `result.repository` has no id of the model's place on
    the Hub, the lines that load it name a place to fill in. A built-in model's card has no figures.

    Raises:
        ValueError: if the licence of the training data is unknown.
    """
    built_in = result.repository.get("built_in")
    repo_id = built_in or result.repository.get("id") or f"you/lstm-attn-{result.dataset['name']}"
    card = ModelCard.from_template(
        build_card_data(result, model_name=repo_id.rpartition("/")[2]),
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        **_collect_values(result, repo_id),
    )
    return re.sub(r"\n{3,}", "\n\n", str(card)).rstrip() + "\n"


def build_card_data(result: RunResult, *, model_name: str) -> ModelCardData:
    """The metadata at the head of the card.

    Raises:
        ValueError: if the licence of the training data is unknown.
    """
    spec = result.request["dataset"]
    license_name = spec["license"]
    if license_name in ("", "unknown"):
        raise ValueError(
            f"Expected the licence of the training data, under which the card offers the model; found none for "
            f"{spec['name']}. Train with --license, or write it into request.dataset.license of results.json."
        )
    terms: dict[str, Any] = {}
    if license_name == "other":
        terms = {"license_name": f"terms-of-{spec['name']}", "license_link": spec["homepage"]}
    hub_id = find_hub_id(result)
    return ModelCardData(
        model_name=model_name,
        language=spec["language"],
        license=license_name,
        **terms,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["lstm", "attention", *(["synthetic-data"] if result.dataset["synthetic"] else [])],
        datasets=[hub_id] if hub_id else None,
        metrics=["accuracy", "f1", "precision", "recall"],
        eval_results=_list_eval_results(result, hub_id),
        widget=[{"text": row["text"], "output": row["output"]} for row in result.widget] or None,
    )


def find_hub_id(result: RunResult) -> str | None:
    """The training data's name on the Hub, if it has one there."""
    if "hub_id" in result.dataset:
        return result.dataset["hub_id"]
    path = result.request["dataset"]["path"]  # runs before hub_id was recorded
    return path if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", path) else None


def find_stored_split(result: RunResult, split: str) -> str:
    """The split of the stored data that a run's split was taken from: `train`, where it was held out of that."""
    held_out = any(note.startswith(f"{split}: ") for note in result.dataset["notes"])
    return "train" if held_out else split


def _list_eval_results(result: RunResult, hub_id: str | None) -> list[EvalResult]:
    stored = find_stored_split(result, "test")
    name = result.dataset["name"]
    rows = result.dataset["splits"]["test"]["rows"]
    held_out = "" if stored == "test" else f" held out of {stored}"
    average = "binary" if len(result.label_names) == 2 else "macro"
    metrics: list[tuple[str, str, dict[str, Any] | None]] = [
        ("accuracy", "accuracy", None),
        ("f1", "f1", {"average": average}),
        ("precision", "precision", {"average": average}),
        ("recall", "recall", {"average": average}),
        ("macro_recall", "recall", {"average": "macro"}),
    ]
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Text classification",
            dataset_type=hub_id or name,
            dataset_name=f"{name}{' (synthetic)' if result.dataset['synthetic'] else ''}, {rows:,} rows{held_out}",
            dataset_config=result.request["dataset"]["config_name"],
            dataset_split=stored,
            metric_type=kind,
            metric_name=METRIC_TITLES[field],
            metric_value=result.test[field],
            metric_args=arguments,
        )
        for field, kind, arguments in metrics
    ]


def list_figures(result: RunResult) -> dict[str, Callable[[], Figure]]:
    """File name -> what draws it, for each figure that the run has data for."""
    from . import plots
    from .audit_plots import plot_audit

    title = f"{result.dataset['name']}{' (synthetic data)' if result.dataset['synthetic'] else ''}"
    trained = f"{title}, the network without n-grams" if result.ngrams else title
    of_test = f"{title}, {result.dataset['splits']['test']['rows']:,} test examples"
    figures: dict[str, Callable[[], Figure]] = {
        "architecture.png": lambda: plots.plot_architecture(describe_layers(result), beside=describe_ngrams(result)),
        "curves.png": lambda: plots.plot_curves(result.epochs, best_epoch=result.best_epoch, title=trained),
    }
    if result.test_confusion:
        figures["confusion.png"] = lambda: plots.plot_confusion(
            result.test_confusion, result.label_names, title=of_test
        )
    if result.test_reliability:
        figures["reliability.png"] = lambda: plots.plot_reliability(result.test_reliability, title=of_test)
    if result.audit:
        figures["audit.png"] = lambda: plot_audit(result.audit, title=f"Audit of explanations: {title}")
    for number, row in enumerate(_select_heatmaps(result), start=1):
        figures[f"heatmap_{number}.png"] = lambda row=row: plots.plot_heatmap(  # type: ignore[misc]
            row["words"],
            row["weights"],
            signed=False,
            title=f"{row['output'][0]['label']} {row['output'][0]['score']:.1%}",
            score_name="share of the attention weight",
            note="An attention weight says what the pooling took in, not why the model decided as it did.",
        )
    return figures


def save_figures(result: RunResult, folder: Path) -> None:
    """Draw every figure that the card shows into the folder."""
    from .plots import save_figure

    for name, draw in list_figures(result).items():
        save_figure(draw(), folder / name)


def _select_heatmaps(result: RunResult) -> list[dict[str, Any]]:
    return [row for row in result.widget if "words" in row][:HEATMAPS]


def describe_layers(result: RunResult) -> list[tuple[str, str, str]]:
    """The five layers: name, task, and the shape of what it hands on (n: words of the text)."""
    model = result.model
    embedding, hidden = model["embedding_size"], model["hidden_size"]
    kind = model["model_type"]
    directions = 2 if kind == "lstm_attn" and model["bidirectional"] else 1
    states = hidden * directions
    layers = f"{model['num_hidden_layers']} layer{'s' if model['num_hidden_layers'] > 1 else ''}, "
    pools = model["pooling"].split("+")
    between = {
        "lstm_attn": [
            ("LSTM", f"{layers}{'both directions' if directions == 2 else 'one direction'}", f"n × {states}"),
            (
                "Attention",
                "weighted mean of all words" + (f" beside {' and '.join(pools[1:])}" if pools[1:] else ""),
                f"{states * len(pools)}",
            ),
        ],
        "lstm_attn_rnn": [
            ("RNN", f"{layers}one direction", f"n × {states}"),
            ("Last state", "after the last word", f"{states}"),
        ],
        "lstm_attn_ffnn": [
            ("Mean", "of the word vectors", f"{embedding}"),
            ("Hidden layer", "ReLU", f"{hidden}"),
        ],
    }
    names = ", ".join(result.label_names)
    return [
        ("Words", f"spaCy's rules, {model['vocab_size']:,} known words", "n"),
        ("Embedding", "a vector for each word", f"n × {embedding}"),
        *between[kind],
        ("Head", names if len(names) <= 60 else "linear, then softmax", f"{len(result.label_names)} classes"),
    ]


def describe_ngrams(result: RunResult) -> str | None:
    """What leads from the words to the head past the layers between; None without n-grams."""
    if not result.ngrams:
        return None
    return f"N-grams: a weight for each of {result.ngrams['number']:,} words, pairs and triples of words"


def escape(text: Any) -> str:
    """Text as Markdown, HTML and tables show it literally, on one line."""
    return re.sub(r"[&<>|`*_\[\]\\~$#!]", lambda match: f"&#{ord(match[0])};", " ".join(str(text).split()))


def _collect_values(result: RunResult, repo_id: str) -> dict[str, Any]:
    spec = result.request["dataset"]
    hub_id = find_hub_id(result)
    names = [escape(name) for name in result.label_names]
    text = result.widget[0]["text"] if result.widget else "A text to classify."
    return {
        "result": result,
        "repo_id": repo_id,
        "built_in": result.repository.get("built_in"),
        "stored_test": result.repository.get("test"),
        "title": repo_id.rpartition("/")[2],
        "escape": escape,
        "spec": spec,
        "hub_id": hub_id,
        "labels": " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
        "figures": [] if "built_in" in result.repository else list(list_figures(result)),
        "layers": describe_layers(result),
        "beside": describe_ngrams(result),
        "is_attentive": result.model["model_type"] == "lstm_attn",
        "heatmaps": [] if "built_in" in result.repository else _select_heatmaps(result),
        "python_text": json.dumps(text, ensure_ascii=False),
        "shell_text": shlex.quote(text),
        "best_metric": METRIC_TITLES[spec["best_metric"]],
        "test_split": find_stored_split(result, "test"),
        "results_table": _render_results(result),
        "reported": _list_reported(result),
        "comparison_table": _render_comparison(result),
        "audit_table": render_audit(result.audit),
        "splits_table": _render_splits(result),
        "notes": [escape(note) for note in result.dataset["notes"]],
        "duplicates": {pair: count for pair, count in result.dataset["duplicates"].items() if count},
        "settings_table": _render_settings(result),
        "length_table": _render_bins(result.limits.get("length", []), "words in the text", "{:,.0f}"),
        "unknown_table": _render_bins(result.limits.get("unknown", []), "share of unknown words", "{:.1%}"),
        "probe_tables": {name: _render_probe(groups) for name, groups in result.limits.get("probes", {}).items()},
        "epochs": len(result.epochs),
        "energy": _estimate_energy(result),
        "watts_per_core": WATTS_PER_CORE,
        "watts_per_accelerator": WATTS_PER_ACCELERATOR,
    }


def _format(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if metric == "loss" else f"{100 * value:.2f}"


def _head_metrics() -> list[str]:
    return [METRIC_TITLES[metric] for metric in METRIC_NAMES]


def _render_results(result: RunResult) -> str:
    rows = [["split", "rows", *_head_metrics()]]
    for split in ("train", "validation", "test"):
        metrics = result.test if split == "test" else result.best[split]
        count = result.train_rows_evaluated if split == "train" else result.dataset["splits"][split]["rows"]
        rows.append([split, f"{count:,}", *(_format(metric, metrics.get(metric)) for metric in METRIC_NAMES)])
    return render_markdown_table(rows)


def _list_reported(result: RunResult) -> list[str]:
    """The report's own figures, a sentence part each."""
    spec = result.request["dataset"]
    names = {"lstm_attn": "LSTM + attention", "lstm_attn_ffnn": "FFNN", "lstm_attn_rnn": "RNN"}
    figures = [("lstm_attn", *figure) for figure in spec.get("reported", ())]
    figures += [tuple(figure) for figure in spec.get("reported_baselines", ())]
    return [
        f"{names[architecture]} {_format(metric, value)} ({METRIC_TITLES[metric].lower()}, {split})"
        for architecture, split, metric, value in figures
    ]


def _render_comparison(result: RunResult) -> str:
    models = result.comparison.get("models", {})
    rows = [["model", *_head_metrics()]]
    for name, splits in models.items():
        metrics = splits["test"]
        rows.append([escape(name), *(_format(metric, metrics.get(metric)) for metric in METRIC_NAMES)])
    return render_markdown_table(rows) if models else ""


def render_audit(audit: Mapping[str, Any]) -> str:
    """A table of `audit_explanations`, a row per method; empty for an empty audit."""
    methods = audit.get("methods", {})

    def show(interval: Mapping[str, float]) -> str:
        return f"{interval['mean']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"

    rows = [["method", "comprehensiveness", "sufficiency", "seconds per text"]]
    for name, figures in methods.items():
        rows.append(
            [
                f"`{name}`",
                show(figures["comprehensiveness"]),
                show(figures["sufficiency"]),
                f"{figures['seconds_per_text']:.3g}" if "seconds_per_text" in figures else "",
            ]
        )
    return render_markdown_table(rows) if methods else ""


def _render_splits(result: RunResult) -> str:
    rows = [["split", "rows", *map(escape, result.label_names), "fingerprint (SHA-256)"]]
    for split, summary in result.dataset["splits"].items():
        counts = [f"{summary['labels'][name]:,}" for name in result.label_names]
        rows.append([split, f"{summary['rows']:,}", *counts, f"`{summary['fingerprint'][:16]}…`"])
    return render_markdown_table(rows)


def _render_settings(result: RunResult) -> str:
    recipe = {name: value for name, value in result.request["recipe"].items() if name not in ("model", "arguments")}
    settings = {**recipe, **result.request["recipe"]["model"], **result.request["recipe"]["arguments"]}
    rows = [["setting", "value"], *([f"`{name}`", escape(_show(value))] for name, value in settings.items())]
    return render_markdown_table(rows)


def _show(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or None
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _render_bins(bins: Sequence[Mapping[str, Any]], name: str, form: str) -> str:
    rows = [[name, "test texts", "accuracy"]]
    for row in bins:
        ends = [form.format(row[end]) for end in ("lowest", "highest")]
        rows.append([" to ".join(dict.fromkeys(ends)), f"{row['examples']:,}", f"{100 * row['accuracy']:.1f}"])
    return render_markdown_table(rows) if bins else ""


def _render_probe(groups: Mapping[str, Mapping[str, float]]) -> str:
    rows = [["group", "sentences", "mean probability", "shift", "largest difference", "unknown words"]]
    for number, (name, row) in enumerate(groups.items()):
        shifts = ["", ""] if number == 0 else [f"{row['shift']:+.3f}", f"{row['largest']:.3f}"]
        rows.append([name, str(row["sentences"]), f"{row['mean']:.3f}", *shifts, f"{row['unknown']:.0%}"])
    return render_markdown_table(rows)


def _estimate_energy(result: RunResult) -> float:
    """Watt-hours of the whole run, from assumed watts."""
    watts = WATTS_PER_CORE * result.machine["threads"]
    watts += WATTS_PER_ACCELERATOR if "accelerator" in result.machine else 0
    return watts * result.timings["total"] / 3600
