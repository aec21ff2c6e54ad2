"""The stock Trainer with this package's data, metrics and number formats, and evaluation with it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from .adversarial import AdversarialTrainer, is_labelled
from .callbacks import ProgressBar
from .fine_tuning import lower_encoder_rates
from .memory import keep_freed_memory
from .metrics import build_metrics
from .results import METRIC_NAMES


class Precision(NamedTuple):
    """Number format of training: `float32`, `bfloat16` or `float16`, and why."""

    name: str
    reason: str


def choose_precision(low_precision: bool = True) -> Precision:
    """bfloat16, else float16, on a GPU; bfloat16 on a CPU with instructions for it; float32 otherwise."""
    if not low_precision:
        return Precision("float32", "low precision was declined")
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("bfloat16", f"{name} computes in bfloat16")
        return Precision("float16", f"{name} has no bfloat16")
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    for instructions in ("amx_bf16", "avx512_bf16"):
        if capabilities.get(instructions):
            return Precision("bfloat16", f"the CPU has {instructions}")
    return Precision("float32", "the CPU has no bfloat16 instructions")


def build_arguments(output_dir: Path, precision: Precision, seed: int = 42, **fields: Any) -> TrainingArguments:
    """The stock `TrainingArguments` of every run and evaluation here; `fields` come on top."""
    on_cpu = not torch.accelerator.is_available()
    return TrainingArguments(
        output_dir=str(output_dir),
        seed=seed,
        bf16=precision.name == "bfloat16",
        fp16=precision.name == "float16",
        use_cpu=on_cpu,  # bf16 on a CPU needs it said
        dataloader_pin_memory=not on_cpu,
        train_sampling_strategy="group_by_length",
        per_device_eval_batch_size=128,
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
        **fields,
    )


def encode(dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Columns text, label -> input_ids, labels; texts cut at the tokenizer's `model_max_length`."""

    def encode_batch(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        ids = tokenizer(rows["text"], truncation=True, return_attention_mask=False)["input_ids"]
        return {"input_ids": ids, "labels": rows["label"]}

    return dataset.map(
        encode_batch, batched=True, remove_columns=dataset.column_names, keep_in_memory=True, load_from_cache_file=False
    )


def build_balanced_loss(train_labels: Sequence[int], num_labels: int) -> Callable[..., torch.Tensor]:
    """Cross entropy with the training log-prior added to the logits (Menon et al. 2021, "Long-tail learning via logit
    adjustment"): the bare logits then suit classes of equal weight, which is what macro-recall counts.

    Under evaluation (no gradients) it is the plain cross entropy of the bare logits.
    """
    counts = np.bincount(train_labels, minlength=num_labels)
    log_prior = torch.tensor(np.log(np.maximum(counts, 1) / counts.sum()), dtype=torch.float32)

    def compute_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()  # (batch, num_labels)
        if torch.is_grad_enabled():
            logits = logits + log_prior.to(logits.device)
        return _average_cross_entropy(logits, labels)

    return compute_loss


def compute_labelled_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Mean cross entropy over labelled rows: (batch,) class ids or (batch, num_labels) probabilities; 0 without any."""
    return _average_cross_entropy(outputs["logits"].float(), labels)


def _average_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over labelled rows; 0 without any."""
    return nn.functional.cross_entropy(logits, labels, reduction="sum") / is_labelled(labels).sum().clamp(min=1)


def build_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    arguments: TrainingArguments,
    *,
    train_dataset: Dataset | None = None,
    eval_dataset: Dataset | dict[str, Dataset] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    loss: Callable[..., torch.Tensor] | None = None,
    adversarial_radius: float | None = None,
    virtual_adversarial_radius: float | None = None,
    entropy_weight: float = 0.0,
    encoder_learning_rate: float | None = None,
) -> Trainer:
    """A stock `Trainer` over encoded datasets, with this package's metrics and a quiet log.

    A training set with rows labelled `UNLABELLED` needs a `loss` that stays finite in a batch of them alone.
    """
    keep_freed_memory()
    metrics = build_metrics(model.config.num_labels)

    def compute_metrics(evaluated: EvalPrediction) -> dict[str, float]:
        predictions = np.asarray(evaluated.predictions).argmax(-1)  # (examples,)
        return metrics.compute(predictions=predictions, references=evaluated.label_ids)

    trainer_class: Callable[..., Trainer] = Trainer
    if adversarial_radius is not None or virtual_adversarial_radius is not None or entropy_weight:
        trainer_class = partial(
            AdversarialTrainer,
            adversarial_radius=adversarial_radius,
            virtual_adversarial_radius=virtual_adversarial_radius,
            entropy_weight=entropy_weight,
        )
    trainer = trainer_class(
        model=model,
        args=arguments,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        compute_loss_func=loss,
        callbacks=list(callbacks),
    )
    if encoder_learning_rate is not None:
        lower_encoder_rates(trainer.create_optimizer(), model, encoder_learning_rate)
    trainer.loss_is_scaled_for_ga = False  # every loss here is the mean of its own batch
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(ProgressBar)
    return trainer


def predict_logits(trainer: Trainer, encoded: Dataset, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Logits (examples, num_labels), labels (examples,) and metrics of a split.

    Rows keep the data set's order. They are read longest first, so that little is padding.
    """
    order = np.argsort([-len(ids) for ids in encoded["input_ids"]], kind="stable")
    strategy, trainer.args.train_sampling_strategy = trainer.args.train_sampling_strategy, "sequential"
    try:
        output = trainer.predict(encoded.select(order), metric_key_prefix=name)
    finally:
        trainer.args.train_sampling_strategy = strategy
    places = np.argsort(order)
    logits, labels = np.asarray(output.predictions)[places], np.asarray(output.label_ids)[places]
    return logits, labels, select_metrics(output.metrics, name)


def predict_dataset(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dataset: Dataset, precision: Precision | None = None
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """`predict_logits` of a model on columns text, label; leaves the model in evaluation mode."""
    view = copy(model.eval())  # same weights: the Trainer wraps its model's forward in autocast for good
    with tempfile.TemporaryDirectory() as folder:
        arguments = build_arguments(Path(folder), precision or choose_precision())
        return predict_logits(build_trainer(view, tokenizer, arguments), encode(dataset, tokenizer), "eval")


def evaluate_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dataset: Dataset, precision: Precision | None = None
) -> dict[str, float]:
    """Loss, accuracy, precision, recall, F1 and macro-recall of a model on columns text, label."""
    return predict_dataset(model, tokenizer, dataset, precision)[2]


def select_metrics(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The metrics of `METRIC_NAMES` from among the Trainer's, without their prefix."""
    return {name: metrics[f"{prefix}_{name}"] for name in METRIC_NAMES}
