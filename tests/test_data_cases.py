"""Small files as people have them: each comes out as it must, or is refused with advice that works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from hf_lstm_attn.cli import main
from hf_lstm_attn.data import load_data

NO_HEADER: dict[str, Any] = {"header": False, "columns": ["label", "id", "text"]}
LABEL_TEXT: dict[str, Any] = {"header": False, "columns": ["label", "text"]}
TEXT_LABEL: dict[str, Any] = {"header": False, "columns": ["text", "label"]}
LATIN: dict[str, Any] = {**TEXT_LABEL, "delimiter": "@"}


@pytest.fixture
def cases(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return shared / "data_cases"


READ: list[tuple[str, dict[str, Any], int, list[str], str]] = [  # file, options, rows, labels, words of the log
    ("json_array/data.json", {}, 120, ["bad", "good"], "120 rows"),
    ("semicolon_bom/data.csv", {}, 120, ["bad", "good"], "text: text, label: label, delimiter ';'"),
    ("no_header/data.csv", NO_HEADER, 120, ["bad", "good"], "delimiter ','"),
    ("no_header_tsv_text_first/data.tsv", TEXT_LABEL, 120, ["bad", "good"], r"delimiter '\t'"),
    (
        "three_columns_no_id/data.txt",
        {"header": False, "columns": ["text", "label", "fine"], "format": "tsv"},
        120,
        ["bad", "good"],
        "",
    ),
    (
        "tsv_other_header/data.tsv",
        {"text_column": "review", "label_column": "sentiment"},
        120,
        ["bad", "good"],
        "text: review, label: sentiment",
    ),
    ("tsv_quotes/data.tsv", {}, 105, ["bad", "good"], ""),
    ("at_sign_latin1/data.txt", {**LATIN, "encoding": "latin-1"}, 120, ["bad", "good"], "encoding latin-1"),
    ("cp1251/data.csv", {"encoding": "cp1251"}, 120, ["плохо", "хорошо"], "encoding cp1251"),
    ("gzip/data.csv.gz", {}, 120, ["bad", "good"], "delimiter ','"),
    ("class_folders", {}, 120, ["bad", "good"], "a folder per class"),
    ("file_per_class", {"format": "file_per_class"}, 120, ["bad", "good"], "a file per class"),
    ("fasttext/data.txt", {"format": "fasttext"}, 120, ["bad", "good"], "fasttext"),
    ("no_suffix/Collection", {**LABEL_TEXT, "format": "tsv"}, 120, ["ham", "spam"], ""),
    ("escapes/data.txt", LABEL_TEXT, 120, ["love", "meh"], ""),
    ("labels_none_na", {}, 180, ["None", "against", "favor"], "None ("),
    ("labels_float/train.csv", {}, 160, ["1", "2", "3", "4"], ""),
    ("multi_label_list/data.jsonl", {}, 200, ["red", "round"], ""),
    ("multi_label_columns/data.csv", {"label_column": ["red", "round"]}, 200, ["red", "round"], "label: red round"),
]


@pytest.mark.parametrize(("file", "options", "rows", "labels", "words"), READ, ids=[row[0] for row in READ])
def test_it_is_read(cases: Path, file: str, options: dict, rows: int, labels: list, words: str, caplog: Any) -> None:
    caplog.set_level("INFO", "hf_lstm_attn")
    splits = load_data(cases / file, **options)
    feature = splits["train"].features["label"]
    is_multi = file.startswith("multi")
    assert (feature.feature if is_multi else feature).names == labels
    assert sum(map(len, splits.values())) == rows
    assert f"{rows:,} rows" in caplog.text
    assert words in caplog.text
    texts = [text for part in splits.values() for text in part["text"]]
    assert all(len(text.split()) > 1 or is_multi for text in texts)  # neither a label nor an id
    if file.startswith("tsv_quotes"):
        assert {'wonderful on a river"', "sad and near"} <= {*texts}
    if file.startswith("at_sign"):
        assert "café" in texts[0]


REFUSED: list[tuple[str, dict[str, Any], str]] = [  # file, options, words of the message
    ("no_header/data.csv", {}, "--no_header.*--columns"),
    ("three_columns_no_id/data.txt", {}, "--no_header.*--columns"),
    ("tsv_other_header/data.tsv", {}, r"No column 'text'.*sentiment, review.*text_column"),
    ("at_sign_latin1/data.txt", LATIN, "line 1, is not utf-8.*--encoding"),
    ("cp1251/data.csv", {}, "line 2, is not utf-8.*--encoding"),
    ("fasttext/data.txt", {}, "--format"),
    ("trec_style/data.label", {}, r"data\.label.*--format"),
    ("no_suffix/Collection", {}, "Collection.*--format"),
]


@pytest.mark.parametrize(("file", "options", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_it_is_refused_with_advice(cases: Path, file: str, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_data(cases / file, **options)


def test_duplicates_are_counted_and_dropped_on_request(cases: Path, caplog: Any) -> None:
    caplog.set_level("INFO", "hf_lstm_attn")
    files = {split: cases / "duplicates" / f"{split}.csv" for split in ("train", "test")}
    kept = load_data(files, validation_fraction=0)
    assert "duplicates: 4 within train, 1 of test in train" in caplog.text
    dropped = load_data(files, validation_fraction=0, drop_duplicates=True)
    assert {*kept["train"]["text"]} - {*dropped["train"]["text"]} == {"same text here"}
    assert len(dropped["test"]) == len(kept["test"])


# --------------------------------------------------------------------------------------------- from the file to answers


def train(data: Path, folder: Path, *options: str) -> Path:
    """A small network after some steps; without options, what the default recipe does."""
    small = "--num_train_epochs 20 --early_stopping_patience none --embedding_size 16 --hidden_size 16".split()
    assert main(["train", "--data", str(data), "-o", str(folder), *options, *(small if options else ())]) == 0
    return folder


def score(run: Path, data: Path, output: Path) -> float:
    assert main(["evaluate", str(run), "--data", str(data), "-o", str(output)]) == 0
    return json.loads(output.read_text())["accuracy"]


def test_numbers_that_are_names(cases: Path, tmp_path: Path, capsys: Any) -> None:
    floats = train(cases / "labels_float" / "train.csv", tmp_path / "floats", "--seed", "1")
    assert score(floats, cases / "labels_float" / "ints.csv", tmp_path / "a.json") == 1.0
    run = train(cases / "labels_1_to_4" / "train.csv", tmp_path / "numbers", "--seed", "1")
    assert main(["evaluate", str(run), "--data", str(cases / "labels_1_to_4" / "shifted.csv")]) == 1
    assert "Unknown label '0' (10 rows)" in capsys.readouterr().err


def test_train_and_predict_read_a_file_alike(cases: Path, tmp_path: Path) -> None:
    for file, form in (("escapes/data.txt", []), ("no_suffix/Collection", ["--format", "tsv"])):
        options = [*form, "--no_header", "--columns", "label,text"]
        run = train(cases / file, tmp_path / form[0] if form else tmp_path / "run", *options)
        output = tmp_path / "out.jsonl"
        assert (
            main(["predict", "-m", str(run), "-i", str(cases / file), "-o", str(output), "--overwrite", *options]) == 0
        )
        rows = [json.loads(line) for line in output.read_text().splitlines()]
        assert all(row["predicted_label"] == row["label"] and "\t" not in row["text"] for row in rows)
        assert main(["evaluate", str(run), "--data", str(cases / file), "-o", str(tmp_path / "a.json"), *options]) == 0
        scored = json.loads((tmp_path / "a.json").read_text())
        assert (scored["rows"], scored["accuracy"]) == (120, 1.0)


def test_rows_keep_their_place_and_cells(cases: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text((cases / "ids_kept" / "data.csv").read_text() + "010,a box,=1+1\n")
    assert main(["predict", "-i", str(source), "-o", str(output), "--spreadsheet_safe"]) == 0
    rows = pd.read_csv(output, dtype=str, keep_default_na=False).to_dict("records")
    assert [(row["id"], row["when"]) for row in rows] == [
        ("7", "monday"),
        ("8", "tuesday"),
        ("9", "friday"),
        ("010", "'=1+1"),
    ]
    assert [(bool(row["label"]), row["note"]) for row in rows] == [
        (True, ""),
        (False, "no text"),
        (True, ""),
        (True, ""),
    ]


def test_lines_that_cannot_be_read_keep_their_place(cases: Path, tmp_path: Path) -> None:
    assert main(["predict", "-i", str(cases / "all_unreadable" / "data.jsonl"), "-o", str(tmp_path / "out.csv")]) == 1
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id,text\n1,fine\n2,so,so\n3,dull\n")
    assert main(["predict", "-i", str(source), "-o", str(output)]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["id"], row["text"], bool(row["label"])) for row in rows] == [
        ("1", "fine", True),
        ("", "", False),
        ("3", "dull", True),
    ]
    assert "3 fields" in rows[1]["note"]


def test_few_and_unbalanced_rows(cases: Path, tmp_path: Path, capsys: Any) -> None:
    run = train(cases / "imbalanced_small" / "data.csv", tmp_path / "run")
    assert json.loads((run / "results.json").read_text())["metrics"]["test"]["f1"] >= 0.95


def test_a_vocabulary_that_is_too_small_is_said(cases: Path, tmp_path: Path, caplog: Any) -> None:
    run = train(cases / "few_words" / "data.csv", tmp_path / "run", "--seed", "1")
    assert re.search(r"vocabulary has \d+ entries.*--vocabulary subwords", caplog.text)
    assert json.loads((run / "results.json").read_text())["temperature"] is None


def test_japanese(cases: Path, tmp_path: Path) -> None:
    run = train(cases / "japanese" / "data.csv", tmp_path / "run", "--language", "ja")
    results = json.loads((run / "results.json").read_text())
    assert (results["metrics"]["test"]["accuracy"], "language: ja" in (run / "README.md").read_text()) == (1.0, True)
    assert results["model"]["vocab_size"] > 15


@pytest.mark.parametrize("name", ["multi_label_list/data.jsonl", "multi_label_columns/data.csv"])
def test_several_labels_of_a_text(cases: Path, tmp_path: Path, name: str, capsys: Any) -> None:
    columns = ["--label_column", "red", "round"] if name.endswith("csv") else ["--seed", "1"]
    run = train(cases / name, tmp_path / "run", *columns)
    results = json.loads((run / "results.json").read_text())
    assert results["problem_type"] == "multi_label_classification"
    assert results["metrics"]["test"]["micro_f1"] == 1.0
    assert "several of them" in (run / "README.md").read_text()
    capsys.readouterr()
    assert main(["predict", "-m", str(run), "red round thing", "thing"]) == 0
    answers = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    assert [{*answer.split(",")} for answer in answers] == [{"red", "round"}, {""}]
    assert main(["explain", "-m", str(run), "red round thing", "--label", "round"]) == 0
    assert "log-odds of round" in capsys.readouterr().out
