"""The data sets by name, and their splits as the model meets them: columns `text` and `label`, labels by name.

A `DatasetSpec` says all there is to say about a data set; `load_splits` turns it into train, validation and test by
one of two protocols, and says in a summary what it found: rows, labels, malformed lines, duplicates, fingerprints.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_lstm_attn import readers

if TYPE_CHECKING:
    from datasets import Dataset

PROTOCOLS = ("official", "report")
SPLITS = ("train", "validation", "test")
HELD_OUT_FRACTION = 0.1  # of train, for each of validation and test that a data set does not bring
MALFORMED_LIMIT = 0.05  # share of malformed rows above which a file is taken to be misread
NAMED_PLACES = 5  # malformed lines named in summaries and errors
SENTIMENTS = ("negative", "neutral", "positive")
_SAMPLES = Path(__file__).parent / "samples"
_TWEET_RULES = ("users", "urls", "hashtags", "emoji", "elongations")


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set is and how it is to be read."""

    name: str
    path: str  # Hub id; folder in Hub layout, aclImdb folder, folder of SemEval files; or a single file
    config_name: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    label_names: tuple[str, ...] = ()  # in id order; empty: those stored with the data, else the sorted labels of train
    escapes: bool = False  # stored texts hold escapes such as \u2019 and CSV quoting, to be undone
    rules: tuple[str, ...] = ("html_breaks",)  # names of tokenization.NORMALIZATION_RULES
    best_metric: str = "f1"  # validation metric that picks the checkpoint
    unlabelled: tuple[tuple[str | None, str], ...] = ()  # (configuration, split) whose texts may serve word vectors
    report_fractions: tuple[float, ...] = (0.8, 0.1, 0.1)  # protocol "report": shares of train; two: test is its own
    synthetic: bool = False
    language: str = "en"
    license: str = "unknown"
    homepage: str = ""
    description: str = ""


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="imdb",
            path="stanfordnlp/imdb",
            label_names=("negative", "positive"),
            unlabelled=((None, "unsupervised"),),
            license="other",
            homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
            description="Film reviews with their verdict (Maas et al., 2011): 25,000 to train on, 25,000 to test on.",
        ),
        DatasetSpec(
            name="tweets",
            path="cardiffnlp/tweet_eval",
            config_name="sentiment",
            label_names=SENTIMENTS,
            escapes=True,
            rules=_TWEET_RULES,
            best_metric="macro_recall",
            unlabelled=tuple(
                (config_name, split)
                for config_name in ("emoji", "emotion", "hate", "irony", "offensive")
                for split in ("train", "validation")
            ),
            report_fractions=(0.8, 0.2),
            homepage="https://github.com/cardiffnlp/tweeteval",
            description="Tweets with their sentiment: SemEval-2017 Task 4A as in TweetEval (Barbieri et al., 2020).",
        ),
        DatasetSpec(
            name="sample-reviews",
            path=str(_SAMPLES / "reviews"),
            label_names=("negative", "positive"),
            synthetic=True,
            license="apache-2.0",
            description="Short synthetic film reviews that come with the package, for trying things out.",
        ),
        DatasetSpec(
            name="sample-tweets",
            path=str(_SAMPLES / "tweets"),
            label_names=SENTIMENTS,
            rules=_TWEET_RULES,
            best_metric="macro_recall",
            report_fractions=(0.8, 0.2),
            synthetic=True,
            license="apache-2.0",
            description="Synthetic tweets that come with the package, for trying things out.",
        ),
    )
}


@dataclass(frozen=True)
class Splits:
    """Train, validation and test, each with columns `text` (str) and `label` (ClassLabel).

    `summary` is ready for JSON:
    {"protocol", "seed", "limit",
     "splits": {split: {"rows", "labels": {name: rows}, "fingerprint": SHA-256 over texts and labels in order}},
     "malformed": {"count", "first_lines": ["train:17", ...]}, "duplicates": {"train/test": rows of test, ...},
     "notes": [sentences on what was held out or left unused]}.
    """

    spec: DatasetSpec
    protocol: str
    seed: int
    train: Dataset
    validation: Dataset
    test: Dataset
    summary: dict[str, Any]

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.train.features["label"].names)


