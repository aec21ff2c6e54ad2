"""Where rows come from: files, folders and the Hub by `datasets` builders, folders of texts, and values in memory."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
from datasets import Dataset, Features, IterableDataset, Value, load_dataset, load_dataset_builder

FORMATS = {".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".arrow": "arrow"}
FORMATS |= {".txt": "text"}
FORMAT_NAMES = (*dict.fromkeys(FORMATS.values()), "fasttext", "file_per_class")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
DELIMITERS = ("\t", ",", ";", "|")  # of those that cut the first lines alike the first is taken
MOST_COLUMNS = 5_000  # of a table: more take minutes
UTF_8 = "utf-8-sig"  # with a byte order mark or without
QUOTING = {"minimal": csv.QUOTE_MINIMAL, "none": csv.QUOTE_NONE}


@dataclass(frozen=True)
class FileOptions:
    """How files are read; the fields are arguments of `load_data` and `predict_file`.

    Attributes:
        format: One of `FORMAT_NAMES`; by default the one that a file's name ends in, compressed or not.
        delimiter: Between the fields of a table; by default a tab in .tsv, else the one among tab, comma, semicolon
            and bar that cuts the first lines into as many fields each, and the most.
        header: Whether the first line of a table names its columns.
        columns: Their names, instead.
        encoding: As Python names it; by default UTF-8, or UTF-16 with a byte order mark.
        quoting: "minimal" (quotes enclose fields) or "none" (quotes are text); by default none between tabs, where a
            stray quote would join rows.

    Raises:
        ValueError: for an unknown format or quoting, or a table without names for its columns.
    """

    format: str | None = None
    delimiter: str | None = None
    header: bool = True
    columns: Sequence[str] | None = None
    encoding: str | None = None
    quoting: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("format", FORMAT_NAMES), ("quoting", QUOTING)):
            if getattr(self, name) not in (None, *known):
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose among {', '.join(known)}.")
        if not self.header and not self.columns:
            raise ValueError("A table without a header needs names for its columns: columns (--columns).")

    def complete(self, path: Path) -> FileOptions:
        """The same with the format that the file's name tells, and the encoding that its first bytes tell."""
        format, encoding = self.format or _find_format(path, self), self.encoding or _find_encoding(path)
        return replace(self, format=format, encoding=encoding)


def open_splits(source: Any, config_name: str | None, options: FileOptions) -> tuple[dict[str, Dataset], str]:
    """The splits of a source as they are stored, and how its files were read, in words.

    Raises:
        FileNotFoundError: if nothing is found there, on this machine or on the Hub.
        ValueError: for what cannot be read.
    """
    if isinstance(source, Mapping):
        opened = {str(split): open_splits(part, None, options) for split, part in source.items()}
        return {split: part["train"] for split, (part, _) in opened.items()}, next(iter(opened.values()))[1]
    if not isinstance(source, str | Path):
        return {"train": _hold_in_memory(source)}, ""
    path = Path(source).expanduser()
    if path.is_file():
        rows, how = read_file(path, options)
        return {"train": rows}, how
    if options.format == "file_per_class":
        files = {file.stem: _read_text(file, options) for file in sorted(path.glob("*.txt"))}
        pairs = [{"text": line, "label": name} for name, text in files.items() for line in text.splitlines()]
        return {"train": Dataset.from_list(pairs)}, "a file per class"
    if folders := _read_class_folders(path, options):
        return folders, "a folder per class"
    if not path.exists() and not re.fullmatch(r"[\w-]+|\w[\w.-]*/[\w.-]+", str(source)):  # nor is it a Hub id
        raise FileNotFoundError(f"There is no file or folder {source}.")
    return _load_from_hub(path.resolve() if path.exists() else source, config_name, options)


def _hold_in_memory(source: Any) -> Dataset:
    """Rows that are no file: a data set, a stream, a pandas frame, or a list of texts and one of labels."""
    if isinstance(source, Dataset):
        return source
    if isinstance(source, IterableDataset):
        return Dataset.from_list(list(source))
    if isinstance(source, tuple | list):
        return Dataset.from_dict(dict(zip(("text", "label"), map(list, source), strict=True)))
    return Dataset.from_pandas(source, preserve_index=False)


