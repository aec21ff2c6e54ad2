"""Where the rows of a data set come from, whatever lies at its path, and their labels as ids."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import archives, readers

if TYPE_CHECKING:
    from .data import DatasetSpec

MALFORMED_LIMIT = 0.05  # share of malformed rows above which a file is taken to be misread
NAMED_PLACES = 5  # malformed lines named in summaries and errors
SENTIMENTS = ("negative", "neutral", "positive")

Stored = Iterator[tuple[str, dict[str, Any] | None, str | None]]  # place in the data; row, or else what is wrong


class Source(NamedTuple):
    """Where the rows of a data set come from. Rows may hold more than the two columns."""

    path: str
    splits: tuple[str, ...]
    read_stored: Callable[[str], Stored]
    text_column: str = "text"
    label_column: str = "label"
    class_names: tuple[str, ...] = ()  # stored beside integer labels
    escapes: bool = False  # texts hold escapes still to be undone
    is_semeval: bool = False  # numeric labels are -1, 0, 1

    def read(self, split: str) -> Stored:
        if split not in self.splits:
            raise ValueError(
                f"Expected split {split!r} in {self.path}; found {', '.join(self.splits)}. Name one of these."
            )
        return self.read_stored(split)

    def read_text(self, row: dict[str, Any]) -> str:
        """The text of a row; "" when there is none."""
        text = row[self.text_column]
        if not isinstance(text, str) or not text.strip():
            return ""
        return archives.undo_escapes(text) if self.escapes else text


def open_source(spec: DatasetSpec, *, labelled: bool = True) -> Source:
    """Tell what kind of data lies at `spec.path`. Columns are checked when rows are read."""
    path = Path(spec.path).expanduser()
    if path.is_dir():
        if splits := archives.find_acl_imdb_splits(path):
            return Source(spec.path, tuple(splits), lambda split: _place(split, archives.read_acl_imdb(path, split)))
        if archives.is_semeval_folder(path):
            return _open_files(spec, archives.find_semeval_files(path), labelled=labelled)
    elif path.is_file():
        return _open_files(spec, [path], labelled=labelled)
    elif path.suffix.lower() in readers.READERS or path.is_absolute() or spec.path.startswith((".", "~")):
        raise FileNotFoundError(f"Expected a file or folder at {path}; found nothing. Correct the path.")
    return _open_hub_layout(spec, labelled=labelled)


def _place(name: str, records: Iterable[readers.Record]) -> Stored:
    return ((f"{name}:{line}", row, problem) for line, row, problem in records)


def _open_files(spec: DatasetSpec, files: Sequence[Path], *, labelled: bool) -> Source:
    """Files whose rows together are `train`. Without labels, a `.txt` file has a text per line."""
    text_column, label_column = spec.text_column, spec.label_column
    is_semeval = labelled and any(
        archives.is_semeval_file(file, text_column=text_column, label_column=label_column) for file in files
    )

    def read_stored(split: str) -> Stored:
        for file in files:
            if labelled:
                rows = archives.read_labelled(file, text_column=text_column, label_column=label_column)
            else:
                rows = readers.read_records(file, text_column=text_column)
            yield from _place(file.name, rows)

    escapes = spec.escapes and not is_semeval
    return Source(spec.path, ("train",), read_stored, text_column, label_column, escapes=escapes, is_semeval=is_semeval)


def _open_hub_layout(spec: DatasetSpec, *, labelled: bool) -> Source:
    """A data set repository: a local folder, which is streamed, or one on the Hub, which `datasets` caches."""
    from datasets import ClassLabel, get_dataset_config_names, get_dataset_default_config_name, load_dataset
    from huggingface_hub.errors import HfHubHTTPError

    is_local = Path(spec.path).expanduser().is_dir()
    path = str(Path(spec.path).expanduser()) if is_local else spec.path
    try:
        known = get_dataset_config_names(path)
        config_name = spec.config_name or get_dataset_default_config_name(path)
        if config_name not in known:
            raise ValueError(
                f"Expected a configuration of {path}: {', '.join(known)}; found {config_name}. Pass config_name=NAME."
            )
        stored = load_dataset(path, config_name, streaming=is_local)
    except (ConnectionError, FileNotFoundError, HfHubHTTPError) as error:  # FileNotFoundError: datasets found no files
        if is_local:
            expected = f"Hub layout, an aclImdb folder, or SemEval .txt files in {path}"
            raise FileNotFoundError(f"Expected {expected}; found no data files. Correct the path.") from error
        raise FileNotFoundError(
            f"Expected a path, or a data set on the Hugging Face Hub; found no file or folder {path}, and the Hub "
            f"answered: {error}. Pass --data FOLDER with a local copy."
        ) from error

    columns = {"text_column": spec.text_column} | ({"label_column": spec.label_column} if labelled else {})

    def read_stored(split: str) -> Stored:
        numbers = itertools.count(1)
        for batch in stored[split].with_format("arrow").iter(batch_size=1000):
            readers.check_columns(columns, batch.column_names)
            for row in batch.select(list(columns.values())).to_pylist():
                yield f"{split}:{next(numbers)}", row, None

    feature = (next(iter(stored.values())).features or {}).get(spec.label_column)
    class_names = tuple(feature.names) if isinstance(feature, ClassLabel) else ()
    return Source(
        path, tuple(stored), read_stored, spec.text_column, spec.label_column, class_names, escapes=spec.escapes
    )


# -------------------------------------------------------------------------------------------------- rows and labels


class Rows(NamedTuple):
    texts: list[str]
    labels: list[int]
    malformed: tuple[str, ...] = ()  # places

    def take(self, rows: Iterable[int]) -> Rows:
        rows = list(rows)
        return Rows([self.texts[row] for row in rows], [self.labels[row] for row in rows])


def load_rows(source: Source, split: str, label_names: tuple[str, ...]) -> Rows:
    """Rows of one split with labels as ids. Malformed ones are left out; too many of them are a ValueError."""
    stored: list[tuple[str, str, str, str]] = []  # place, text, label, what is wrong
    for place, row, problem in source.read(split):
        if row is None:
            stored.append((place, "", "", problem or ""))
        else:
            text, key = source.read_text(row), _label_key(row.get(source.label_column))
            stored.append((place, text, key, "" if text else "no text"))
    ids = _build_label_ids(source, label_names, {key for _, _, key, _ in stored})
    texts, labels = [], []
    malformed: dict[str, str] = {}  # place -> what is wrong
    for place, text, key, problem in stored:
        if problem or key not in ids:
            malformed[place] = problem or (f"unknown label {key!r}" if key else "no label")
        else:
            texts.append(text)
            labels.append(ids[key])
    _check_malformed(source, split, malformed, len(labels), label_names)
    return Rows(texts, labels, tuple(malformed))


def _check_malformed(
    source: Source, split: str, malformed: dict[str, str], well_formed: int, label_names: tuple[str, ...]
) -> None:
    total = well_formed + len(malformed)
    if total == 0:
        raise ValueError(f"Expected rows in {split} of {source.path}; found none. Pass a file that is not empty.")
    if len(malformed) <= MALFORMED_LIMIT * total:
        return
    places = ", ".join(list(malformed)[:NAMED_PLACES])
    reason, _ = Counter(malformed.values()).most_common(1)[0]
    raise ValueError(
        f"Expected at most {MALFORMED_LIMIT:.0%} malformed rows and the labels {', '.join(label_names)} in {split} of "
        f"{source.path}; found {len(malformed)} malformed of {total}, most often {reason}, first at {places}. Correct "
        "these lines, or pass the right text_column and label_column."
    )


def _label_key(label: Any) -> str:
    """A stored label as text: names in lower case, whole numbers without a fraction; "" when there is none."""
    if label is None or isinstance(label, (dict, list)):
        return ""
    if isinstance(label, float):
        if label != label:  # NaN: how tables without a value for a number are read
            return ""
        label = int(label) if label.is_integer() else label
    return str(label).strip().casefold()


def find_label_names(spec: DatasetSpec, source: Source) -> tuple[str, ...]:
    """The spec's label names, else those stored with the data, else the sorted labels of train."""
    names = spec.label_names or source.class_names or _collect_label_names(source)
    if len(names) < 2:
        raise ValueError(
            f"Expected at least 2 labels in train of {source.path}; found {', '.join(names) or 'none'}. "
            "Pass label_column=NAME."
        )
    return names


