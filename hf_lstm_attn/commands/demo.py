"""`hf-lstm-attn demo`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .common import print_result, print_table

METHODS = ("leave_one_out", "gradient_x_input", "attention")  # those that need no extra
PAGE = "explanation.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("runs/demo"), help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, explain and package both tasks on the embedded synthetic samples."""
    from ..packaging import PACKAGE
    from ..training import train

    results = {}
    for name, texts in DEMO_TEXTS.items():
        folder = options.output_dir / name
        results[name] = train(name, folder, recipe="small", overwrite=True)
        if not options.json:
            print_result(results[name], folder)
        _try_out(folder, texts, quiet=options.json)
    if options.json:
        print(json.dumps({name: result.test for name, result in results.items()}))
        return
    print("\nBoth data sets are synthetic, written for this project. To look at, for each:")
    for name in DEMO_TEXTS:
        folder = options.output_dir / name
        print(f"  {folder / 'curves.png'}: loss, accuracy, precision, recall and F1 per epoch")
        print(f"  {folder / PAGE}: what each word did")
        print(f"  {folder / PACKAGE / 'README.md'}: the model card, in the folder that goes to the Hub")


def _try_out(folder: Path, texts: list[str], *, quiet: bool) -> None:
    """Label the texts, explain the first one, and assemble what goes to the Hub."""
    from ..explanation import explain
    from ..explanation_page import build_page
    from ..packaging import PACKAGE, build_repository
    from ..prediction import load_classifier, predict
    from ..rendering import render_terminal

    classifier = load_classifier(folder)
    rows: list[tuple[str, str, str]] = [("text", "label", "score")]
    for text, scores in zip(texts, predict(classifier, texts), strict=True):
        label = next(iter(scores))
        rows.append((text, label, f"{scores[label]:.3f}"))
    explanations = [explain(classifier, texts[0], method=method) for method in METHODS]
    (folder / PAGE).write_text(build_page(explanations), encoding="utf-8")
    build_repository(folder, folder / PACKAGE)
    if not quiet:
        print()
        print_table(rows)
        print(f"\n{render_terminal(explanations[0])}", end="")


DEMO_TEXTS = {
    "sample-reviews": [
        "I expected a gem and got a chore.",
        "I expected a chore and got a gem.",
        "Not once was I bored.",
    ],
    "sample-tweets": [
        "My train used to be superb, now dreadful. Never again.",
        "Will the concert be brilliant or awful? We will know on Sunday.",
        "No idea why people call the coffee dreadful. Superb all the way!",
    ],
}
