"""Any data as a `DatasetDict` of train, validation and test, with columns `text` and `label`.

What was taken is logged, in one line, at level INFO of the logger `hf_lstm_attn`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Value

from .reading import FileOptions, open_splits
from .splits import SPLITS, Rows, as_list, build_splits

BATCH = 10_000  # rows in memory at once


def load_data(
    source: Any,
    *,
    text_column: str | Sequence[str] = "text",
    label_column: str | Sequence[str] | None = "label",
    config_name: str | None = None,
    format: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    columns: Sequence[str] | None = None,
    encoding: str | None = None,
    quoting: str | None = None,
    label_delimiter: str | None = None,
    positive_label: str | None = None,
    drop_duplicates: bool = False,
    seed: int = 42,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> DatasetDict:
    """Train, validation and test of any data that has a text and a label in each row.

    A split that the data lacks is held out of train, drawn by the seed and with train's shares of labels; train is
    shuffled by the seed. Rows without a text or a label are skipped and counted; texts that are the same but for case
    and white space are counted as duplicates. Splits of other names ("unsupervised") keep their texts alone, less
    those that validation or test have too.

    Args:
        source: A file (.csv, .tsv, .json, .jsonl, .parquet, .arrow; also compressed), a folder in Hub layout, a folder
            of classes (`[SPLIT/]CLASS/*.txt`), a Hub id, `{"train": file, "test": file}`, a Dataset, DatasetDict,
            IterableDataset or pandas frame, or a list of texts and a list of labels.
        text_column: Several are joined by a space.
        label_column: Several are the labels of a multi-label task, each 0 or 1. None for data without labels: every
            split keeps its texts alone, and nothing is held out.
        config_name: The configuration, where a folder or a data set of the Hub has several.
        format, delimiter, header, columns, encoding, quoting: How files are read, see `FileOptions`.
        label_delimiter: Between the labels of one row in a multi-label task. A column of lists needs none.
        positive_label: Of two labels, the one whose precision, recall and F1 count; by default the second one.
        drop_duplicates: Whether to drop from train the texts that validation or test have too.
        validation_fraction: Share of train to hold out where there is no validation split; 0 for none.
        test_fraction: Likewise for test.

    Returns:
        Columns `text` and `label`: a ClassLabel, or a list of them in a multi-label task. Labels keep the order of a
        ClassLabel; others become names, sorted: 1 and 1.0 are "1", and "None" in a CSV file is a name like any other.

    Raises:
        FileNotFoundError: if nothing is found at `source`, here or on the Hub.
        ValueError: for a file that cannot be read, a missing column, a labelled split without rows, or fewer than two
            labels in train.
    """
    splits, how = open_splits(source, config_name, FileOptions(format, delimiter, header, columns, encoding, quoting))
    places = source.values() if isinstance(source, Mapping) else [source]
    name = ", ".join(Path(place).resolve().name for place in places if isinstance(place, str | Path)) or "the data"
    texts, labels = as_list(text_column), as_list(label_column)
    read = {}
    for split, part in splits.items():
        wanted = labels if split in SPLITS else []
        for argument, columns in (("text_column", texts), ("label_column", wanted)):
            check_columns(name, part, argument, columns)
        read[split] = read_rows(part, texts, wanted, label_delimiter)
    title = f"{name}: text: {' '.join(texts)}, label: {' '.join(labels) or 'none'}{f', {how}' if how else ''}"
    shares = {"validation": validation_fraction, "test": test_fraction}
    return build_splits(title, read, shares, seed, positive_label=positive_label, drop_duplicates=drop_duplicates)


def check_columns(name: str, part: Dataset, argument: str, columns: Sequence[str]) -> None:
    """Raises ValueError, with advice, for columns that the rows of a source do not have."""
    for column in columns:
        if column not in part.column_names:
            hint = "Where the first line is a row, not names: header=False (--no_header) and columns (--columns)."
            if part.column_names == ["text"] and len(part) and str(part[0]["text"]).startswith("__label__"):
                hint = "It looks like fastText's form: format (--format) fasttext."
            problem = f"No column {column!r} in {name} (columns: {', '.join(part.column_names)})."
            raise ValueError(f"{problem} Choose one with {argument}. {hint}")


def join_texts(*values: Any) -> str:
    """The text of a row that several columns hold; empty ones are left out."""
    return " ".join(str(value) for value in values if value)


def list_names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of it; none for any other feature."""
    return list(getattr(getattr(feature, "feature", feature), "names", None) or [])


