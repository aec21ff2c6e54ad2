"""What the stock Trainer is told to do besides training: averaged weights, early stopping, a line per epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

RAW_WEIGHTS_FILE = "raw_weights.safetensors"


class EmaCallback(TrainerCallback):
    """Evaluates and saves an exponential moving average of the weights, and trains on the raw ones.

    The average is `decay * average + (1 - decay) * weights` per step, with a smaller decay in the first steps
    (`(1 + step) / (10 + step)`), so that it does not remember the random start. A checkpoint's model is the average;
    the raw weights lie beside it, written last, and training goes on from both with the same numbers.

    Args:
        decay: Between 0 and 1.
        resume_from: The checkpoint that training continues from, or None.
    """

    def __init__(self, decay: float, resume_from: Path | None = None) -> None:
        self.decay = decay
        self.resume_from = resume_from
        self.average: list[torch.Tensor] = []
        self.raw: list[torch.Tensor] | None = None  # while the model holds the average

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        self.average = [parameter.detach().clone() for parameter in model.parameters()]
        if self.resume_from is not None:
            raw = load_file(self.resume_from / RAW_WEIGHTS_FILE)
            self.raw = [raw[name].to(parameter.device) for name, parameter in model.named_parameters()]

    def on_epoch_begin(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        if self.raw is not None:
            _copy(self.raw, model)
            self.raw = None

    def on_step_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [parameter.detach() for parameter in model.parameters()], 1 - decay)

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        self.raw = [parameter.detach().clone() for parameter in model.parameters()]
        _copy(self.average, model)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: Any, *, model: nn.Module, **_: Any
    ) -> None:
        if self.raw is None:
            return
        path = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / RAW_WEIGHTS_FILE
        partial = path.with_name(path.name + ".partial")
        names = [name for name, _ in model.named_parameters()]
        save_file(dict(zip(names, self.raw, strict=True)), partial)
        partial.replace(path)


def _copy(values: list[torch.Tensor], model: nn.Module) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(value)


class OnSave(TrainerCallback):
    """Calls a function after each checkpoint."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function

    def on_save(self, *_: Any, **__: Any) -> None:
        self.function()


class EarlyStopping(EarlyStoppingCallback):
    """The stock callback, which warns at every evaluation of a split that does not choose the checkpoint."""

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        if args.metric_for_best_model in metrics:
            super().on_evaluate(args, state, control, metrics, **kwargs)


class EpochReport(TrainerCallback):
    """Hands each epoch's metrics to `say` as one line."""

    def __init__(self, metric: str, say: Callable[[str], None]) -> None:
        self.metric = metric
        self.say = say
        self.started = time.monotonic()
        self.train_score = float("nan")

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.monotonic()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: Any, metrics: dict[str, float], **_: Any
    ) -> None:
        if f"eval_train_{self.metric}" in metrics:
            self.train_score = metrics[f"eval_train_{self.metric}"]
        if f"eval_validation_{self.metric}" in metrics:
            validation = metrics[f"eval_validation_{self.metric}"]
            self.say(
                f"epoch {round(state.epoch or 0)} of {round(args.num_train_epochs)}: {self.metric} train "
                f"{self.train_score:.4f}, validation {validation:.4f}; {time.monotonic() - self.started:.0f} s"
            )


class ProgressBar(ProgressCallback):
    """The stock progress bars without the stock's dump of every log entry."""

    def on_log(self, *_: Any, **__: Any) -> None:
        pass


def say(line: str) -> None:
    """Print a line to standard error, above a progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)
