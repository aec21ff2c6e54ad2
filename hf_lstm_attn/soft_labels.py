"""Distillation: soft labels, the class probabilities that other classifiers, the teachers, give to texts.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from .inference import list_labels, load_classifier, predict
from .sentence_vectors import compute_vectors, load_teacher
from .tokenization import split_words


def soft_labels(
    dataset: Dataset,
    teachers: Sequence[str],
    *,
    tokenizer: PreTrainedTokenizerBase,
    unlabelled: Iterable[str] = (),
    label_share: float = 0.5,
    match_shares: bool = False,
) -> Dataset:
    """The texts of a training split, then unlabelled ones, with probabilities for labels; `LstmAttnTrainer` takes them.

    Args:
        dataset: Training rows with the columns `text` and `label`.
        teachers: Folders, Hub ids and built-in names of classifiers; or what is fitted on `dataset` first: "nb-svm", or
            a sentence-transformers model, for a logistic regression on its vectors. Their probabilities are averaged.
        tokenizer: Finds the words of "nb-svm".
        unlabelled: Texts whose soft labels are what the teachers say.
        label_share: Of a labelled row's soft label, what its own label is; the teachers say the rest.
        match_shares: Whether to bring every teacher to the class shares of `dataset` (`match_class_shares`). A student
            trained with `balance_classes` expects them; a teacher that was trained so speaks as if all classes were
            equally frequent.

    Returns:
        Columns `text` and `label`, a list of num_labels floats that sum to 1.

    Raises:
        ValueError: for no teachers, or one with other classes.
        FileNotFoundError, OSError: if there is no such teacher.
    """
    if not teachers:
        raise ValueError("There are no teachers; name at least one, 'nb-svm' for example.")
    if not isinstance(dataset.features["label"], ClassLabel):
        dataset = dataset.class_encode_column("label")
    names = dataset.features["label"].names
    texts = [*dataset["text"], *unlabelled]
    labels = np.eye(len(names))[dataset["label"][:]]  # (rows, num_labels)
    classifiers = [None if is_fitted(teacher) else load_classifier(teacher) for teacher in teachers]
    answers = []  # of each teacher, (texts, num_labels)
    for teacher, classifier in zip(teachers, classifiers, strict=True):
        if classifier is None:
            answer = fit_teacher(teacher, texts, dataset["label"][:], tokenizer)
        else:
            own = match_names(list_labels(classifier.model.config), names, teacher)
            scores = tqdm(predict(classifier, texts), desc=teacher, total=len(texts), unit=" texts", disable=None)
            answer = np.array([[row[name] for name in own] for row in scores])
        answers.append(match_class_shares(answer, labels.mean(axis=0), len(labels)) if match_shares else answer)
    targets = np.mean(answers, axis=0)
    targets[: len(labels)] = label_share * labels + (1 - label_share) * targets[: len(labels)]
    features = Features({"text": Value("string"), "label": List(Value("float32"))})
    return Dataset.from_dict({"text": texts, "label": targets}, features=features)


def is_fitted(teacher: str) -> bool:
    """Whether a teacher must learn from labels first: NB-SVM, or a sentence-transformers model, which is known by its
    files or the Hub's name for it."""
    is_encoder = teacher.startswith("sentence-transformers/") or (Path(teacher) / "modules.json").is_file()
    return teacher == "nb-svm" or is_encoder


