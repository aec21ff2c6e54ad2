"""`hf-lstm-attn evaluate`"""

from __future__ import annotations

import argparse
import json

from .common import add_data_options, print_table, spec_to_evaluate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run folder, model folder, Hub id or a built-in model: imdb, tweets")
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

    spec = spec_to_evaluate(options)
    classifier = load_classifier(options.model)
    spec = replace(spec, label_names=tuple(classifier.model.config.id2label.values()))
    rows = load_split(spec, options.split)
    metrics = evaluate_model(classifier.model, classifier.tokenizer, rows)
    if options.json:
        print(json.dumps({"dataset": spec.name, "split": options.split, "rows": len(rows), **metrics}))
    else:
        print(f"{spec.name}{' (synthetic data)' if spec.synthetic else ''}, {options.split}, {len(rows):,} examples")
        print_table([("metric", "value"), *((name, f"{value:.4f}") for name, value in metrics.items())])
