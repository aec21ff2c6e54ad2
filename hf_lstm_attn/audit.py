"""The audit of a model's explanations over many texts: how faithful each method is, beside rankings that know nothing.

Words are removed as in `attribution.py`, by the unknown word in their place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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


@dataclass(frozen=True)
class _Measured:
    """What was measured on one text; dictionaries are by method, and lists by percentage."""

    whole: float  # probability of the predicted class
    empty: float  # the same, of the text with every word removed
    without: dict[str, list[float]]  # the same, without the highest-ranked words
    alone: dict[str, list[float]]  # the same, of the highest-ranked words alone
    tau: dict[tuple[str, str], float]
    entropy: float


@dataclass
class _Batch:
    """The texts of a batch that have words, and what was seen on the way."""

    texts: list[_Measured] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
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
                        "seconds_per_text": of computing the scores on one core, or the GPU; not for the last three}},
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
    chunks = [order[start : start + TEXTS_PER_BATCH] for start in range(0, len(order), TEXTS_PER_BATCH)]
    encoded = (encode_texts(tokenizer, [texts[number] for number in chunk], max_length=max_length) for chunk in chunks)

    def measure(chunk: list[int], encoded: EncodedTexts) -> _Batch:
        generators = [np.random.default_rng([seed, number]) for number in chunk]
        return _measure(model, move_texts(encoded, model.device), generators, removal_id)

    batches: list[_Batch] = []
    for chunk, batch in zip(chunks, _map_on_cores(measure, chunks, encoded, device=model.device), strict=True):
        batches.append(batch)
        on_progress(len(chunk))
    measured = [text for batch in batches for text in batch.texts]
    if not measured:
        raise ValueError(f"Expected texts with words; found none among {len(texts)} texts. Pass other texts.")
    summary = _summarize(measured, seed)
    for method in batches[0].seconds:
        summary["methods"][method]["seconds_per_text"] = sum(batch.seconds[method] for batch in batches) / len(measured)
    return {
        "examples": len(measured),
        "skipped": len(texts) - len(measured),
        "seed": seed,
        **summary,
        "left_out": batches[0].left_out,
        "caption": CAPTION,
    }


def _map_on_cores(function: Callable[..., _Batch], *arguments: Iterable[Any], device: torch.device) -> Iterator[_Batch]:
    """`map` with a thread per core, each computing on one: a text is too small to share between cores."""
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1:
        yield from map(function, *arguments)
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(function, *arguments)
    finally:
        torch.set_num_threads(threads)


def _measure(
    model: PreTrainedModel, texts: EncodedTexts, generators: Sequence[np.random.Generator], removal_id: int
) -> _Batch:
    with torch.inference_mode():
        targets = model(texts.input_ids, attention_mask=texts.attention_mask).logits.argmax(-1)
    batch = _Batch()
    scores: dict[str, list[list[float]]] = {}
    for method in METHODS:
        started = time.perf_counter()
        try:
            scores[method] = compute_word_scores(model, texts, method, targets, removal_id)
            batch.seconds[method] = time.perf_counter() - started
        except MethodError as error:
            batch.left_out[method] = str(error)
    for row, generator in enumerate(generators):
        words, length = len(texts.spans[row]), int(texts.attention_mask[row].sum())
        if not words:
            continue
        of_text = {method: rows[row] for method, rows in scores.items()}
        of_text["random"] = generator.random(words).tolist()
        if "attention" in of_text:
            of_text["permuted_attention"] = generator.permutation(of_text["attention"]).tolist()
        tau = {pair: compute_kendall_tau(*(of_text[method] for method in pair)) for pair in combinations(of_text, 2)}
        of_text["uniform"] = [1 / words] * words
        ids, word_ids = texts.input_ids[row, :length], texts.word_ids[row, :length]
        blank = ids.masked_fill(word_ids >= 0, removal_id)
        variants = [_build_variants(ids, word_ids, method_scores, removal_id) for method_scores in of_text.values()]
        whole, empty, *others = _compute_probabilities(
            model, torch.cat([ids[None], blank[None], *variants]), targets[row]
        )
        parts = np.reshape(others, (len(of_text), 2, len(PERCENTAGES))).tolist()
        batch.texts.append(
            _Measured(
                whole=whole,
                empty=empty,
                without={method: without for method, (without, _) in zip(of_text, parts, strict=True)},
                alone={method: alone for method, (_, alone) in zip(of_text, parts, strict=True)},
                tau=tau,
                entropy=compute_entropy(of_text.get("attention", [])),
            )
        )
    return batch


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


def _summarize(measured: Sequence[_Measured], seed: int) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = {}
    for method in measured[0].without:
        curves = [[text.whole, *text.without[method], text.empty] for text in measured]  # (texts, percentages)
        methods[method] = {
            "comprehensiveness": compute_interval(
                [compute_aopc(text.whole, text.without[method]) for text in measured], seed=seed
            ),
            "sufficiency": compute_interval(
                [compute_aopc(text.whole, text.alone[method]) for text in measured], seed=seed
            ),
            "deletion": np.mean(curves, axis=0).tolist(),
        }
    kendall_tau: dict[str, dict[str, float]] = {method: {} for pair in measured[0].tau for method in pair}
    for one, other in measured[0].tau:
        values = [text.tau[one, other] for text in measured if not math.isnan(text.tau[one, other])]
        if values:
            kendall_tau[one][other] = kendall_tau[other][one] = sum(values) / len(values)
    summary = {"methods": methods, "deletion_percentages": [0, *PERCENTAGES, 100], "kendall_tau": kendall_tau}
    entropy = [text.entropy for text in measured if not math.isnan(text.entropy)]
    if entropy:
        counts = np.histogram(np.minimum(entropy, 1), bins=ENTROPY_BINS, range=(0, 1))[0]
        summary["attention_entropy"] = compute_interval(entropy, seed=seed) | {"counts": counts.tolist()}
    return summary
