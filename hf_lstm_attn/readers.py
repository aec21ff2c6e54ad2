"""Turn files as people have them into rows, one at a time.

Tables (CSV, TSV, JSON lines, Parquet) and plain lines with one text each; the raw files of the benchmark tasks are in
archives.py. Every reader yields a `Record` per row and keeps going after a malformed line, so that a caller can skip
and count such lines (training) or answer for them in place (prediction). Nothing is held in memory beyond the current
row, or the current batch of a Parquet file.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

PEEKED_LINES = 100  # lines looked at to learn which columns a JSON lines file has, or how many fields a raw file has
LONGEST_FIELD = 1_000_000  # characters of one CSV field; a longer one is an unclosed quote
PARQUET_BATCH_ROWS = 1024


class Record(NamedTuple):
    """One row of a file: either `row` or `problem` is None."""

    line: int  # 1-based: the line where the record starts; in a Parquet file, the row
    row: dict[str, Any] | None
    problem: str | None  # why the line is malformed


def read_records(
    source: str | Path | TextIO, *, text_column: str = "text", label_column: str | None = None
) -> Iterator[Record]:
    """Stream the rows of a CSV, TSV, JSON lines, Parquet or plain-text file, or of an open stream of plain lines.

    The kind follows from the file's suffix; plain lines (`.txt`, or an open stream such as standard input) give rows
    with the single column `text_column`, one per line, so that line numbers stay aligned. Text files may be UTF-8 with
    or without a byte-order mark, UTF-16 with one, or carry bytes of Windows-1252 anywhere.

    Raises FileNotFoundError for a missing file, and ValueError for an unknown suffix or a missing column
    (`label_column` is looked for only when it is given).
    """
    columns = {"text_column": text_column}
    if label_column is not None:
        columns["label_column"] = label_column
    if not isinstance(source, (str, Path)):
        yield from _read_plain(_decode(source), columns)
        return
    path = check_file(source)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"Expected a file ending in {', '.join(READERS)}; found {path.name}. Convert or rename the file."
        )
    for record in reader(path, columns):
        text = "" if record.row is None else record.row.get(text_column)
        problem = None if isinstance(text, str) else f"{text_column!r} is {_name_type(text)}, not text"
        yield record if problem is None else Record(record.line, None, problem)


def check_file(source: str | Path) -> Path:
    """The path as a `Path`; FileNotFoundError when there is no such file."""
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file at {path}; found {'a folder' if path.is_dir() else 'nothing'}.")
    return path


def check_columns(columns: dict[str, str], found: Iterable[str]) -> None:
    """Raise ValueError, naming the argument that would help, unless all of `{argument: column}` are in `found`."""
    names = list(found)
    missing = [argument for argument, column in columns.items() if column not in names]
    if not missing:
        return
    spare = [name for name in names if name not in columns.values()]
    remedy = " and ".join(
        f"{argument}={spare[0]!r}" if len(spare) == len(missing) == 1 else f"{argument}=NAME" for argument in missing
    )
    raise ValueError(f"Expected columns {', '.join(columns.values())}; found {', '.join(names)}. Pass {remedy}.")


# ---------------------------------------------------------------------------------------------------- text and lines


def open_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, each ending in a newline; see `read_records` for the encodings."""
    with path.open("rb") as stream:
        yield from _decode(stream)


def _decode(stream: Any) -> Iterator[str]:
    """Lines of an open stream. One opened as text is read through the bytes below it, where it has them."""
    stream = getattr(stream, "buffer", stream)
    if isinstance(stream, io.TextIOBase):  # an in-memory text
        yield from stream
        return
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)
    is_utf16 = buffered.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    codecs.register_error("windows-1252", _decode_windows_1252)
    errors = "replace" if is_utf16 else "windows-1252"
    # Universal newlines: \r\n and \r end a line too, and only they and \n do (str.splitlines would cut at U+0085).
    lines = io.TextIOWrapper(buffered, encoding="utf-16" if is_utf16 else "utf-8", errors=errors, newline=None)
    try:
        for line in lines:
            yield line.removeprefix("\ufeff").replace("\0", "")
    finally:
        lines.detach()  # leaves the caller's stream open
        if buffered is not stream:
            buffered.detach()


