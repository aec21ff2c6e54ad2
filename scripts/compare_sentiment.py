"""Score what one would use for the sentiment of everyday English: a model, VADER, TF-IDF with logistic regression.

    python scripts/compare_sentiment.py --datasets FOLDER --model sentiment -o runs/sentiment-test.json
    python scripts/compare_sentiment.py                                     # VADER alone, on the hard sentences

All label the sentences of `hard_sentences.csv`, of which the part "development" is there to choose by. With a folder of
data sets in Hub layout, TF-IDF learns from what `sentiment_data.py` builds of them, and the test splits of TweetEval,
SST-2, MR and CR are scored too. Where a test has no neutral texts, the higher of the other two scores counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import set_up_output
from datasets import Dataset
from sentiment_data import HARD_SENTENCES, LABELS, build_sentiment_data, read_split, take_labelled

from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.named_data import undo_escapes
from hf_lstm_attn.results import describe_versions, save_json

NEUTRAL_BELOW = 0.05  # VADER's own thresholds of its compound score
Score = Callable[[Sequence[str]], np.ndarray]  # texts -> scores (texts, 3), in the order of LABELS


def build_vader() -> Score:
    """A lexicon with rules of negation, degree and contrast (Hutto & Gilbert 2014)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def score(texts: Sequence[str]) -> np.ndarray:
        compound = np.array([analyzer.polarity_scores(text)["compound"] for text in texts])
        return np.stack([-compound, np.full(len(texts), NEUTRAL_BELOW - 1e-9), compound], axis=1)

    return score


def fit_tfidf(data: Dataset) -> Score:
    """Logistic regression on TF-IDF of words and pairs of words, of the same training data."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1_000))
    pipeline.fit(data["text"][:], data["label"][:])
    return lambda texts: pipeline.predict_proba(list(texts))


def load_model(name: str) -> Score:
    """A model folder, a Hub id or a built-in model's name; of one that knows no neutral, neutral scores 0.

    Raises:
        ValueError: for a model that has no classes named negative and positive.
    """
    classifier = load_classifier(name)

    def score(texts: Sequence[str]) -> np.ndarray:
        rows = [{label.lower(): value for label, value in row.items()} for row in predict(classifier, texts)]
        if not {"negative", "positive"} <= rows[0].keys():
            raise ValueError(f"{name} knows {', '.join(rows[0])}; --model needs one of negative, neutral, positive.")
        return np.array([[row.get(label, 0.0) for label in LABELS] for row in rows])

    return score


def read_tests(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, texts and label names of each test split."""
    tweets = read_split(root / "cardiffnlp/tweet_eval/sentiment", "test")
    yield "tweet_eval", [*map(undo_escapes, tweets["text"])], [LABELS[label] for label in tweets["label"]]
    for task in ("sst2", "mr", "cr"):
        split = read_split(root / "suite" / task, "test")
        yield task, split["text"].tolist(), split["label"].tolist()


def choose(scores: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """The name of the best label of each text, among those that occur; of a tie, the first in LABELS."""
    known = [label for label in LABELS if label in set(labels)]
    return np.array(known)[scores[:, [LABELS.index(label) for label in known]].argmax(axis=1)]


def measure(score: Score, root: Path | None) -> dict[str, Any]:
    """Accuracy in per cent: of the hard sentences, also by part, label and kind; of each test split."""
    hard = pd.read_csv(HARD_SENTENCES)
    hard["right"] = 100.0 * (choose(score(hard["text"].tolist()), LABELS) == hard["label"])
    found: dict[str, Any] = {"hard sentences": hard["right"].mean()}
    for column in ("part", "label", "kind"):
        found |= {
            f"{column}: {name}": value for name, value in hard.groupby(column, sort=False)["right"].mean().items()
        }
    test = hard[hard["part"] == "test"].groupby("kind", sort=False)["right"].mean()
    found |= {f"test part, {name}": value for name, value in test.items()}
    for name, texts, labels in read_tests(root) if root else ():
        right = pd.Series(100.0 * (choose(score(texts), labels) == np.array(labels)))
        found[name] = right.mean()
        if name == "tweet_eval":
            found[f"{name}, macro-recall"] = right.groupby(np.array(labels)).mean().mean()
    return {name: round(float(value), 2) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, metavar="FOLDER", help="data sets in Hub layout")
    parser.add_argument("--model", action="append", default=[], help="a folder, Hub id or built-in name; repeatable")
    parser.add_argument("-o", "--output", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    set_up_output()
    systems = {name: load_model(name) for name in options.model} | {"VADER": build_vader()}
    if options.datasets:
        systems["TF-IDF + LR"] = fit_tfidf(take_labelled(build_sentiment_data(options.datasets)))
    results = {name: measure(score, options.datasets) for name, score in systems.items()}
    print(f"\n{'accuracy in per cent':34}" + "".join(f"{name[-20:]:>21}" for name in results))
    for figure in results["VADER"]:
        print(f"{figure:34}" + "".join(f"{found[figure]:21.1f}" for found in results.values()))
    if options.output:
        save_json({"versions": describe_versions(), "systems": results}, options.output)


if __name__ == "__main__":
    main()
