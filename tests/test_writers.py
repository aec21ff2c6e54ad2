"""Results come out as they went in, and a file by its final name is always whole."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hf_lstm_attn import writers
from hf_lstm_attn.writers import open_writer

COLUMNS = ["text", "label", "score"]
ROWS: list[dict[str, Any]] = [
    {"text": 'one, "two"\nthree é', "label": "positive", "score": 0.75},
    {"text": "", "label": None, "score": None},
    {"text": "four", "label": "negative"},
]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                {
                    "text": row["text"],
                    "label": row["label"] or None,
                    "score": float(row["score"]) if row["score"] else None,
                }
                for row in csv.DictReader(stream)
            ]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    with open_writer(path, None, COLUMNS) as writer:
        writer.write(ROWS[:1])
        writer.write(ROWS[1:])
    assert read(path) == [{name: row.get(name) for name in COLUMNS} for row in ROWS]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_no_rows_make_a_readable_file(tmp_path: Path, suffix: str) -> None:
    with open_writer(tmp_path / f"out.{suffix}", None, COLUMNS):
        pass
    assert read(tmp_path / f"out.{suffix}") == []


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, suffix: str, stop: type[BaseException]) -> None:
    def run() -> None:
        with open_writer(tmp_path / f"out.{suffix}", None, COLUMNS) as writer:
            writer.write(ROWS)
            assert not (tmp_path / f"out.{suffix}").exists()
            raise stop

    with pytest.raises(stop):
        run()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def run() -> None:
        with open_writer(path, None, COLUMNS, overwrite=True) as writer:
            writer.write(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert path.read_text() == "before"


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(FileExistsError, match=r"found one\. Pass overwrite"), open_writer(path, None, COLUMNS):
        pass
    assert path.read_text() == "before"
    with open_writer(path, None, COLUMNS, overwrite=True) as writer:
        writer.write(ROWS)
    assert len(read(path)) == 3


@pytest.mark.parametrize(("format", "expected"), [(None, 'text\n"a,b"\n'), ("jsonl", '{"text": "a,b"}\n')])
def test_standard_output_gets_rows_at_once(monkeypatch: pytest.MonkeyPatch, format: str | None, expected: str) -> None:
    received = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(received, encoding="utf-8"))
    with open_writer(None, format, ["text"]) as writer:
        writer.write([{"text": "a,b"}])
        assert received.getvalue().decode() == expected
    assert received.getvalue().decode() == expected


def test_parquet_is_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROW_GROUP_ROWS", 10)
    path = tmp_path / "out.parquet"
    with open_writer(path, None, COLUMNS) as writer:
        for number in range(25):
            writer.write([{"text": str(number), "label": None, "score": 0.5 if number % 9 else None}])
    assert pq.ParquetFile(path).num_row_groups == 3
    assert [row["text"] for row in read(path)] == [str(number) for number in range(25)]


def test_parquet_columns_keep_their_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROW_GROUP_ROWS", 2)
    rows = [{"score": 0.5}, {"score": 0.25}, {"score": "high"}, {"score": None}]
    with (
        pytest.raises(ValueError, match=r"one type throughout.*Write JSONL"),
        open_writer(tmp_path / "out.parquet", None, ["score"]) as writer,
    ):
        writer.write(rows)
    assert list(tmp_path.iterdir()) == []


def test_nested_values_become_json_in_csv(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.csv", None, ["text", "scores"]) as writer:
        writer.write([{"text": "a", "scores": {"négative": 0.25}}])
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        assert json.loads(next(csv.DictReader(stream))["scores"]) == {"négative": 0.25}


def test_wrong_use_is_told(tmp_path: Path) -> None:
    for path, format, match in (
        (tmp_path / "out.xlsx", None, r"ending in \.csv, \.jsonl, \.parquet; found"),
        (tmp_path / "out.csv", "xml", "found 'xml'"),
        (None, "parquet", "csv or jsonl for standard output"),
    ):
        with pytest.raises(ValueError, match=match), open_writer(path, format, COLUMNS):
            pass
    with pytest.raises(FileNotFoundError, match="Create it"), open_writer(tmp_path / "no" / "out.csv", None, COLUMNS):
        pass
    with (
        pytest.raises(ValueError, match="found also stars"),
        open_writer(tmp_path / "out.csv", None, COLUMNS) as writer,
    ):
        writer.write([{"stars": 1}])
