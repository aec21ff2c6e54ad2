"""Where rows come from: files, folders and the Hub by `datasets` builders, and the two raw forms that none knows."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

_SENTIMENTS = {"negative": 0, "neutral": 1, "positive": 2, "-1": 0, "0": 1, "1": 2}


def open_splits(
    source: Any, config_name: str | None = None, delimiter: str | None = None, columns: Sequence = ("text", "label")
) -> dict[str, Dataset]:
    """The splits as they are stored; in CSV files `columns` are text: "None" is a name, and "01" is not 1."""
    from datasets import Dataset, exceptions, load_dataset, load_dataset_builder

    if isinstance(source, Mapping):
        return {str(split): open_splits(part, None, delimiter, columns)["train"] for split, part in source.items()}
    if not isinstance(source, str | Path):
        return {"train": source if isinstance(source, Dataset) else Dataset.from_pandas(source, preserve_index=False)}
    path = Path(source).expanduser().resolve()
    if not path.exists() and not re.fullmatch(r"[\w-]+|\w[\w.-]*/[\w.-]+", str(source)):  # nor is it a Hub id
        raise FileNotFoundError(f"There is no file or folder {source}.")
    file_kind = "csv" if delimiter else str(path.parent)  # a folder of which one file is read, by its suffix
    place, file = (file_kind, str(path)) if path.is_file() else (str(path if path.is_dir() else source), None)
    try:
        builder = load_dataset_builder(place, config_name, data_files=file)
        sep = delimiter or getattr(builder.config, "sep", None)  # None where it is no CSV
        # Quoting 3 is csv.QUOTE_NONE: in TSV a stray quote never merges rows.
        csv = {"sep": sep, "quoting": 3 * (sep == "\t"), "na_filter": False, "converters": dict.fromkeys(columns, str)}
        splits = dict(load_dataset(place, config_name, data_files=file, **(csv if sep else {})))
        if sep and any("__index_level_0__" in part.column_names for part in splits.values()):
            raise ValueError("the rows have more fields than the first line, which names the columns.")
        return splits
    except (OSError, ValueError, exceptions.DatasetGenerationError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError  # the Hub's errors are OSErrors
        raise kind(f"Cannot read {source} ({config_name=}, {delimiter=}): {error.__cause__ or error}") from error


def read_archive(folder: Path) -> dict[str, Dataset]:
    """Splits of the Stanford archive, a file `<id>_<rating>.txt` per review; none for any other folder."""
    from datasets import Dataset

    splits: dict[str, Dataset] = {}
    for split, part in {"train": "train/[np]*", "test": "test/[np]*", "unsupervised": "train/unsup"}.items():
        files = sorted(folder.glob(f"{part}/*_*.txt"), key=lambda file: (file.parent, int(file.name.split("_")[0])))
        rows = [{"text": file.read_text("utf-8"), "label": int(file.parent.name == "pos")} for file in files]
        splits |= {split: Dataset.from_list(rows)} if rows else {}
    return splits


def read_semeval(path: Path) -> dict[str, Dataset]:
    """Splits of raw SemEval files: lines of id, label and text, or of label and text, between tabs; no header."""
    from datasets import Dataset

    files = [path] if path.is_file() else sorted(path.glob("[!rR]*.txt"))  # not the readme
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        split = "test" if "test" in file.name.lower() and any("train" in f.name.lower() for f in files) else "train"
        for line in file.read_text("utf-8").strip().split("\n"):
            # "Not Available" stands for a tweet that was deleted before it was collected.
            *_, label, text = ["", *_AFTER_TEXT.sub("", line.removesuffix("\tNot Available")).split("\t")]
            rows.setdefault(split, []).append({"text": text, "label": _SENTIMENTS.get(label)})
    return {split: Dataset.from_list(part) for split, part in rows.items()}


# Fields after the text in SemEval files: nothing, or the moment a tweet was posted ("Mon Dec 28 14:27:59 +0000 2015").
_AFTER_TEXT = re.compile(r"\t+(?:\w{3} \w{3} \d\d \d\d:\d\d:\d\d [+-]\d{4} \d{4})?\s*$")
# An odd run, so neither the doubled quote of CSV nor an escaped one (\" or \"").
_BARE_QUOTE = re.compile(r'(?:(?<!["\\])"|(?<=\\)""")(?:"")*(?!")')


def undo_escapes(text: str) -> str:
    r"""A tweet as it was posted, from the form in which SemEval and TweetEval store it.

    - `\u2019` becomes the character (surrogate pairs too; what is no valid escape stays), `&amp;` becomes `&`;
    - CSV quoting is undone: `"a ""b"" c"` becomes `a "b" c`, and `\"` becomes `"`;
    - a single quote left over at the start or end of the text, the rest of torn CSV quoting, is dropped; quotes in
      pairs that merely stand there are the author's and stay;
    - the time stamp that slipped into some texts, and white space around them, are dropped.
    """
    text = _AFTER_TEXT.sub("", text).strip()
    if '"' in text and _BARE_QUOTE.search(text):
        insides = [re.fullmatch(pattern, text, re.DOTALL) for pattern in ('"(.*)"', '"(.*)', '(.*)"')]
        inside = next((match[1] for match in insides if match and not _BARE_QUOTE.search(match[1])), None)
        text = text if inside is None else re.sub('""+', '"', inside)
    text = re.sub(r'\\"+', '"', text)
    codes = r"\\u(?i:(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|((?!d[89a-f])[0-9a-f]{4}))"
    text = re.sub(codes, lambda match: max(" ", bytes.fromhex("".join(match.groups(""))).decode("utf-16-be")), text)
    text = re.sub(r"(?i)&(?:amp;)*(#\d+|#x[0-9a-f]+|\w+);", lambda match: html.unescape(f"&{match[1]};"), text)
    return text.strip()
