"""Explanations: a prediction, and what each word of the text did for a class, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, TextClassificationPipeline

from .attribution import (
    METHODS,
    add_up_words,
    compute_log_odds,
    compute_word_scores,
    encode_texts,
    find_max_length,
    find_removal_id,
    has_independent_classes,
    move_texts,
    read_with_attention,
)
from .sentences import split_sentences


@dataclass(frozen=True)
class WordScore:
    """A word, where it stands in the original text (characters `start` to `end`), and its score."""

    word: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Explanation:
    """One method's account of one text.

    Attributes:
        text: The original text.
        method: A name in `METHODS`.
        label: The class explained; for attention, which knows no classes, the predicted one.
        predicted: The class with the highest probability.
        probabilities: Class name -> probability. They sum to 1 unless a text may have several classes at once.
        log_odds: log p / (1 - p) of `label`, which the signed scores are about.
        words: The words the model read, in order; none for a text without words.
        signed: Whether a negative score speaks against `label`. Attention weights are not signed and sum to 1.
        read: The characters the model read, first and last (end exclusive): all of the text, unless it was too long.
    """

    text: str
    method: str
    label: str
    predicted: str
    probabilities: dict[str, float]
    log_odds: float
    words: list[WordScore]
    signed: bool
    read: tuple[int, int]


def explain(
    classifier: TextClassificationPipeline, text: str, *, method: str = "attention", label: str | None = None
) -> Explanation:
    """Explain one prediction.

    Args:
        classifier: From `load_classifier`, or any text-classification pipeline of transformers.
        method: A name in `METHODS`.
        label: The class to explain; the predicted one by default. Attention knows no classes.

    Raises:
        ValueError: for an unknown method or class, or a class for attention; MethodError for a method that the model
            does not allow.
    """
    model, tokenizer = classifier.model.eval(), classifier.tokenizer  # training leaves its model dropping words
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    _check(model, names, method, label)
    texts = encode_texts(tokenizer, [text], max_length=find_max_length(model, tokenizer))
    texts = move_texts(texts, model.device)
    if method == "attention":  # which comes with the prediction
        logits, weights = read_with_attention(model, texts)
    else:
        with torch.inference_mode():
            logits = model(texts.input_ids, attention_mask=texts.attention_mask).logits
    logits, independent = logits.float(), has_independent_classes(model.config)
    probabilities = (logits.sigmoid() if independent else logits.softmax(-1))[0].tolist()
    predicted = names[int(logits.argmax())]
    label = predicted if label is None else label
    targets = torch.tensor([names.index(label)], device=model.device)
    if method == "attention":
        (scores,) = add_up_words(texts, weights)
    else:
        (scores,) = compute_word_scores(model, texts, method, targets, find_removal_id(tokenizer))
    return Explanation(
        text=text,
        method=method,
        label=label,
        predicted=predicted,
        probabilities=dict(zip(names, probabilities, strict=True)),
        log_odds=compute_log_odds(logits, targets, independent=independent).item(),
        words=[
            WordScore(text[start:end], start, end, score)
            for (start, end), score in zip(texts.spans[0], scores, strict=True)
        ],
        signed=method != "attention",
        read=texts.read[0],
    )


def _check(model: PreTrainedModel, names: list[str], method: str, label: str | None) -> None:
    if model.config.problem_type == "regression":
        raise ValueError("Expected a model with classes; found one that predicts a number. Explain a classifier.")
    if method not in METHODS:
        raise ValueError(f"Expected a method of {', '.join(METHODS)}; found {method!r}.")
    if label is not None and label not in names:
        raise ValueError(f"Expected a class of {', '.join(names)}; found {label!r}.")
    if label is not None and method == "attention":
        raise ValueError(
            f"Expected no class for attention, whose weights are the same for all; found {label!r}. "
            "Choose another method."
        )


def compute_sentence_scores(explanation: Explanation) -> list[WordScore]:
    """The words' scores, added up by sentence (`split_sentences`); sentences of which no word was read are left out."""
    text, words = explanation.text, iter(explanation.words)
    word = next(words, None)
    sentences = []
    for start, end in split_sentences(text):
        scores = []
        while word is not None and word.start < end:
            scores.append(word.score)
            word = next(words, None)
        if scores:
            sentences.append(WordScore(text[start:end], start, end, sum(scores)))
    return sentences
