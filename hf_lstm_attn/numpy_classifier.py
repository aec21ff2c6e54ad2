"""A built-in model in NumPy alone: a text's scores without the seconds that PyTorch and transformers take to load.

For a few texts. It reads one text at a time; for many, the pipeline's batches are faster. Its numbers are the model's
but for rounding.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from .pretrained_models import NGRAM_KEYS, WORD_VECTORS, load_weights

# As in configuration_lstm_attn.py, which would load transformers.
LONGEST_NGRAM = 3
NGRAM_ID_BITS = 21


class NumpyClassifier:
    """Scores texts as the model in a folder of `pretrained/` does."""

    def __init__(self, folder: Path, *, calibrated: bool = False) -> None:
        """
        Raises:
            ValueError: if `calibrated` and the model has no temperature.
        """
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.weights = load_weights(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.tokenizer.enable_truncation(settings["model_max_length"], direction=settings["truncation_side"])
        self.temperature = 1.0
        if calibrated or self.config["apply_calibration"]:
            if self.config["calibration_temperature"] is None:
                raise ValueError("Expected a model with a temperature; found none. Predict without calibration.")
            self.temperature = self.config["calibration_temperature"]

    @property
    def label_names(self) -> list[str]:
        """Class names in id order."""
        names = self.config["id2label"]
        return [names[str(index)] for index in range(len(names))]

    def predict(self, texts: Iterable[str]) -> Iterator[dict[str, float]]:
        """Each text's scores, class name -> probability, highest first."""
        for text in texts:
            logits = self.compute_logits(self.tokenizer.encode(text).ids) / self.temperature
            odds = np.exp(logits - logits.max())
            scores = zip(self.label_names, (odds / odds.sum()).tolist(), strict=True)
            yield dict(sorted(scores, key=lambda entry: -entry[1]))

    def compute_logits(self, ids: list[int]) -> np.ndarray:
        """(words,) token ids -> logits (num_labels,)."""
        pooled = self._pool(self._encode(self.weights[WORD_VECTORS][ids]))
        logits = self.weights["classifier.weight"] @ pooled + self.weights["classifier.bias"]
        return logits + self._count_votes(np.array(ids, np.int64)) if NGRAM_KEYS in self.weights else logits

    def _count_votes(self, ids: np.ndarray) -> np.ndarray:
        """(words,) token ids -> what n-grams add to the logits: (num_labels,)."""
        keys, packed, found = self.weights[NGRAM_KEYS], np.zeros_like(ids), [ids[:0]]
        for length in range(1, min(LONGEST_NGRAM, len(ids)) + 1):
            packed = (packed[: len(ids) - length + 1] << NGRAM_ID_BITS) | (ids[length - 1 :] + 1)
            found.append(packed)
        ngrams = np.unique(np.concatenate(found))
        places = np.searchsorted(keys, ngrams).clip(max=len(keys) - 1)
        places = places[keys[places] == ngrams]
        return self.weights["ngrams.weight"][places].sum(axis=0) + self.weights["ngrams.bias"]

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        """(words, embedding_size) -> (words, directions * hidden_size)."""
        forward = backward = vectors
        for layer in range(self.config["num_hidden_layers"]):
            forward = self._read("forward_lstm", layer, forward)
            if self.config["bidirectional"]:
                backward = self._read("backward_lstm", layer, backward[::-1])[::-1]
        return np.concatenate([forward, backward], axis=1) if self.config["bidirectional"] else forward

    def _read(self, stack: str, layer: int, inputs: np.ndarray) -> np.ndarray:
        """One layer over a text, from its first row to its last: (words, features) -> (words, hidden_size)."""
        of_input, of_state, input_bias, state_bias = (
            self.weights[f"lstm_attn.encoder.{stack}.{name}_l{layer}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        gates_of_inputs = inputs @ of_input.T + input_bias + state_bias  # (words, 4 * hidden_size)
        states = np.zeros((len(inputs), of_state.shape[1]), np.float32)
        state = cell = np.zeros(of_state.shape[1], np.float32)
        for word, gates_of_input in enumerate(gates_of_inputs):
            into, forget, candidate, out = np.split(gates_of_input + of_state @ state, 4)
            cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(candidate)
            state = states[word] = _sigmoid(out) * np.tanh(cell)
        return states

    def _pool(self, states: np.ndarray) -> np.ndarray:
        """(words, size) -> (pooled_size,); zeros for a text without words."""
        parts = 3 if self.config["pooling"] == "attention+max+mean" else 1
        if not len(states):
            return np.zeros(parts * states.shape[1], np.float32)
        scored = states
        if self.config["attention_scoring"] == "tanh":
            projection = "lstm_attn.pooling.projection"
            scored = np.tanh(states @ self.weights[f"{projection}.weight"].T + self.weights[f"{projection}.bias"])
        scores = scored @ self.weights["lstm_attn.pooling.score.weight"][0]  # (words,)
        weights = np.exp(scores - scores.max())
        pooled = weights @ states / weights.sum()
        return np.concatenate([pooled, states.max(axis=0), states.mean(axis=0)]) if parts == 3 else pooled


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * values))  # exp would overflow
