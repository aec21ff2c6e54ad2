"""Build the training data of the built-in model `sentiment`: everyday English as negative, neutral or positive.

    python scripts/sentiment_data.py --datasets FOLDER -o runs/sentiment-data     # a parquet file for each split

FOLDER holds copies of data sets in Hub layout: `suite/sst5`, `sst2`, `mr`, `cr`, `cardiffnlp/tweet_eval`,
`stanfordnlp/imdb`, `english_sentences`. Of the labelled ones only train is learnt from. To them come sentences without
any word of VADER's lexicon, as neutral, and sentences composed from the frames and words of `sentiment_bank.toml` and
the lines of `everyday_bank.toml`, a split of their own. Two splits are there for a teacher to label: `reviews`,
sentences with the labels of their film reviews, and `unsupervised`, others. No text is learnt from that has the letters
of a text in a test split at hand or in `hard_sentences.csv`, or shares a longer sentence with one.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets
from sentiment_composer import Composer, Rows, read_lexicon
from sklearn.model_selection import train_test_split

from hf_lstm_attn.named_data import undo_escapes

LABELS = ["negative", "neutral", "positive"]
NAMES: dict[str, Any] = {  # of the labels, in a model's configuration
    "id2label": dict(enumerate(LABELS)),
    "label2id": {name: id for id, name in enumerate(LABELS)},
}
COMPOSED = ("composed", "everyday")  # sources that the composer makes
EMOTIONS = ["negative", "positive", "positive", "negative"]  # of anger, joy, optimism, sadness
HARD_SENTENCES = Path(__file__).with_name("hard_sentences.csv")
SENTENCE_LETTERS = 25  # of a sentence that two texts hardly share by chance
SEED = 42
# Sources of `english_sentences` that mostly state, ask or order; and words of the lexicon that say nothing there.
MATTER_OF_FACT = ["wordnet glosses and examples", "common voice", "schema-guided dialogue", "taskmaster", "snips train"]
MATTER_OF_FACT += ["nlu-evaluation-data fold 1"]
OPINIONATED = ["imdb unsupervised", "go_emotions train", "tweet_eval train"]
POLITE = {"please", "play", "yes", "alarm", "share", "save", "party"}


def find_key(text: str) -> str:
    """What two texts share that are the same but for case, spaces, punctuation, escapes and how accents are stored."""
    text = re.sub(r"-[lr][rs]b-", "", undo_escapes(text).lower())
    return re.sub(r"[^a-z0-9]", "", text) or text


def find_keys(text: str) -> set[str]:
    """The key of a text and those of its longer sentences: SST's texts are the sentences of MR's."""
    parts = map(find_key, re.split(r"(?<=[.!?;])\s", text))
    return {find_key(text), *(part for part in parts if len(part) >= SENTENCE_LETTERS)}


def read_split(folder: Path, split: str) -> pd.DataFrame:
    return pd.concat(pd.read_parquet(path) for path in sorted(folder.glob(f"{split}-*.parquet")))


def collect_test_keys(root: Path) -> set[str]:
    """The keys of all test splits below this folder, of the hard sentences included."""
    files = sorted(root.rglob("test-*.parquet"))
    texts = [text for path in files for text in pd.read_parquet(path)["text"]]
    return {key for text in [*texts, *pd.read_csv(HARD_SENTENCES)["text"]] for key in find_keys(text)}


def take_neutral(root: Path, rows: int, seed: int) -> Rows:
    """Sentences without a word of the lexicon, so many of each source that mostly states, asks or orders."""
    sentences, lexicon = read_split(root / "english_sentences", "train"), read_lexicon()
    found: Rows = []
    for source in MATTER_OF_FACT:
        texts = sentences.loc[sentences["source"] == source, "text"].sample(frac=1, random_state=seed)
        plain = (text for text in texts if not {*re.findall(r"[a-z']+", text.lower())} - POLITE & lexicon.keys())
        found += [(text, "neutral") for text, _ in zip(plain, range(rows), strict=False)]
    return found


def take_unlabelled(root: Path, rows: int, seed: int) -> list[str]:
    """All sentences of the sources full of opinions, and so many of each other one."""
    sentences = read_split(root / "english_sentences", "train").sample(frac=1, random_state=seed)
    rank = sentences.groupby("source").cumcount()
    return sentences.loc[sentences["source"].isin(OPINIONATED) | (rank < rows), "text"].tolist()


def take_review_sentences(root: Path, rows: int, seed: int) -> Rows:
    """So many sentences of IMDB's reviews, each with the label of its review."""
    reviews = read_split(root / "stanfordnlp/imdb/plain_text", "train")
    reviews["text"] = reviews["text"].str.replace("<br />", " ").str.split(r"(?<=[.!?])\s+", regex=True)
    sentences = reviews.explode("text")
    sentences = sentences[sentences["text"].str.len().between(15, 160)].sample(rows, random_state=seed)
    return [(text, LABELS[2 * label]) for text, label in zip(sentences["text"], sentences["label"], strict=True)]


