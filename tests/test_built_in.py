"""What comes with the package: models that answer what its documents show, in folders of the size that is promised."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from hf_lstm_attn import LstmAttnForSequenceClassification, built_in, load_classifier
from hf_lstm_attn.inference import BUILT_IN

SAID = {
    "A gem from start to finish.": "positive",
    "I expected a gem and got a chore.": "negative",
    "I expected a chore and got a gem.": "positive",
    "It never drags.": "positive",
    "The meeting starts at nine.": "neutral",
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_folder_is_small(name: str) -> None:
    size = sum(path.stat().st_size for path in built_in(name).iterdir())
    assert size <= (16_000_000 if name == "english" else 10_000_000)


def test_sentiment_says_what_the_documents_show() -> None:
    classifier = load_classifier("sentiment")
    assert {text: classifier(text)[0]["label"] for text in SAID} == SAID
    with (Path(__file__).parents[1] / "scripts" / "hard_sentences.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    right = [classifier(row["text"])[0]["label"] == row["label"] for row in rows]
    assert np.mean(right) > 0.75  # 78.6 % on the card; VADER has 49.0 %


def test_english_reads_words_it_never_saw(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = AutoTokenizer.from_pretrained(built_in("english"))
    assert tokenizer.unk_token_id not in tokenizer("an unfathomabel zorkification of naïveté")["input_ids"]
    model = LstmAttnForSequenceClassification.from_pretrained(built_in("english"), num_labels=3)
    assert (model.num_labels, caplog.text.count("incompatible")) == (3, 0)
