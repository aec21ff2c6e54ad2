"""How far a ranking of words agrees with what the model does: numbers in, numbers out.

Comprehensiveness and sufficiency are DeYoung et al. 2020's ("ERASER: A Benchmark to Evaluate Rationalized NLP Models"),
on the probability of the predicted class.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import kendalltau

PERCENTAGES = (1, 5, 10, 20, 50)  # of a text's words, removed from the top of the ranking, or left alone
RESAMPLES = 2_000
CONFIDENCE = 0.95


def rank_words(scores: Sequence[float]) -> list[int]:
    """Positions from the highest score to the lowest; among equal scores the earlier word comes first."""
    return np.argsort(-np.asarray(scores, dtype=float), kind="stable").tolist()


def count_words(words: int, percentage: int) -> int:
    """A percentage of the words, rounded up: at least one."""
    return -(-words * percentage // 100)


def compute_aopc(whole: float, others: Sequence[float]) -> float:
    """Mean fall of a probability from that of the whole text (area over the perturbation curve).

    Without the highest-ranked words this is comprehensiveness: higher is better. With them alone it is sufficiency:
    lower is better.
    """
    return whole - sum(others) / len(others)


def compute_interval(values: Sequence[float], *, seed: int) -> dict[str, float]:
    """Mean of one value per text, and its 95 % percentile bootstrap interval over texts: {"mean", "low", "high"}.

    The same seed draws the same texts, so methods are compared on the same resamples.
    """
    sample = np.asarray(values, dtype=float)
    generator = np.random.default_rng(seed)
    means = [sample[generator.integers(len(sample), size=len(sample))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"mean": float(sample.mean()), "low": float(low), "high": float(high)}


def compute_kendall_tau(one: Sequence[float], other: Sequence[float]) -> float:
    """Kendall's tau-b of two scorings of the same words: 1 for one order, -1 for opposite ones, 0 for unrelated ones.

    Not a number where there is no order: fewer than two words, or equal scores throughout.
    """
    if len(one) < 2:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a constant scoring, which gives not a number
        return float(kendalltau(one, other).statistic)


def compute_entropy(weights: Sequence[float]) -> float:
    """Entropy of attention weights over the logarithm of their number: 0 for all on one word, 1 for the same on each.

    Not a number for fewer than two words.
    """
    if len(weights) < 2:
        return math.nan
    return sum(-weight * math.log(weight) for weight in weights if weight > 0) / math.log(len(weights))
