"""What the Trainer is told to do besides training: averaged weights, early stopping, resuming, progress."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_callback import ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from .results import save_json

RAW_WEIGHTS_FILE = "raw_weights.safetensors"
RUN_FILE = "run.json"  # of a checkpoint: the training data's fingerprint, and the seconds spent so far
logger = logging.getLogger("hf_lstm_attn")


class AveragedWeights(TrainerCallback):
    """An exponential moving average of the weights, which is evaluated and saved; training goes on with the raw ones.

    The average is `decay * average + (1 - decay) * weights` per step, with a smaller decay in the first steps
    (`(1 + step) / (10 + step)`), so that it does not remember the random start. A checkpoint's model is the average;
    the raw weights lie beside it, and training goes on from both with the same numbers.

    Args:
        decay: Between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.resume_from: Path | None = None  # the checkpoint whose average the model holds when training begins
        self.average: list[torch.Tensor] = []
        self.raw: list[torch.Tensor] | None = None  # while the model holds the average

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        self.average = [parameter.detach().clone() for parameter in model.parameters()]
        if self.resume_from is not None:
            raw = load_file(self.resume_from / RAW_WEIGHTS_FILE)
            _copy([raw[name] for name, _ in model.named_parameters()], model)

    def on_step_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [parameter.detach() for parameter in model.parameters()], 1 - decay)

    @contextmanager
    def averaged(self, model: nn.Module) -> Iterator[None]:
        """Lets the model hold the average for a while."""
        self.raw = [parameter.detach().clone() for parameter in model.parameters()]
        _copy(self.average, model)
        try:
            yield
        finally:
            _copy(self.raw, model)
            self.raw = None

    def save(self, checkpoint: Path, model: nn.Module) -> None:
        """Write the raw weights beside the average that the checkpoint holds, whole or not at all."""
        raw = self.raw if self.raw is not None else [parameter.detach() for parameter in model.parameters()]
        part = checkpoint / (RAW_WEIGHTS_FILE + ".part")
        names = [name for name, _ in model.named_parameters()]
        save_file({name: value.contiguous() for name, value in zip(names, raw, strict=True)}, part)
        part.replace(checkpoint / RAW_WEIGHTS_FILE)

    def on_train_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        if state.best_model_checkpoint is None or not args.load_best_model_at_end:
            _copy(self.average, model)


def _copy(values: list[torch.Tensor], model: nn.Module) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(value)


class EarlyStopping(EarlyStoppingCallback):
    """The stock callback, which does not count while one class is predicted for everything: the metric cannot move."""

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **kwargs: Any
    ) -> None:
        if f"eval_{args.metric_for_best_model}" in metrics and metrics.get("eval_predicted_classes") != 1:
            super().on_evaluate(args, state, control, metrics, **kwargs)
            if self.early_stopping_patience_counter >= self.early_stopping_patience:
                logger.info(
                    f"Stopped: {self.early_stopping_patience_counter} evaluations without a better "
                    f"{args.metric_for_best_model}."
                )


class RunRecord(TrainerCallback):
    """Writes into every checkpoint, as its last file, what a resumed run must know.

    Args:
        fingerprint: Of the training data.
    """

    def __init__(self, fingerprint: str | None = None) -> None:
        self.fingerprint = fingerprint
        self.earlier = 0.0  # seconds of the sittings before
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of training, over all sittings."""
        return round(self.earlier + time.monotonic() - self.started, 3)

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint; ValueError if it is of other data."""
        record = json.loads((checkpoint / RUN_FILE).read_text(encoding="utf-8"))
        if record["fingerprint"] != self.fingerprint:
            raise ValueError(f"{checkpoint} was trained on other data; resume with the same, or start anew.")
        self.earlier = record["seconds"]
        logger.info(f"Resuming from {checkpoint}.")

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.monotonic()

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if args.should_save and folder.is_dir():  # a trial of a search has its checkpoints elsewhere
            save_json({"fingerprint": self.fingerprint, "seconds": self.seconds}, folder / RUN_FILE)


def list_checkpoints(folder: Path) -> list[Path]:
    """A run's checkpoints, the newest first."""
    found = [path for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if path.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def is_whole(checkpoint: Path, *, with_raw_weights: bool) -> bool:
    """Whether a checkpoint was written to its end, which is `RUN_FILE`; its weights are opened to see."""
    try:
        for name in ("trainer_state.json", RUN_FILE):
            json.loads((checkpoint / name).read_text(encoding="utf-8"))
        names = ["model.safetensors", *([RAW_WEIGHTS_FILE] if with_raw_weights else [])]
        for name in names:
            load_file(checkpoint / name)
    except (OSError, ValueError, SafetensorError):
        return False
    return True


def choose_checkpoint(choice: str | bool | None, folder: Path, *, with_raw_weights: bool = False) -> Path | None:
    """The checkpoint that is named, or for True the newest whole one in `folder`; None for neither. Words count too:
    "true", "false".

    Raises:
        ValueError: if there is none that is whole.
    """
    choice = {"true": True, "false": None, "none": None}.get(str(choice).lower(), choice)
    if not choice:
        return None
    candidates = list_checkpoints(folder) if choice is True else [Path(choice)]
    for path in candidates:
        if is_whole(path, with_raw_weights=with_raw_weights):
            return path
    raise ValueError(f"There is no whole checkpoint to resume from in {folder if choice is True else choice}.")


class EpochReport(TrainerCallback):
    """Logs a line per evaluation."""

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, *, metrics: dict[str, float], **_: Any) -> None:
        name = args.metric_for_best_model
        if state.is_world_process_zero and f"eval_{name}" in metrics and "eval_loss" in metrics:
            logger.info(
                f"epoch {state.epoch or 0:.4g} of {state.num_train_epochs}: validation {name} "
                f"{metrics[f'eval_{name}']:.4f}, loss {metrics['eval_loss']:.4f}"
            )


class Progress(ProgressCallback):
    """The stock progress bars, with the loss and the metric in them instead of a printed dictionary per log entry."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None:
            self.training_bar.set_description("training")

    def on_prediction_step(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        super().on_prediction_step(args, state, control, **kwargs)
        if self.prediction_bar is not None:
            self.prediction_bar.set_description("evaluating", refresh=False)

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        names = ("loss", f"eval_{args.metric_for_best_model}")
        self.shown |= {name: f"{logs[name]:.4f}" for name in names if name in logs}
        if self.training_bar is not None:
            self.training_bar.set_postfix(self.shown, refresh=False)
