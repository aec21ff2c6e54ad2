"""The audit of a model's explanations over many texts: how faithful each method is, beside rankings that know nothing.

Words are removed as in `attribution.py`, by the unknown word in their place.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, TextClassificationPipeline

from .attribution import (
    METHODS,
    EncodedTexts,
    MethodError,
    compute_word_scores,
    encode_texts,
    find_max_length,
    find_removal_id,
    has_independent_classes,
    move_texts,
)
from .faithfulness import (
    PERCENTAGES,
    compute_aopc,
    compute_entropy,
    compute_interval,
    compute_kendall_tau,
    count_words,
    rank_words,
)
from .removal import compute_variant_logits

TEXTS_PER_BATCH = 8
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


@dataclass
class _Measurements:
    """A value per text that was read; dictionaries are by method, and those of probabilities hold a list per text."""

    whole: list[float] = field(default_factory=list)  # probability of the predicted class
    empty: list[float] = field(default_factory=list)  # the same, of the text with every word removed
    without: dict[str, list[list[float]]] = field(default_factory=lambda: defaultdict(list))  # per percentage
    alone: dict[str, list[list[float]]] = field(default_factory=lambda: defaultdict(list))  # per percentage
    tau: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    entropy: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    left_out: dict[str, str] = field(default_factory=dict)


def audit_explanations(
    classifier: TextClassificationPipeline,
    texts: Sequence[str],
    *,
    seed: int = 42,
    on_progress: Callable[[int], object] = lambda texts: None,
) -> dict[str, Any]:
    """Measure every method that the model allows on these texts, as plain JSON values.

    {"examples", "skipped": texts of which the model reads no word, "seed",
     "methods": {name: {"comprehensiveness": {"mean", "low", "high"}, "sufficiency": the same,
                        "deletion": mean probability without each of `deletion_percentages` of the words,
                        "seconds_per_text": of computing the scores; not for rankings that know nothing}},
     "deletion_percentages", "kendall_tau": {name: {name: mean over texts}}, without uniform, which has no order,
     "attention_entropy": {"mean", "low", "high", "counts": of `ENTROPY_BINS` from 0 to 1}, for attention pooling,
     "left_out": {method: why the model does not allow it}, "caption"}

    Args:
        on_progress: Called with the number of texts done since the last call.

    Raises:
        ValueError: where no text has a word.
    """
    model, tokenizer = classifier.model.eval(), classifier.tokenizer
    removal_id, max_length = find_removal_id(tokenizer), find_max_length(model, tokenizer)
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))  # little padding; the slowest first
    measured = _Measurements()
    for start in range(0, len(order), TEXTS_PER_BATCH):
        numbers = order[start : start + TEXTS_PER_BATCH]
        encoded = encode_texts(tokenizer, [texts[number] for number in numbers], max_length=max_length)
        generators = [np.random.default_rng([seed, number]) for number in numbers]
        _measure(model, move_texts(encoded, model.device), generators, removal_id, measured)
        on_progress(len(numbers))
    if not measured.whole:
        raise ValueError(f"Expected texts with words; found none among {len(texts)} texts. Pass other texts.")
    return {
        "examples": len(measured.whole),
        "skipped": len(texts) - len(measured.whole),
        "seed": seed,
        **_summarize(measured, seed),
        "left_out": measured.left_out,
        "caption": CAPTION,
    }


def _measure(
    model: PreTrainedModel,
    texts: EncodedTexts,
    generators: Sequence[np.random.Generator],
    removal_id: int,
    measured: _Measurements,
) -> None:
    """Read a batch of texts and append what was measured."""
    with torch.inference_mode():
        targets = model(texts.input_ids, attention_mask=texts.attention_mask).logits.argmax(-1)
    scores: dict[str, list[list[float]]] = {}
    for method in METHODS:
        if method in measured.left_out:
            continue
        started = time.perf_counter()
        try:
            scores[method] = compute_word_scores(model, texts, method, targets, removal_id)
        except MethodError as error:
            measured.left_out[method] = str(error)
            continue
        measured.seconds[method] += time.perf_counter() - started
    for row, generator in enumerate(generators):
        words = len(texts.spans[row])
        if not words:
            continue
        of_text = {method: rows[row] for method, rows in scores.items()}
        of_text["random"] = generator.random(words).tolist()
        if "attention" in of_text:
            of_text["permuted_attention"] = generator.permutation(of_text["attention"]).tolist()
            measured.entropy.append(compute_entropy(of_text["attention"]))
        for pair in combinations(of_text, 2):
            measured.tau[pair].append(compute_kendall_tau(*(of_text[method] for method in pair)))
        of_text["uniform"] = [1 / words] * words
        length = int(texts.attention_mask[row].sum())
        ids, word_ids = texts.input_ids[row, :length], texts.word_ids[row, :length]
        blank = ids.masked_fill(word_ids >= 0, removal_id)
        variants = [_build_variants(ids, word_ids, method_scores, removal_id) for method_scores in of_text.values()]
        probabilities = _compute_probabilities(model, torch.cat([ids[None], blank[None], *variants]), targets[row])
        measured.whole.append(probabilities.pop(0))
        measured.empty.append(probabilities.pop(0))
        for method in of_text:
            for falls in (measured.without, measured.alone):
                falls[method].append(probabilities[: len(PERCENTAGES)])
                del probabilities[: len(PERCENTAGES)]


def _build_variants(
    ids: torch.Tensor, word_ids: torch.Tensor, scores: Sequence[float], removal_id: int
) -> torch.Tensor:
    """The text without its highest-ranked words, per percentage, then with them alone: (2 * percentages, seq_len)."""
    ranks = torch.empty(len(scores), dtype=torch.long, device=ids.device)  # of each word
    ranks[rank_words(scores)] = torch.arange(len(scores), device=ids.device)
    token_ranks = torch.where(word_ids >= 0, ranks[word_ids], -1)  # (seq_len,)
    counts = [[count_words(len(scores), percentage)] for percentage in PERCENTAGES]
    highest = token_ranks < torch.tensor(counts, device=ids.device)  # (percentages, seq_len)
    return ids.masked_fill(torch.cat([highest, ~highest]) & (word_ids >= 0), removal_id)


def _compute_probabilities(model: PreTrainedModel, variants: torch.Tensor, target: torch.Tensor) -> list[float]:
    with torch.inference_mode():
        logits = compute_variant_logits(model, variants).float()  # (variants, num_labels)
    probabilities = logits.sigmoid() if has_independent_classes(model.config) else logits.softmax(-1)
    return probabilities[:, target].tolist()


def _summarize(measured: _Measurements, seed: int) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = {}
    for method, without in measured.without.items():
        falls = {"comprehensiveness": without, "sufficiency": measured.alone[method]}
        methods[method] = {
            name: compute_interval([compute_aopc(*pair) for pair in zip(measured.whole, rows, strict=True)], seed=seed)
            for name, rows in falls.items()
        }
        curve = np.column_stack([measured.whole, without, measured.empty])  # (texts, deletion percentages)
        methods[method]["deletion"] = curve.mean(axis=0).tolist()
        if method in measured.seconds:
            methods[method]["seconds_per_text"] = measured.seconds[method] / len(measured.whole)
    kendall_tau: dict[str, dict[str, float]] = {method: {} for pair in measured.tau for method in pair}
    for (one, other), values in measured.tau.items():
        if not np.isnan(values).all():
            kendall_tau[one][other] = kendall_tau[other][one] = float(np.nanmean(values))
    summary = {"methods": methods, "deletion_percentages": [0, *PERCENTAGES, 100], "kendall_tau": kendall_tau}
    entropy = [value for value in measured.entropy if not np.isnan(value)]
    if entropy:
        counts = np.histogram(entropy, bins=ENTROPY_BINS, range=(0, 1 + 1e-6))[0]
        summary["attention_entropy"] = compute_interval(entropy, seed=seed) | {"counts": counts.tolist()}
    return summary
