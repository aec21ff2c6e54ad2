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
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerState
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints

from .locks import hold
from .results import save_json

RAW_WEIGHTS_FILE = "raw_weights.safetensors"
RUN_FILE = "run.json"  # of a checkpoint: the training data's fingerprint, the seconds spent so far, sizes of files
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
        self.average: dict[str, torch.Tensor] = {}
        self.raw: dict[str, torch.Tensor] = {}  # while the model holds the average

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        self.average = copy_weights(model)
        if self.resume_from is not None and (self.resume_from / RAW_WEIGHTS_FILE).is_file():
            model.load_state_dict(load_file(self.resume_from / RAW_WEIGHTS_FILE), strict=False)

    def on_step_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        weights = [parameter.detach() for parameter in model.parameters()]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - decay)

    @contextmanager
    def averaged(self, model: nn.Module) -> Iterator[None]:
        """Lets the model hold the average for a while."""
        self.raw = copy_weights(model)
        model.load_state_dict(self.average, strict=False)
        try:
            yield
        finally:
            model.load_state_dict(self.raw, strict=False)
            self.raw = {}

    def save_raw(self, checkpoint: Path) -> None:
        """Write the raw weights beside the average that the checkpoint holds."""
        if self.raw:
            save_file(self.raw, checkpoint / RAW_WEIGHTS_FILE)
            (checkpoint / RAW_WEIGHTS_FILE).chmod((checkpoint / "config.json").stat().st_mode)

    def on_train_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        if state.best_model_checkpoint is None or not args.load_best_model_at_end:
            model.load_state_dict(self.average, strict=False)


def copy_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Name -> a copy of each parameter; buffers are left out."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


class EarlyStopping(EarlyStoppingCallback):
    """The stock callback, which does not count while one class is predicted for everything: the metric cannot move."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        if f"eval_{args.metric_for_best_model}" in metrics and metrics.get("eval_predicted_classes") != 1:
            super().on_evaluate(args, state, control, metrics, **kwargs)
            count = self.early_stopping_patience_counter
            if count >= self.early_stopping_patience:
                logger.info(f"Stopped: {count} evaluations without a better {args.metric_for_best_model}.")


class RunRecord(TrainerCallback):
    """Writes into every checkpoint, as its last file, what a resumed run must know.

    Args:
        fingerprint: Of the training data.
    """

    def __init__(self, fingerprint: str | None = None) -> None:
        self.fingerprint = fingerprint
        self.earlier = 0.0  # seconds of the sittings before

    @property
    def seconds(self) -> float:
        """Of training, over all sittings."""
        return round(time.monotonic() - self.started, 3)

    def resume(self, choice: str | Path | bool | None, folder: str | Path) -> str | None:
        """The checkpoint to go on from: the one that is named, or for True the newest whole one in `folder`; None for
        neither. "true" and "false" are understood too.

        Raises:
            ValueError: if there is none that is whole, or it is of other data.
        """
        if str(choice).lower() in ("none", "false", ""):
            return None
        checkpoint = find_checkpoint(Path(folder)) if str(choice).lower() == "true" else Path(str(choice))
        if checkpoint is None or not is_whole(checkpoint):
            raise ValueError(f"There is no whole checkpoint to resume from in {checkpoint or folder}.")
        record = json.loads((checkpoint / RUN_FILE).read_text(encoding="utf-8"))
        if record["fingerprint"] != self.fingerprint:
            raise ValueError(f"{checkpoint} was trained on other data; resume with the same, or start anew.")
        self.earlier = record["seconds"]
        logger.info(f"Resuming from {checkpoint}.")
        return str(checkpoint)

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        self.started, self.limit = time.monotonic() - self.earlier, args.save_total_limit
        if not state.is_hyper_param_search:  # stock code removes older checkpoints before the new one is whole
            args.save_total_limit = None

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        args.save_total_limit = self.limit

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if args.should_save and folder.is_dir():  # a trial of a search has its checkpoints elsewhere
            sizes = {path.name: path.stat().st_size for path in folder.iterdir() if not path.match(f"{RUN_FILE}*")}
            record = {"fingerprint": self.fingerprint, "seconds": self.seconds, "sizes": sizes}
            save_json(record, folder / RUN_FILE)
            rotate_checkpoints(args.output_dir, self.limit, state.best_model_checkpoint)


def check_loss(loss: torch.Tensor, state: TrainerState) -> torch.Tensor:
    """The loss; raises ValueError if it is not finite."""
    if not torch.isfinite(loss):
        raise ValueError(f"The loss became {loss.item()} after step {state.global_step}; lower learning_rate.")
    return loss


def train_alone(trainer: Trainer, checkpoint: str | None) -> None:
    """Train, reporting, while no other process may write to the folder; figures after it are those of float32."""
    report_progress(trainer)
    with hold(trainer.args.output_dir):
        trainer.train(resume_from_checkpoint=checkpoint)
    leave_autocast(trainer)


def leave_autocast(trainer: Trainer) -> None:
    """Let the model compute in float32 again, as whoever loads it will: figures after training are of that."""
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)


def find_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a run's folder; None if there is none."""
    paths = sorted(folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=lambda path: (len(path.name), path.name))
    return next(filter(is_whole, reversed(paths)), None)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end, which is `RUN_FILE`, and all files have the size that it tells."""
    try:
        sizes = json.loads((checkpoint / RUN_FILE).read_text(encoding="utf-8")).get("sizes", {})
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def report_progress(trainer: Trainer) -> None:
    """Let a Trainer report by `EpochReport`, and `Progress` unless bars are off, instead of printed dictionaries."""
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(Progress())
    trainer.add_callback(EpochReport())


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

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        self.shown: dict[str, str] = {}
        if self.training_bar is not None:
            self.training_bar.set_description("training")

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        names = ("loss", f"eval_{args.metric_for_best_model}")
        if self.training_bar is not None:
            self.shown |= {name: f"{logs[name]:.4f}" for name in names if name in logs}
            self.training_bar.set_postfix(self.shown, refresh=False)
