from __future__ import annotations

from pathlib import Path

import pytest
from transformers import TextClassificationPipeline, pipeline

from hf_lstm_attn import LstmAttnPipeline

TEXTS = ["A fine film, truly  fine!", "", "zyzzyva 🎬 dull"]


@pytest.fixture
def pipe(model_folder: Path) -> LstmAttnPipeline:
    return build(model_folder, LstmAttnPipeline)


def build(folder: Path, kind: type[TextClassificationPipeline]) -> TextClassificationPipeline:
    return pipeline("text-classification", model=str(folder), tokenizer=str(folder), pipeline_class=kind)


@pytest.mark.parametrize(
    "options", [{}, {"top_k": None}, {"top_k": 1}, {"function_to_apply": "none"}, {"batch_size": 2}]
)
def test_plain_output_is_the_stock_pipelines(
    model_folder: Path, pipe: LstmAttnPipeline, options: dict[str, object]
) -> None:
    stock = build(model_folder, TextClassificationPipeline)
    assert pipe(TEXTS, **options) == stock(TEXTS, **options)
    assert pipe(TEXTS[0], **options) == stock(TEXTS[0], **options)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_words_stand_where_they_are_in_the_text(pipe: LstmAttnPipeline, batch_size: int) -> None:
    results = pipe(TEXTS, return_attention=True, batch_size=batch_size)
    plain = pipe(TEXTS)
    assert [[word["word"] for word in result["words"]] for result in results] == [
        ["A", "fine", "film", ",", "truly", "fine", "!"],
        [],
        ["zyzzyva", "🎬", "dull"],  # unknown words as they are written
    ]
    for text, result, expected in zip(TEXTS, results, plain, strict=True):
        assert (result["label"], result["score"]) == (expected["label"], pytest.approx(expected["score"], abs=1e-6))
        assert all(text[word["start"] : word["end"]] == word["word"] for word in result["words"])
        if text:
            assert sum(word["weight"] for word in result["words"]) == pytest.approx(1, abs=1e-5)


def test_every_class_bears_the_words(pipe: LstmAttnPipeline) -> None:
    results = pipe("a dull film", return_attention=True, top_k=None)
    assert [result["label"] for result in results] == sorted(
        ["negative", "positive"], key=lambda name: -next(r["score"] for r in results if r["label"] == name)
    )
    assert results[0]["words"] == results[1]["words"] != []


def test_long_texts_are_cut_unless_told_otherwise(pipe: LstmAttnPipeline) -> None:
    long = "fine " * 70  # the tokenizer of these tests keeps 50
    (cut,), (whole,) = pipe(long, return_attention=True), pipe(long, return_attention=True, truncation=False)
    assert (len(cut["words"]), len(whole["words"])) == (50, 70)


def test_generators_are_read(pipe: LstmAttnPipeline) -> None:
    results = list(pipe((text for text in TEXTS), return_attention=True, batch_size=2))
    assert [len(result["words"]) for result in results] == [7, 0, 3]
