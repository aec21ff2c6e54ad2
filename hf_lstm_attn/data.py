"""Data sets as a `DatasetDict` of train, validation and test, with columns `text` (string) and `label` (ClassLabel).

`load_data` takes any data with a text and a label per row; `load_imdb`, `load_tweets` and `load_sample` know theirs.
What was taken is logged, in one line, at level INFO of the logger `hf_lstm_attn`.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .reading import open_splits, read_archive, read_semeval, undo_escapes

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SPLITS = ("train", "validation", "test")  # those with labels
Shares = Sequence[float] | None


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
    splits = open_splits(source, config_name, delimiter, list(columns))
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
    splits = read_archive(Path(path).expanduser()) or open_splits(path)
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

    splits = read_semeval(Path(path).expanduser())
    if not splits:
        splits = open_splits(path, "sentiment")
        others = [open_splits(path, name) for name in get_dataset_config_names(str(path)) if name != "sentiment"]
        texts = [part.select_columns("text") for other in others for name, part in other.items() if name != "test"]
        splits |= {"unsupervised": concatenate_datasets(texts)} if texts else {}
    return _make_named(path, splits, ["negative", "neutral", "positive"], fractions, seed, edit=undo_escapes)


def load_sample(name: str, *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """The synthetic data that come with the package, "reviews" or "tweets"; `fractions` as in `load_tweets`."""
    folder = Path(__file__).parent / "samples" / name
    return _make_named(folder, open_splits(folder), [], fractions, seed)


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
