"""`hf-lstm-attn package`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .common import print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("-o", "--output-dir", type=Path, help="new or empty folder (default: RUN with -package)")
    parser.add_argument("--dtype", default="float32", help="of the stored weights: float32 or float16, half the size")
    parser.add_argument("--repo-id", help="where it will live on the Hub; the card's examples name it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Assemble what is pushed to the Hub: model, tokenizer, code, card, figures, results and checksums."""
    from ..packaging import build_repository

    run_folder = options.run_folder
    folder = options.output_dir or run_folder.with_name(f"{run_folder.resolve().name}-package")
    files = build_repository(run_folder, folder, dtype=options.dtype, repo_id=options.repo_id)
    sizes = {path.name: path.stat().st_size for path in files}
    if options.json:
        print(json.dumps({"folder": str(folder), "files": sizes, "bytes": sum(sizes.values())}))
        return
    rows = [(name, f"{size:,}") for name, size in sizes.items()]
    print_table([("file", "bytes"), *rows, ("together", f"{sum(sizes.values()):,}")])
    print(f"\nThe files are in {folder}")
