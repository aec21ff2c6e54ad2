"""Turn files as people have them into rows, one at a time.

Two shapes of input are known: tables (CSV, TSV, JSON lines, Parquet, or plain lines with one text each), and the raw
archives of the two benchmark tasks (an `aclImdb` folder; tab-separated SemEval files without a header). Every reader
yields a `Record` per row and keeps going after a malformed line, so that a caller can skip and count such lines
(training) or answer for them in place (prediction). Nothing is held in memory beyond the current row, or the
current batch of a Parquet file.
"""

from __future__ import annotations

import codecs
import csv
import html
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


def _read_tsv(path: Path, columns: dict[str, str]) -> Iterator[Record]:
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
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_parquet,
    ".txt": _read_text_file,
}


# ------------------------------------------------------------------------------------------------------ raw archives

# Fields after the text in SemEval files: nothing, or the moment a tweet was posted ("Mon Dec 28 14:27:59 +0000 2015").
_AFTER_TEXT = re.compile(r"\t+(?:\w{3} \w{3} \d\d \d\d:\d\d:\d\d [+-]\d{4} \d{4})?\s*$")
_ESCAPE = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u([0-9a-f]{4})", re.IGNORECASE)
_CHARACTER_REFERENCE = re.compile(r"&(?:amp;)*(#\d+|#x[0-9a-f]+|\w+);", re.IGNORECASE)  # &amp;lt; too
_DOUBLED_QUOTES = re.compile(r'""+')
_ESCAPED_QUOTES = re.compile(r'\\"+')
# An odd run, so neither the doubled quote of CSV nor an escaped one (\" or \"").
_BARE_QUOTE = re.compile(r'(?:(?<!["\\])"|(?<=\\)""")(?:"")*(?!")')
_DELETED_TWEET = "Not Available"


def is_semeval_file(path: Path, *, text_column: str = "text", label_column: str = "label") -> bool:
    """Whether a `.tsv` or `.txt` file is raw: the columns asked for are the usual ones, and no header names them."""
    if path.suffix.lower() not in (".tsv", ".txt") or (text_column, label_column) != ("text", "label"):
        return False
    header = next(open_lines(path), "").rstrip("\n").split("\t")
    return not {text_column, label_column} <= set(header)


def read_labelled(path: Path, *, text_column: str = "text", label_column: str = "label") -> Iterator[Record]:
    """Rows of any file with labels: a table, or a raw SemEval file. A `.txt` file with a header is a TSV table."""
    if is_semeval_file(path, text_column=text_column, label_column=label_column):
        return read_semeval(path)
    if path.suffix.lower() == ".txt":
        return _read_tsv(path, {"text_column": text_column, "label_column": label_column})
    return read_records(path, text_column=text_column, label_column=label_column)


def read_semeval(path: Path) -> Iterator[Record]:
    r"""Rows with `text` and `label` of a SemEval tweet file: `id<TAB>label<TAB>text`, or `label<TAB>text`; no header.

    Which of the two it is follows from most of the first lines. Each line is one row whatever quotes it holds. Texts
    come out with their escapes undone (`undo_escapes`). Tweets that were deleted when the file was collected
    ("Not Available") are malformed. Source of the format: the SemEval Task 4 "Sentiment Analysis in Twitter" releases.
    """
    lines = open_lines(check_file(path))
    first = list(itertools.islice(lines, PEEKED_LINES))
    counts = [len(_AFTER_TEXT.sub("", line).split("\t")) for line in first if line.strip()]
    expected = 3 if 2 * sum(count >= 3 for count in counts) >= len(counts) else 2
    for number, line in enumerate(itertools.chain(first, lines), 1):
        if not line.strip():
            continue
        fields = _AFTER_TEXT.sub("", line.rstrip("\n")).split("\t")
        if len(fields) != expected:
            layout = "id, label, text" if expected == 3 else "label, text"
            yield Record(number, None, f"{len(fields)} fields, not {expected} ({layout})")
        elif fields[-1].strip() == _DELETED_TWEET:
            yield Record(number, None, "tweet not available")
        else:
            yield Record(number, {"text": undo_escapes(fields[-1]), "label": fields[-2]}, None)