def resolve_spec(
    name: str | None = None,
    *,
    data: str | Path | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    config_name: str | None = None,
) -> DatasetSpec:
    """The spec of a known data set, of a known one kept elsewhere (`name` and `data`), or of one's own (`data`).

    Raises ValueError for an unknown name, or when neither is given. Whether `data` exists shows when it is loaded.
    """
    if name is not None and name not in DATASETS:
        raise ValueError(
            f"Expected a data set among {', '.join(DATASETS)}; found {name!r}. For data of your own pass --data with a "
            "file, folder or Hub id."
        )
    if name is None and data is None:
        raise ValueError(f"Expected a data set among {', '.join(DATASETS)}, or --data; found neither. Pass one.")
    spec = DATASETS[name] if name is not None else DatasetSpec(name=_name_data(str(data)), path="")
    spec = replace(
        spec,
        text_column=text_column or spec.text_column,
        label_column=label_column or spec.label_column,
        config_name=config_name or spec.config_name,
    )
    if data is None:
        return spec
    path = Path(data).expanduser()
    has_configurations = not path.is_file() and not (path.is_dir() and readers.is_semeval_folder(path))
    return replace(spec, path=str(data), unlabelled=spec.unlabelled if has_configurations else ())


def _name_data(data: str) -> str:
    """A name fit for a repository: the last part of a path or Hub id, without suffix."""
    path = Path(data).expanduser().resolve()
    stem = path.stem if path.suffix.lower() in readers.READERS else path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "data"


