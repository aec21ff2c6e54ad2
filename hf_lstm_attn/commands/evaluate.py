"""`hf-lstm-attn evaluate`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .common import UsageError, add_data_options, print_table, spec_to_evaluate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run folder, model folder, Hub id or a built-in model: imdb, tweets")
    parser.add_argument("dataset", nargs="?", help="a data set's name (default: the one the run was trained on)")
    parser.add_argument(
        "--ensemble-with",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="measure these models too, each by itself, and all together: the mean of their class probabilities",
    )
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_data_options(parser)


def run(options: argparse.Namespace) -> None:
    """Measure a model, or several and their ensemble, on one split: loss, accuracy, precision, recall, F1 and
    macro-recall."""
    from dataclasses import replace

    from ..data import load_split
    from ..ensemble import evaluate_ensemble
    from ..prediction import load_classifier
    from ..results import METRIC_NAMES
    from ..trainer import evaluate_model

    models = [options.model, *options.ensemble_with]
    if len(set(map(Path, models))) < len(models):
        raise UsageError(f"Expected different models; found one of them twice in {', '.join(models)}. Name each once.")
    spec = spec_to_evaluate(options)
    classifiers = [load_classifier(model) for model in models]
    spec = replace(spec, label_names=tuple(classifiers[0].model.config.id2label.values()))
    rows = load_split(spec, options.split)
    figures: dict[str, Any]
    table: list[tuple[str, ...]]
    if len(models) == 1:
        figures = {**evaluate_model(classifiers[0].model, classifiers[0].tokenizer, rows)}
        table = [("metric", "value"), *((name, f"{value:.4f}") for name, value in figures.items())]
    else:
        members, ensemble = evaluate_ensemble(classifiers, rows)
        figures = {
            "members": [{"model": model, **metrics} for model, metrics in zip(models, members, strict=True)],
            "ensemble": ensemble,
        }
        names = [*models, f"ensemble of {len(models)}"]
        table = [("model", *METRIC_NAMES)]
        for name, metrics in zip(names, [*members, ensemble], strict=True):
            table.append((name, *(f"{metrics[metric]:.4f}" for metric in METRIC_NAMES)))
    if options.json:
        print(json.dumps({"dataset": spec.name, "split": options.split, "rows": len(rows), **figures}))
    else:
        print(f"{spec.name}{' (synthetic data)' if spec.synthetic else ''}, {options.split}, {len(rows):,} examples")
        print_table(table)