def undo_escapes(text: str) -> str:
    r"""A tweet as it was posted, from the form in which SemEval and TweetEval store it.

    - `\u2019` becomes the character (surrogate pairs too; what is no valid escape stays), `&amp;` becomes `&`;
    - CSV quoting is undone: `"a ""b"" c"` becomes `a "b" c`, and `\"` becomes `"`;
    - a single quote left over at the start or end of the text, the rest of torn CSV quoting, is dropped; quotes in
      pairs that merely stand there are the author's and stay;
    - the time stamp that slipped into some texts, and white space around them, are dropped.
    """
    text = _AFTER_TEXT.sub("", text).strip()
    if '"' in text:
        text = _undo_quoting(text)
    if "\\u" in text:
        text = _ESCAPE.sub(_decode_escape, text)
    if "&" in text:
        text = _CHARACTER_REFERENCE.sub(lambda match: html.unescape(f"&{match[1]};"), text)
    return text.strip()


def _undo_quoting(text: str) -> str:
    if _BARE_QUOTE.search(text):
        opens, closes = text[0] == '"', text[-1] == '"'
        for applies, rest in ((opens and closes, text[1:-1]), (opens, text[1:]), (closes, text[:-1])):
            if applies and not _BARE_QUOTE.search(rest):
                text = _DOUBLED_QUOTES.sub('"', rest)
                break
    return _ESCAPED_QUOTES.sub('"', text)


def _decode_escape(match: re.Match[str]) -> str:
    high, low, single = match.groups()
    if single is None:
        return bytes.fromhex(high + low).decode("utf-16-be")
    code = int(single, 16)
    if 0xD800 <= code <= 0xDFFF:  # half of a pair
        return match[0]
    return chr(code) if code >= 0x20 else " "


def is_semeval_folder(path: Path) -> bool:
    """Whether a folder holds raw tweet files and nothing that says it is another kind of data set."""
    return bool(find_semeval_files(path)) and not any(
        file.suffix.lower() in READERS and file.suffix.lower() != ".txt" for file in path.iterdir()
    )


def find_semeval_files(path: Path) -> list[Path]:
    return sorted(file for file in path.glob("*.txt") if not file.name.lower().startswith("readme"))


ACL_IMDB_SPLITS = {"train": "train", "test": "test", "unsupervised": "train"}  # split -> folder
_ACL_IMDB_LABELS = {"neg": "negative", "pos": "positive"}


def find_acl_imdb_splits(path: Path) -> list[str]:
    """Splits of a folder laid out like the Stanford Large Movie Review archive; none for any other folder."""
    return [split for split in ACL_IMDB_SPLITS if all(folder.is_dir() for folder in _acl_imdb_folders(path, split))]


def _acl_imdb_folders(path: Path, split: str) -> dict[Path, str]:
    """Folders of one split, each with the label of its reviews; -1 is the Hub's label for unlabelled ones."""
    names = {"unsup": "-1"} if split == "unsupervised" else _ACL_IMDB_LABELS
    return {path / ACL_IMDB_SPLITS[split] / name: label for name, label in names.items()}


def read_acl_imdb(path: Path, split: str) -> Iterator[Record]:
    """Rows with `text` and `label` of one split of an `aclImdb` folder, by label, then by the number in the file name.

    Source of the layout: the archive of the Large Movie Review Dataset (Maas et al., 2011).
    """
    numbers = itertools.count(1)
    for folder, label in _acl_imdb_folders(path, split).items():
        for file in sorted(folder.glob("*.txt"), key=_review_number):
            text = "".join(open_lines(file)).rstrip("\n")
            yield Record(next(numbers), {"text": text, "label": label}, None)


def _review_number(file: Path) -> tuple[int, str]:
    number = re.match(r"\d+", file.name)
    return (int(number[0]) if number else -1, file.name)
