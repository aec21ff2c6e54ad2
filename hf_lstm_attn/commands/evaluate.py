"""`hf-lstm-attn evaluate`"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from .common import add_data_options, data_choices, print_table, read_run_spec

if TYPE_CHECKING:
    from ..data import DatasetSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run folder, model folder or Hub id")
    parser.add_argument("dataset", nargs="?", help="a data set's name (default: the one the run was trained on)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_data_options(parser)


def run(options: argparse.Namespace) -> None:
    """Measure a model on one split: loss, accuracy, precision, recall, F1 and macro-recall."""
    from dataclasses import replace

    from ..data import load_split
    from ..prediction import load_classifier
    from ..trainer import evaluate_model

    spec = _spec_to_evaluate(options)
    classifier = load_classifier(options.model)
    spec = replace(spec, label_names=tuple(classifier.model.config.id2label.values()))
    rows = load_split(spec, options.split)
    metrics = evaluate_model(classifier.model, classifier.tokenizer, rows)
    if options.json:
        print(json.dumps({"dataset": spec.name, "split": options.split, "rows": len(rows), **metrics}))
    else:
        print(f"{spec.name}{' (synthetic data)' if spec.synthetic else ''}, {options.split}, {len(rows):,} examples")
        print_table([("metric", "value"), *((name, f"{value:.4f}") for name, value in metrics.items())])


def _spec_to_evaluate(options: argparse.Namespace) -> DatasetSpec:
    from ..data import resolve_spec

    if options.dataset is not None or options.data is not None:
        return resolve_spec(options.dataset, **data_choices(options))
    return read_run_spec(options.model)
