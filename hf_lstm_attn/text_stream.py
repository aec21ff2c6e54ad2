"""Texts to pre-train on, and the one line of words into which they are joined, forward and backward."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .data import DatasetSpec, drop_texts, has_labels, load_splits, load_unlabelled

PARTS = ("train", "unlabelled")
HELD_OUT_SHARE, HELD_OUT_CHARACTERS = 0.02, 250_000


def choose_parts(spec: DatasetSpec, split: str | None) -> tuple[str, ...]:
    """The parts that `split` names ("train", "unlabelled", "train+unlabelled"); None: all that the data has."""
    if split is None:
        if spec.unlabelled:
            return PARTS
        return ("train",) if has_labels(spec) else ("unlabelled",)
    parts = tuple(split.split("+"))
    if not set(parts) <= set(PARTS):
        raise ValueError(f"Expected split {', '.join(PARTS)} or {'+'.join(PARTS)}; found {split!r}. Pass one of them.")
    return parts


def load_texts(spec: DatasetSpec, parts: Sequence[str], *, protocol: str, limit: int | None) -> list[str]:
    """Texts of the parts, at most `limit` of each; none that equals a validation or test text under the protocol."""
    texts: list[str] = []
    kept_away: list[str] = []
    if "train" in parts or spec.unlabelled:
        splits = load_splits(spec, protocol=protocol)
        kept_away = [*splits.validation["text"], *splits.test["text"]]
        if "train" in parts:
            texts += drop_texts(splits.train["text"], kept_away)[:limit]
    if "unlabelled" in parts:
        texts += load_unlabelled(spec, exclude=kept_away)[:limit]
    return texts


def hold_out(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """(texts to train on, texts to measure perplexity on), drawn by the seed: a fiftieth, at most 250,000 characters.

    Raises:
        ValueError: if there are not two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"Expected at least 2 texts to pre-train on; found {len(texts)}. Pass a file with more rows.")
    wanted = min(HELD_OUT_SHARE * sum(map(len, texts)), HELD_OUT_CHARACTERS)
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    number, characters = 0, 0
    while number == 0 or (characters < wanted and number < len(texts) - 1):
        characters += len(texts[order[number]])
        number += 1
    return [texts[row] for row in sorted(order[number:])], [texts[row] for row in sorted(order[:number])]


def compute_fingerprint(texts: Sequence[str]) -> str:
    """SHA-256 over texts in order."""
    fingerprint = hashlib.sha256()
    for text in texts:
        data = text.encode()
        fingerprint.update(b"%d " % len(data) + data)
    return fingerprint.hexdigest()


def encode_texts(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    """Whole texts as (words,) ids; those without words are left out."""
    encoded: list[np.ndarray] = []
    for first in range(0, len(texts), 1_000):
        rows = tokenizer(texts[first : first + 1_000], truncation=False, verbose=False)["input_ids"]
        encoded += [np.array(ids, dtype=np.int32) for ids in rows if ids]
    return encoded


class Streams(NamedTuple):
    """`inputs` and `targets`, each (2, batch, length): what the forward and the backward model read and foretell."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def window(self, start: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[:, :, start : start + size].long(), self.targets[:, :, start : start + size].long()


def compute_length(encoded: Sequence[np.ndarray], batch_size: int) -> int:
    """Words in each of `batch_size` streams, with a boundary after each text."""
    return -(-(sum(map(len, encoded)) + len(encoded)) // batch_size)


def build_streams(encoded: Sequence[np.ndarray], batch_size: int, boundary: int) -> Streams:
    """Join the texts, each between two boundaries, and cut the line into `batch_size` equal streams, row below row.

    Each word is a target once per direction; the word before it is its input, also where a row begins. The backward
    line is the forward one from its end. What the last row lacks is filled up with boundaries.
    """
    pieces = [np.array([boundary], dtype=np.int32)]
    for ids in encoded:
        pieces += [ids, pieces[0]]
    line = np.concatenate(pieces)
    length = compute_length(encoded, batch_size)
    rows = np.full((2, batch_size * length + 1), boundary, dtype=np.int32)
    rows[0, : len(line)] = line
    rows[1, : len(line)] = line[::-1]
    lines = torch.from_numpy(rows)
    return Streams(lines[:, :-1].reshape(2, batch_size, length), lines[:, 1:].reshape(2, batch_size, length))
