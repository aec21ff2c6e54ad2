"""From rows with texts and labels to splits: the order of labels, hold-outs, duplicates, and what is said of them."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, List

SPLITS = ("train", "validation", "test")  # those with labels
SHOWN_LABELS = 12  # in the log


def as_list(names: str | Sequence[str] | None) -> list[str]:
    """One name, several or none, as a list."""
    return [names] if isinstance(names, str) else list(names or [])


class Rows(NamedTuple):
    """A split as it is read.

    Attributes:
        texts: Its column `text`.
        keys: (rows,) numbers that are equal for equal texts, case and white space apart; 0 without a text.
        codes: (rows,) places in `kinds`.
        kinds: The labels that there are: names, in a multi-label task tuples of names; and None for a missing one.
            Empty without labels.
        names: Of the labels, in order, where the source tells them.
    """

    texts: Dataset
    keys: np.ndarray
    codes: np.ndarray
    kinds: list[Any]
    names: list[str]


def build_splits(
    title: str,
    read: dict[str, Rows],
    shares: Mapping[str, float],
    seed: int,
    *,
    positive_label: str | None = None,
    drop_duplicates: bool = False,
    grouped: bool = False,
) -> DatasetDict:
    """The result of `load_data`, and its line in the log.

    Args:
        title: What was taken, for the log and errors.
        shares: Of train, for each split to be held out of it where it is not stored.
        grouped: Whether train lies in groups: held out is one stretch of each label, see `cut`.
    """
    names = _order_names(read, positive_label)
    chosen, notes = _choose_rows(read, names)
    origins = dict(zip(read, read, strict=True))
    if "train" in read and read["train"].kinds:
        missing = {split: share for split, share in shares.items() if share and split not in read}
        train, kinds = chosen["train"], read["train"].kinds
        order = sorted(range(len(kinds)), key=lambda kind: [names.index(name) for name in as_list(kinds[kind])])
        sizes = [max(1, round(share * len(train))) for share in missing.values()]
        labels = np.argsort(order)[read["train"].codes[train]]
        parts = cut(labels, [len(train) - sum(sizes), *sizes], seed, stretches=grouped)
        chosen |= {split: train[part] for split, part in zip(("train", *missing), parts, strict=True)}
        origins |= dict.fromkeys(missing, "train")
        notes += [f"{split} held out of train ({share:.0%})" for split, share in missing.items()]
    keys = {split: read[origins[split]].keys[rows] for split, rows in chosen.items()}
    notes += _describe_duplicates(keys)
    tested = np.concatenate([keys[split] for split in SPLITS[1:] if split in keys] or [np.zeros(0, dtype=np.int64)])
    for split in chosen:
        if split not in SPLITS or (split == "train" and drop_duplicates):
            chosen[split] = chosen[split][~_are_in(keys[split], tested)]
            notes += [f"{len(keys[split]) - len(chosen[split]):,} dropped from train"] if split == "train" else []
    logging.getLogger("hf_lstm_attn").info("%s, %s", title, ", ".join(notes))
    for split, rows in chosen.items():
        found = (np.bincount(read[origins[split]].codes[rows]) > 0).sum()
        if read[origins[split]].kinds and found < (2 if split == "train" else 1):
            raise ValueError(f"{title}: {split} needs more rows or labels ({', '.join(notes)}).")
    whole = {split: _add_labels(rows, names) for split, rows in read.items()}
    ordered = sorted(chosen, key=[*SPLITS, *read].index)
    return DatasetDict({split: whole[origins[split]].select(chosen[split]) for split in ordered})


def _order_names(read: Mapping[str, Rows], positive_label: str | None) -> list[str]:
    """All labels: those that a source orders, then others, sorted; of two, the positive one comes last."""
    names = max((rows.names for rows in read.values()), key=len)
    found = {name for rows in read.values() for kind in rows.kinds for name in as_list(kind)}
    others = sorted(
        found.difference(names), key=lambda name: (re.sub(r"^\d+", lambda digits: digits[0].zfill(20), name), name)
    )
    for sign in ",;|":
        if joined := [name for name in others if sign in name and {part.strip() for part in name.split(sign)} <= found]:
            hint = f"say what stands between them: label_delimiter={sign!r}"
            raise ValueError(f"The label {joined[0]!r} seems to be several labels; {hint}, for a multi-label task.")
    names = [*names, *others]
    if positive_label is not None:
        if len(names) != 2 or positive_label not in names:
            raise ValueError(f"positive_label is {positive_label!r}; it must be one of two, not of {', '.join(names)}.")
        names.sort(key=positive_label.__eq__)
    return names


def _choose_rows(read: Mapping[str, Rows], names: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The numbers of the rows that have a text and a label, and what there is to say of all rows."""
    chosen, skipped, counts = {}, Counter[str](), Counter[str]()
    for split, rows in read.items():
        has_text = rows.keys != 0
        has_label = np.array([kind is not None for kind in rows.kinds or [""]])[rows.codes]
        chosen[split] = np.flatnonzero(has_text & has_label)
        skipped.update({"no text": int((~has_text).sum()), "no label": int((has_text & ~has_label).sum())})
        for kind, number in enumerate(np.bincount(rows.codes[chosen[split]], minlength=len(rows.kinds)).tolist()):
            counts.update(dict.fromkeys(as_list(rows.kinds[kind]), number) if rows.kinds else {})
    notes = [f"{sum(map(len, chosen.values())):,} rows"]
    if names:
        listed = ", ".join(f"{name} ({counts[name]:,})" for name in names[:SHOWN_LABELS])
        notes += [f"{len(names)} labels: {listed}{', ...' if len(names) > SHOWN_LABELS else ''}"]
        rare = ", ".join(repr(name) for name in names if counts[name] < 2 and "train" in read)
        notes += [f"warning: only one row has the label {rare}"] if rare else []
    notes += [f"{number:,} skipped ({reason})" for reason, number in skipped.items() if number]
    return chosen, notes + [f"{split} kept without labels" for split, rows in read.items() if not rows.kinds]


