"""`hf-lstm-attn space`"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from .common import UsageError, print_table, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="repository of the model on the Hub, or a model folder")
    parser.add_argument("-o", "--output-dir", type=Path, metavar="FOLDER", help="new folder to write the Space to")
    parser.add_argument("--repo-id", metavar="NAME/SPACE", help="push to this Space; created if there is none")
    parser.add_argument("--private", action="store_true", help="create the Space private")
    parser.add_argument("--force", action="store_true", help="replace the files of a Space that exists")
    parser.add_argument("--dry-run", action="store_true", help="print the files and their sizes; use no network")


def run(options: argparse.Namespace) -> None:
    """Build a Gradio Space that shows what a model on the Hub does: -o writes its folder, --repo-id pushes it in one
    commit. The token is HF_TOKEN, or that of "hf auth login"."""
    from ..space_folder import build_space

    if options.output_dir is None and options.repo_id is None and not options.dry_run:
        raise UsageError("Expected -o FOLDER or --repo-id NAME/SPACE; found neither. Say where the Space is to go.")
    if options.repo_id is None and (options.private or options.force):
        raise UsageError("Expected --repo-id with --private or --force; found none. Name the Space to push to.")
    if options.repo_id is not None and Path(options.model).is_dir():
        raise UsageError(
            f"Expected a model on the Hub for a Space on the Hub; found the folder {options.model}. Push the model and "
            "name its repository."
        )
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.output_dir is None or options.dry_run else options.output_dir
        sizes = build_space(options.model, folder)
        print_table([["file", "bytes"], *([name, f"{size:,}"] for name, size in sizes.items())])
        if options.dry_run:
            return
        if options.output_dir is not None:
            warn(f"Wrote {folder}. To see it: pip install gradio, then python {folder / 'app.py'}")
        if options.repo_id is not None:
            from ..hub import push_folder

            result = push_folder(
                folder, options.repo_id, repo_type="space", private=options.private, force=options.force
            )
            print(result.url)
