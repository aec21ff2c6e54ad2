"""A text gets the same scores by every way in, and a file keeps its rows; what is no classifier labels nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification, TextClassificationPipeline, pipeline

from hf_lstm_attn import inference, pipeline_lstm_attn
from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.inference import built_in, load_classifier, predict, predict_file, predict_logits
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification, LstmAttnModel
from hf_lstm_attn.pipeline_lstm_attn import LstmAttnPipeline
from hf_lstm_attn.tokenization import save_tokenizer

TEXTS = ["a fine film", "", "dull , dull plot", "not fine " * 40, "  ", "fine"]


def change_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def foreign_folder(tmp_path: Path, tokenizer: Any) -> Path:
    """A classifier of transformers' own, with eleven classes."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=60, num_labels=11, **sizes)
    folder = tmp_path / f"foreign_{tmp_path.name}"
    BertForSequenceClassification(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def test_scores_are_those_of_the_stock_pipeline(model_folder: Path, foreign_folder: Path) -> None:
    for folder, kind in ((model_folder, LstmAttnPipeline), (foreign_folder, TextClassificationPipeline)):
        classifier = load_classifier(folder)
        assert type(classifier) is kind
        texts = [text for text in TEXTS if kind is LstmAttnPipeline or text.strip()]
        stock = pipeline("text-classification", str(folder), top_k=None, truncation=True)
        for scores, expected in zip(predict(classifier, iter(texts), batch_size=2), stock(texts), strict=True):
            assert scores == pytest.approx({row["label"]: row["score"] for row in expected}, abs=1e-6)
            assert list(scores.values()) == sorted(scores.values(), reverse=True)
            assert sum(scores.values()) == pytest.approx(1)


def test_logits_are_in_the_order_of_texts_and_labels(classifier: LstmAttnPipeline) -> None:
    logits = predict_logits(classifier.model.train(), classifier.tokenizer, TEXTS, batch_size=2)
    alone = [predict_logits(classifier.model, classifier.tokenizer, [text])[0] for text in TEXTS]
    assert logits == pytest.approx(np.array(alone), abs=1e-6)
    assert predict_logits(classifier.model, classifier.tokenizer, []).shape == (0, 2)


def test_a_stream_is_read_as_it_is_needed(classifier: LstmAttnPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_lstm_attn, "CHUNK", 1)
    stream = iter(TEXTS)
    next(predict(classifier, stream))
    assert {*TEXTS[2:]} <= {*stream}  # one chunk is read ahead


def test_several_labels_at_once_are_scored_each_by_itself(model_folder: Path) -> None:
    change_config(model_folder, problem_type="multi_label_classification")
    classifier = load_classifier(model_folder)
    expected = torch.tensor(predict_logits(classifier.model, classifier.tokenizer, ["fine"])[0]).sigmoid()
    (scores,) = predict(classifier, ["fine"])
    assert [scores["negative"], scores["positive"]] == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_temperature_and_half_precision_are_heeded(model_folder: Path) -> None:
    with pytest.raises(ValueError, match="temperature"):
        load_classifier(model_folder, calibrated=True)
    (plain,) = predict(load_classifier(model_folder), ["fine"])
    LstmAttnForSequenceClassification.from_pretrained(model_folder).half().save_pretrained(model_folder)
    change_config(model_folder, calibration_temperature=1e6)
    classifier = load_classifier(model_folder)
    assert classifier.model.dtype == torch.float32
    assert next(predict(classifier, ["fine"])) == pytest.approx(plain, abs=1e-3)
    calibrated = load_classifier(model_folder, calibrated=True)
    assert max(next(predict(calibrated, ["fine"])).values()) == pytest.approx(0.5, abs=1e-4)


def leave_language_models(folder: Path) -> None:
    LstmAttnModel(LstmAttnConfig.from_pretrained(folder)).save_pretrained(folder)


BROKEN: dict[str, Callable[[Path], Any]] = {
    "no config.json": lambda folder: (folder / "config.json").unlink(),
    "config.json": lambda folder: (folder / "config.json").write_text("{"),
    "no file": lambda folder: (folder / "model.safetensors").unlink(),
    "classifier.weight": leave_language_models,
    "classifier.bias": lambda folder: change_config(folder, id2label={0: "a", 1: "b", 2: "c"}),
    "encoder.forward_lstm": lambda folder: change_config(folder, num_hidden_layers=2),
    "encoder.backward_lstm": lambda folder: change_config(folder, bidirectional=False, pooling="attention"),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_is_no_whole_classifier_is_refused(model_folder: Path, words: str) -> None:
    BROKEN[words](model_folder)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        load_classifier(model_folder)


def test_a_model_that_is_nowhere_is_refused() -> None:
    for name in ("nobody/nothing", "./nowhere"):
        with pytest.raises(FileNotFoundError, match="model"):
            load_classifier(name)
    with pytest.raises(ValueError, match="sentiment, imdb, tweets"):
        built_in("films")
    assert (built_in("imdb") / "config.json").is_file()


# -------------------------------------------------------------------------------------------------------------- files

ROWS = [
    {"id": "007", "text": 'a "fine"\nfilm', "more": "NA"},
    {"id": "008", "text": "", "more": ""},
    {"id": "009", "text": "dull, dull", "more": "é"},
]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("records")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    separator = "\t" if path.suffix == ".tsv" else ","
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).to_dict("records")


@pytest.mark.parametrize("output", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "CSV", "jsonl", "parquet"])
def test_files_keep_rows_and_columns(
    classifier: LstmAttnPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, output: str
) -> None:
    monkeypatch.setattr(inference, "CHUNK", 2)
    path, target, rows = tmp_path / f"in.{source}", tmp_path / f"out.{output}", Dataset.from_list(ROWS)
    {"jsonl": rows.to_json, "parquet": rows.to_parquet}.get(source, rows.to_csv)(path)
    assert predict_file(classifier, path, target, all_scores=True) == {"rows": 3, "without_text": 1}
    found = read(target)
    assert [{name: row[name] for name in ROWS[0]} for row in found] == ROWS
    expected = list(predict(classifier, [ROWS[0]["text"], ROWS[2]["text"]]))
    for row, scores in zip((found[0], found[2]), expected, strict=True):
        assert row["label"] == next(iter(scores))
        assert [float(row[f"score_{label}"]) for label in scores] == pytest.approx(list(scores.values()), abs=1e-6)
        assert row["note"] == ""
    assert (found[1]["label"], bool(found[1]["note"])) == ("", True)
    assert not list(tmp_path.glob("*.part"))


