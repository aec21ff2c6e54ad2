"""Write result rows to CSV, JSON lines or Parquet as they come, so that large inputs need little memory."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

ROW_GROUP_ROWS = 16_384  # rows held back for one Parquet row group
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


class Writer(Protocol):
    def write(self, rows: list[dict[str, Any]]) -> None:
        """Append rows. A column that a row lacks is written empty; one that was not announced is a ValueError."""


@contextlib.contextmanager
def open_writer(
    path: str | Path | None, format: str | None, columns: Sequence[str], *, overwrite: bool = False
) -> Iterator[Writer]:
    """A writer of rows with these columns; to standard output when `path` is None.

    `format` is "csv", "jsonl" or "parquet"; None takes it from the path's suffix (CSV on standard output). A file
    grows under a temporary name beside its own and takes its name only when the block ends without an error, so that
    a file by the final name is always whole.

    Raises FileExistsError when the file exists and `overwrite` is not set, FileNotFoundError when its folder does not
    exist, ValueError for an unknown format or Parquet on standard output.
    """
    format = _choose_format(path, format)
    if path is None:
        yield _TEXT_WRITERS[format](sys.stdout, columns)
        return
    path = Path(path).expanduser()
    if path.exists() and not overwrite:
        raise FileExistsError(f"Expected no file at {path}; found one. Pass overwrite, or choose another name.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected a folder {path.parent} to write {path.name} in; found none. Create it.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if format == "parquet":
            writer = _ParquetWriter(partial, columns)
            yield writer
            writer.close()
        else:
            with partial.open("w", encoding="utf-8", newline="") as stream:
                yield _TEXT_WRITERS[format](stream, columns)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _choose_format(path: str | Path | None, format: str | None) -> str:
    known = ", ".join(FORMATS.values())
    if format is None:
        format = "csv" if path is None else FORMATS.get(Path(path).suffix.lower())
        if format is None:
            raise ValueError(f"Expected a file ending in {', '.join(FORMATS)}; found {path}. Pass format: {known}.")
    if format not in FORMATS.values():
        raise ValueError(f"Expected a format among {known}; found {format!r}.")
    if path is None and format == "parquet":
        raise ValueError("Expected csv or jsonl for standard output; found parquet. Pass a file to write it to.")
    return format


def _order_values(row: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    unknown = [name for name in row if name not in columns]
    if unknown:
        raise ValueError(f"Expected columns {', '.join(columns)}; found also {', '.join(unknown)}.")
    return [row.get(name) for name in columns]


class _CsvWriter:
    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._stream, self._columns = stream, columns
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._writer.writerow([_format_cell(value) for value in _order_values(row, self._columns)])
        self._stream.flush()


def _format_cell(value: Any) -> Any:
    """A CSV cell holds one value: lists and objects go in as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


class _JsonLinesWriter:
    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._stream, self._columns = stream, columns

    def write(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            values = dict(zip(self._columns, _order_values(row, self._columns), strict=True))
            self._stream.write(json.dumps(values, ensure_ascii=False) + "\n")
        self._stream.flush()


class _ParquetWriter:
    """Types follow from the first row group; a column with no value there is taken to hold text."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path, self._columns = path, columns
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def write(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._rows.append(dict(zip(self._columns, _order_values(row, self._columns), strict=True)))
            if len(self._rows) >= ROW_GROUP_ROWS:
                self._write_row_group()

    def close(self) -> None:
        if self._rows or self._writer is None:
            self._write_row_group()
        self._writer.close()

    def _write_row_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = {name: [row[name] for row in self._rows] for name in self._columns}
        try:
            if self._writer is None:
                table = pa.table(values)
                schema = pa.schema(
                    [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in table.schema]
                )
                self._writer = pq.ParquetWriter(self._path, schema)
            self._writer.write_table(pa.table(values, schema=self._writer.schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(
                f"Expected each column to hold one type throughout; found a value that differs ({error}). Write JSONL."
            ) from error
        self._rows = []


_TEXT_WRITERS: dict[str, Callable[[TextIO, Sequence[str]], Writer]] = {"csv": _CsvWriter, "jsonl": _JsonLinesWriter}
