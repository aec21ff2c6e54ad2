"""The data sets that are known by name: film reviews (IMDB), tweets (SemEval-2017, TweetEval), and synthetic samples.

They come in the layout of the Hub, or in the raw form in which their authors publish them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

Shares = Sequence[float] | None
_SENTIMENTS = {"negative": 0, "neutral": 1, "positive": 2, "-1": 0, "0": 1, "1": 2}


def load_imdb(path: str | Path = "stanfordnlp/imdb", *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """Film reviews with their verdict, negative or positive (Maas et al. 2011); and `unsupervised`, texts alone.

    Reviews of one film stand side by side, so validation is one stretch of each label's reviews, a tenth of train:
    like test, it is of other films.

    Args:
        path: Hub id, folder in Hub layout, or the unpacked archive `aclImdb`.
        fractions: Cut the stored train row by row into train, validation and test of these shares instead, such as
            (0.8, 0.1, 0.1), and leave the stored test unused.
    """
    splits = read_archive(Path(path).expanduser()) or _open(path)
    return _make(path, splits, ["negative", "positive"], fractions, seed, grouped=fractions is None)


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
        splits = _open(path, "sentiment")
        others = [_open(path, name) for name in get_dataset_config_names(str(path)) if name != "sentiment"]
        texts = [part.select_columns("text") for other in others for name, part in other.items() if name != "test"]
        splits |= {"unsupervised": concatenate_datasets(texts)} if texts else {}
    return _make(path, splits, ["negative", "neutral", "positive"], fractions, seed, edit=undo_escapes)


def load_sample(name: str, *, fractions: Shares = None, seed: int = 42) -> DatasetDict:
    """The synthetic data that come with the package, "reviews" or "tweets"; `fractions` as in `load_tweets`."""
    folder = Path(__file__).parent / "samples" / name
    return _make(folder, _open(folder), [], fractions, seed)


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
    synthetic: bool = False
    report_fractions: tuple[float, ...] = (0.8, 0.1, 0.1)

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


def _open(path: Any, config_name: str | None = None) -> dict[str, Dataset]:
    from .reading import FileOptions, open_splits  # here, for the command line starts without `datasets`

    return open_splits(path, config_name, FileOptions())[0]


def _make(
    path: Any, splits: dict, names: list, fractions: Shares, seed: int, edit: Any = None, grouped: bool = False
) -> DatasetDict:
    """The result of a loader, with labels named `names`, and by the rules of `fractions`.

    Args:
        edit: What to do with a text.
        grouped: Whether train lies in groups: held out is one stretch of each label, see `cut`.
    """
    from datasets import ClassLabel

    from .data import read_rows
    from .splits import SPLITS, build_splits

    shares = dict(zip(SPLITS[1:], (fractions or (0.8, 0.1, 0.1))[1:], strict=False))
    splits = {split: part for split, part in splits.items() if fractions is None or split not in shares}
    for split, part in splits.items():
        if names and split in SPLITS:
            splits[split] = part.cast_column("label", ClassLabel(names=names))
        if edit is not None:
            options: Any = {"batched": True, "input_columns": "text", "keep_in_memory": True}
            splits[split] = splits[split].map(lambda texts: {"text": list(map(edit, texts))}, **options)
    read = {split: read_rows(part, ["text"], ["label"] if split in SPLITS else []) for split, part in splits.items()}
    return build_splits(Path(path).name, read, shares, seed, grouped=grouped)


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
    entities = r"(?i)&(?:amp;)*(#\d{1,7}|#x[0-9a-f]{1,6}|\w{1,31});"
    text = re.sub(entities, lambda match: html.unescape(f"&{match[1]};"), text)
    return text.strip()