def read_file(path: str | Path, options: FileOptions, cache_dir: str | None = None) -> tuple[Dataset, str]:
    """The rows of a file, which stay on disk, and how it was read, in words. The values of tables are strings.

    Raises:
        ValueError: for a file of no known format, or that cannot be read as one.
    """
    with _explaining(path, options):
        options = options.complete(Path(path))
        kind, encoding = str(options.format), options.encoding
        builder = {"tsv": "csv", "fasttext": "text"}.get(kind, kind)
        choices: dict[str, Any] = {} if builder in ("parquet", "arrow") else {"encoding": encoding}
        if builder == "csv":
            choices = _describe_table(path, options)
        rows = load_dataset(builder, data_files=str(path), split="train", cache_dir=cache_dir, **choices)
    how = f"delimiter {choices['sep']!r}" if builder == "csv" else kind
    how += f", encoding {encoding}" if encoding != UTF_8 else ""
    return (_split_prefixes(rows) if kind == "fasttext" else rows), how


def read_leniently(path: str | Path, options: FileOptions) -> tuple[Dataset, dict[int, str]]:
    """Every line of a JSON Lines file or row of a table, in memory; and what is wrong with those that are empty now.

    Raises:
        ValueError: for a file of another format, or where no line can be read.
    """
    rows: list[dict[str, Any]] = []
    problems = {}
    with _explaining(path, options), _open(path) as file:
        options = options.complete(Path(path))
        lines = io.TextIOWrapper(file, options.encoding, newline="")
        if options.format == "json":
            for number, line in enumerate(lines):
                try:
                    rows.append(dict(json.loads(line)))
                except (ValueError, TypeError) as error:
                    rows.append({})
                    problems[number] = f"not a JSON object: {error}"
        else:
            table = _describe_table(path, options)
            reader = csv.reader(lines, delimiter=table["sep"], quoting=table["quoting"])
            for number, row in enumerate(islice(reader, int(options.header), None)):
                if len(row) > len(table["names"]):
                    problems[number] = f"{len(row)} fields, not {len(table['names'])}"
                    row = []
                rows.append(dict(zip(table["names"], row, strict=False)))
        if not any(rows):
            raise ValueError("none of its rows can be read.")
        names = list(dict.fromkeys(name for row in rows for name in row))
        empty = None if options.format == "json" else ""
        return Dataset.from_dict({name: [row.get(name, empty) for row in rows] for name in names}), problems


def _load_from_hub(place: Any, config_name: str | None, options: FileOptions) -> tuple[dict[str, Dataset], str]:
    """A data set of the Hub, or a folder like one."""
    with _explaining(place, options):
        builder = load_dataset_builder(str(place), config_name)
        choices = {}
        if hasattr(builder.config, "sep") and builder.info.features is None:
            files = next(iter(builder.config.data_files.values()))
            choices = _describe_table(files[0], options)
        splits = dict(load_dataset(str(place), config_name, **choices))
    return splits, f"delimiter {choices['sep']!r}" if choices else ""


