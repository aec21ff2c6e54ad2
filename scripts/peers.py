"""What one would otherwise train on little data: linear models on TF-IDF, fastText, the majority class.

`benchmark_suite.py` trains all of them; `compare_baselines.py` shares fastText.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

WITHOUT_SPACES = ("ja", "th", "zh")  # languages that are written without spaces between words
Predict = Callable[[Sequence[str]], Sequence[str]]  # texts -> names of labels
Probabilities = Callable[[Sequence[str]], np.ndarray]  # lines -> (lines, num_labels)


def build_vectorizer(language: str) -> TfidfVectorizer:
    """TF-IDF of words and pairs of words; of one to three characters where no spaces part the words."""
    if language in WITHOUT_SPACES:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    return TfidfVectorizer(ngram_range=(1, 2))


def fit_tfidf(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """Logistic regression on TF-IDF."""
    return (
        make_pipeline(build_vectorizer(language), LogisticRegression(C=10, max_iter=1_000)).fit(texts, labels).predict
    )


def fit_words_and_characters(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """A linear SVM on TF-IDF of words and of two to five characters within words."""
    features = make_union(build_vectorizer(language), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)))
    return make_pipeline(features, LinearSVC(random_state=0)).fit(texts, labels).predict


def fit_majority(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """The most frequent label of train, for every text."""
    return DummyClassifier(strategy="most_frequent").fit(texts, labels).predict


def fit_fasttext(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """fastText on words and pairs of words, 25 epochs; a character is a word where no spaces part the words."""
    names = sorted(set(labels))
    pattern = re.compile(r"[^\s]" if language in WITHOUT_SPACES else r"\w+|[^\w\s]")

    def split(rows: Sequence[str]) -> list[str]:
        return [" ".join(pattern.findall(text.lower())) for text in rows]

    ids = [names.index(label) for label in labels]
    compute = train_fasttext(split(texts), ids, len(names), epochs=25, seed=seed)
    return lambda rows: [names[label] for label in compute(split(rows)).argmax(axis=1)]


def train_fasttext(
    lines: Sequence[str], labels: Sequence[int], num_labels: int, *, epochs: int, seed: int
) -> Probabilities:
    """fastText's classifier, a mean of vectors of words and pairs of words (Joulin et al. 2017), on one thread.

    Args:
        lines: Texts as words with a space between them, on one line.
        labels: Class ids.

    Returns:
        A function from lines to probabilities (lines, num_labels).
    """
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        rows = zip(labels, lines, strict=True)
        path.write_text("".join(f"__label__{label} {line}\n" for label, line in rows), encoding="utf-8")
        model = fasttext.train_supervised(str(path), wordNgrams=2, epoch=epochs, thread=1, seed=seed, verbose=0)

    def compute(lines: Sequence[str]) -> np.ndarray:
        probabilities = np.zeros((len(lines), num_labels))
        for row, line in enumerate(lines):
            found, values = model.predict(line, k=-1)
            probabilities[row, [int(label.removeprefix("__label__")) for label in found]] = values
        return probabilities

    return compute


def has_fasttext() -> bool:
    """Whether the package is installed; the extra `benchmark` does."""
    return importlib.util.find_spec("fasttext") is not None


PEERS: dict[str, Callable[[Sequence[str], Sequence[str], str, int], Predict]] = {
    "tfidf": fit_tfidf,
    "fasttext": fit_fasttext,
    "words-chars": fit_words_and_characters,
    "majority": fit_majority,
}
SEEDED = ("fasttext",)  # those that another seed changes
