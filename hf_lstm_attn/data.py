"""The data sets by name, and their splits as the model meets them: columns `text` and `label`, labels by name.

A `DatasetSpec` says all there is to say about a data set; `load_splits` turns it into train, validation and test by
one of two protocols, and says in a summary what it found: rows, labels, malformed lines, duplicates, fingerprints.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .archives import is_semeval_folder
from .readers import PEEKED_LINES, READERS
from .sources import NAMED_PLACES, SENTIMENTS, Rows, find_label_names, load_rows, open_source

if TYPE_CHECKING:
    from datasets import Dataset

PROTOCOLS = ("official", "report")
SPLITS = ("train", "validation", "test")
HELD_OUT_FRACTION = 0.1  # of train, for each of validation and test that a data set does not bring
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
    unlabelled: tuple[tuple[str | None, str], ...] = ()  # (configuration, split) of texts to learn from
    grouped: bool = False  # train is stored with related rows (reviews of one film) side by side, label by label
    report_fractions: tuple[float, ...] = (0.8, 0.1, 0.1)  # protocol "report": shares of train; two: test is its own
    synthetic: bool = False
    language: str = "en"
    license: str = "unknown"  # as the Hub names it; "other": the terms at `homepage`
    homepage: str = ""
    description: str = ""
    reported: tuple[tuple[str, str, float], ...] = ()  # (split, metric, the report's figure) under protocol "report"
    reported_baselines: tuple[tuple[str, str, str, float], ...] = ()  # (architecture, split, metric, figure), likewise


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="imdb",
            path="stanfordnlp/imdb",
            label_names=("negative", "positive"),
            unlabelled=((None, "unsupervised"),),
            grouped=True,
            license="other",
            homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
            reported=(("test", "accuracy", 0.8648),),
            reported_baselines=(
                ("lstm_attn_ffnn", "test", "accuracy", 0.8648),
                ("lstm_attn_rnn", "test", "accuracy", 0.5375),
            ),
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
            license="cc-by-3.0",  # of the sentiment subset, says TweetEval's card; X's terms of service apply as well
            homepage="https://github.com/cardiffnlp/tweeteval",
            reported=(("validation", "accuracy", 0.6142),),
            reported_baselines=(
                ("lstm_attn_ffnn", "validation", "accuracy", 0.572),
                ("lstm_attn_rnn", "validation", "accuracy", 0.456),
            ),
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
    license: str | None = None,
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
        license=license or spec.license,
    )
    if data is None:
        return spec
    path = Path(data).expanduser()
    has_configurations = not path.is_file() and not (path.is_dir() and is_semeval_folder(path))
    return replace(spec, path=str(data), unlabelled=spec.unlabelled if has_configurations else ())


def find_hub_id(spec: DatasetSpec) -> str | None:
    """Where others find the data on the Hub, though this spec may read a local copy; None for data of one's own."""
    if spec.synthetic:
        return None
    known = DATASETS.get(spec.name)
    if known is not None and known.description == spec.description:
        return known.path
    is_id = re.fullmatch(r"[\w.-]+/[\w.-]+", spec.path) and not Path(spec.path).exists()
    return spec.path if is_id else None


def _name_data(data: str) -> str:
    """A name fit for a repository: the last part of a path or Hub id, without suffix."""
    path = Path(data).expanduser().resolve()
    stem = path.stem if path.suffix.lower() in READERS else path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "data"


