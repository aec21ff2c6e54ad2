"""One process at a time writes to a folder."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger("hf_lstm_attn")
IS_FIRST = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts: the one that writes


@contextmanager
def hold(folder: str | Path, output: str | Path | None = None) -> Iterator[None]:
    """Keep other processes from writing to a folder meanwhile; made if it is missing. In one process it may be nested.

    Args:
        output: What is being written, for the error; by default the folder.

    Raises:
        ValueError: if another process is writing there.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder, ".lock"), is_singleton=True)
    try:
        if IS_FIRST:
            lock.acquire(timeout=0)
    except Timeout:
        place = output or folder
        raise ValueError(f"Another process is writing to {place}. Wait for its end, or choose another.") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stage(output: Path) -> Iterator[Path]:
    """A folder beside a file, to write it in; it is removed at the end, and what a killed process left, at the start.

    Raises:
        FileNotFoundError: if there is no folder for it.
        ValueError: if another process is writing that file.
    """
    if not output.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent}.")
    folder = output.with_name(f".{output.name}.part")
    is_left = folder.exists()
    with hold(folder, output):
        if is_left:
            logger.info(f"An earlier run did not finish {output}: starting again.")
        for path in folder.glob("[!.]*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
