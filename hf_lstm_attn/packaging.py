"""The folder that goes to the Hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from .results import RunResult

FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "*.py")


def build_repository(run: Path, folder: Path, *, dtype: str = "float32") -> list[Path]:
    """Copy the files of a run that belong into a repository; returns their paths.

    Raises FileNotFoundError for an unfinished run.
    """
    RunResult.load(run)
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(path, folder)) for pattern in FILES for path in sorted(run.glob(pattern))]
