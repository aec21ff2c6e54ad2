"""From columns `text` and `label` to what a model takes, and from a data set's labels to a model's head."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, List
from torch import nn
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER

from .data import list_names, summarize_split
from .inference import BUILT_IN, built_in, explain_loading, list_labels
from .modeling_lstm_attn import LstmAttnForSequenceClassification
from .word_vectors import extend_vocabulary

MOST_UNKNOWN, FEWEST_WORDS = 0.2, 100
MOST_ROWS = 50_000
logger = logging.getLogger("hf_lstm_attn")


def find_labels(dataset: Any) -> ClassLabel | List | None:
    """The classes of a data set with a column `label`: a ClassLabel, of strings sorted; a list of it where a text may
    have several labels.

    Returns:
        None where the column does not name its classes: class ids, lists of probabilities, a stream, or no such column.
    """
    feature = dataset.features.get("label") if isinstance(dataset, Dataset) else None
    if list_names(feature):
        return feature
    return ClassLabel(names=sorted(dataset.unique("label"))) if is_text(feature) else None


def is_text(feature: Any) -> bool:
    """Whether a column holds strings."""
    return getattr(feature, "dtype", None) in ("string", "large_string")


def match_labels(model: PreTrainedModel, feature: ClassLabel | List | None) -> None:
    """Give the model the data's classes. Where its own differ, it starts with a new head and no temperature."""
    config = model.config
    own, names = list_labels(config), list_names(feature)
    if feature is None:
        return
    config.problem_type = "multi_label_classification" if isinstance(feature, List) else config.problem_type
    if sorted(own) == sorted(names):
        return
    is_generic = own == [f"LABEL_{index}" for index in range(len(own))]
    if not is_generic or len(own) != len(names):
        head = model.classifier
        if not is_generic:
            logger.info(f"New head for the classes {', '.join(names)}; the model's were {', '.join(own)}.")
        model.classifier = nn.Linear(head.in_features, len(names), device=head.weight.device, dtype=head.weight.dtype)
        model._init_weights(model.classifier)
        config.calibration_temperature, config.apply_calibration = None, False
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    model.num_labels = len(names)


