"""The raw files of the two benchmark tasks: the `aclImdb` folder, and tab-separated SemEval files without a header."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from .readers import PEEKED_LINES, READERS, Record, check_file, open_lines, read_records, read_tsv

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
        return read_tsv(path, {"text_column": text_column, "label_column": label_column})
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