@contextmanager
def _explaining(place: Any, options: FileOptions) -> Iterator[None]:
    """Says of what cannot be read what is wrong, and what to do."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Length of header")  # pandas, where rows have more fields
            yield
    except Exception as error:  # of readers by others, on bytes by others
        cause = error.__cause__ or error
        message = f"Cannot read {place}: {str(cause) or type(cause).__name__}"
        if isinstance(cause, UnicodeError):
            encoding = options.encoding or UTF_8
            message = f"{place}, line {_find_bad_line(place, encoding)}, is not {encoding.removesuffix('-sig')}. "
            message += "Name the encoding of the file: encoding (--encoding), as latin-1 or cp1251."
        elif re.search(r"Length of header|Expected \d+ fields", str(cause)):
            message += " There are rows with more fields than the first line or columns (--columns) name."
        elif "corresponds to no data" in str(cause):
            message = f"{place} has no rows."
        # The errors of the Hub are OSErrors.
        raise (FileNotFoundError if isinstance(cause, OSError) else ValueError)(message) from error


def _find_bad_line(path: Any, encoding: str) -> int:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if "\ufffd" in line.decode(encoding, "replace"):
                return number
    return 0


def _find_format(path: Path, options: FileOptions) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in COMPRESSED]
    found = FORMATS.get(suffixes[-1] if suffixes else "")
    if found in (None, "text") and (options.delimiter or options.columns):
        return "csv"
    if found is None:
        names = ", ".join(FORMAT_NAMES)
        raise ValueError(
            f"The name {path.name} tells no format; choose one (--format: {names}), or convert the file to one."
        )
    return found


def _find_encoding(path: Path) -> str:
    with _open(path) as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else UTF_8


def _open(path: Any) -> Any:
    return fsspec.open(str(path), "rb", compression="infer").open()


def _describe_table(path: Any, options: FileOptions) -> dict[str, Any]:
    """Arguments of the builder of tables, for which every value is a string and every line a row."""
    encoding = options.encoding or UTF_8
    delimiter = options.delimiter or ("\t" if options.format == "tsv" else _find_delimiter(path, encoding))
    quoting = QUOTING[options.quoting or ("none" if delimiter == "\t" else "minimal")]
    choices: dict[str, Any] = {"sep": delimiter, "quoting": quoting, "encoding": encoding, "index_col": False}
    names = list(options.columns or pd.read_csv(path, nrows=0, **choices).columns)
    with suppress(pd.errors.EmptyDataError):  # pandas takes long to see that the first row has too many fields
        first = pd.read_csv(path, nrows=1, header=None, skiprows=int(options.header), **choices)
        if first.shape[1] > len(names):
            raise ValueError(f"Expected {len(names)} fields in the first row, saw {first.shape[1]}.")
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"it has {len(names):,} columns; is {delimiter!r} its delimiter (--delimiter)?")
    choices |= {"header": 0 if options.header else None, "names": names, "skip_blank_lines": False, "na_filter": False}
    return choices | {"features": Features(dict.fromkeys(names, Value("string")))}


def _find_delimiter(path: Any, encoding: str) -> str:
    with _open(path) as file:
        lines = file.read(100_000).decode(encoding, "replace").splitlines()[:20]
    widths = {}  # delimiter -> whether all lines have as many fields, and how many
    for delimiter in DELIMITERS:
        found = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
        widths[delimiter] = (len(found) == 1, max(found, default=0))
    return max((sign for sign in DELIMITERS if widths[sign][1] > 1), key=widths.__getitem__, default=",")


def _split_prefixes(rows: Dataset) -> Dataset:
    """fastText's lines, `__label__a __label__b words`, as text and label; a list of labels if any line has several."""
    pairs = [re.fullmatch(r"((?:__label__\S+\s*)*)(.*)", line).groups() for line in rows["text"]]  # type: ignore
    labels = [re.findall(r"__label__(\S+)", prefix) for prefix, _ in pairs]
    is_multi = any(len(row) > 1 for row in labels)
    column = labels if is_multi else ["".join(row) for row in labels]
    return Dataset.from_dict({"text": [text for _, text in pairs], "label": column})


def _read_text(path: Path, options: FileOptions) -> str:
    with _explaining(path, options):
        return path.read_text(options.encoding or UTF_8)


def _read_class_folders(folder: Path, options: FileOptions) -> dict[str, Dataset]:
    """Splits of `[SPLIT/]CLASS/*.txt`, a file per text; none for any other folder."""
    splits: dict[str, Dataset] = {}
    parts = {name: folder / name for name in ("train", "validation", "test") if (folder / name).is_dir()}
    for split, part in (parts or {"train": folder}).items():
        files = sorted(part.glob("*/*.txt"), key=lambda file: (file.parent, len(file.name), file.name))
        if len({file.parent for file in files}) > 1:
            rows = [{"text": _read_text(file, options), "label": file.parent.name} for file in files]
            splits[split] = Dataset.from_list(rows)
    return splits
