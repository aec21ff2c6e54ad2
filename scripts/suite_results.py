"""What `benchmark_suite.py` stores, and the tables made of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import render_table
from sklearn.metrics import f1_score, recall_score

from hf_lstm_attn.results import describe_machine, describe_versions

DRAWS = 1_000  # of the bootstrap
# Barbieri et al. 2020, "TweetEval": tasks, and what they report on test.
TWEETS = ("emoji", "emotion", "hate", "irony", "offensive", "sentiment")
PUBLISHED = {
    "LSTM, as published": (24.7, 66.0, 52.6, 62.8, 71.7, 58.3),
    "fastText, as published": (25.8, 65.2, 50.6, 63.1, 73.4, 62.9),
    "SVM, as published": (29.3, 64.7, 36.7, 61.7, 52.3, 62.9),
}
# {"split", "versions", "machine", "tasks": {name: {"labels", "truth"}}, "cells": {name: results of one training}}
Record = dict[str, Any]

# -------------------------------------------------------------------------------------------------------------- record


def load_record(path: Path, split: str) -> Record:
    """What is stored at `path`, or a new record.

    Raises:
        ValueError: if the file scores another split.
    """
    if not path.is_file():
        described = {"versions": describe_versions(), "machine": describe_machine()}
        return {"split": split, **described, "tasks": {}, "cells": {}}
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["split"] != split:
        raise ValueError(f"{path} holds scores on {record['split']}, not on {split}; choose another file with -o.")
    return record


def add_task(record: Record, name: str, truth: Sequence[str], labels: Sequence[str]) -> None:
    """Store the true labels of the scored rows.

    Raises:
        ValueError: if the record has others.
    """
    described = {"labels": labels, "truth": write_ids(truth, labels)}
    if record["tasks"].setdefault(name, described) != described:
        raise ValueError(f"The rows of {name} are not those that the file was made with; choose another with -o.")


def write_ids(names: Sequence[str], labels: Sequence[str]) -> str:
    """Names of labels as class ids with spaces between them."""
    ids = {label: str(number) for number, label in enumerate(labels)}
    return " ".join(ids[name] for name in names)


def read_ids(text: str) -> np.ndarray:
    """(rows,) class ids that `write_ids` wrote."""
    return np.array(text.split(), dtype=np.int64)


def find_cells(record: Record, task: str, n: str, system: str) -> list[dict[str, Any]]:
    """The results of a system, one per seed that is stored."""
    wanted = {"task": task, "n": n, "system": system}
    return [cell for cell in record["cells"].values() if wanted.items() <= cell.items()]


# -------------------------------------------------------------------------------------------------------------- tables


def compute_mean(record: Record, task: str, n: str, system: str, metric: str) -> float:
    """Over seeds, in per cent."""
    return 100 * statistics.fmean(cell[metric] for cell in find_cells(record, task, n, system))


def render_suite(record: Record, tasks: Sequence[str], n: str, systems: Sequence[str]) -> str:
    """Accuracy / macro-F1 in per cent, mean over seeds: tasks against systems, and the mean over tasks."""
    scores = {
        metric: [[compute_mean(record, task, n, system, metric) for system in systems] for task in tasks]
        for metric in ("accuracy", "macro_f1")
    }
    means = [np.vstack([rows, np.mean(rows, axis=0)]) for rows in scores.values()]  # (tasks + 1, systems) each
    rows = [
        [task, *(f"{accuracy:.1f} / {f1:.1f}" for accuracy, f1 in zip(*values, strict=True))]
        for task, *values in zip([*tasks, "mean"], *means, strict=True)
    ]
    return render_table([[f"n = {n}", *systems], *rows])


def render_differences(record: Record, tasks: Sequence[str], n: str, systems: Sequence[str]) -> str:
    """The first system's mean macro-F1 less that of each other, in points, with its 95 % interval."""
    means = [
        statistics.fmean(compute_mean(record, task, n, system, "macro_f1") for task in tasks) for system in systems
    ]
    draws = 100 * bootstrap_means(
        [read_ids(record["tasks"][task]["truth"]) for task in tasks],
        [
            [[read_ids(cell["predictions"]) for cell in find_cells(record, task, n, system)] for system in systems]
            for task in tasks
        ],
    )
    rows = [[f"n = {n}: {systems[0]} less", "mean macro-F1", "95 % interval"]]
    for place, system in enumerate(systems[1:], start=1):
        low, high = np.percentile(draws[:, 0] - draws[:, place], [2.5, 97.5])
        rows.append([system, f"{means[0] - means[place]:+.1f}", f"{low:+.1f} to {high:+.1f}"])
    return render_table(rows)


def bootstrap_means(truths: Sequence[np.ndarray], predictions: Sequence[Sequence[Sequence[np.ndarray]]]) -> np.ndarray:
    """Mean macro-F1 of every system, as other tasks and other rows of them might have given it.

    Every draw takes as many tasks as there are, and of each as many rows as it has, both with replacement; all systems
    are scored on the same rows. Seeds are not drawn: a system's score is the mean over its seeds.

    Args:
        truths: Class ids (rows,) of each task.
        predictions: Class ids (rows,) by task, system and seed.

    Returns:
        (draws, systems)
    """
    generator = np.random.default_rng(0)
    scores = np.zeros((len(truths), DRAWS, len(predictions[0])))
    for task, truth in enumerate(truths):
        for draw in range(DRAWS):
            rows = generator.integers(len(truth), size=len(truth))
            for system, runs in enumerate(predictions[task]):
                scores[task, draw, system] = np.mean([compute_macro_f1(truth[rows], run[rows]) for run in runs])
    tasks, draws = (generator.integers(size, size=(DRAWS, len(truths))) for size in (len(truths), DRAWS))
    return scores[tasks, draws].mean(axis=1)


# ------------------------------------------------------------------------------------------------------------- metrics


def compute_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 of the classes that occur in either: scikit-learn's, many times as fast. Both are class ids (rows,)."""
    size = max(truth.max(), predicted.max()) + 1
    occurrences = np.bincount(truth, minlength=size) + np.bincount(predicted, minlength=size)  # (num_labels,)
    hits = np.bincount(truth[truth == predicted], minlength=size)
    return float((2 * hits[occurrences > 0] / occurrences[occurrences > 0]).mean())


def score_tweets(task: str, truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> float:
    """TweetEval's own metric, in per cent: macro-F1, but F1 of irony, and macro-recall of sentiment."""
    if task == "irony":
        return 100 * f1_score(truth, predicted, labels=[labels.index("irony")], average="macro")
    if task == "sentiment":
        return 100 * recall_score(truth, predicted, average="macro")
    return 100 * compute_macro_f1(truth, predicted)


def render_tweets(record: Record, tasks: Sequence[str], n: str, systems: Sequence[str]) -> str:
    """TweetEval's columns: systems, mean over seeds, and what was published of test, against tasks."""

    def average(task: str, system: str) -> float:
        truth, labels = read_ids(record["tasks"][task]["truth"]), record["tasks"][task]["labels"]
        runs = [read_ids(cell["predictions"]) for cell in find_cells(record, task, n, system)]
        return statistics.fmean(score_tweets(task, truth, run, labels) for run in runs)

    rows = {system: [average(task, system) for task in tasks] for system in systems}
    for name, figures in PUBLISHED.items() if record["split"] == "test" else ():
        rows[name] = [figures[TWEETS.index(task)] for task in tasks]
    table = [[name, *(f"{value:.1f}" for value in [*row, statistics.fmean(row)])] for name, row in rows.items()]
    return render_table([[f"n = {n}", *tasks, "mean"], *table])
