"""Fits the n-grams of a trained classifier: their weights, and how much they say beside its network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from scipy.sparse import csr_matrix

from .calibration import fit_temperature
from .configuration_lstm_attn import LONGEST_NGRAM
from .metrics import cross_entropy
from .modeling_lstm_attn import LstmAttnForSequenceClassification, LstmAttnNgrams, pack_ngrams
from .nb_svm import fit_weights

MIN_TEXTS = 3  # of train, that an n-gram must stand in
MOST_NGRAMS = 100_000  # kept, those with the largest weights; more take space and change nothing on validation
STRENGTH = 0.1  # C of the regressions
RATIOS = [step / 20 for step in range(41)]  # 0 to 2: how much the n-grams' logits may count where the network's count 1


def add_ngrams(
    model: LstmAttnForSequenceClassification,
    train: Dataset,
    validation: Dataset,
    validation_logits: np.ndarray,
    *,
    balanced: bool,
) -> float:
    """Give a trained model n-grams, and return how much they count, one of `RATIOS`; 0, where they would not help.

    The regressions know nothing of the network: it has learned the same texts and would leave them no errors to learn
    from. Apart, the two err in different places. The model's logits become the weighted mean of both, for which its
    head is scaled down: a sum would be surer than either.

    Args:
        train, validation: Columns input_ids and labels, class ids.
        validation_logits: (examples, num_labels), the network's.
        balanced: Whether all classes weigh the same.
    """
    config, classes = model.config, np.array(train["labels"])
    rows = [_list_keys(ids, config.unk_token_id) for ids in train["input_ids"]]
    keys, counts = np.unique(np.concatenate(rows), return_counts=True)
    keys = keys[counts >= MIN_TEXTS]
    if not len(keys) or len(np.unique(classes)) < config.num_labels:
        return 0.0
    weights, biases = fit_weights(_mark(rows, keys), classes, config.num_labels, balanced=balanced, strength=STRENGTH)
    if len(keys) > MOST_NGRAMS:
        kept = np.sort(np.argsort(-np.abs(weights).max(axis=0), kind="stable")[:MOST_NGRAMS])
        keys, weights = keys[kept], weights[:, kept]
    if config.num_labels == 2:  # one question: half of its log-odds for the one class, half against the other
        weights, biases = (np.concatenate([-values / 2, values / 2]) for values in (weights, biases))
    seen = [_list_keys(ids, config.unk_token_id) for ids in validation["input_ids"]]
    ngram_logits = _mark(seen, keys) @ weights.T + biases
    ratio = _choose_ratio(validation_logits, ngram_logits, np.array(validation["labels"]), balanced=balanced)
    if ratio:
        config.num_ngrams = len(keys)
        model.ngrams = LstmAttnNgrams(config).to(model.device)
        part = ratio / (1 + ratio)
        for buffer, values in zip(model.ngrams.buffers(), (keys, part * weights.T, part * biases), strict=True):
            buffer.copy_(torch.from_numpy(values))
        with torch.no_grad():
            for parameter in model.classifier.parameters():
                parameter.mul_(1 - part)
    return ratio


def compute_network_logits(
    model: LstmAttnForSequenceClassification, ratio: float, texts: Sequence[Sequence[int]], logits: np.ndarray
) -> np.ndarray:
    """What the network said of texts as token ids before `add_ngrams` gave the model n-grams: (texts, num_labels).

    Args:
        ratio: What `add_ngrams` returned.
        logits: (texts, num_labels), the model's.
    """
    assert model.ngrams is not None
    with torch.inference_mode():
        scores = [model.ngrams(torch.tensor([ids], dtype=torch.long, device=model.device)) for ids in texts]
        votes = torch.stack([row[0].sum(dim=0) + model.ngrams.bias for row in scores]).float().cpu().numpy()
    return (1 + ratio) * (logits - votes)


def _choose_ratio(network: np.ndarray, ngrams: np.ndarray, labels: np.ndarray, *, balanced: bool) -> float:
    """The ratio with the lowest cross entropy after calibration, or the lowest mean of the classes' cross entropies."""
    groups = [labels == label for label in np.unique(labels)] if balanced else [labels == labels]

    def compute_loss(ratio: float) -> float:
        logits = network + ratio * ngrams
        logits = logits / fit_temperature(logits, labels)
        return float(np.mean([cross_entropy(logits[group], labels[group]) for group in groups]))

    return min(RATIOS, key=compute_loss)


def _list_keys(ids: Sequence[int], unk_token_id: int) -> np.ndarray:
    row = torch.tensor([ids], dtype=torch.long)
    packed = [pack_ngrams(row, row != unk_token_id, length) for length in range(1, LONGEST_NGRAM + 1)]
    return np.unique(torch.cat([keys[are_read] for keys, are_read in packed]).numpy())


def _mark(rows: Sequence[np.ndarray], keys: np.ndarray) -> csr_matrix:
    """(texts, n-grams), 1 where a text has the n-gram."""
    found = np.concatenate(rows)
    texts = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    columns = np.searchsorted(keys, found).clip(max=len(keys) - 1)
    is_kept = keys[columns] == found
    return csr_matrix((np.ones(is_kept.sum()), (texts[is_kept], columns[is_kept])), shape=(len(rows), len(keys)))
