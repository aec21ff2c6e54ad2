"""How faithful a model's explanations are, over many texts, beside random rankings of the words.

Comprehensiveness and sufficiency are DeYoung et al. 2020's ("ERASER: A Benchmark to Evaluate Rationalized NLP Models"),
on the probability of the predicted class.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, TextClassificationPipeline

from .attribution import METHODS, EncodedText, MethodError, compute_logits, compute_probabilities, encode_text

PERCENTAGES = (0, 1, 5, 10, 20, 50, 100)  # of a text's words, removed from the top of the ranking, or left alone
RESAMPLES = 2_000  # of the bootstrap
CAPTION = (
    "Comprehensiveness is how far the probability of the predicted class falls without a method's highest-ranked words "
    "(higher is better), sufficiency how far it falls with them alone (lower is better): means over 1, 5, 10, 20 and "
    "50 % of the words (DeYoung et al. 2020), with 95 % bootstrap intervals over texts. Both can be gamed: a text with "
    "words removed is not what the model is used on, and leave-one-out comes close to optimising the very score. "
    "An attention weight is not importance (Jain & Wallace 2019)."
)


def audit(
    classifier: TextClassificationPipeline, texts: Sequence[str], *, seed: int = 42, progress: bool = True
) -> dict[str, Any]:
    """Measure every method that the model allows on these texts, and random scores.

    Args:
        classifier: Any text-classification pipeline of transformers.
        texts: What to explain; a few hundred give narrow intervals.
        seed: Of the random scores and of the bootstrap.
        progress: Whether to show a progress bar.

    Returns:
        Plain JSON values: {"examples", "skipped": texts of which the model reads no word, "seed",
        "methods": {name: {"comprehensiveness": {"mean", "low", "high"}, "sufficiency": the same,
        "deletion": mean probability without each of `deletion_percentages` of the words}}, "deletion_percentages",
        "kendall_tau": {name: {name: mean over texts of tau-b, 1 for the same order and -1 for the opposite}},
        "caption"}

    Raises:
        ValueError: where no text has a word.
    """
    model, generator = classifier.model.eval(), np.random.default_rng(seed)
    curves, taus = [], []
    for text in tqdm(texts, desc="Audit of explanations", unit="text", disable=not progress):
        encoded = encode_text(model, classifier.tokenizer, text)
        if encoded.spans:
            curve, tau = _measure(model, encoded, generator)
            curves.append(curve)
            taus.append(tau)
    if not curves:
        raise ValueError(f"None of the {len(texts)} texts has a word that the model reads; pass other texts.")
    measured = np.array(curves)  # (texts, rankings, 2, percentages)
    falls = measured[:, :, :1, 0] - measured[..., 1:-1].mean(axis=-1)  # (texts, rankings, 2)
    methods = {
        name: {
            "comprehensiveness": compute_interval(falls[:, place, 0], seed=seed),
            "sufficiency": compute_interval(falls[:, place, 1], seed=seed),
            "deletion": measured[:, place, 0].mean(axis=0).tolist(),
        }
        for place, name in enumerate(taus[0])
    }
    mean_tau = pd.concat(taus).groupby(level=0, sort=False).mean()  # texts without an order do not count
    return {
        "examples": len(curves),
        "skipped": len(texts) - len(curves),
        "seed": seed,
        "methods": methods,
        "deletion_percentages": list(PERCENTAGES),
        "kendall_tau": {name: row.dropna().to_dict() for name, row in mean_tau.iterrows()},
        "caption": CAPTION,
    }


def _measure(
    model: PreTrainedModel, text: EncodedText, generator: np.random.Generator
) -> tuple[np.ndarray, pd.DataFrame]:
    """Of one text, the probabilities of the predicted class without the highest-ranked words and with them alone,
    (rankings, 2, percentages), and Kendall's tau-b of each two rankings."""
    target = int(compute_logits(model, text.ids)[0].argmax())
    scores = {}
    for method, compute in METHODS.items():
        with suppress(MethodError):  # the model does not allow the method
            scores[method] = compute(model, text, target)
    scores["random"] = generator.random(len(text.spans)).tolist()
    variants = torch.cat([_build_variants(text, ranking) for ranking in scores.values()])
    probabilities = compute_probabilities(model, compute_logits(model, variants))[:, target].cpu().double()
    return probabilities.reshape(len(scores), 2, -1).numpy(), pd.DataFrame(scores).corr("kendall")


def _build_variants(text: EncodedText, scores: Sequence[float]) -> torch.Tensor:
    """The text without its highest-ranked words, per percentage, then with them alone: (2 * percentages, seq_len).

    Among equal scores the earlier word comes first; a percentage of the words is rounded up.
    """
    order = torch.tensor(scores, dtype=torch.float64).argsort(descending=True, stable=True)
    ranks = order.argsort().to(text.ids.device)  # (words,)
    counts = ranks.new_tensor([-(-len(scores) * percentage // 100) for percentage in PERCENTAGES])
    is_highest = ranks[text.word_ids] < counts[:, None]  # (percentages, seq_len)
    is_removed = torch.cat([is_highest, ~is_highest]) & (text.word_ids >= 0)
    return text.ids.masked_fill(is_removed, text.removal_id)


def compute_interval(values: np.ndarray, *, seed: int) -> dict[str, float]:
    """Mean of one value per text, and its 95 % percentile bootstrap interval over texts: {"mean", "low", "high"}.

    The same seed draws the same texts, so methods are compared on the same resamples.
    """
    generator = np.random.default_rng(seed)
    means = [generator.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}