def test_lines_are_rows_and_taken_names_stay(classifier: LstmAttnPipeline, tmp_path: Path) -> None:
    lines, table = tmp_path / "in.txt", tmp_path / "in.csv"
    lines.write_text("fine\n\ndull, dull")
    predict_file(classifier, lines, tmp_path / "out.jsonl")
    assert [row["text"] for row in read(tmp_path / "out.jsonl")] == ["fine", "", "dull, dull"]
    table.write_text("\ufeffbody;label\nfine;gold\n")
    predict_file(classifier, table, tmp_path / "out.csv", text_column="body", delimiter=";")
    (row,) = read(tmp_path / "out.csv")
    assert row["label"] == "gold"
    assert row["predicted_label"] in ("negative", "positive")


@pytest.mark.parametrize(
    ("name", "content", "output", "words"),
    [
        ("in.csv", "body\nfine\n", "out.csv", "body"),
        ("in.csv", "text\nfine\n", "out.xlsx", "xlsx"),
        ("in.csv", "text,id\nfine,1,2\n", "out.csv", "in.csv"),
        ("in.jsonl", "fine\nfine\n", "out.csv", "in.jsonl"),
        ("missing.csv", None, "out.csv", "missing.csv"),
        ("in.csv", "text\nfine\n", "missing/out.csv", "missing"),
    ],
)
def test_a_file_that_does_not_fit_leaves_nothing(
    classifier: LstmAttnPipeline, tmp_path: Path, name: str, content: str | None, output: str, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    before = set(tmp_path.rglob("*"))
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        predict_file(classifier, tmp_path / name, tmp_path / output)
    assert set(tmp_path.rglob("*")) == before
