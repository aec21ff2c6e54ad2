"""What a run folder holds while its run lasts, and who may write there."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from .results import PUSHED_FILE, save_json
from .tokenization import save_tokenizer

CHECKPOINTS = "checkpoints"  # lives while a run does
REQUEST_FILE = "request.json"
CLOCK_FILE = "clock.json"
INITIAL_MODEL = "initial"


class Clock:
    """Seconds of each stage of a run, over all its sittings; what came after the last checkpoint of one is lost."""

    def __init__(self, checkpoints: Path) -> None:
        self.path = checkpoints / CLOCK_FILE
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap as the stage's."""
        now = time.monotonic()
        self._add(stage, now - self._last)
        self._last = now

    def save(self, stage: str) -> None:
        """A lap, and keep all for `resume`: to be called as a checkpoint is written."""
        self.lap(stage)
        save_json(self.seconds, self.path)

    def resume(self) -> None:
        """Add what earlier sittings took."""
        for stage, seconds in (_load_json(self.path) if self.path.is_file() else {}).items():
            self._add(stage, seconds)

    def total(self) -> float:
        return round(sum(self.seconds.values()), 3)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 3)


def find_state(
    output_dir: Path, results_file: str, request: dict[str, Any], *, resume: bool, overwrite: bool
) -> Literal["new", "begun", "finished"]:
    """Whether a run is to start, to go on, or is done already; a finished one keeps no checkpoints.

    Args:
        results_file: What a finished run of this kind leaves; JSON with the `request` it was asked for.
        request: What is asked for now, as JSON values.

    Raises:
        ValueError: if the run to resume was started differently.
        FileExistsError: if the folder holds something and neither `resume` nor `overwrite` is given.
    """
    checkpoints = output_dir / CHECKPOINTS
    if resume and (output_dir / results_file).is_file():
        _check_request(request, _load_json(output_dir / results_file)["request"])
        shutil.rmtree(checkpoints, ignore_errors=True)
        return "finished"
    _check_folder(output_dir, results_file, resume=resume, overwrite=overwrite)
    if resume and (checkpoints / REQUEST_FILE).is_file():
        _check_request(request, _load_json(checkpoints / REQUEST_FILE))
        return "begun"
    return "new"


def _check_folder(output_dir: Path, results_file: str, *, resume: bool, overwrite: bool) -> None:
    if not output_dir.exists() or (output_dir.is_dir() and not any(output_dir.iterdir())):
        return
    is_run = (output_dir / results_file).is_file() or (output_dir / CHECKPOINTS / INITIAL_MODEL).is_dir()
    if not is_run:
        raise FileExistsError(f"Expected a new or empty folder; found other files at {output_dir}. Choose another one.")
    if not resume and not overwrite:
        raise FileExistsError(
            f"Expected a new or empty folder; found a run in {output_dir}. Pass resume=True (--resume) to continue it, "
            "overwrite=True (--overwrite) to replace it, or another folder."
        )


def begin_folder(
    output_dir: Path,
    request: dict[str, Any],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Keep the untrained model, so that a resumed run need not train word vectors again, then what was asked for."""
    record = output_dir / PUSHED_FILE
    pushed = record.read_bytes() if record.is_file() else None
    if output_dir.exists():
        shutil.rmtree(output_dir)
    folder = output_dir / CHECKPOINTS / INITIAL_MODEL
    model.save_pretrained(folder)
    if pushed is not None:
        record.write_bytes(pushed)
    save_tokenizer(tokenizer, folder)
    save_json(request, output_dir / CHECKPOINTS / REQUEST_FILE)


def _check_request(request: dict[str, Any], begun: dict[str, Any]) -> None:
    differing = [name for name in request if request[name] != begun.get(name)]
    if differing:
        raise ValueError(
            f"Expected the settings the run was started with; found another {', '.join(differing)}. "
            "Resume with the same arguments, or start in another folder."
        )


def _load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
