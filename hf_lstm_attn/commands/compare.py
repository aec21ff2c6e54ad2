"""`hf-lstm-attn compare`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import add_data_options, add_recipe_options, build_recipe, data_choices, positive_int, print_table, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", help="imdb, tweets, sample-reviews or sample-tweets")
    parser.add_argument("-o", "--output-dir", type=Path, help="(default: runs/compare-<data set>)")
    parser.add_argument(
        "--seeds", type=positive_int, default=1, metavar="N", help="train each network N times, from --seed upwards"
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted comparison")
    parser.add_argument("--overwrite", action="store_true", help="replace a comparison")
    parser.add_argument("--json", action="store_true", help="print comparison.json instead of tables")
    add_data_options(parser)
    parser.add_argument("--limit", type=positive_int, metavar="ROWS", help="at most so many rows per split, to try out")
    add_recipe_options(parser)


def run(options: argparse.Namespace) -> None:
    """Train a feed-forward network, a plain RNN and LSTM + attention alike, and NB-SVM beside them; write the table of
    their figures (comparison.md, comparison.json) and a picture (comparison.png)."""
    from dataclasses import asdict, replace

    from ..comparison import COMPARISON_FILE, LEGEND, build_tables, compare, render_markdown
    from ..data import resolve_spec
    from ..plots import plot_comparison, save_figure
    from ..results import RunResult, save_json

    spec = resolve_spec(options.dataset, **data_choices(options))
    folder = options.output_dir or Path("runs") / f"compare-{spec.name}"
    comparison = compare(
        spec,
        folder,
        recipe=build_recipe(options),
        recipe_name=options.recipe,
        protocol=options.protocol,
        seeds=range(options.seed, options.seed + options.seeds),
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    save_json(asdict(comparison), folder / COMPARISON_FILE)
    for run_folder in folder.glob("lstm_attn-*"):  # whose card will show it
        replace(RunResult.load(run_folder), comparison=asdict(comparison)).save(run_folder)
    markdown = render_markdown(comparison)
    (folder / "comparison.md").write_text(markdown, encoding="utf-8")
    save_figure(plot_comparison(asdict(comparison)), folder / "comparison.png")
    if options.json:
        print((folder / COMPARISON_FILE).read_text(encoding="utf-8"), end="")
        return
    print(f"\n{markdown.splitlines()[0].removeprefix('# ')}")
    for table in build_tables(comparison):
        print()
        print_table(table)
    print(f"\n{LEGEND.format(rows=comparison.train_rows_evaluated)}")
    warn(f"\nThe runs, comparison.md, comparison.json and comparison.png are in {folder}")
