"""`hf-lstm-attn verify`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .common import read_run_spec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder from `package`, or Hub id")
    parser.add_argument("--revision", help="of a Hub id: branch, tag or commit")
    parser.add_argument("--rescore", action="store_true", help="score the test split again")
    parser.add_argument("--data", metavar="WHERE", help="where the data lies, for --rescore (default: on the Hub)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Check that a model is what it says: every file by its checksum, 32 recorded examples by loading it as a stranger
    would, its card and, on request, its test figures. Exits with 1 and names every difference."""
    from dataclasses import replace

    from ..verification import find_differences

    folder = _find_folder(options.model, options.revision)
    spec = None
    if options.rescore:
        spec = read_run_spec(folder)
        spec = replace(spec, path=options.data) if options.data else spec
    differences = find_differences(folder, rescore=spec)
    if options.json:
        print(json.dumps({"model": options.model, "differences": differences}))
    if differences:
        lines = "".join(f"\n  {difference}" for difference in differences)
        raise ValueError(f"{options.model} is not what it says:{lines}")
    if not options.json:
        print(f"{options.model}: all files, the card and the recorded examples are as they should be.")


def _find_folder(model: str, revision: str | None) -> Path:
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(model, revision=revision))
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(
            f"Expected a folder or a Hub id; found none at {model!r}. {str(error).splitlines()[0]}"
        ) from error