def load_splits(spec: DatasetSpec, *, protocol: str = "official", seed: int = 42, limit: int | None = None) -> Splits:
    """Train, validation and test by a protocol; train is shuffled by the seed, an official test keeps its order.

    - "official": the data set's own splits. One it lacks is a stratified tenth of train, drawn by the seed.
    - "report": train cut anew by `spec.report_fractions`, shuffled by the seed and stratified. Three shares give
      train, validation and test, and the official test is unused; two give train and validation.

    `limit` keeps at most so many rows of each split, stratified, for trial runs. Duplicates across splits (equal but
    for case and white space) are counted in the summary, not removed: removing them would change a public test.

    Raises ValueError or FileNotFoundError, with a remedy, for data that cannot be found, read or told apart.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"Expected a limit of at least 1 row; found {limit}.")
    if protocol not in PROTOCOLS:
        raise ValueError(f"Expected a protocol among {', '.join(PROTOCOLS)}; found {protocol!r}.")
    source = _open_source(spec)
    own, held_out = _plan_splits(spec, protocol, source.splits)
    label_names = _find_label_names(spec, source)
    loaded = {split: _load_rows(source, split, label_names) for split in ("train", *own)}

    whole = loaded["train"]
    sizes = [round(share * len(whole.labels)) for share in held_out.values()]
    parts = _cut(whole.labels, [len(whole.labels) - sum(sizes), *sizes], seed)
    rows = {split: whole.take(part) for split, part in zip(("train", *held_out), parts, strict=True)}
    rows |= {split: loaded[split] for split in own}
    rows = {split: rows[split] for split in SPLITS}
    if limit is not None:
        rows = {split: part.take(sorted(_cut(part.labels, [limit], seed)[0])) for split, part in rows.items()}
    _check_rows(rows, label_names)

    places = [place for part in loaded.values() for place in part.malformed]
    summary = {
        "protocol": protocol,
        "seed": seed,
        "limit": limit,
        "splits": {split: _summarize_rows(part, label_names) for split, part in rows.items()},
        "malformed": {"count": len(places), "first_lines": places[:NAMED_PLACES]},
        "duplicates": _count_duplicates({split: part.texts for split, part in rows.items()}),
        "notes": [f"{split}: a stratified {share:.0%} of the stored train" for split, share in held_out.items()]
        + [f"stored {split}: unused" for split in source.splits if split in SPLITS and split not in loaded],
    }
    built = {split: _build_dataset(part, label_names) for split, part in rows.items()}
    return Splits(spec, protocol, seed, **built, summary=summary)


def load_split(spec: DatasetSpec, split: str) -> Dataset:
    """One labelled split in the order in which it is stored, with columns `text` and `label`."""
    source = _open_source(spec)
    label_names = _find_label_names(spec, source)
    return _build_dataset(_load_rows(source, split, label_names), label_names)


def load_unlabelled(spec: DatasetSpec, *, exclude: Iterable[str] = ()) -> list[str]:
    """Texts of `spec.unlabelled`, less those that equal one of `exclude` but for case and white space.

    Pass the test texts as `exclude`: word vectors must not have seen them. Raises ValueError when the data set has no
    unlabelled texts.
    """
    if not spec.unlabelled:
        known = ", ".join(name for name, other in DATASETS.items() if other.unlabelled)
        raise ValueError(
            f"Expected a data set with unlabelled texts ({known}); found {spec.name} at {spec.path}. "
            "Train the word vectors on the training texts."
        )
    excluded = {_fold(text) for text in exclude}
    texts: list[str] = []
    for config_name, split in spec.unlabelled:
        source = _open_source(replace(spec, config_name=config_name or spec.config_name), labelled=False)
        rows = (row for _, row, _ in source.read(split) if row is not None)
        texts += [text for row in rows if (text := source.read_text(row)) and _fold(text) not in excluded]
    return texts


# ------------------------------------------------------------------------------------------------------- from a path

Stored = Iterator[tuple[str, dict[str, Any] | None, str | None]]  # place in the data; row, or else what is wrong


class _Source(NamedTuple):
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
        return readers.undo_escapes(text) if self.escapes else text


def _open_source(spec: DatasetSpec, *, labelled: bool = True) -> _Source:
    """Tell what kind of data lies at `spec.path`. Columns are checked when rows are read."""
    path = Path(spec.path).expanduser()
    if path.is_dir():
        if splits := readers.find_acl_imdb_splits(path):
            return _Source(spec.path, tuple(splits), lambda split: _place(split, readers.read_acl_imdb(path, split)))
        if readers.is_semeval_folder(path):
            return _open_files(spec, readers.find_semeval_files(path))
    elif path.is_file():
        return _open_files(spec, [path])
    elif path.suffix.lower() in readers.READERS or path.is_absolute() or spec.path.startswith((".", "~")):
        raise FileNotFoundError(f"Expected a file or folder at {path}; found nothing. Correct the path.")
    return _open_hub_layout(spec, labelled=labelled)


def _place(name: str, records: Iterable[readers.Record]) -> Stored:
    return ((f"{name}:{line}", row, problem) for line, row, problem in records)


def _open_files(spec: DatasetSpec, files: Sequence[Path]) -> _Source:
    """Files whose rows together are `train`."""
    text_column, label_column = spec.text_column, spec.label_column
    is_semeval = any(
        readers.is_semeval_file(file, text_column=text_column, label_column=label_column) for file in files
    )

    def read_stored(split: str) -> Stored:
        for file in files:
            rows = readers.read_labelled(file, text_column=text_column, label_column=label_column)
            yield from _place(file.name, rows)

    escapes = spec.escapes and not is_semeval
    return _Source(
        spec.path, ("train",), read_stored, text_column, label_column, escapes=escapes, is_semeval=is_semeval
    )


def _open_hub_layout(spec: DatasetSpec, *, labelled: bool) -> _Source:
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
    return _Source(
        path, tuple(stored), read_stored, spec.text_column, spec.label_column, class_names, escapes=spec.escapes
    )


# --------------------------------------------------------------------------------------------------- rows and labels


class _Rows(NamedTuple):
    texts: list[str]
    labels: list[int]
    malformed: tuple[str, ...] = ()  # places

    def take(self, rows: Iterable[int]) -> _Rows:
        rows = list(rows)
        return _Rows([self.texts[row] for row in rows], [self.labels[row] for row in rows])


def _load_rows(source: _Source, split: str, label_names: tuple[str, ...]) -> _Rows:
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
    return _Rows(texts, labels, tuple(malformed))


def _check_malformed(
    source: _Source, split: str, malformed: dict[str, str], well_formed: int, label_names: tuple[str, ...]
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


def _find_label_names(spec: DatasetSpec, source: _Source) -> tuple[str, ...]:
    """The spec's label names, else those stored with the data, else the sorted labels of train."""
    names = spec.label_names or source.class_names or _collect_label_names(source)
    if len(names) < 2:
        raise ValueError(
            f"Expected at least 2 labels in train of {source.path}; found {', '.join(names) or 'none'}. "
            "Pass label_column=NAME."
        )
    return names


