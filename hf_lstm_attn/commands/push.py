"""`hf-lstm-attn push`"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .common import print_table

if TYPE_CHECKING:
    from ..hub import PushResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--repo-id", required=True, metavar="NAME/MODEL", help="repository; created if there is none")
    parser.add_argument("--private", action="store_true", help="create the repository private")
    parser.add_argument("--revision", metavar="BRANCH", help="existing branch to push to (default: main)")
    parser.add_argument("--create-pr", action="store_true", help="open a pull request instead")
    parser.add_argument("--force", action="store_true", help="replace files that were not pushed from this run folder")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float16"), help="(default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="print the files and their sizes; use no network")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Push a run's model, tokenizer and code to the Hub in one commit. The token is HF_TOKEN, or that of
    "hf auth login"."""
    choices = {name: getattr(options, name) for name in ("private", "revision", "create_pr", "force")}
    if options.dry_run:
        _print_files(options)
        return
    result, files = push_run(options.run_folder, options.repo_id, dtype=options.dtype, **choices)
    if options.json:
        print(json.dumps({**vars(result), "files": files}, indent=2))
    else:
        print(describe_push(result))


def push_run(
    run_folder: Path, repo_id: str, *, dtype: str = "float32", **choices: Any
) -> tuple[PushResult, dict[str, int]]:
    """Assemble a run's repository and push it; returns what was done and the sizes of its files."""
    from huggingface_hub.utils import disable_progress_bars

    from ..hub import check_can_push, list_files, push_folder
    from ..packaging import build_repository

    check_can_push(repo_id)
    if not sys.stderr.isatty():
        disable_progress_bars()
    with TemporaryDirectory() as folder:
        build_repository(run_folder, Path(folder), dtype=dtype, repo_id=repo_id)
        return push_folder(Path(folder), repo_id, seen=run_folder, **choices), list_files(Path(folder))


def describe_push(result: PushResult) -> str:
    """What was done, where it is, and the two lines that load it."""
    if result.pull_request is not None:
        done, revision = f"Opened {result.pull_request}", f"refs/pr/{result.pull_request.rpartition('/')[2]}"
    else:
        revision = result.revision
        changes = f"{len(result.written)} files written, {len(result.deleted)} deleted: {result.commit_url}"
        done = changes if result.written or result.deleted else f"Nothing to push: {result.url} holds the same files"
    choice = "" if revision == "main" else f', revision="{revision}"'
    return (
        f"{done}\n\n{result.url}\n\n"
        "from transformers import pipeline\n"
        f'classifier = pipeline("text-classification", model="{result.repo_id}"{choice}, trust_remote_code=True)'
    )


def _print_files(options: argparse.Namespace) -> None:
    from ..hub import list_files
    from ..packaging import build_repository

    with TemporaryDirectory() as folder:
        build_repository(options.run_folder, Path(folder), dtype=options.dtype, repo_id=options.repo_id)
        files = list_files(Path(folder))
    if options.json:
        print(json.dumps({"repo_id": options.repo_id, "files": files}, indent=2))
    else:
        rows = [(path, f"{size:,} bytes") for path, size in files.items()]
        print_table([*rows, (f"{len(files)} files", f"{sum(files.values()):,} bytes")])