def _decode_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: bytes that are not UTF-8 are taken as Windows-1252, the usual guest in such files."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("windows-1252", "replace"), error.end


def _name_type(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


# ------------------------------------------------------------------------------------------------------------- tables


def _read_csv(path: Path, columns: dict[str, str], delimiter: str = ",") -> Iterator[Record]:
    """Rows of a delimited file with a header; quoted fields may span lines.

    A quote that is never closed would swallow the lines after it. So when a record over several lines turns out
    malformed, only its first line is given up, and reading starts again at its second.
    """
    waiting: deque[str] = deque()  # lines given back, to be read again
    used: list[str] = []  # lines of the current record
    source = open_lines(path)

    def lines() -> Iterator[str]:
        while True:
            line = waiting.popleft() if waiting else next(source, None)
            if line is None:
                return
            used.append(line)
            yield line

    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        header = next((fields for fields in reader if fields), None)
    except csv.Error as error:
        raise ValueError(f"Expected a first line that names the columns; found one that is no CSV: {error}.") from error
    if header is None:  # an empty file
        return
    check_columns(columns, header)
    line = 1
    while True:
        line += len(used)
        used.clear()
        problem = None
        fields: list[str] = []
        try:
            fields = next(reader)
            if fields and len(fields) != len(header):
                problem = f"{len(fields)} fields, not {len(header)}"
        except csv.Error as error:
            problem = str(error)
        except StopIteration:
            return
        if problem is not None:
            waiting.extendleft(reversed(used[1:]))
            del used[1:]
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
            yield Record(line, None, problem)
        elif fields:  # csv gives no fields for an empty line
            yield Record(line, dict(zip(header, fields, strict=True)), None)


def read_tsv(path: Path, columns: dict[str, str]) -> Iterator[Record]:
    return _read_csv(path, columns, delimiter="\t")


def _read_json_lines(path: Path, columns: dict[str, str]) -> Iterator[Record]:
    """One JSON object per line; empty lines are passed over. A column may be missing in some rows, not in all."""
    records = _parse_json_lines(open_lines(path))
    first = list(itertools.islice(records, PEEKED_LINES))
    rows = [record.row for record in first if record.row is not None]
    if rows:
        check_columns(columns, dict.fromkeys(itertools.chain.from_iterable(rows)))
    yield from first
    yield from records


def _parse_json_lines(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(number, None, f"not JSON: {error}")
            continue
        if isinstance(value, dict):
            row = {key: _join_surrogates(item) if isinstance(item, str) else item for key, item in value.items()}
            yield Record(number, row, None)
        else:
            yield Record(number, None, f"{_name_type(value)}, not a JSON object")


def _join_surrogates(text: str) -> str:
    r"""Escapes such as "\ud83d" alone are legal JSON and illegal Unicode: they become U+FFFD."""
    if not re.search("[\ud800-\udfff]", text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _read_parquet(path: Path, columns: dict[str, str]) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"Expected a Parquet file; found {path.name}, which is not one ({error}).") from error
    with file:
        check_columns(columns, file.schema_arrow.names)
        numbers = itertools.count(1)
        for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS):
            for row in batch.to_pylist():
                yield Record(next(numbers), row, None)


def _read_text_file(path: Path, columns: dict[str, str]) -> Iterator[Record]:
    return _read_plain(open_lines(path), columns)


def _read_plain(lines: Iterable[str], columns: dict[str, str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        yield Record(number, {columns["text_column"]: line.rstrip("\n")}, None)


READERS: dict[str, Callable[[Path, dict[str, str]], Iterator[Record]]] = {
    ".csv": _read_csv,
    ".tsv": read_tsv,
    ".jsonl": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_parquet,
    ".txt": _read_text_file,
}
