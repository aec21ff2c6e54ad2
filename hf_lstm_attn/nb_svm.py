"""NB-SVM: a linear classifier over word n-grams, what a reader would otherwise use.

Wang & Manning 2012, "Baselines and Bigrams", with logistic regression for the SVM as in Mesnil et al. 2014, "Ensemble
of Generative and Discriminative Techniques for Sentiment Analysis of Movie Reviews".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from .configuration_lstm_attn import LONGEST_NGRAM

SMOOTHING = 1.0  # added to every count of an n-gram


class NbSvm:
    """Presence of 1-, 2- and 3-grams, each weighted by its log-count ratio, into a logistic regression per class.

    Args:
        balanced: Whether all classes weigh the same in training, whatever their number of examples.
    """

    def __init__(self, *, balanced: bool = False) -> None:
        self.balanced = balanced
        self.vectorizer = CountVectorizer(
            ngram_range=(1, LONGEST_NGRAM), tokenizer=list, token_pattern=None, lowercase=False, binary=True
        )
        self.weights = np.zeros((0, 0))  # (regressions, n-grams)
        self.biases = np.zeros(0)  # (regressions,)

    def fit(self, texts: Sequence[Sequence[str]], labels: Sequence[int]) -> NbSvm:
        """Learn from texts as lists of words, and class ids 0, 1, ... of which each occurs.

        Two classes need one regression, of class 1; more have one each, against the rest.
        """
        features = self.vectorizer.fit_transform(texts).astype(np.float64)  # (texts, n-grams)
        classes = np.asarray(labels)
        self.weights, self.biases = fit_weights(features, classes, classes.max() + 1, balanced=self.balanced)
        return self

    def compute_log_probabilities(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """(texts, classes); probabilities of more than two classes are each regression's, scaled to sum to 1."""
        features = self.vectorizer.transform(texts).astype(np.float64)
        margins = features @ self.weights.T + self.biases  # (texts, regressions)
        if len(self.biases) == 1:
            margins = np.hstack([-margins, margins])
        scores = -np.logaddexp(0, -margins)  # log-sigmoid, never -inf
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    def count_parameters(self) -> int:
        """A weight per n-gram and regression, and the biases."""
        return int(self.weights.size + self.biases.size)

    def count_bytes(self) -> int:
        """What the model would take on disk: its n-grams as lines of UTF-8, its weights as float32."""
        return sum(len(ngram.encode()) + 1 for ngram in self.vectorizer.vocabulary_) + 4 * self.count_parameters()


def fit_weights(
    features: csr_matrix, classes: np.ndarray, num_classes: int, *, balanced: bool, strength: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A logistic regression per class, or one of class 1 where there are two, on features weighted by their log-count
    ratios.

    Args:
        features: (texts, n-grams), 1 where a text has the n-gram.
        classes: (texts,) class ids, of which each occurs.
        strength: C of the regression, the inverse of its regularisation.

    Returns:
        What an n-gram adds to each log-odds, (regressions, n-grams), and the biases, (regressions,).
    """
    weights, biases = [], []
    for target in [1] if num_classes == 2 else range(num_classes):
        is_target = classes == target
        ratio = compute_log_ratio(features, is_target)
        regression = LogisticRegression(
            C=strength, solver="liblinear", dual=True, class_weight="balanced" if balanced else None, max_iter=1_000
        ).fit(features.multiply(ratio).tocsr(), is_target)
        weights.append(ratio * regression.coef_[0])
        biases.append(regression.intercept_[0])
    return np.stack(weights), np.array(biases)


def compute_log_ratio(features: csr_matrix, is_target: np.ndarray) -> np.ndarray:
    """How much likelier each n-gram is in the class than outside, as a logarithm: (n-grams,)."""
    inside = np.asarray(features[is_target].sum(axis=0)).ravel() + SMOOTHING
    outside = np.asarray(features[~is_target].sum(axis=0)).ravel() + SMOOTHING
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())
