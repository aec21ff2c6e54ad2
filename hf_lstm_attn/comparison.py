"""The report's comparison: a feed-forward network, a plain RNN and LSTM + attention, trained alike on the same splits
and words, and NB-SVM beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from .callbacks import say as say_on_stderr
from .data import DatasetSpec, Splits, load_splits
from .metrics import compute_metrics
from .prediction import load_classifier, predict
from .recipes import Recipe
from .results import METRIC_NAMES, describe_machine, describe_versions, render_markdown_table
from .tokenization import split_words
from .training import TRAIN_ROWS_EVALUATED, train

COMPARISON_FILE = "comparison.json"
NETWORKS = {"lstm_attn_ffnn": "FFNN", "lstm_attn_rnn": "RNN", "lstm_attn": "LSTM + attention"}
NB_SVM = "NB-SVM"
SPLITS = ("train", "validation", "test")
TEXTS_TIMED = 1_000


@dataclass
class Trial:
    """One model, trained once.

    Attributes:
        metrics: Split -> metric -> value; training metrics are those of `TRAIN_ROWS_EVALUATED` training examples.
        training_seconds: From raw texts to the trained model, its vocabulary and word vectors included.
        parameters: Numbers that training sets.
        bytes: Size on disk, without vocabulary for the networks and with its n-grams for NB-SVM.
        texts_per_second: From raw texts to probabilities, one process.
    """

    metrics: dict[str, dict[str, float]]
    training_seconds: float
    parameters: int
    bytes: int
    texts_per_second: float


@dataclass
class Comparison:
    """What `compare` found, as plain JSON values.

    Attributes:
        models: Name -> {"train" | "validation" | "test": {metric: mean over the seeds}, "spread": the same with the
            sample standard deviation (empty for one seed), "training_seconds", "parameters", "bytes",
            "texts_per_second": means, "runs": how many}.
        reported: Name -> split -> metric -> the report's own figure, under its protocol only.
    """

    dataset: dict[str, Any]
    protocol: str
    recipe: str
    seeds: list[int]
    label_names: list[str]
    train_rows_evaluated: int
    models: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    versions: dict[str, str]
    reported: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def compare(
    spec: DatasetSpec,
    output_dir: Path,
    *,
    recipe: Recipe,
    recipe_name: str,
    protocol: str = "official",
    seeds: Sequence[int] = (42,),
    limit: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = say_on_stderr,
) -> Comparison:
    """Train and evaluate every model; each network's run lies in a folder of its own in `output_dir`.

    Args:
        recipe: Of the networks; of `architecture` each has its own, and none has n-grams, which stand beside as NB-SVM.
        seeds: The networks are trained once for each. NB-SVM has no randomness.
        resume: Keep finished runs and continue the others.

    Raises:
        ValueError, FileExistsError: as `train` does.
    """
    splits = load_splits(spec, protocol=protocol, limit=limit)
    trials: dict[str, list[Trial]] = {}
    for architecture, name in NETWORKS.items():
        for seed in seeds:
            folder = output_dir / f"{architecture}-{seed}"
            say(f"\n{name}, seed {seed}")
            result = train(
                spec,
                folder,
                recipe=replace(recipe, architecture=architecture, ngrams=False),
                protocol=protocol,
                seed=seed,
                limit=limit,
                resume=resume,
                overwrite=overwrite,
                say=say,
            )
            classifier = load_classifier(folder)
            trial = Trial(
                metrics={"train": result.best["train"], "validation": result.best["validation"], "test": result.test},
                training_seconds=result.training_seconds,
                parameters=result.model["parameters"],
                bytes=(folder / "model.safetensors").stat().st_size,
                texts_per_second=_measure_speed(partial(predict, classifier), splits.test["text"]),
            )
            trials.setdefault(name, []).append(trial)
    say(f"\n{NB_SVM}")
    balanced = recipe.balance_classes and spec.best_metric == "macro_recall"
    trials[NB_SVM] = [_try_nb_svm(splits, classifier.tokenizer, balanced=balanced)]
    return Comparison(
        dataset={"name": spec.name, "synthetic": spec.synthetic, **splits.summary},
        protocol=protocol,
        recipe=recipe_name,
        seeds=list(seeds),
        label_names=list(splits.label_names),
        train_rows_evaluated=min(len(splits.train), TRAIN_ROWS_EVALUATED),
        models={name: _summarize(group) for name, group in trials.items()},
        machine=describe_machine(),
        versions=describe_versions(),
        reported=_collect_reported(spec) if protocol == "report" else {},
    )


Table = list[tuple[str, ...]]
MARKS = ("▲", "●", "▼")
LEGEND = (
    "▲ best, ● middle, ▼ worst of the three networks; NB-SVM stands beside them. Training figures are of {rows:,} "
    "training examples, after training. Size is without the networks' vocabulary and with NB-SVM's n-grams."
)


def build_tables(comparison: Comparison) -> tuple[Table, Table]:
    """Quality (a row per model and split, the report's own figures beneath ours) and cost (a row per model), headed."""
    metrics = [name for name in METRIC_NAMES if name != "macro_recall"]
    quality: Table = [("model", "split", *metrics)]
    for split in SPLITS:
        places = {
            metric: rank([comparison.models[name][split][metric] for name in NETWORKS.values()], metric)
            for metric in metrics
        }
        for name, model in comparison.models.items():
            cells = []
            for metric in metrics:
                cell = f"{model[split][metric]:.4f}"
                if model["spread"]:
                    cell += f" ± {model['spread'][split][metric]:.4f}"
                is_network = name in NETWORKS.values()
                mark = MARKS[places[metric][list(NETWORKS.values()).index(name)]] if is_network else " "
                cells.append(f"{cell} {mark}")
            quality.append((name, split, *cells))
            if figures := comparison.reported.get(name, {}).get(split):
                # Two blanks stand where ours have a mark.
                reported = (f"{figures[metric]:.4f}  " if metric in figures else "" for metric in metrics)
                quality.append((f"{name}, the report", split, *reported))
    cost: Table = [("model", "training seconds", "parameters", "size in MB", "texts per second", "runs")]
    for name, model in comparison.models.items():
        cost.append(
            (
                name,
                f"{model['training_seconds']:,.0f}",
                f"{model['parameters']:,}",
                f"{model['bytes'] / 1e6:.1f}",
                f"{model['texts_per_second']:,.0f}",
                str(model["runs"]),
            )
        )
    return quality, cost


def render_markdown(comparison: Comparison) -> str:
    """Both tables, headed by what was compared."""
    synthetic = " (synthetic data)" if comparison.dataset["synthetic"] else ""
    seeds = ", ".join(map(str, comparison.seeds))
    title = f"{comparison.dataset['name']}{synthetic}, protocol {comparison.protocol}, recipe {comparison.recipe}"
    parts = [
        f"# {title}, seed {seeds}"
        if len(comparison.seeds) == 1
        else f"# {title}, mean ± standard deviation over seeds {seeds}"
    ]
    for table in build_tables(comparison):
        parts.append(render_markdown_table(table).rstrip())
    parts.append(LEGEND.format(rows=comparison.train_rows_evaluated))
    return "\n\n".join(parts) + "\n"


def rank(values: Sequence[float], metric: str) -> list[int]:
    """Each value's place, 0 for the best: the lowest loss, the highest of every other metric; equals share a place."""
    signed = [value if metric == "loss" else -value for value in values]
    return [sum(other < value for other in signed) for value in signed]


def _try_nb_svm(splits: Splits, tokenizer: PreTrainedTokenizerBase, *, balanced: bool) -> Trial:
    from .nb_svm import NbSvm

    started = time.monotonic()
    model = NbSvm(balanced=balanced).fit(split_words(splits.train["text"], tokenizer), splits.train["label"])
    seconds = time.monotonic() - started

    def classify(texts: Sequence[str]) -> np.ndarray:
        return model.compute_log_probabilities(split_words(texts, tokenizer))

    metrics = {}
    for split in SPLITS:
        rows = getattr(splits, split)
        rows = rows.select(range(min(len(rows), TRAIN_ROWS_EVALUATED))) if split == "train" else rows
        scores = model.compute_log_probabilities(split_words(rows["text"], tokenizer))
        metrics[split] = compute_metrics(scores, rows["label"])
    return Trial(
        metrics=metrics,
        training_seconds=seconds,
        parameters=model.count_parameters(),
        bytes=model.count_bytes(),
        texts_per_second=_measure_speed(classify, splits.test["text"]),
    )


def _measure_speed(classify: Callable[[Sequence[str]], Iterable[Any]], texts: Sequence[str]) -> float:
    texts = list(islice(texts, TEXTS_TIMED))
    list(classify(texts[:64]))  # memory and caches
    started = time.monotonic()
    list(classify(texts))
    return len(texts) / (time.monotonic() - started)


def _summarize(trials: Sequence[Trial]) -> dict[str, Any]:
    def average(compute: Callable[[Sequence[float]], float]) -> dict[str, dict[str, float]]:
        return {
            split: {name: compute([trial.metrics[split][name] for trial in trials]) for name in METRIC_NAMES}
            for split in SPLITS
        }

    return {
        **average(statistics.fmean),
        "spread": average(statistics.stdev) if len(trials) > 1 else {},
        "training_seconds": round(statistics.fmean(trial.training_seconds for trial in trials), 1),
        "parameters": trials[0].parameters,
        "bytes": trials[0].bytes,
        "texts_per_second": round(statistics.fmean(trial.texts_per_second for trial in trials), 1),
        "runs": len(trials),
    }


def _collect_reported(spec: DatasetSpec) -> dict[str, dict[str, dict[str, float]]]:
    reported: dict[str, dict[str, dict[str, float]]] = {}
    own = [("lstm_attn", *figure) for figure in spec.reported]
    for architecture, split, metric, value in (*spec.reported_baselines, *own):
        reported.setdefault(NETWORKS[architecture], {}).setdefault(split, {})[metric] = value
    return reported
