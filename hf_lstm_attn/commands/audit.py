"""`hf-lstm-attn audit`"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .common import UsageError, add_data_options, positive_int, print_table, spec_to_evaluate, warn

AUDIT_FILE, PICTURE_FILE = "audit.json", "audit.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run folder, model folder, Hub id or a built-in model: imdb, tweets")
    parser.add_argument("dataset", nargs="?", help="a data set's name (default: the one the run was trained on)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--n", type=positive_int, default=500, help="texts, drawn by the seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="(default: the folder of the model)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_data_options(parser)


def run(options: argparse.Namespace) -> None:
    """Measure how faithful the explanations are: how the predicted class's probability changes when the words that a
    method ranks highest are removed, or left alone. Writes audit.json and audit.png, and into the run's results.json.
    """
    folder = options.output or Path(options.model)
    if options.output is None and not folder.is_dir():
        raise UsageError(f"Expected a folder to write in; {options.model} is none. Pass -o FOLDER.")
    spec = spec_to_evaluate(options)

    from tqdm import tqdm

    from ..audit import audit_explanations
    from ..audit_plots import plot_audit
    from ..plots import save_figure
    from ..prediction import load_classifier
    from ..results import RESULTS_FILE, RunResult, describe_machine, save_json

    classifier = load_classifier(options.model)
    texts = _draw_texts(spec, classifier, options)
    with tqdm(total=len(texts), unit="text", disable=not sys.stderr.isatty()) as bar:
        audit = audit_explanations(classifier, texts, seed=options.seed, on_progress=bar.update)
    audit = {"dataset": spec.name, "split": options.split, **audit, "machine": describe_machine()}
    folder.mkdir(parents=True, exist_ok=True)
    save_json(audit, folder / AUDIT_FILE)
    title = f"{spec.name}{' (synthetic data)' if spec.synthetic else ''}, {options.split}, {audit['examples']:,} texts"
    save_figure(plot_audit(audit, title=f"Audit of explanations: {title}"), folder / PICTURE_FILE)
    if (Path(options.model) / RESULTS_FILE).is_file():
        result = RunResult.load(options.model)
        result.audit = audit
        result.save(Path(options.model))
    if options.json:
        print(json.dumps(audit, ensure_ascii=False))
        return
    _print(audit, title)
    warn(f"\nWrote {folder / AUDIT_FILE} and {folder / PICTURE_FILE}.")


def _draw_texts(spec: Any, classifier: Any, options: argparse.Namespace) -> list[str]:
    from dataclasses import replace

    import numpy as np

    from ..data import load_split

    names = tuple(classifier.model.config.id2label.values())
    rows = load_split(replace(spec, label_names=names), options.split)
    drawn = np.random.default_rng(options.seed).permutation(len(rows))[: options.n]
    return list(rows[sorted(drawn.tolist())]["text"])


def _print(audit: dict[str, Any], title: str) -> None:
    import textwrap

    skipped = f"; {audit['skipped']:,} without words skipped" if audit["skipped"] else ""
    print(f"{title}{skipped}")
    rows = [("method", "comprehensiveness", "95 % interval", "sufficiency", "95 % interval", "seconds per text")]
    for method, measured in audit["methods"].items():
        cells = [method]
        for score in ("comprehensiveness", "sufficiency"):
            values = measured[score]
            cells += [f"{values['mean']:.3f}", f"{values['low']:.3f} to {values['high']:.3f}"]
        seconds = f"{measured['seconds_per_text']:.3f}" if "seconds_per_text" in measured else ""
        rows.append((*cells, seconds))
    print_table(rows)
    ordered = list(audit["kendall_tau"])
    print("\nKendall's tau, mean over texts")
    print_table(
        [("", *ordered)]
        + [
            (
                one,
                *(
                    ""
                    if one == other
                    else f"{round(audit['kendall_tau'][one].get(other, float('nan')), 2) + 0.0:.2f}"  # no -0.00
                    for other in ordered
                ),
            )
            for one in ordered
        ]
    )
    if "attention_entropy" in audit:
        entropy = audit["attention_entropy"]
        print(
            f"\nEntropy of the attention weights, share of the highest: {entropy['mean']:.3f} "
            f"({entropy['low']:.3f} to {entropy['high']:.3f})"
        )
    for method, reason in audit["left_out"].items():
        print(f"\nWithout {method}: {reason}")
    print("\n" + textwrap.fill(audit["caption"], 100))
