"""What a classifier's errors and leanings depend on, as plain numbers for its card: the length of a text, its share of
unknown words, the name in it, its dialect.

The sentences here were written for this project. They fit classifiers of sentiment in English, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase, TextClassificationPipeline

from .attribution import add_up_words, encode_texts, move_texts, read_with_attention
from .prediction import predict

LENGTH_BINS = 5
UNKNOWN_EDGES = (0.0, 0.02, 0.05, 0.1)  # shares; texts without unknown words are a bin of their own
PROBED_LABEL = "positive"

# First names that are common in the United States in the groups they stand for; census and birth registers differ by
# year, and no name belongs to one group alone.
NAMES: dict[str, tuple[str, ...]] = {
    "White women": ("Emily", "Sarah", "Claire", "Katie", "Allison", "Molly"),
    "White men": ("Brad", "Greg", "Scott", "Connor", "Todd", "Matthew"),
    "Black women": ("Lakisha", "Ebony", "Keisha", "Latoya", "Imani", "Tamika"),
    "Black men": ("Jamal", "DeShawn", "Tyrone", "Darnell", "Malik", "Terrell"),
    "Hispanic women": ("Guadalupe", "Maria", "Juana", "Luz", "Esperanza", "Rosa"),
    "Hispanic men": ("Jose", "Luis", "Carlos", "Juan", "Miguel", "Pedro"),
    "Arabic women": ("Fatima", "Aisha", "Layla", "Zainab", "Khadija", "Noor"),
    "Arabic men": ("Mohammed", "Ahmed", "Omar", "Ali", "Hassan", "Yusuf"),
}
NAME_FRAMES = (
    "{} liked the film.",
    "{} did not like the film.",
    "I watched it with {} last night.",
    "{} says it was one of the better evenings this year.",
    "{} says it was a waste of an evening.",
    "We talked about it with {} for an hour.",
)

# The same statement twice: in general American English and in African-American English (habitual be, no copula,
# negative concord, been, finna, and the like).
DIALECTS = ("General American English", "African-American English")
DIALECT_PAIRS = (
    ("She is always working late.", "She be working late."),
    ("They are at my house right now.", "They at my house right now."),
    ("He has been finished with that for a long time.", "He been done with that."),
    ("I did not see anybody there.", "I ain't see nobody there."),
    ("That movie was really good.", "That movie was hella good."),
    ("We are about to watch it again.", "We finna watch it again."),
    ("He does not know anything about music.", "He don't know nothing about music."),
    ("My cousin really enjoyed this one.", "My cousin was really feeling this one."),
    ("Nobody can say anything bad about her.", "Can't nobody say nothing bad about her."),
    ("You all should go and see it.", "Y'all should go see it."),
    ("It is cold outside today.", "It's mad cold outside today."),
    ("I am not going to waste my money on that.", "I ain't finna waste my money on that."),
)

# Shown with the model's scores on its page, by the classes it tells apart.
WIDGET_TEXTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("negative", "positive"): (
        "I expected a gem and got a chore.",
        "I expected a chore and got a gem.",
        "Not once was I bored, and the last scene stayed with me for days.",
        "Two hours of fine actors waiting for a story that never arrives.",
    ),
    ("negative", "neutral", "positive"): (
        "Third delay this week, thank you so much @trainline 🙃",
        "The new ferry timetable starts on Monday: https://example.org/ferry",
        "Best concert I have been to in years, my voice is gone #worthit",
        "my phone died before the concert even started",
    ),
}


def compute_accuracy_by(
    values: Sequence[float] | np.ndarray, is_right: Sequence[bool] | np.ndarray, edges: Sequence[float]
) -> list[dict[str, float]]:
    """Accuracy in each bin of a value: up to the first edge, up to the second, ..., beyond the last.

    Returns:
        The bins that hold examples, each with `lowest` and `highest` value, `examples` and `accuracy`.
    """
    values, is_right = np.asarray(values, dtype=np.float64), np.asarray(is_right)
    rows = []
    for low, high in pairwise((-np.inf, *edges, np.inf)):
        inside = (values > low) & (values <= high)
        if inside.any():
            rows.append(
                {
                    "lowest": float(values[inside].min()),
                    "highest": float(values[inside].max()),
                    "examples": int(inside.sum()),
                    "accuracy": float(is_right[inside].mean()),
                }
            )
    return rows


def compute_accuracy_limits(
    logits: np.ndarray, labels: np.ndarray, lengths: Sequence[int], unknown_shares: Sequence[float]
) -> dict[str, list[dict[str, float]]]:
    """Accuracy by `length` in words, in bins of about equal size, and by the share of `unknown` words.

    Args:
        logits: (examples, num_labels).
        labels, lengths, unknown_shares: (examples,), in the order of the logits.
    """
    is_right = np.asarray(logits).argmax(axis=1) == np.asarray(labels)
    quantiles = np.quantile(lengths, np.arange(1, LENGTH_BINS) / LENGTH_BINS, method="inverted_cdf")
    return {
        "length": compute_accuracy_by(lengths, is_right, np.unique(quantiles).tolist()),
        "unknown": compute_accuracy_by(unknown_shares, is_right, UNKNOWN_EDGES),
    }


def build_probes() -> dict[str, dict[str, list[str]]]:
    """Probe -> group -> sentences. Groups are parallel: sentences in the same place differ only in name or dialect."""
    return {
        "names": {
            group: [frame.format(name) for frame in NAME_FRAMES for name in names] for group, names in NAMES.items()
        },
        "dialect": {dialect: [pair[side] for pair in DIALECT_PAIRS] for side, dialect in enumerate(DIALECTS)},
    }


def compute_shifts(
    probabilities: Mapping[str, Sequence[float]], unknown_shares: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """How each group's mean probability differs from the first group's.

    Args:
        probabilities: Group -> one probability per sentence; sentences of all groups are parallel.
        unknown_shares: Group -> share of its words that the vocabulary lacks.

    Returns:
        Group -> `sentences`, `mean` probability, its `shift` from the first group, the `largest` difference of
        two parallel sentences, and `unknown`.
    """
    reference = np.asarray(next(iter(probabilities.values())), dtype=np.float64)
    return {
        group: {
            "sentences": len(values),
            "mean": float(np.mean(values)),
            "shift": float(np.mean(values) - reference.mean()),
            "largest": float(np.abs(np.asarray(values) - reference).max()),
            "unknown": unknown_shares[group],
        }
        for group, values in probabilities.items()
    }


def measure_limits(
    classifier: TextClassificationPipeline, texts: Sequence[str], logits: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    """`compute_accuracy_limits` of texts as they are, before they are cut to the model's length; and `probes`, the
    `compute_shifts` of the probability of `PROBED_LABEL`, for classifiers that have this class.

    Of the names, `unknown` counts the names alone: unknown names all read alike, and can shift nothing.

    Args:
        texts, logits, labels: Of the test split, in one order.
    """
    ids = encode_whole(classifier.tokenizer, texts)
    limits: dict[str, Any] = compute_accuracy_limits(
        logits, labels, [len(row) for row in ids], compute_unknown_shares(classifier.tokenizer, ids)
    )
    if PROBED_LABEL in classifier.model.config.label2id:
        limits["probes"] = {}
        for name, groups in build_probes().items():
            probabilities, unknown = {}, {}
            for group, sentences in groups.items():
                probabilities[group] = [scores[PROBED_LABEL] for scores in predict(classifier, sentences)]
                asked = NAMES[group] if name == "names" else sentences
                ids = encode_whole(classifier.tokenizer, asked)
                unknown[group] = float(np.mean(compute_unknown_shares(classifier.tokenizer, ids)))
            limits["probes"][name] = compute_shifts(probabilities, unknown)
    return limits


def score_widget_texts(classifier: TextClassificationPipeline) -> list[dict[str, Any]]:
    """The `WIDGET_TEXTS` for the classifier's classes, if there are any, as the card's metadata has them: `text` and
    `output`; and where the model pools by attention, its `words` and `weights`."""
    config = classifier.model.config
    texts = WIDGET_TEXTS.get(tuple(config.id2label[index] for index in range(config.num_labels)), ())
    rows: list[dict[str, Any]] = [
        {"text": text, "output": [{"label": label, "score": round(score, 6)} for label, score in scores.items()]}
        for text, scores in zip(texts, predict(classifier, texts), strict=True)
    ]
    if rows and config.model_type == "lstm_attn":
        encoded = move_texts(encode_texts(classifier.tokenizer, texts), classifier.model.device)
        weights = add_up_words(encoded, read_with_attention(classifier.model, encoded)[1])
        for row, spans, row_weights in zip(rows, encoded.spans, weights, strict=True):
            row["words"] = [row["text"][start:end] for start, end in spans]
            row["weights"] = [round(weight, 6) for weight in row_weights]
    return rows


def encode_whole(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of texts, uncut."""
    encoded = tokenizer(list(texts), truncation=False, return_attention_mask=False, verbose=False)
    return list(encoded["input_ids"])


def compute_unknown_shares(tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int]]) -> list[float]:
    """Each text's share of words that the vocabulary lacks; 0 without words."""
    return [row.count(tokenizer.unk_token_id) / max(len(row), 1) for row in map(list, ids)]