def _describe_duplicates(keys: Mapping[str, np.ndarray]) -> list[str]:
    splits = [split for split in SPLITS if split in keys]
    within = {f"within {split}": int((np.diff(np.sort(keys[split])) == 0).sum()) for split in splits}
    pairs = combinations(splits, 2)
    between = {f"of {later} in {split}": int(_are_in(keys[later], keys[split]).sum()) for split, later in pairs}
    found = ", ".join(f"{number:,} {where}" for where, number in {**within, **between}.items() if number)
    return [f"duplicates: {found}"] if found else []


def _are_in(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`np.isin`, which takes three times as long and much memory."""
    ordered = np.sort(others)
    places = np.searchsorted(ordered, keys)
    return np.append(ordered, 0)[places] == keys


def _add_labels(rows: Rows, names: list[str]) -> Dataset:
    """The texts with their labels as class ids; -1 where a label is missing."""
    if not rows.kinds:
        return rows.texts
    numbers: dict[Any, int] = {None: -1} | {name: number for number, name in enumerate(names)}
    classes, is_multi = ClassLabel(names=names), any(isinstance(kind, tuple) for kind in rows.kinds)
    ids = [[numbers[name] for name in kind or ()] if is_multi else numbers[kind] for kind in rows.kinds]
    column = [ids[code] for code in rows.codes] if is_multi else np.array(ids)[rows.codes]
    options: Any = {"feature": List(classes) if is_multi else classes, "new_fingerprint": uuid4().hex}
    return rows.texts.add_column("label", column, **options)


def cut(
    labels: Sequence[int] | np.ndarray, sizes: Sequence[int], seed: int, *, stretches: bool = False
) -> list[np.ndarray]:
    """Row numbers in parts of these sizes, each shuffled and with the shares of labels of the whole, within one row.

    Every label's rows, in random order, are spread evenly over [0, 1) by their rank; cutting the rows sorted by this
    position cuts each label in the same proportion, and the only row of a label falls in the first part. Rows beyond
    the sum of the sizes belong to no part. With `stretches` a label's rows keep their order and only where they start
    is random: a part is a stretch of each label.
    """
    generator = np.random.default_rng(seed)
    positions = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(np.equal(labels, label))
        rows = np.roll(rows, generator.integers(len(rows))) if stretches else generator.permutation(rows)
        positions[rows] = np.arange(len(rows)) / len(rows)
    order = np.argsort(positions, kind="stable")
    return [generator.permutation(part) for part in np.split(order, np.cumsum(sizes))[:-1]]
