"""One process at a time writes to a folder, and what it replaces is kept until the new is whole."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger("hf_lstm_attn")
IS_FIRST = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts: the one that writes
REPLACED = ".replaced"  # the folder in which a run is kept until the one that overwrites it is whole


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


def set_aside(folder: Path, patterns: Sequence[str]) -> None:
    """Move what a run has left in `folder`, the names that match, aside; what a new run left there that did not end is
    removed."""
    part, kept = folder / f"{REPLACED}.part", folder / REPLACED
    shutil.rmtree(folder / f"{REPLACED}.done", ignore_errors=True)
    written = [path for path in folder.iterdir() if any(fnmatch(path.name, name) for name in patterns)]
    if kept.is_dir():
        for path in written:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif written or part.is_dir():
        part.mkdir(exist_ok=True)
        for path in written:
            path.rename(part / path.name)
        part.rename(kept)
        logger.info(f"The run that was in {folder} is kept in {kept} until the new one is whole.")


def drop_replaced(folder: Path) -> None:
    """Remove what `set_aside` has kept."""
    if (folder / REPLACED).is_dir():
        shutil.rmtree((folder / REPLACED).rename(folder / f"{REPLACED}.done"))