def fit_teacher(
    teacher: str, texts: Sequence[str], labels: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> np.ndarray:
    """Probabilities (texts, classes) of a teacher that learns from the first texts, of which there are labels."""
    from sklearn.linear_model import LogisticRegression

    if teacher == "nb-svm":
        words = split_words(tqdm(texts, desc=teacher, unit=" texts", disable=None), tokenizer)
        return NbSvm().fit(words[: len(labels)], labels).predict_proba(words)
    vectors = compute_vectors(texts, load_teacher(teacher))
    return LogisticRegression(C=10, max_iter=1_000).fit(vectors[: len(labels)], labels).predict_proba(vectors)


def match_names(own: Sequence[str], names: Sequence[str], teacher: str) -> list[str]:
    """The teacher's own name of each class: the same but for case, or LABEL_0, LABEL_1, ... in the order of `names`.

    Raises:
        ValueError: if a class has no counterpart, or the teacher has more.
    """
    by_lower_case = {name.lower(): name for name in own}
    for wanted in ([name.lower() for name in names], [f"label_{index}" for index in range(len(names))]):
        if sorted(by_lower_case) == sorted(wanted):
            return [by_lower_case[name] for name in wanted]
    raise ValueError(f"The teacher {teacher} has the classes {', '.join(own)}; the data has {', '.join(names)}.")


def match_class_shares(probabilities: np.ndarray, shares: np.ndarray, rows: int) -> np.ndarray:
    """The probabilities (texts, num_labels) with every class's odds scaled, so that the first `rows` average `shares`.

    As in Saerens et al. 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", with the new
    shares known.
    """
    scaled = probabilities
    for _ in range(100):  # three classes with shares of 0.1, 0.6, 0.3 settle to 1e-3 in 13
        scaled = scaled * (shares / scaled[:rows].mean(axis=0))
        scaled = scaled / scaled.sum(axis=1, keepdims=True)
    return scaled


class NbSvm:
    """A logistic regression per class over the presence of 1-, 2- and 3-grams, each weighted by its log-count ratio.

    Wang & Manning 2012, "Baselines and Bigrams", with logistic regression for the SVM as in Mesnil et al. 2014,
    "Ensemble of Generative and Discriminative Techniques for Sentiment Analysis of Movie Reviews".

    Args:
        balanced: Whether all classes weigh the same in training, whatever their number of examples.
    """

    def __init__(self, *, balanced: bool = False) -> None:
        self.class_weight = "balanced" if balanced else None

    def fit(self, token_lists: Sequence[Sequence[str]], labels: Sequence[int]) -> NbSvm:
        """Learn from texts as lists of tokens, and class ids 0, 1, ... of which each occurs.

        Two classes need one regression, of class 1; more have one each, against the rest.
        """
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression

        self.vectorizer = CountVectorizer(
            ngram_range=(1, 3), tokenizer=list, token_pattern=None, lowercase=False, binary=True
        )
        features = self.vectorizer.fit_transform(token_lists).astype(np.float64)  # (texts, n-grams)
        classes = np.asarray(labels)
        weights, biases = [], []
        for target in [1] if classes.max() == 1 else range(classes.max() + 1):
            ratio = compute_log_ratio(features, classes == target)  # (n-grams,)
            regression = LogisticRegression(
                solver="liblinear", dual=True, class_weight=self.class_weight, max_iter=1_000, random_state=0
            ).fit(features.multiply(ratio).tocsr(), classes == target)
            weights.append(ratio * regression.coef_[0])
            biases.append(regression.intercept_[0])
        self.weights, self.biases = np.stack(weights), np.array(biases)  # (regressions, n-grams), (regressions,)
        return self

    def predict_proba(self, token_lists: Sequence[Sequence[str]]) -> np.ndarray:
        """(texts, classes); those of more than two classes are each regression's, scaled to sum to 1."""
        margins = self.vectorizer.transform(token_lists).astype(np.float64) @ self.weights.T + self.biases
        if margins.shape[1] == 1:
            margins = np.hstack([-margins, margins])
        scores = -np.logaddexp(0, -margins)  # log-sigmoid, never -inf
        return np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))


def compute_log_ratio(features: Any, is_target: np.ndarray) -> np.ndarray:
    """How much likelier each n-gram is in the class than outside, as a logarithm, (n-grams,), every count plus one."""
    inside = np.asarray(features[is_target].sum(axis=0)).ravel() + 1
    outside = np.asarray(features[~is_target].sum(axis=0)).ravel() + 1
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())
