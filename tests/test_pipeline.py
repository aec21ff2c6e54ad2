from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import TextClassificationPipeline, pipeline

from hf_lstm_attn.explanation import explain
from hf_lstm_attn.pipeline_lstm_attn import LstmAttnPipeline
from hf_lstm_attn.tokenization import train_tokenizer

WORDS = {  # of a text, unknown ones as they are written
    "A fine film, truly  fine!": ["A", "fine", "film", ",", "truly", "fine", "!"],
    "": [],
    "zyzzyva 🎬 dull": ["zyzzyva", "🎬", "dull"],
}
TEXTS = [*WORDS]


def flatten(result: Any) -> dict[str, float]:
    """Label -> score."""
    return {entry["label"]: entry["score"] for entry in (result if isinstance(result, list) else [result])}


@pytest.mark.parametrize("options", [{"top_k": None}, {"top_k": 1}, {"function_to_apply": "none"}, {"batch_size": 2}])
def test_plain_output_is_stock(model_folder: Path, classifier: LstmAttnPipeline, options: dict[str, Any]) -> None:
    stock = pipeline("text-classification", str(model_folder), pipeline_class=TextClassificationPipeline)
    for found, wanted in zip(classifier(TEXTS, **options), stock(TEXTS, **options), strict=True):
        assert flatten(found) == pytest.approx(flatten(wanted), abs=1e-6)
    assert classifier(TEXTS[0], **options) == stock(TEXTS[0], **options)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_words_stand_where_they_are_in_the_text(classifier: LstmAttnPipeline, batch_size: int) -> None:
    results = classifier((text for text in TEXTS), return_attention=True, batch_size=batch_size)
    for (text, words), plain, result in zip(WORDS.items(), classifier(TEXTS), results, strict=True):
        assert (result["label"], result["score"]) == (plain["label"], pytest.approx(plain["score"], abs=1e-6))
        assert [word["word"] for word in result["words"]] == words
        assert [text[word["start"] : word["end"]] for word in result["words"]] == words
        assert sum(word["weight"] for word in result["words"]) == pytest.approx(1 if words else 0, abs=1e-5)


def test_every_class_bears_the_words(classifier: LstmAttnPipeline) -> None:
    first, second = classifier("a dull film", return_attention=True, top_k=None)
    assert first["score"] >= second["score"]
    assert first["words"] == second["words"] != []


def test_pieces_of_a_word_are_one_entry(classifier: LstmAttnPipeline) -> None:
    texts, text = ["fine finely unfine refined"], "Unfine ,finely so, fine"
    classifier.tokenizer = train_tokenizer(texts, vocabulary="subwords", vocab_size=12)
    (result,) = classifier([text], return_attention=True)
    assert [word["word"] for word in result["words"]] == ["Unfine", ",", "finely", "so", ",", "fine"]
    assert sum(word["weight"] for word in result["words"]) == pytest.approx(1, abs=1e-5)
    for word, explained in zip(result["words"], explain(classifier, text, method="attention").words, strict=True):
        assert (word["start"], word["end"]) == (explained.start, explained.end)
        assert word["weight"] == pytest.approx(explained.score, abs=1e-6)


def test_words_beyond_the_models_limit_are_not_read(classifier: LstmAttnPipeline) -> None:
    for truncation in (True, False):
        (result,) = classifier("fine " * 70, return_attention=True, truncation=truncation)  # the model reads 50 tokens
        assert len(result["words"]) == 50