def _collect_label_names(source: Source) -> tuple[str, ...]:
    names: dict[str, str] = {}  # key -> spelling
    rows = 0
    for _, row, _ in source.read("train"):
        label = None if row is None else row.get(source.label_column)
        if key := _label_key(label):
            names.setdefault(key, key if isinstance(label, float) else str(label).strip())
            rows += 1
    if {"-1", "1"} <= set(names) <= {"-1", "0", "1"} and (source.is_semeval or "0" in names):
        return SENTIMENTS
    if len(names) > max(20, rows / 2):
        raise ValueError(
            f"Expected labels that recur in column {source.label_column!r} of {source.path}; found {len(names)} "
            f"different ones in {rows} rows. Pass label_column=NAME."
        )
    are_numbers = all(re.fullmatch(r"-?\d+", key) for key in names)
    return tuple(names[key] for key in sorted(names, key=int if are_numbers else str))


def _build_label_ids(source: Source, label_names: tuple[str, ...], found: set[str]) -> dict[str, int]:
    """Label key -> id: by name, else by number. Numbers are ids, or places in the stored class names, or -1, 0, 1."""
    by_name = {name.casefold(): label for label, name in enumerate(label_names)}
    stored = [name.casefold() for name in source.class_names]
    if stored and set(stored) <= set(by_name):
        return by_name | {str(number): by_name[name] for number, name in enumerate(stored)}
    if stored and len(stored) != len(label_names):
        raise ValueError(
            f"Expected labels {', '.join(label_names)} in {source.path}; found {', '.join(source.class_names)}. Pass "
            "the data set without a name, or another config_name."
        )
    is_signed = label_names == SENTIMENTS and (source.is_semeval or {"-1", "1"} <= found)
    first = -1 if is_signed else 0
    return {str(first + label): label for label in range(len(label_names))} | by_name
