"""LstmAttnTrainingArguments: transformers' own, with the default recipe's values and a few fields more."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from transformers import TrainingArguments


def cpu_has_bf16() -> bool:
    """Whether the CPU has a unit for bfloat16 (AMX). By the instructions of AVX-512 a training step takes 1.2 to 1.5
    times as long as in float32, and the vectors of a transformer 1.6 times."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16"))


FEW_ROWS = 5_000


@dataclass
class LstmAttnTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` whose defaults are those of recipe `default`.

    Everything that stock Trainer understands is set by its own name. New, or with a default of its own:

    Args:
        num_train_epochs: None takes as many as read `MIN_TOKENS` tokens of labelled text, from 3 to 20; more where
            they are fewer than `MIN_STEPS` steps, and then training is evaluated and saved 20 times in all. An encoder
            that a teacher taught takes 10 at most, and `TAUGHT_STEPS` at least.
        per_device_train_batch_size: None takes 64, or 32 for fewer than 5,000 texts and for a taught encoder.
        learning_rate: The highest one. None takes 2e-3, or 0.015 for fewer than 5,000 texts without a taught encoder.
        body_learning_rate: That of all layers but the head. None takes `learning_rate`, or 5e-4 for a taught encoder.
        bf16: None chooses: bfloat16 where the hardware is fast at it, else float16 on a GPU, else float32.
        max_length: Tokens of a longer text that training reads, to save time; None reads as many as the model does.
            Evaluation and prediction read up to the model's own limit.
        truncation_mode: Which tokens these are: "keep_end" (reviewers conclude at the end) or "keep_start".
        ema_decay: Decay per step of the averaged weights that are evaluated and kept; None keeps the raw ones.
        balance_classes: Whether training counts every class alike, however rare (Menon et al. 2021).
        early_stopping_patience: Evaluations without a better `metric_for_best_model` after which training ends; None
            never ends it, nor does it end early on fewer than 5,000 texts where `num_train_epochs` is left open.
        eval_on_train: Whether every evaluation measures a sample of the training rows too (`train_loss`, ...).
        calibrate: Whether to fit a temperature on the validation rows after training.
        dataset_name: What the data is called on the card; the Hub id if it has one.
        dataset_config: The configuration of `dataset_name`.
        language: Of the texts, as the Hub abbreviates it.
        license: Under which the model is published, as the Hub abbreviates it; `push_to_hub` needs it.
        recipe: The recipe that the other fields came from, for the record.
    """

    MIN_TOKENS, MIN_STEPS, TAUGHT_STEPS = 7_000_000, 600, 500

    learning_rate: float | None = field(default=None, metadata={"help": "The highest learning rate."})
    body_learning_rate: float | None = field(default=None, metadata={"help": "That of all layers but the head."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "How the learning rate falls."})
    warmup_steps: float = field(default=0.05, metadata={"help": "Steps of warm-up; below 1, a share of all steps."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    per_device_train_batch_size: int | None = field(default=None, metadata={"help": "Texts per step and device."})
    per_device_eval_batch_size: int = field(default=128, metadata={"help": "Texts per batch of evaluation."})
    num_train_epochs: float | None = field(default=None, metadata={"help": "Epochs; by default 3 to 20, by the data."})
    bf16: bool | None = field(default=None, metadata={"help": "bfloat16; by default where the hardware is fast at it."})
    train_sampling_strategy: str = field(default="group_by_length", metadata={"help": "Order of the training rows."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best checkpoint's weights."})
    metric_for_best_model: str | None = field(default="f1", metadata={"help": "What makes a checkpoint the best."})
    restore_callback_states_from_checkpoint: bool = field(default=True, metadata={"help": "Resume early stopping."})

    max_length: int | None = field(default=400, metadata={"help": "Tokens of a text that training reads."})
    truncation_mode: str = field(default="keep_end", metadata={"help": "keep_end or keep_start."})
    ema_decay: float | None = field(default=0.998, metadata={"help": "Decay of averaged weights; none: raw weights."})
    balance_classes: bool = field(default=False, metadata={"help": "Train as if all classes were equally frequent."})
    early_stopping_patience: int | None = field(default=2, metadata={"help": "Evaluations without a better one."})
    eval_on_train: bool = field(default=True, metadata={"help": "Evaluate a sample of the training rows too."})
    calibrate: bool = field(default=True, metadata={"help": "Fit a temperature on the validation rows."})
    dataset_name: str | None = field(default=None, metadata={"help": "Name of the data on the card."})
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of the data on the card."})
    language: str = field(default="en", metadata={"help": "Language of the texts, for the card."})
    license: str | None = field(default=None, metadata={"help": "License of the model: mit, cc-by-4.0, ..."})
    recipe: str | None = field(default=None, metadata={"help": "Recipe that the other settings came from."})

    def __post_init__(self) -> None:
        args: Any = self  # whose other fields are transformers'
        # LstmAttnTrainer chooses these when it has seen the data; until then, of values that stock code needs:
        stand_ins = {"num_train_epochs": 3.0, "per_device_train_batch_size": 64, "learning_rate": 2e-3}
        self.left_open = {name for name in (*stand_ins, "body_learning_rate") if getattr(self, name) is None}
        for name in self.left_open & stand_ins.keys():
            setattr(self, name, stand_ins[name])
        self.stops_early = True  # on few texts not, if the number of epochs is left open
        self.metric_for_best_model = (self.metric_for_best_model or "loss").removeprefix("eval_")
        if "no" in (self.eval_strategy, self.save_strategy):
            self.load_best_model_at_end = False
        numbers = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "max_grad_norm"}
        if wrong := [name for name, value in numbers.items() if isinstance(value, float) and not math.isfinite(value)]:
            raise ValueError(f"{wrong[0]} is {numbers[wrong[0]]}; it must be a finite number.")
        if self.truncation_mode not in ("keep_end", "keep_start"):
            raise ValueError(f"truncation_mode is {self.truncation_mode!r}; choose keep_end or keep_start.")
        on_gpu = torch.cuda.is_available() and not args.use_cpu
        if not torch.accelerator.is_available():
            args.use_cpu, args.dataloader_pin_memory = True, False  # low precision on a CPU needs it said
        if self.bf16 is None:
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_has_bf16()
            self.bf16 = has_bf16 and not args.fp16
            args.fp16 = args.fp16 or (on_gpu and not has_bf16)
        super().__post_init__()

    def adapt(self, rows: int, tokens: int, *, is_taught: bool = False) -> None:
        """Choose by the training data what was left open: batch size, rates, epochs, and how often to evaluate.

        Args:
            is_taught: Whether the model starts from an encoder that a teacher taught: its body has less to learn.
        """
        is_small = rows < FEW_ROWS
        chosen: dict[str, Any] = {
            "per_device_train_batch_size": 32 if is_small or is_taught else 64,
            "learning_rate": 0.015 if is_small and not is_taught else 2e-3,
            "body_learning_rate": 5e-4 if is_taught else None,
        }
        for name in self.left_open & chosen.keys():
            setattr(self, name, chosen[name])
        if "num_train_epochs" not in self.left_open:
            return
        args: Any = self
        steps = math.ceil(rows / (args.train_batch_size * args.world_size * args.gradient_accumulation_steps))
        self.stops_early = not is_small
        most, least = (10, self.TAUGHT_STEPS) if is_taught else (20, self.MIN_STEPS)
        self.num_train_epochs = round(max(min(max(self.MIN_TOKENS / max(tokens, 1), 3), most), least / steps))
        if self.num_train_epochs > 20:
            for kind in ("eval", "save", "logging"):
                strategy = getattr(self, f"{kind}_strategy")
                if strategy == "epoch":
                    setattr(self, f"{kind}_strategy", type(strategy)("steps"))
                    setattr(self, f"{kind}_steps", math.ceil(self.num_train_epochs * steps / 20))
