"""NB-SVM, what a reader would otherwise use: a baseline, and a teacher of soft labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


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