def _collect_label_names(source: _Source) -> tuple[str, ...]:
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


def _build_label_ids(source: _Source, label_names: tuple[str, ...], found: set[str]) -> dict[str, int]:
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


# ------------------------------------------------------------------------------------------------------------ splits


def _plan_splits(spec: DatasetSpec, protocol: str, stored: Sequence[str]) -> tuple[tuple[str, ...], dict[str, float]]:
    """The stored splits to use beside train, and the shares of train to hold out for the others."""
    if protocol == "official":
        own = tuple(split for split in SPLITS[1:] if split in stored)
        return own, {split: HELD_OUT_FRACTION for split in SPLITS[1:] if split not in own}
    held_out = dict(zip(SPLITS[1:], spec.report_fractions[1:], strict=False))
    if "test" in held_out:
        return (), held_out
    if "test" not in stored:
        raise ValueError(
            f"Expected a test split in {spec.path} for protocol 'report'; found {', '.join(stored)}. Pass protocol "
            "'official', which holds out a tenth of train to test on."
        )
    return ("test",), held_out


def _cut(labels: Sequence[int], sizes: Sequence[int], seed: int) -> list[list[int]]:
    """Row numbers in parts of these sizes, each shuffled and with the shares of labels of the whole, within one row.

    Every label's rows, in random order, are spread evenly over [0, 1) by their rank; cutting the rows sorted by this
    position cuts each label in the same proportion. Rows beyond the sum of the sizes belong to no part.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    values = np.asarray(labels)
    positions = np.zeros(len(values))
    for label in np.unique(values):
        rows = generator.permutation(np.flatnonzero(values == label))
        positions[rows] = np.arange(len(rows)) / len(rows)
    order = np.argsort(positions, kind="stable")
    ends = np.cumsum([0, *sizes])
    return [generator.permutation(order[start:end]).tolist() for start, end in itertools.pairwise(ends)]


def _check_rows(rows: dict[str, _Rows], label_names: tuple[str, ...]) -> None:
    empty = [split for split, part in rows.items() if not part.labels]
    if empty:
        raise ValueError(
            f"Expected rows in every split; found none for {', '.join(empty)}. Pass more rows: a tenth of train is "
            "held out for each split that the data lacks."
        )
    present = {label_names[label] for label in rows["train"].labels}
    if len(present) < 2:
        raise ValueError(
            f"Expected at least 2 labels among {', '.join(label_names)} in train; found only {', '.join(present)}. "
            "Pass more rows, or label_column=NAME."
        )


def _summarize_rows(rows: _Rows, label_names: tuple[str, ...]) -> dict[str, Any]:
    counts = Counter(rows.labels)
    fingerprint = hashlib.sha256()
    for text, label in zip(rows.texts, rows.labels, strict=True):
        data = text.encode()
        fingerprint.update(b"%d %d " % (label, len(data)) + data)
    return {
        "rows": len(rows.labels),
        "labels": {name: counts[label] for label, name in enumerate(label_names)},
        "fingerprint": fingerprint.hexdigest(),
    }


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _count_duplicates(texts: dict[str, list[str]]) -> dict[str, int]:
    """{"train/test": rows of test whose text is also in train, ...} for every pair of splits."""
    folded = {split: [_fold(text) for text in part] for split, part in texts.items()}
    counts = {}
    for first, second in itertools.combinations(folded, 2):
        known = set(folded[first])
        counts[f"{first}/{second}"] = sum(text in known for text in folded[second])
    return counts


def _build_dataset(rows: _Rows, label_names: tuple[str, ...]) -> Dataset:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=list(label_names))})
    return Dataset.from_dict({"text": rows.texts, "label": rows.labels}, features=features)