def read_rows(part: Dataset, text_columns: list[str], label_columns: list[str], delimiter: str | None = None) -> Rows:
    """Texts and labels out of the columns of a split."""
    if len(text_columns) == 1:
        texts = part.select_columns(text_columns).rename_columns({text_columns[0]: "text"})
    else:
        options: Any = {"input_columns": text_columns, "remove_columns": part.column_names, "keep_in_memory": True}
        texts = part.map(lambda *values: {"text": join_texts(*values)}, **options)
    if texts.features["text"] != Value("string"):
        texts = texts.cast_column("text", Value("string"))
    keys = _join([compute_key(text) for text in batch["text"]] for batch in texts.iter(BATCH))
    if not label_columns:
        return Rows(texts, keys, np.zeros(len(part), dtype=np.int64), [], [])
    feature = part.features[label_columns[0]]
    is_list = hasattr(feature, "feature")
    codes, stored = _encode(part.select_columns(label_columns))
    names = list_names(feature)
    if len(label_columns) > 1:
        names = label_columns
        kinds: list[Any] = [tuple(name for name, one in zip(names, row, strict=True) if _is_one(one)) for row in stored]
    elif is_list or delimiter is not None:
        parts = [row[0] or () if is_list else str(row[0] or "").split(delimiter) for row in stored]
        kinds = [tuple(dict.fromkeys(filter(None, (_name_label(one, names) for one in row)))) for row in parts]
    else:
        kinds = [_name_label(value, names) for (value,) in stored]
    places = {kind: place for place, kind in enumerate(dict.fromkeys([*kinds, None]))}  # 1 and 1.0 are one label
    return Rows(texts, keys, np.array([places[kind] for kind in kinds], dtype=np.int64)[codes], list(places), names)


def _encode(columns: Dataset) -> tuple[np.ndarray, list[tuple[Any, ...]]]:
    """The distinct rows of some columns, and for each row its place among them."""
    found: dict[Any, int] = {}
    codes = (
        [found.setdefault(row, len(found)) for row in zip(*map(_hashable, batch.values()), strict=True)]
        for batch in columns.iter(BATCH)
    )
    return _join(codes), list(found)


def _join(parts: Iterable[list[int]]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *(np.array(part, dtype=np.int64) for part in parts)])


def _hashable(values: list[Any]) -> list[Any]:
    return [tuple(value) if isinstance(value, list) else value for value in values]


def compute_key(text: str | None) -> int:
    """A number for `Rows.keys`."""
    folded = " ".join((text or "").casefold().split())
    return hash(folded) or 1 if folded else 0


def _is_one(value: Any) -> bool:
    if str(value) not in ("0", "1", "0.0", "1.0", "False", "True"):
        raise ValueError(f"Several label columns hold 0 or 1 in every row; there is {value!r}.")
    return str(value) in ("1", "1.0", "True")


def _name_label(value: Any, names: Sequence[str]) -> str | None:
    if value is None or value != value:  # not a number
        return None
    if names:  # of a ClassLabel
        return names[value] if value >= 0 else None
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip()) or None


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the texts and, where there is a column `label`, the class ids, in order."""
    found = hashlib.sha256()
    labels = dataset["label"][:] if "label" in dataset.column_names else None
    for row, text in enumerate(dataset["text"][:]):
        found.update((b"%a " % labels[row] if labels else b"") + b"%d " % len(text.encode()) + text.encode())
    return found.hexdigest()


def summarize_split(dataset: Dataset) -> dict[str, Any]:
    """{"rows", "labels": {name: rows}, "fingerprint"} of a split of `load_data`."""
    feature = dataset.features.get("label")
    names = list_names(feature)
    ids = dataset["label"][:] if names else []
    counts = Counter(chain.from_iterable(ids) if hasattr(feature, "feature") else ids)
    labels = {name: counts[label] for label, name in enumerate(names)}
    return {"rows": len(dataset), "labels": labels, "fingerprint": fingerprint(dataset)}