def load_splits(spec: DatasetSpec, *, protocol: str = "official", seed: int = 42, limit: int | None = None) -> Splits:
    """Train, validation and test by a protocol; train is shuffled by the seed, an official test keeps its order.

    - "official": the data set's own splits. One it lacks is a stratified tenth of train, drawn by the seed: row by row,
      or, of `spec.grouped` data, one stretch of every label's rows, so that validation, like test, is of other films.
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
    source = open_source(spec)
    own, held_out = _plan_splits(spec, protocol, source.splits)
    label_names = find_label_names(spec, source)
    loaded = {split: load_rows(source, split, label_names) for split in ("train", *own)}

    whole = loaded["train"]
    sizes = [round(share * len(whole.labels)) for share in held_out.values()]
    stretches = spec.grouped and protocol == "official"
    parts = _cut(whole.labels, [len(whole.labels) - sum(sizes), *sizes], seed, stretches=stretches)
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
        "notes": [
            f"{split}: a stratified {share:.0%} of the stored train" + ", one stretch per label" * stretches
            for split, share in held_out.items()
        ]
        + [f"stored {split}: unused" for split in source.splits if split in SPLITS and split not in loaded],
    }
    built = {split: _build_dataset(part, label_names) for split, part in rows.items()}
    return Splits(spec, protocol, seed, **built, summary=summary)


def load_split(spec: DatasetSpec, split: str) -> Dataset:
    """One labelled split in the order in which it is stored, with columns `text` and `label`."""
    source = open_source(spec)
    label_names = find_label_names(spec, source)
    return _build_dataset(load_rows(source, split, label_names), label_names)


def load_unlabelled(spec: DatasetSpec, *, exclude: Iterable[str] = ()) -> list[str]:
    """Texts of `spec.unlabelled`, or all texts of data without labels, less those of `exclude` (`drop_texts`).

    Pass the test texts as `exclude`: neither word vectors nor language models may have seen them. Raises ValueError
    when the data set has labels and no unlabelled texts.
    """
    places = spec.unlabelled
    if not places:
        if has_labels(spec):
            known = ", ".join(name for name, other in DATASETS.items() if other.unlabelled)
            raise ValueError(
                f"Expected a data set with unlabelled texts ({known}), or data without labels; found {spec.name} at "
                f"{spec.path}. Use the training texts alone."
            )
        places = ((None, "train"),)
    texts: list[str] = []
    for config_name, split in places:
        source = open_source(replace(spec, config_name=config_name or spec.config_name), labelled=False)
        texts += [text for _, row, _ in source.read(split) if row is not None and (text := source.read_text(row))]
    return drop_texts(texts, exclude)


def load_unlabelled_beside(splits: Splits) -> list[str]:
    """The unlabelled texts, if any, of splits' data set, to train on: none of validation or test, at most the limit
    that the splits were loaded with."""
    if not splits.spec.unlabelled:
        return []
    exclude = [*splits.validation["text"], *splits.test["text"]]
    return load_unlabelled(splits.spec, exclude=exclude)[: splits.summary["limit"]]


def drop_texts(texts: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """`texts` less those that equal one of `exclude` but for case and white space."""
    excluded = {_fold(text) for text in exclude}
    return [text for text in texts if _fold(text) not in excluded]


def has_labels(spec: DatasetSpec) -> bool:
    """Whether most of the first rows of train have both columns of the spec."""
    try:
        rows = [row for _, row, _ in itertools.islice(open_source(spec).read("train"), PEEKED_LINES)]
    except ValueError:  # no such column
        return False
    return 2 * sum(row is not None for row in rows) > len(rows)


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


def _cut(labels: Sequence[int], sizes: Sequence[int], seed: int, *, stretches: bool = False) -> list[list[int]]:
    """Row numbers in parts of these sizes, each shuffled and with the shares of labels of the whole, within one row.

    Every label's rows, in random order, are spread evenly over [0, 1) by their rank; cutting the rows sorted by this
    position cuts each label in the same proportion. Rows beyond the sum of the sizes belong to no part. With
    `stretches` a label's rows keep their order and only where they start is random: a part is a stretch of each label.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    values = np.asarray(labels)
    positions = np.zeros(len(values))
    for label in np.unique(values):
        rows = np.flatnonzero(values == label)
        rows = np.roll(rows, generator.integers(len(rows))) if stretches else generator.permutation(rows)
        positions[rows] = np.arange(len(rows)) / len(rows)
    order = np.argsort(positions, kind="stable")
    ends = np.cumsum([0, *sizes])
    return [generator.permutation(order[start:end]).tolist() for start, end in itertools.pairwise(ends)]


def _check_rows(rows: dict[str, Rows], label_names: tuple[str, ...]) -> None:
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


def _summarize_rows(rows: Rows, label_names: tuple[str, ...]) -> dict[str, Any]:
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


def _build_dataset(rows: Rows, label_names: tuple[str, ...]) -> Dataset:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=list(label_names))})
    return Dataset.from_dict({"text": rows.texts, "label": rows.labels}, features=features)
