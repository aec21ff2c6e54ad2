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

LONGEST_NGRAM = 3
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
        self.ratios = np.zeros((0, 0))  # (classes, n-grams)
        self.regressions: list[LogisticRegression] = []

    def fit(self, texts: Sequence[Sequence[str]], labels: Sequence[int]) -> NbSvm:
        """Learn from texts as lists of words, and class ids 0, 1, ... of which each occurs.

        Two classes need one regression, of class 1; more have one each, against the rest.
        """
        features = self.vectorizer.fit_transform(texts).astype(np.float64)  # (texts, n-grams)
        classes = np.asarray(labels)
        targets = [1] if classes.max() == 1 else range(classes.max() + 1)
        ratios = []
        for target in targets:
            is_target = classes == target
            ratios.append(_compute_log_ratio(features, is_target))
            regression = LogisticRegression(
                solver="liblinear", dual=True, class_weight="balanced" if self.balanced else None, max_iter=1_000
            )
            self.regressions.append(regression.fit(_scale(features, ratios[-1]), is_target))
        self.ratios = np.stack(ratios)
        return self

    def compute_log_probabilities(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """(texts, classes); probabilities of more than two classes are each regression's, scaled to sum to 1."""
        features = self.vectorizer.transform(texts).astype(np.float64)
        margins = [
            regression.decision_function(_scale(features, ratio))
            for regression, ratio in zip(self.regressions, self.ratios, strict=True)
        ]
        if len(margins) == 1:
            margins = [-margins[0], margins[0]]
        scores = np.stack([-np.logaddexp(0, -margin) for margin in margins], axis=1)  # log-sigmoid, never -inf
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    def count_parameters(self) -> int:
        """A weight per n-gram and regression, and the biases."""
        return int(self.ratios.size + len(self.regressions))

    def count_bytes(self) -> int:
        """What the model would take on disk: its n-grams as lines of UTF-8, its weights as float32."""
        return sum(len(ngram.encode()) + 1 for ngram in self.vectorizer.vocabulary_) + 4 * self.count_parameters()


def _compute_log_ratio(features: csr_matrix, is_target: np.ndarray) -> np.ndarray:
    """How much likelier each n-gram is in the class than outside, as a logarithm: (n-grams,)."""
    inside = np.asarray(features[is_target].sum(axis=0)).ravel() + SMOOTHING
    outside = np.asarray(features[~is_target].sum(axis=0)).ravel() + SMOOTHING
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())


def _scale(features: csr_matrix, ratio: np.ndarray) -> csr_matrix:
    return features.multiply(ratio).tocsr()
