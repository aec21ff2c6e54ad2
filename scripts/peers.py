"""What one would otherwise train on little data: linear models on TF-IDF, fastText, the majority class.

`benchmark_suite.py` trains all of them; `compare_baselines.py` shares fastText.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from hf_lstm_attn.sentence_vectors import compute_vectors, load_teacher

MINILM = os.environ.get("MINILM", "sentence-transformers/all-MiniLM-L6-v2")
VECTORS: dict[str, np.ndarray] = {}
WITHOUT_SPACES = ("ja", "th", "zh")  # languages that are written without spaces between words
Predict = Callable[[Sequence[str]], Sequence[str]]  # texts -> names of labels


def build_vectorizer(language: str) -> TfidfVectorizer:
    """TF-IDF of words and pairs of words; of one to three characters where no spaces part the words."""
    if language in WITHOUT_SPACES:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    return TfidfVectorizer(ngram_range=(1, 2))


def fit_tfidf(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """Logistic regression on TF-IDF."""
    regression = LogisticRegression(C=10, max_iter=1_000)
    return make_pipeline(build_vectorizer(language), regression).fit(texts, labels).predict


def fit_words_and_characters(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """A linear SVM on TF-IDF of words and of two to five characters within words."""
    features = make_union(build_vectorizer(language), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)))
    return make_pipeline(features, LinearSVC(random_state=0)).fit(texts, labels).predict


def fit_minilm(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """Logistic regression on the sentence vectors of MiniLM, whose folder or Hub id is MINILM."""
    regression = LogisticRegression(C=10, max_iter=1_000).fit(embed(texts), labels)
    return lambda rows: regression.predict(embed(rows))


def fit_setfit(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """SetFit on MiniLM (Tunstall et al. 2022): pairs of texts with the same label or another move its vectors, in 300
    steps of 16; then a logistic regression."""
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(MINILM)
    with tempfile.TemporaryDirectory() as folder:
        choices = {"max_steps": 300, "batch_size": 16, "seed": seed, "report_to": "none", "save_strategy": "no"}
        rows = Dataset.from_dict({"text": list(texts), "label": list(labels)})
        Trainer(model, TrainingArguments(folder, **choices), train_dataset=rows).train()
    return lambda some: model.predict(list(some), as_numpy=True)


def embed(texts: Sequence[str]) -> np.ndarray:
    """(texts, size) vectors; those of texts that were seen before are not computed again."""
    if missing := [text for text in dict.fromkeys(texts) if text not in VECTORS]:
        VECTORS.update(zip(missing, compute_vectors(missing, load_teacher(MINILM)), strict=True))
    return np.stack([VECTORS[text] for text in texts]).astype(np.float32)


def fit_majority(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """The most frequent label of train, for every text."""
    return DummyClassifier(strategy="most_frequent").fit(texts, labels).predict


def fit_fasttext(texts: Sequence[str], labels: Sequence[str], language: str, seed: int) -> Predict:
    """fastText on words and pairs of words; a character is a word where no spaces part the words.

    Its default learning rate, 0.1, hardly learns from 1,000 rows; rate and epochs are those of its own tutorial.
    """
    names = sorted(set(labels))
    pattern = re.compile(r"\S" if language in WITHOUT_SPACES else r"\w+|[^\w\s]")

    def split(rows: Sequence[str]) -> list[str]:
        return [" ".join(pattern.findall(text.lower())) for text in rows]

    def predict(rows: Sequence[str]) -> list[str]:
        ids = [names.index(label) for label in labels]
        probabilities = compute_fasttext(split(texts), ids, split(rows), epoch=25, lr=1.0, seed=seed)
        return [names[label] for label in probabilities.argmax(axis=1)]

    return predict


def compute_fasttext(lines: Sequence[str], labels: Sequence[int], scored: Sequence[str], **settings: Any) -> np.ndarray:
    """Train fastText's classifier, a mean of vectors of words and pairs of words (Joulin et al. 2017), and score.

    It runs on one thread, so that a seed gives the same result again, and in a process of its own: on one thread it
    sets a tenth of its vectors and leaves the others as it finds the memory, which only in a new process is all zero.

    Args:
        lines: Texts as words with a space between them, on one line.
        labels: Their class ids, of which none is left out.
        scored: Other lines.
        settings: Of `fasttext.train_supervised`.

    Returns:
        Probabilities (scored lines, num_labels).
    """
    rows = [f"__label__{label} {line}\n" for label, line in zip(labels, lines, strict=True)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.txt").write_text("".join(rows), encoding="utf-8")
        (folder / "scored.txt").write_text("".join(f"{line}\n" for line in scored), encoding="utf-8")
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        subprocess.run([sys.executable, str(Path(__file__).with_name("run_fasttext.py")), name], check=True)
        return np.load(folder / "probabilities.npy")


def has_fasttext() -> bool:
    """Whether the package is installed; the extra `benchmark` does."""
    return importlib.util.find_spec("fasttext") is not None


PEERS: dict[str, Callable[[Sequence[str], Sequence[str], str, int], Predict]] = {
    "tfidf": fit_tfidf,
    "fasttext": fit_fasttext,
    "words-chars": fit_words_and_characters,
    "minilm": fit_minilm,
    "setfit": fit_setfit,
    "majority": fit_majority,
}
SEEDED = ("fasttext", "setfit")  # those that another seed changes
ON_REQUEST = ("setfit",)  # ten minutes a task
