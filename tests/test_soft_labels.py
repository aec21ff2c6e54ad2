from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset
from transformers import PreTrainedTokenizerFast

from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.soft_labels import NbSvm, match_class_shares, match_names, soft_labels
from hf_lstm_attn.tokenization import split_words

TEXTS, LABELS = ["a fine film", "a dull film", "truly fine acting", "not fine , dull"], [1, 0, 1, 0]
UNLABELLED = ["a dull plot", "fine"]
NAMES = ["Negative", "Positive"]  # the teacher says "negative" and "positive"


def test_mean_of_the_teachers_and_half_the_label(model_folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    dataset = Dataset.from_dict({"text": TEXTS, "label": LABELS}).cast_column("label", ClassLabel(names=NAMES))
    rows = soft_labels(dataset, ["nb-svm", str(model_folder)], tokenizer=tokenizer, unlabelled=UNLABELLED)
    assert rows["text"][:] == TEXTS + UNLABELLED
    words = split_words(rows["text"], tokenizer)
    nb_svm = NbSvm().fit(words[:4], LABELS).predict_proba(words)[:, 1]
    network = [scores["positive"] for scores in predict(load_classifier(model_folder), TEXTS + UNLABELLED)]
    expected = (nb_svm + network) / 2
    expected[:4] = (expected[:4] + LABELS) / 2
    assert np.array(rows["label"][:]) == pytest.approx(np.stack([1 - expected, expected], axis=1), abs=1e-6)


def test_labels_may_be_strings_and_teachers_must_be_there(tokenizer: PreTrainedTokenizerFast) -> None:
    named = Dataset.from_dict({"text": TEXTS, "label": ["good", "bad", "good", "bad"]})
    rows = soft_labels(named, ["nb-svm"], tokenizer=tokenizer, label_share=1.0)
    assert rows["label"][:2] == [[0.0, 1.0], [1.0, 0.0]]
    for teachers, error in ((["nb-svm", "no/such/folder"], FileNotFoundError), ([], ValueError)):
        with pytest.raises(error):
            soft_labels(named, teachers, tokenizer=tokenizer)


def test_class_names() -> None:
    assert match_names(["POSITIVE", "NEGATIVE"], NAMES, "t") == ["NEGATIVE", "POSITIVE"]
    assert match_names(["LABEL_1", "LABEL_0"], NAMES, "t") == ["LABEL_0", "LABEL_1"]
    with pytest.raises(ValueError, match="2 stars"):
        match_names(["1 star", "2 stars"], NAMES, "t")


def test_a_teacher_of_equal_classes_is_brought_to_the_shares_of_training() -> None:
    generator = np.random.default_rng(0)
    shares = [0.1, 0.6, 0.3]
    likelihoods = np.exp(4 * np.eye(3)[generator.choice(3, 5_000, p=shares)] + 2 * generator.normal(size=(5_000, 3)))
    equal = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    matched = match_class_shares(equal, np.array(shares), 5_000)
    assert matched.mean(axis=0) == pytest.approx(shares, abs=1e-3)
    assert np.ptp(matched[:, 1] / equal[:, 1] / matched[:, 0] * equal[:, 0]) < 1e-6  # the same factor in every text
