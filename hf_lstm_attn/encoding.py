"""From columns `text` and `label` to what a model takes, and from a data set's labels to a model's head."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from .data import summarize_split
from .inference import list_labels

NO_LENGTH = 1_000_000  # a tokenizer that was given no length says a far larger number than this
logger = logging.getLogger("hf_lstm_attn")


def find_labels(dataset: Any) -> list[str] | None:
    """The classes of a data set with a column `label`: a ClassLabel's own, in its order, or its strings, sorted.

    Returns:
        None where the column does not name its classes: class ids, lists of probabilities, a stream, or no such column.
    """
    if not isinstance(dataset, Dataset) or "label" not in dataset.column_names:
        return None
    feature = dataset.features["label"]
    if isinstance(feature, ClassLabel):
        return list(feature.names)
    if getattr(feature, "dtype", None) in ("string", "large_string"):
        return sorted(dataset.unique("label"))
    return None


def match_labels(model: PreTrainedModel, names: Sequence[str] | None) -> None:
    """Give the model the data's classes. Where its own differ, it starts with a new head and no temperature."""
    config = model.config
    own = list_labels(config)
    if names is None or sorted(own) == sorted(names):
        return
    is_generic = all(re.fullmatch(r"LABEL_\d+", name) for name in own)
    if not is_generic or len(own) != len(names):
        head = getattr(model, "classifier", None)
        if not isinstance(head, nn.Linear):
            raise ValueError(f"The model's classes are {own}, the data's {list(names)}; load it with num_labels.")
        if not is_generic:
            logger.info(f"New head for the classes {', '.join(names)}; the model's were {', '.join(own)}.")
        model.classifier = nn.Linear(head.in_features, len(names), device=head.weight.device, dtype=head.weight.dtype)
        model._init_weights(model.classifier)
        config.calibration_temperature, config.apply_calibration = None, False
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    model.num_labels = len(names)


def encode(
    dataset: Any,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainedConfig,
    *,
    max_length: int | None = None,
    keep_end: bool = False,
) -> Any:
    """Columns text, label -> input_ids, labels; texts cut at the tokenizer's `model_max_length`.

    Labels are class names, class ids, or lists of num_labels probabilities. A data set that is tokenized already, or
    none, comes back as it is.

    Args:
        max_length: Tokens kept of a longer text, instead of the tokenizer's `model_max_length`.
        keep_end: Whether they are its last ones.

    Raises:
        ValueError: without a column `text`, or for labels that the model does not have.
    """
    if dataset is None or isinstance(dataset, str):
        return dataset
    if isinstance(dataset, dict):
        return {name: encode(rows, tokenizer, config) for name, rows in dataset.items()}
    columns = dataset.column_names or list(next(iter(dataset), {}))
    if "input_ids" in columns:
        return dataset
    if "text" not in columns:
        raise ValueError(
            f"The data has no column 'text' (columns: {', '.join(columns)}). Rename one, or use load_data."
        )
    feature = (dataset.features or {}).get("label")
    names = list(feature.names) if isinstance(feature, ClassLabel) else None
    if isinstance(dataset, Dataset) and "label" in columns:
        _check_labels(dataset["label"], names, config)

    def convert(label: Any) -> Any:
        if names is not None:
            return config.label2id[names[label]]
        return config.label2id[label] if isinstance(label, str) else label

    def encode_batch(rows: dict[str, list[Any]]) -> dict[str, Any]:
        cut: Any = {"truncation": not keep_end, "max_length": max_length, "verbose": False}
        ids = tokenizer(rows["text"], return_attention_mask=False, **cut)["input_ids"]
        if keep_end:
            ids = [row[-(max_length or tokenizer.model_max_length) :] for row in ids]
        encoded: dict[str, Any] = {"input_ids": ids}
        return {**encoded, "labels": [convert(label) for label in rows["label"]]} if "label" in columns else encoded

    choices: Any = {"keep_in_memory": True, "load_from_cache_file": False} if isinstance(dataset, Dataset) else {}
    return dataset.map(encode_batch, batched=True, remove_columns=columns, **choices)


def _check_labels(labels: Sequence[Any], names: Sequence[str] | None, config: PretrainedConfig) -> None:
    """Raises ValueError, with counts, for labels that are none of the model's."""
    own = list_labels(config)
    if len(labels) and isinstance(labels[0], list):
        if any(len(row) != len(own) for row in labels):
            raise ValueError(f"Labels that are lists must have {len(own)} numbers, one for each class of the model.")
        return
    found: Counter[Any] = Counter(labels)
    if names is not None:
        found = Counter({names[label] if 0 <= label < len(names) else label: n for label, n in found.items()})
    known = {*own, *range(len(own))} if names is None else {*own}
    unknown = [f"{label!r} ({rows:,} rows)" for label, rows in found.items() if label not in known]
    if unknown:
        raise ValueError(f"Unknown label {', '.join(unknown[:5])}: the model's classes are {', '.join(own)}.")


def describe_split(dataset: Any, labels: Sequence[str]) -> dict[str, Any]:
    """Rows, rows per label and a fingerprint of one split, for results.json; empty for a stream."""
    if not isinstance(dataset, Dataset):
        return {}
    feature = dataset.features.get("label")
    if "text" in dataset.column_names and getattr(feature, "dtype", None) == "string":
        dataset = dataset.cast_column("label", ClassLabel(names=list(labels)))
    if "text" in dataset.column_names and isinstance(dataset.features.get("label"), ClassLabel):
        return summarize_split(dataset)
    rows = hashlib.sha256()
    for column in sorted(dataset.column_names):
        rows.update(json.dumps([column, dataset[column][:]]).encode())
    return {"rows": len(dataset), "fingerprint": rows.hexdigest()}


def match_model(
    model: PreTrainedModel | None, names: list[str] | None, tokenizer: PreTrainedTokenizerBase | None
) -> PreTrainedModel:
    """The model with the data's classes, and with the tokenizer's length as the limit of what it reads."""
    if model is None:
        raise ValueError("Pass a model, or model_init.")
    match_labels(model, names)
    is_open = getattr(model.config, "max_position_embeddings", 0) is None
    if is_open and tokenizer is not None and tokenizer.model_max_length < NO_LENGTH:
        model.config.max_position_embeddings = tokenizer.model_max_length
    return model


def build_loss(args: Any, rows: Any, config: Any) -> Callable[..., torch.Tensor] | None:
    """Cross entropy for soft labels and balanced classes; None leaves the loss to the model.

    Balanced classes: training's log-prior is added to the logits (Menon et al. 2021, "Long-tail learning via logit
    adjustment"): the bare logits then suit classes of equal weight, which is what macro-recall counts.
    """
    if not isinstance(rows, Dataset) or "labels" not in rows.column_names or not len(rows):
        return None
    is_single = config.problem_type != "multi_label_classification"
    is_soft = is_single and isinstance(rows[0]["labels"], list)
    if not is_soft and not (args.balance_classes and is_single):
        return None
    labels = np.asarray(rows["labels"][:])
    counts = labels.sum(axis=0) if is_soft else np.bincount(labels, minlength=config.num_labels)
    prior = torch.tensor(np.log(np.maximum(counts, 1) / counts.sum()), dtype=torch.float32)

    def compute_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()  # (batch, num_labels)
        if not torch.is_grad_enabled():
            return nn.functional.cross_entropy(logits, labels)
        if args.balance_classes:
            logits = logits + prior.to(logits.device)
        return nn.functional.cross_entropy(logits, labels, label_smoothing=args.label_smoothing_factor)

    return compute_loss
