"""`hf-lstm-attn demo`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .common import print_result, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("runs/demo"), help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(options: argparse.Namespace) -> None:
    """Train, evaluate and try both tasks on the embedded synthetic samples."""
    from ..prediction import load_classifier
    from ..prediction import predict as predict_scores
    from ..training import train

    results = {}
    for name, texts in DEMO_TEXTS.items():
        folder = options.output_dir / name
        results[name] = train(name, folder, recipe="small", overwrite=True)
        if options.json:
            continue
        print_result(results[name], folder)
        classifier = load_classifier(folder)
        print()
        print_table(
            [("text", "label", "score")]
            + [
                (text, label, f"{score:.3f}")
                for text, scores in zip(texts, predict_scores(classifier, texts), strict=True)
                for label, score in list(scores.items())[:1]
            ]
        )
    if options.json:
        print(json.dumps({name: result.test for name, result in results.items()}))
        return
    print("\nBoth data sets are synthetic, written for this project. Curves to look at:")
    for name in DEMO_TEXTS:
        print(f"  {options.output_dir / name / 'curves.png'}")


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
