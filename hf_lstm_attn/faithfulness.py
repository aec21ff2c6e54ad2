"""How faithful a model's explanations are, over many texts, beside rankings of words that know nothing.

Comprehensiveness and sufficiency are DeYoung et al. 2020's ("ERASER: A Benchmark to Evaluate Rationalized NLP Models"),
on the probability of the predicted class.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .attribution import METHODS, EncodedText, MethodError, compute_logits, compute_probabilities, encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TextClassificationPipeline

PERCENTAGES = (0, 1, 5, 10, 20, 50, 100)  # of a text's words, removed from the top of the ranking, or left alone
RESAMPLES = 2_000  # of the bootstrap
ENTROPY_BINS = 20
CAPTION = (
    "An attention weight is not importance (Jain & Wallace 2019, 'Attention is not Explanation'; Wiegreffe & Pinter "
    "2019, 'Attention is not not Explanation'). Comprehensiveness is how far the probability of the predicted class "
    "falls without a method's highest-ranked words (higher is better), sufficiency how far it falls with them alone "
    "(lower is better), each a mean over 1, 5, 10, 20 and 50 % of the words (DeYoung et al. 2020, 'ERASER'), with 95 % "
    "bootstrap intervals over texts. Random and permuted attention are two random rankings; uniform ranks words as "
    "they stand, the first one first. These scores can be gamed: texts with words removed are not what the model is "
    "used on, leave-one-out comes close to optimising the very score, and a method tuned to it need not explain better."
)


def audit(
    classifier: TextClassificationPipeline, texts: Sequence[str], *, seed: int = 42, progress: bool = True
) -> dict[str, Any]:
    """Measure every method that the model allows on these texts.

    Args:
        classifier: Any text-classification pipeline of transformers.
        texts: What to explain; a few hundred give narrow intervals.
        seed: Of the random rankings and of the bootstrap.
        progress: Whether to show a progress bar.

    Returns:
        Plain JSON values: {"examples", "skipped": texts of which the model reads no word, "seed",
        "methods": {name: {"comprehensiveness": {"mean", "low", "high"}, "sufficiency": the same,
        "deletion": mean probability without each of `deletion_percentages` of the words,
        "seconds_per_text": of computing the scores on one core, or the GPU; not for the last three}},
        "deletion_percentages", "kendall_tau": {name: {name: mean over texts}}, without uniform, which has no order,
        "attention_entropy": {"mean", "low", "high", "counts": of `ENTROPY_BINS` from 0 to 1}, for attention pooling,
        "left_out": {method: why the model does not allow it}, "caption"}

    Raises:
        ValueError: where no text has a word.
    """
    from tqdm.auto import tqdm

    model = classifier.model.eval()

    def measure(number: int, text: EncodedText) -> dict[str, Any] | None:
        return _measure(model, text, np.random.default_rng([seed, number])) if text.spans else None

    encoded = (encode_text(model, classifier.tokenizer, text) for text in texts)
    rows = tqdm(
        _map_on_cores(measure, range(len(texts)), encoded, device=model.device),
        desc="Audit of explanations",
        total=len(texts),
        unit="text",
        disable=not progress,
    )
    measured = [row for row in rows if row is not None]
    if not measured:
        raise ValueError(f"None of the {len(texts)} texts has a word that the model reads; pass other texts.")
    return {
        "examples": len(measured),
        "skipped": len(texts) - len(measured),
        "seed": seed,
        **_summarize(measured, seed),
        "left_out": measured[0]["left_out"],
        "caption": CAPTION,
    }


def _map_on_cores(function: Callable[..., Any], *arguments: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """`map` with a thread per core, each computing on one: a text is too small to share between cores."""
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(function, *arguments)
    finally:
        torch.set_num_threads(threads)


def _measure(model: PreTrainedModel, text: EncodedText, generator: np.random.Generator) -> dict[str, Any]:
    """What is measured on one text: its curves (rankings, 2, percentages) are probabilities of the predicted class,
    without the highest-ranked words and with them alone."""
    target = int(compute_logits(model, text.ids)[0].argmax())
    scores: dict[str, list[float]] = {}
    seconds, left_out = {}, {}
    for method, compute in METHODS.items():
        started = time.perf_counter()
        try:
            scores[method] = compute(model, text, target)
            seconds[method] = time.perf_counter() - started
        except MethodError as error:
            left_out[method] = str(error)
    words = len(text.spans)
    scores["random"] = generator.random(words).tolist()
    if "attention" in scores:
        scores["permuted_attention"] = generator.permutation(scores["attention"]).tolist()
    tau = {pair: compute_kendall_tau(*(scores[name] for name in pair)) for pair in combinations(scores, 2)}
    scores["uniform"] = [1 / words] * words
    variants = torch.cat([_build_variants(text, ranking) for ranking in scores.values()])
    distinct, places = variants.unique(dim=0, return_inverse=True)  # few words have few variants
    probabilities = compute_probabilities(model, compute_logits(model, distinct))[places, target]
    return {
        "rankings": list(scores),
        "curves": probabilities.reshape(len(scores), 2, -1).tolist(),
        "tau": tau,
        "entropy": compute_entropy(scores.get("attention", [])),
        "seconds": seconds,
        "left_out": left_out,
    }


def _build_variants(text: EncodedText, scores: Sequence[float]) -> torch.Tensor:
    """The text without its highest-ranked words, per percentage, then with them alone: (2 * percentages, seq_len).

    Among equal scores the earlier word comes first; a percentage of the words is rounded up.
    """
    ranks = (
        torch.tensor(scores, dtype=torch.float64).argsort(descending=True, stable=True).argsort().to(text.ids.device)
    )
    counts = ranks.new_tensor([-(-len(scores) * percentage // 100) for percentage in PERCENTAGES])
    is_highest = ranks[text.word_ids] < counts[:, None]  # (percentages, seq_len)
    is_removed = torch.cat([is_highest, ~is_highest]) & (text.word_ids >= 0)
    return text.ids.masked_fill(is_removed, text.removal_id)


def _summarize(rows: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = {}
    curves = np.array([row["curves"] for row in rows])  # (texts, rankings, 2, percentages)
    for place, method in enumerate(rows[0]["rankings"]):
        without, alone = curves[:, place, 0], curves[:, place, 1]
        methods[method] = {
            "comprehensiveness": compute_interval(without[:, 0] - without[:, 1:-1].mean(axis=1), seed=seed),
            "sufficiency": compute_interval(without[:, 0] - alone[:, 1:-1].mean(axis=1), seed=seed),
            "deletion": without.mean(axis=0).tolist(),
        }
        if method in rows[0]["seconds"]:
            methods[method]["seconds_per_text"] = float(np.mean([row["seconds"][method] for row in rows]))
    kendall_tau: dict[str, dict[str, float]] = {}
    for one, other in rows[0]["tau"]:
        values = [row["tau"][one, other] for row in rows if not math.isnan(row["tau"][one, other])]
        if values:
            kendall_tau.setdefault(one, {})[other] = kendall_tau.setdefault(other, {})[one] = sum(values) / len(values)
    summary: dict[str, Any] = {
        "methods": methods,
        "deletion_percentages": list(PERCENTAGES),
        "kendall_tau": kendall_tau,
    }
    entropy = [row["entropy"] for row in rows if not math.isnan(row["entropy"])]
    if entropy:
        counts = np.histogram(np.minimum(entropy, 1), bins=ENTROPY_BINS, range=(0, 1))[0]
        summary["attention_entropy"] = compute_interval(entropy, seed=seed) | {"counts": counts.tolist()}
    return summary


def compute_interval(values: Sequence[float] | np.ndarray, *, seed: int) -> dict[str, float]:
    """Mean of one value per text, and its 95 % percentile bootstrap interval over texts: {"mean", "low", "high"}.

    The same seed draws the same texts, so methods are compared on the same resamples.
    """
    sample = np.asarray(values, dtype=float)
    generator = np.random.default_rng(seed)
    means = [sample[generator.integers(len(sample), size=len(sample))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(sample.mean()), "low": float(low), "high": float(high)}


def compute_kendall_tau(one: Sequence[float], other: Sequence[float]) -> float:
    """Kendall's tau-b of two scorings of the same words: 1 for one order, -1 for opposite ones, 0 for unrelated ones.

    Not a number where there is no order: fewer than two words, or equal scores throughout.
    """
    from scipy.stats import kendalltau

    if len(set(one)) < 2 or len(set(other)) < 2:
        return math.nan
    return float(kendalltau(one, other).statistic)


def compute_entropy(weights: Sequence[float]) -> float:
    """Entropy of attention weights over the logarithm of their number: 0 for all on one word, 1 for the same on each.

    Not a number for fewer than two words.
    """
    if len(weights) < 2:
        return math.nan
    return sum(-weight * math.log(weight) for weight in weights if weight > 0) / math.log(len(weights))
