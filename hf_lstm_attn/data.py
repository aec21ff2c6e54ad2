"""Data sets as a `DatasetDict` of train, validation and test, with columns `text` (string) and `label` (ClassLabel).

`load_data` takes any data with a text and a label per row; `load_imdb`, `load_tweets` and `load_sample` know theirs.
What was taken is logged, in one line, at level INFO of the logger `hf_lstm_attn`.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SPLITS = ("train", "validation", "test")  # those with labels
Shares = Sequence[float] | None
_SENTIMENTS = {"negative": 0, "neutral": 1, "positive": 2, "-1": 0, "0": 1, "1": 2}


def load_data(
    source: Any,
    *,
    text_column: str = "text",
    label_column: str | None = "label",
    config_name: str | None = None,
    delimiter: str | None = None,
    seed: int = 42,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> DatasetDict:
    """Train, validation and test of any data that has a text and a label in each row.

    A split that the data lacks is held out of train, drawn by the seed and with train's shares of labels; train is
    shuffled by the seed. Rows without a text or a label are skipped and counted. Splits of other names
    ("unsupervised") keep their texts alone, less those that validation or test have too.

    Args:
        source: A file (.csv, .tsv, .json, .jsonl, .parquet, .arrow; also compressed), a folder in Hub layout, a Hub
            id, `{"train": file, "test": file}`, a Dataset, a DatasetDict or a pandas frame.
        label_column: None for data without labels: every split keeps its texts alone, and nothing is held out.
        config_name: The configuration, where a folder or a data set of the Hub has several.
        delimiter: Of the fields in a text file of any name; by default a tab in .tsv, a comma in .csv.
        validation_fraction: Share of train to hold out where there is no validation split; 0 for none.
        test_fraction: Likewise for test.

    Returns:
        Columns `text` and `label`. Labels keep the order of a ClassLabel; others become names, sorted: 1 and 1.0 are
        "1", and "None" in a CSV file is a name like any other.

    Raises:
        FileNotFoundError: if nothing is found at `source`, here or on the Hub.
        ValueError: for a file that cannot be read, a missing column, a labelled split without rows, or fewer than two
            labels in train.
    """
    name = Path(source).name if isinstance(source, str | Path) else "the data"
    columns = {text_column: "text"} | ({label_column: "label"} if label_column else {})
    splits = _open(source, config_name, delimiter, list(columns))
    for split, part in splits.items():
        usable = [column for column, feature in part.features.items() if hasattr(feature, "dtype")]  # no lists
        wanted = {column: kind for column, kind in columns.items() if kind == "text" or split in SPLITS}
        for column, kind in wanted.items():
            if column not in usable:
                problem = f"No column {column!r} in {name} (columns: {', '.join(usable)})."
                raise ValueError(f"{problem} Choose one with {kind}_column.")
        splits[split] = part.select_columns(list(wanted)).rename_columns(wanted)
    title = f"{name}: text: {text_column}, label: {label_column}" + (f", delimiter {delimiter!r}" if delimiter else "")
    return _make(title, splits, {"validation": validation_fraction, "test": test_fraction}, seed)


def load_imdb(path: str | Path = "stanfordnlp/imdb", *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """Film reviews with their verdict, negative or positive (Maas et al. 2011); and `unsupervised`, texts alone.

    Reviews of one film stand side by side, so validation is one stretch of each label's reviews, a tenth of train:
    like test, it is of other films.

    Args:
        path: Hub id, folder in Hub layout, or the unpacked archive `aclImdb`.
        fractions: Cut the stored train row by row into train, validation and test of these shares instead, such as
            (0.8, 0.1, 0.1), and leave the stored test unused.
    """
    splits = _read_archive(Path(path).expanduser()) or _open(path)
    return _make_named(path, splits, ["negative", "positive"], fractions, seed, grouped=fractions is None)


def load_tweets(path: str | Path = "cardiffnlp/tweet_eval", *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """Tweets with their sentiment, as posted: SemEval-2017 Task 4A as in TweetEval (Barbieri et al. 2020).

    `unsupervised` holds the texts of train and validation of TweetEval's other configurations.

    Args:
        path: Hub id, folder in Hub layout, or raw SemEval files: one, or a folder of `.txt` files, in which
            `*test*` beside `*train*` is the test split.
        fractions: Cut the stored train into train and validation of these shares instead, such as (0.8, 0.2), or into
            train, validation and test, and leave the stored splits of these names unused. Two shares hold no test out.
    """
    from datasets import concatenate_datasets, get_dataset_config_names

    splits = _read_semeval(Path(path).expanduser())
    if not splits:
        splits = _open(path, "sentiment")
        others = [_open(path, name) for name in get_dataset_config_names(str(path)) if name != "sentiment"]
        texts = [part.select_columns("text") for other in others for name, part in other.items() if name != "test"]
        splits |= {"unsupervised": concatenate_datasets(texts)} if texts else {}
    return _make_named(path, splits, ["negative", "neutral", "positive"], fractions, seed, edit=undo_escapes)


def load_sample(name: str, *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """The synthetic data that come with the package, "reviews" or "tweets"; `fractions` as in `load_tweets`."""
    folder = Path(__file__).parent / "samples" / name
    return _make_named(folder, _open(folder), [], fractions, seed)


class NamedData(NamedTuple):
    """A data set that the package knows by name.

    Attributes:
        loader: Takes a path, `fractions` and `seed`.
        path: Where it lies: a Hub id, or the name of a sample.
        config_name: Its configuration on the Hub.
        normalization: Rules for `train_tokenizer`.
        metric: What picks the checkpoint.
        license: As the Hub names it.
        report_fractions: How the report cut train.
    """

    loader: Callable[..., DatasetDict]
    path: str
    config_name: str | None = None
    normalization: tuple[str, ...] = ("html_breaks",)
    metric: str = "f1"
    license: str = "apache-2.0"
    language: str = "en"
    synthetic: bool = False
    report_fractions: tuple[float, ...] = (0.8, 0.1, 0.1)

    @property
    def hub_id(self) -> str | None:
        return None if self.synthetic else self.path

    def load(self, path: str | Path | None = None, fractions: Shares = None, seed: int = 42) -> DatasetDict:
        """Its splits, from another place where `path` names one."""
        return self.loader(path or self.path, fractions=fractions, seed=seed)


_RULES = ("users", "urls", "hashtags", "emoji", "elongations")
_TWEETS: dict[str, Any] = {"normalization": _RULES, "metric": "macro_recall", "report_fractions": (0.8, 0.2)}
DATASETS = {
    "imdb": NamedData(load_imdb, "stanfordnlp/imdb", license="other"),
    "tweets": NamedData(load_tweets, "cardiffnlp/tweet_eval", "sentiment", license="cc-by-3.0", **_TWEETS),
    "sample-reviews": NamedData(load_sample, "reviews", synthetic=True),
    "sample-tweets": NamedData(load_sample, "tweets", synthetic=True, **_TWEETS),
}


def cut(labels: Sequence[int], sizes: Sequence[int], seed: int, *, stretches: bool = False) -> list[list[int]]:
    """Row numbers in parts of these sizes, each shuffled and with the shares of labels of the whole, within one row.

    Every label's rows, in random order, are spread evenly over [0, 1) by their rank; cutting the rows sorted by this
    position cuts each label in the same proportion, and the only row of a label falls in the first part. Rows beyond
    the sum of the sizes belong to no part. With `stretches` a label's rows keep their order and only where they start
    is random: a part is a stretch of each label.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    positions = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(np.equal(labels, label))
        rows = np.roll(rows, generator.integers(len(rows))) if stretches else generator.permutation(rows)
        positions[rows] = np.arange(len(rows)) / len(rows)
    order = np.argsort(positions, kind="stable")
    return [generator.permutation(part).tolist() for part in np.split(order, np.cumsum(sizes))[:-1]]


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the texts and, where there is a column `label`, the class ids, in order."""
    found = hashlib.sha256()
    ids = dataset["label"][:] if "label" in dataset.column_names else None
    for row, text in enumerate(dataset["text"][:]):
        found.update((b"%d " % ids[row] if ids else b"") + b"%d " % len(text.encode()) + text.encode())
    return found.hexdigest()


def summarize_split(dataset: Dataset) -> dict[str, Any]:
    """{"rows", "labels": {name: rows}, "fingerprint"} of a split of `load_data`."""
    names = getattr(dataset.features.get("label"), "names", [])
    counts = Counter(dataset["label"][:] if names else [])
    labels = {name: counts[label] for label, name in enumerate(names)}
    return {"rows": len(dataset), "labels": labels, "fingerprint": fingerprint(dataset)}


def count_duplicates(splits: Mapping[str, Dataset]) -> dict[str, int]:
    """{"train/test": rows of test whose text, but for case and white space, is in train too} for every two splits."""
    folded = {split: [_fold(text) for text in splits[split]["text"][:]] for split in SPLITS if split in splits}
    return {f"{a}/{b}": sum(map(set(folded[a]).__contains__, folded[b])) for a, b in itertools.combinations(folded, 2)}


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


# ------------------------------------------------------------------------------------------------------------- reading


def _open(
    source: Any, config_name: str | None = None, delimiter: str | None = None, columns: Sequence = ("text", "label")
) -> dict[str, Dataset]:
    """The splits as they are stored; in CSV files `columns` are text: "None" is a name, and "01" is not 1."""
    from datasets import Dataset, exceptions, load_dataset, load_dataset_builder

    if isinstance(source, Mapping):
        return {str(split): _open(part, None, delimiter, columns)["train"] for split, part in source.items()}
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


def _read_archive(folder: Path) -> dict[str, Dataset]:
    """Splits of the Stanford archive, a file `<id>_<rating>.txt` per review; none for any other folder."""
    from datasets import Dataset

    splits: dict[str, Dataset] = {}
    for split, part in {"train": "train/[np]*", "test": "test/[np]*", "unsupervised": "train/unsup"}.items():
        files = sorted(folder.glob(f"{part}/*_*.txt"), key=lambda file: (file.parent, int(file.name.split("_")[0])))
        rows = [{"text": file.read_text("utf-8"), "label": int(file.parent.name == "pos")} for file in files]
        splits |= {split: Dataset.from_list(rows)} if rows else {}
    return splits


def _read_semeval(path: Path) -> dict[str, Dataset]:
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


# ------------------------------------------------------------------------------------------------------------ building


def _make_named(source: Any, splits: dict, names: list, fractions: Shares, seed: int, **options: Any) -> DatasetDict:
    """`_make` with labels named `names`, and by the rules of `fractions`."""
    from datasets import ClassLabel

    shares = dict(zip(SPLITS[1:], (fractions or (0.8, 0.1, 0.1))[1:], strict=False))
    splits = {split: part for split, part in splits.items() if fractions is None or split not in shares}
    for split in splits.keys() & SPLITS if names else ():
        splits[split] = splits[split].cast_column("label", ClassLabel(names=names))
    return _make(Path(source).name, splits, shares, seed, **options)


def _make(name: str, splits: dict, shares: dict, seed: int, edit: Callable = str, grouped: bool = False) -> DatasetDict:
    """The result of `load_data`.

    Args:
        name: What was taken, for the log and errors.
        splits: As they are stored, with columns `text` and, in train, validation and test, `label`.
        shares: Of train, for each split to be held out of it where it is not stored.
        edit: What to do with a text.
        grouped: Whether train lies in groups: held out is one stretch of each label, see `cut`.
    """
    import pyarrow as pa
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    labelled = [split for split in SPLITS if split in splits and "label" in splits[split].column_names]
    rows: dict[str, list[tuple[str, str]]] = {}  # (text, label's name)
    skipped: Counter[str] = Counter()
    for split, part in splits.items():
        texts = [edit(text) if isinstance(text, str) and text.strip() else "" for text in part["text"][:]]
        pairs = list(zip(texts, _name_labels(part) if split in labelled else ["-"] * len(texts), strict=True))
        rows[split] = [pair for pair in pairs if all(pair)]
        skipped.update("no label" if text else "no text" for text, label in pairs if not (text and label))
    names = list(max((getattr(part.features.get("label"), "names", []) for part in splits.values()), key=len))
    found = {label for split in labelled for _, label in rows[split]}.difference(names)
    names += sorted(found, key=lambda label: (re.sub(r"^\d+", lambda digits: digits[0].zfill(20), label), label))
    ids = {label: number for number, label in enumerate(names)}
    shares = {split: share for split, share in shares.items() if share and split not in rows and "train" in labelled}
    notes = [f"{len(names)} labels", f"{sum(map(len, rows.values()))} rows"]
    notes += [f"{number} skipped ({reason})" for reason, number in skipped.items()]
    notes += [f"{split} held out of train ({share:.0%})" for split, share in shares.items()]
    notes += [f"{split} kept without labels" for split in rows if split not in labelled]
    labelled += shares
    if "train" in labelled:
        whole = rows["train"]
        counts = Counter(label for _, label in whole)
        notes += [f"warning: few rows of {label!r} in train ({counts[label]})" for label in names if counts[label] < 2]
        sizes = [max(1, round(share * len(whole))) for share in shares.values()]
        parts = cut([ids[label] for _, label in whole], [len(whole) - sum(sizes), *sizes], seed, stretches=grouped)
        rows |= {split: [whole[row] for row in part] for split, part in zip(("train", *shares), parts, strict=True)}
    logging.getLogger("hf_lstm_attn").info("%s, %s", name, ", ".join(notes))
    held_out = {_fold(text) for split in SPLITS[1:] for text, _ in rows.get(split, [])}
    result = DatasetDict()
    for split in sorted(rows, key=[*SPLITS, *splits].index):
        kept = [row for row in rows[split] if split in SPLITS or _fold(row[0]) not in held_out]
        columns: dict[str, list] = {"text": [text for text, _ in kept], "label": [ids.get(label) for _, label in kept]}
        if split in labelled and len(set(columns["label"])) < (2 if split == "train" else 1):
            raise ValueError(f"{name}: {split} needs more rows or labels ({', '.join(notes)}).")
        features = {"text": Value("string")} | ({"label": ClassLabel(names=names)} if split in labelled else {})
        result[split] = Dataset(pa.table(columns, schema=Features(features).arrow_schema))
    return result


def _name_labels(part: Dataset) -> list[str]:
    """The label of each row by name; "" where there is none."""
    feature, values = part.features["label"], part["label"][:]
    if hasattr(feature, "names"):  # a ClassLabel
        return [feature.names[value] if value is not None and value >= 0 else "" for value in values]
    names = ["" if value is None or value != value else str(value).strip() for value in values]
    return [re.sub(r"^(-?\d+)\.0+$", r"\1", name) for name in names]