def read_sources(root: Path, neutral: int, composed: int, everyday: int, seed: int) -> Iterator[tuple[str, Rows]]:
    """Each source's name and rows; of texts that several have, the first is kept, so finer labels come first."""
    for task in ("sst5", "sst2", "mr", "cr"):
        split = read_split(root / "suite" / task, "train")
        yield task, list(zip(split["text"], split["label"].str.removeprefix("very "), strict=True))
    for name, task, labels in (("tweet_eval", "sentiment", LABELS), ("emotion", "emotion", EMOTIONS)):
        tweets = read_split(root / "cardiffnlp/tweet_eval" / task, "train")
        named = tweets["label"].map(labels.__getitem__)
        yield name, list(zip(map(undo_escapes, tweets["text"]), named, strict=True))
    yield "neutral sentences", take_neutral(root, neutral, seed)
    yield COMPOSED[0], Composer(seed).compose(composed)
    yield COMPOSED[1], Composer(seed).compose_everyday(everyday)


def build_sentiment_data(
    root: str | Path,
    *,
    neutral: int = 1_500,
    composed: int = 26_000,
    everyday: int = 12,
    reviewed: int = 120_000,
    unlabelled: int = 8_000,
    seed: int = SEED,
) -> DatasetDict:
    """Train, composed, validation (5 % of each source's labels) and reviews with columns `text` and `label`;
    unsupervised, with texts.

    Args:
        root: The folder of data sets.
        neutral: Sentences of each source in `MATTER_OF_FACT`.
        composed: Sentences from frames, about.
        everyday: Sentences of each line of everyday ones, at most.
        reviewed: Sentences of film reviews.
        unlabelled: Sentences without labels of each source that is not in `OPINIONATED`.
    """
    tests, rows, strata = collect_test_keys(Path(root)), [], []
    seen: set[str] = set()
    print(f"{'source':20}{'read':>8}{'in test':>9}{'twice':>8}{'kept':>8}  labels")
    for name, source in read_sources(Path(root), neutral, composed, everyday, seed):
        counts: Counter[str] = Counter()
        for text, label in source:
            key = find_key(text)
            fate = "in test" if tests & find_keys(text) else "twice" if key in seen else label
            counts[fate] += 1
            if fate == label:
                seen.add(key)
                rows.append({"text": text, "label": label})
                strata.append(f"{name} {label}")
        kept = {label: counts[label] for label in LABELS}
        print(f"{name:20}{len(source):8}{counts['in test']:9}{counts['twice']:8}{sum(kept.values()):8}  {kept}")
    learnt, validation, origins, _ = train_test_split(rows, strata, test_size=0.05, stratify=strata, random_state=seed)
    features = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
    known = tests | seen
    sentences = take_review_sentences(Path(root), reviewed, seed)
    reviews = [{"text": text, "label": label} for text, label in sentences if not known & find_keys(text)]
    texts = [text for text in take_unlabelled(Path(root), unlabelled, seed) if not known & find_keys(text)]
    splits: dict[str, Any] = {"train": [], "composed": [], "validation": validation, "reviews": reviews}
    for row, origin in zip(learnt, origins, strict=True):
        splits["composed" if origin.split()[0] in COMPOSED else "train"].append(row)
    data = {name: Dataset.from_list(part, features=features) for name, part in splits.items()}
    return DatasetDict({**data, "unsupervised": Dataset.from_dict({"text": texts})})


def take_labelled(data: DatasetDict) -> Dataset:
    """What is learnt from with labels that are meant for the text: train, then composed."""
    return concatenate_datasets([data["train"], data["composed"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER", help="data sets in Hub layout")
    output = Path("runs/sentiment-data")
    parser.add_argument("-o", "--output_dir", type=Path, default=output, help="(default: %(default)s)")
    options = parser.parse_args()
    options.output_dir.mkdir(parents=True, exist_ok=True)
    for name, split in build_sentiment_data(options.datasets).items():
        split.to_parquet(options.output_dir / f"{name}-00000-of-00001.parquet")


if __name__ == "__main__":
    main()