def match_model(
    model: PreTrainedModel, feature: ClassLabel | List | None, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    """The model with the data's classes, and with the tokenizer's length, if any, as the limit of what it reads."""
    match_labels(model, feature)
    if model.config.max_position_embeddings is None and tokenizer.model_max_length < LARGE_INTEGER:
        model.config.max_position_embeddings = tokenizer.model_max_length
    return model


def choose_start(language: str, rows: int) -> str | None:
    """The built-in encoder, from which training starts on fewer than 50,000 rows of English; None for others."""
    return str(built_in("english")) if language == "en" and rows < MOST_ROWS else None


def start_from(start: str | Path, texts: Sequence[str], **fields: Any) -> tuple[PreTrainedModel, Any]:
    """A classifier that starts from another model's weights, and its tokenizer.

    A word that `texts` repeat and an encoder spells in pieces gets a vector of its own (`extend_vocabulary`).

    Args:
        start: A built-in model's name, a folder or Hub id: a classifier, or what `pretrain` or `distill_encoder` left.
        fields: Of the configuration.

    Raises:
        ValueError: for a model of another kind.
        FileNotFoundError: if there is none.
    """
    start = str(built_in(str(start)) if start in BUILT_IN else start)
    with explain_loading(start):
        model, info = LstmAttnForSequenceClassification.from_pretrained(start, output_loading_info=True, **fields)
        tokenizer = AutoTokenizer.from_pretrained(start, trust_remote_code=False)
    if lost := [name for name in info["missing_keys"] if "embeddings" in name or "encoder" in name]:
        raise ValueError(f"{start} is no model of this package: it lacks {', '.join(sorted(lost))}.")
    is_encoder = model.config.projection_size is not None
    return model, extend_vocabulary(model, tokenizer, texts) if is_encoder else tokenizer


def encode(dataset: Any, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> Any:
    """Columns text, label -> input_ids, labels; texts cut as the tokenizer says: `model_max_length`, `truncation_side`.

    Labels are class names, class ids, lists of a ClassLabel (a text may have several), which become num_labels numbers
    0. or 1., or lists of num_labels probabilities. A data set that is tokenized already, or none, comes back as it is.

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
        raise ValueError(f"There is no column 'text', only {', '.join(columns)}: rename one, or use load_data.")
    feature = (dataset.features or {}).get("label")
    if isinstance(dataset, Dataset) and "label" in columns:
        encode_labels(dataset["label"][:], feature, config)  # all at once: an error counts the rows of the whole

    def encode_batch(rows: dict[str, list[Any]]) -> dict[str, Any]:
        texts = tokenizer(rows["text"], truncation=True, return_attention_mask=False, verbose=False)
        encoded: dict[str, Any] = {"input_ids": texts["input_ids"]}
        if "label" in columns:
            encoded["labels"] = encode_labels(rows["label"], feature, config)
        return encoded

    choices: Any = {"keep_in_memory": True, "load_from_cache_file": False} if isinstance(dataset, Dataset) else {}
    return dataset.map(encode_batch, batched=True, remove_columns=columns, **choices)


def warn_of_unknown_words(rows: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Say what helps where a vocabulary is too small for the texts."""
    if not isinstance(rows, Dataset) or tokenizer.unk_token_id is None:
        return
    ids = np.concatenate([np.zeros(0), *rows["input_ids"]])
    share = float((ids == tokenizer.unk_token_id).mean()) if len(ids) else 0.0
    if share > MOST_UNKNOWN or len(tokenizer) < FEWEST_WORDS:
        problem = f"The vocabulary has {len(tokenizer):,} entries, and {share:.0%} of validation's words are not in it"
        helps = "more texts, sub-words (--vocabulary subwords), a lower --min_frequency, or the right --language"
        logger.warning(f"{problem}: the model can hardly tell such texts apart. What helps: {helps}.")


def encode_labels(labels: Sequence[Any], feature: Any, config: PretrainedConfig) -> list[Any]:
    """Labels of a column of this feature as `encode` gives them. Where class names are numbers, a number is a name and
    never a position.

    Raises:
        ValueError: with counts, for labels that are none of the model's.
    """
    names, size = dict(enumerate(list_names(feature))), config.num_labels
    is_list = len(labels) > 0 and isinstance(labels[0], list)
    if is_list and not names:  # probabilities
        if any(len(row) != size for row in labels):
            raise ValueError(f"Labels that are lists must have {size} numbers, one for each class.")
        return list(labels)
    if names:
        ids = {label: config.label2id[name] for label, name in names.items() if name in config.label2id}
    else:
        numbers = {int(name): label for name, label in config.label2id.items() if re.fullmatch(r"-?\d+", name)}
        ids = {**config.label2id, **(numbers or {label: label for label in range(size)})}
    unknown = Counter(label for label in (chain.from_iterable(labels) if is_list else labels) if label not in ids)
    if unknown:
        found = ", ".join(f"{names.get(label, label)!r} ({rows:,} rows)" for label, rows in unknown.most_common(5))
        raise ValueError(f"Unknown label {found}: the model's classes are {', '.join(list_labels(config))}.")
    if is_list:
        return [np.isin(range(size), [ids[label] for label in row]).astype(float) for row in labels]
    return [ids[label] for label in labels]


def describe_split(dataset: Any, labels: Sequence[str]) -> dict[str, Any]:
    """Rows, rows per label and a fingerprint of one split, for results.json; empty for a stream."""
    if not isinstance(dataset, Dataset):
        return {}
    if is_text(dataset.features.get("label")):
        dataset = dataset.cast_column("label", ClassLabel(names=list(labels)))
    feature = dataset.features.get("label")
    if "text" in dataset.column_names and (list_names(feature) or hasattr(feature, "dtype")):
        return summarize_split(dataset)
    columns = [json.dumps([name, dataset[name][:]]) for name in sorted(dataset.column_names)]  # tokens, soft labels
    return {"rows": len(dataset), "fingerprint": hashlib.sha256("".join(columns).encode()).hexdigest()}


def build_loss(args: Any, rows: Any, config: Any) -> Callable[..., torch.Tensor] | None:
    """Cross entropy for soft labels and balanced classes; None leaves the loss to the model.

    Balanced classes: training's log-prior is added to the logits (Menon et al. 2021, "Long-tail learning via logit
    adjustment"): the bare logits then suit classes of equal weight, which is what macro-recall counts.
    """
    has_labels = isinstance(rows, Dataset) and "labels" in rows.column_names and len(rows)
    if not has_labels or config.problem_type == "multi_label_classification":
        return None
    is_soft = isinstance(rows[0]["labels"], list)
    if not (is_soft or args.balance_classes):
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
