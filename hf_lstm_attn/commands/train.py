"""`hf-lstm-attn train`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import add_data_options, add_recipe_options, build_recipe, data_choices, positive_int, print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", help="imdb, tweets, sample-reviews or sample-tweets")
    parser.add_argument("-o", "--output-dir", type=Path, help="run folder (default: runs/<data set>)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace a run")
    parser.add_argument("--json", action="store_true", help="print results.json instead of a table")
    add_data_options(parser)
    parser.add_argument("--license", help="of data of your own, as the Hub names it (mit, cc-by-4.0); a card needs it")
    parser.add_argument("--limit", type=positive_int, metavar="ROWS", help="at most so many rows per split, to try out")
    add_recipe_options(parser)


def run(options: argparse.Namespace) -> None:
    """Train a model, evaluate it once on the test split, and leave a run folder that from_pretrained loads."""
    from .. import training
    from ..data import resolve_spec

    spec = resolve_spec(options.dataset, **data_choices(options), license=options.license)
    output_dir = options.output_dir or Path("runs") / spec.name
    result = training.train(
        spec,
        output_dir,
        recipe=build_recipe(options),
        protocol=options.protocol,
        seed=options.seed,
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if options.json:
        print((output_dir / "results.json").read_text(encoding="utf-8"), end="")
    else:
        print_result(result, output_dir)
