"""Files as people have them, and what the readers make of them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_lstm_attn import archives
from hf_lstm_attn.archives import read_acl_imdb, read_semeval, undo_escapes
from hf_lstm_attn.readers import Record, read_records

RAW = Path(__file__).parents[2] / "shared" / "raw"
needs_raw_files = pytest.mark.skipif(not RAW.exists(), reason="needs the raw archives beside the checkout")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_rows(path: Path, **columns: Any) -> list[dict[str, Any]]:
    return [record.row for record in read_records(path, **columns) if record.row is not None]


def malformed_lines(records: Any) -> list[int]:
    return [record.line for record in records if record.row is None]


# ------------------------------------------------------------------------------------------------------------- tables


def test_csv_fields_may_hold_commas_quotes_and_newlines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"one, ""two""\nthree",1\nfour,0\n')
    assert list(read_records(path)) == [
        Record(2, {"text": 'one, "two"\nthree', "label": "1"}, None),
        Record(4, {"text": "four", "label": "0"}, None),
    ]


def test_csv_goes_on_after_a_wrong_number_of_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,1\nb\n\nc,0,extra\nd,0\n")
    records = list(read_records(path))
    assert [record.line for record in records] == [2, 3, 5, 6]
    assert malformed_lines(records) == [3, 5]
    assert records[1].problem == "1 fields, not 2"


@pytest.mark.parametrize("broken", ['"never closed,1', '1,"', '"closed" too early,1'])
def test_csv_stray_quote_costs_only_its_own_line(tmp_path: Path, broken: str) -> None:
    good = [f'"line {number}",{number % 2}' for number in range(200)]
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *good[:100], broken, *good[100:]]) + "\n")
    records = list(read_records(path))
    assert malformed_lines(records) == [102]
    assert [record.row["text"] for record in records if record.row] == [f"line {number}" for number in range(200)]
    assert [record.line for record in records] == list(range(2, 203))


def test_tsv_with_a_header_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "label\ttext\n1\tone, two\n")
    assert read_rows(path) == [{"label": "1", "text": "one, two"}]


def test_json_lines_that_are_no_objects_are_malformed(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": 1}', '{"text": "b"', "[1, 2]", "", '{"text": null, "label": 0}', '{"text": "c"}']
    records = list(read_records(write(tmp_path / "a.jsonl", "\n".join(lines))))
    assert [(record.line, record.row is None) for record in records] == [
        (1, False),
        (2, True),
        (3, True),
        (5, True),
        (6, False),
    ]
    assert records[2].problem == "a list, not a JSON object"
    assert records[3].problem == "'text' is missing, not text"


def test_json_half_of_a_surrogate_pair_does_not_reach_the_caller(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", r'{"text": "lone \ud83d, whole \ud83d\ude00"}')
    (row,) = read_rows(path)
    assert row["text"] == "lone \ufffd, whole \U0001f600"
    row["text"].encode()


def test_parquet_rows_come_in_order(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(3000)]
    pq.write_table(pa.table({"text": texts, "label": list(range(3000))}), tmp_path / "a.parquet", row_group_size=700)
    records = list(read_records(tmp_path / "a.parquet"))
    assert [record.row["text"] for record in records if record.row] == texts
    assert [record.line for record in records] == list(range(1, 3001))


def test_what_is_no_parquet_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected a Parquet file; found a\.parquet"):
        list(read_records(write(tmp_path / "a.parquet", "text")))


def test_plain_lines_stay_aligned_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", 'one\n\ntwo, "three"\u0085 still two\nfour')
    assert read_rows(path) == [
        {"text": "one"},
        {"text": ""},
        {"text": 'two, "three"\u0085 still two'},
        {"text": "four"},
    ]


@pytest.mark.parametrize(
    "stream",
    [
        io.StringIO("one\ntwo é\n"),
        io.BytesIO("one\ntwo é\n".encode()),
        io.TextIOWrapper(io.BytesIO("one\ntwo é\n".encode()), encoding="ascii"),
    ],
    ids=["text", "bytes", "text over bytes"],
)
def test_open_streams_give_plain_lines_and_stay_open(stream: Any) -> None:
    assert [record.row for record in read_records(stream)] == [{"text": "one"}, {"text": "two é"}]
    assert not stream.closed


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + "a,1\n" * 5 + "x\n")
    records = read_records(path)
    assert next(records).row == {"text": "a", "label": "1"}
    records.close()


def test_a_missing_column_names_the_argument_to_pass(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sentence,label\na,1\n")
    expected = "Expected columns text, label; found sentence, label. Pass text_column='sentence'."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        list(read_records(path, label_column="label"))
    assert read_rows(path, text_column="sentence") == [{"sentence": "a", "label": "1"}]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_checks_its_columns(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"body": ["a"], "stars": [1]}), path)
    else:
        write(path, json.dumps({"body": "a", "stars": 1}) if suffix == "jsonl" else "body\tstars\na\t1\n")
    with pytest.raises(ValueError, match=r"Expected columns text, label; found body.*stars\. Pass text_column="):
        list(read_records(path, label_column="label"))


def test_unknown_suffixes_and_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending in \.csv.*\.parquet.*found a\.xlsx"):
        list(read_records(write(tmp_path / "a.xlsx", "")))
    with pytest.raises(FileNotFoundError, match="found nothing"):
        list(read_records(tmp_path / "none.csv"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
def test_an_empty_file_has_no_rows(tmp_path: Path, suffix: str) -> None:
    assert list(read_records(write(tmp_path / f"a.{suffix}", ""))) == []


# ----------------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    content = newline.join(["text,label", "café “fine” €,1", "naïve,0", ""])
    path = write(tmp_path / "a.csv", content.encode(encoding))
    assert read_rows(path) == [{"text": "café “fine” €", "label": "1"}, {"text": "naïve", "label": "0"}]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_plain_lines_end_where_they_should(tmp_path: Path, newline: str) -> None:
    assert read_rows(write(tmp_path / "a.txt", f"one{newline}two{newline}")) == [{"text": "one"}, {"text": "two"}]


def test_encodings_may_be_mixed_within_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "café ".encode() + "café\n".encode("windows-1252") + "Žižek “x”\n".encode())
    assert [row["text"] for row in read_rows(path)] == ["café café", "Žižek “x”"]


def test_nul_bytes_are_dropped(tmp_path: Path) -> None:
    assert read_rows(write(tmp_path / "a.csv", b"text,label\na\0b,1\n")) == [{"text": "ab", "label": "1"}]


# --------------------------------------------------------------------------------------------------------- raw tweets


@pytest.mark.parametrize(
    ("stored", "posted"),
    [
        (r"don\u2019t stop\u002c please", "don\u2019t stop, please"),
        (r"grin \ud83d\ude00", "grin \U0001f600"),
        (r"half \ud83d, short \u12, no hex \u00zz", r"half \ud83d, short \u12, no hex \u00zz"),
        (r"shrug ¯\_(ツ)_/¯ and \m/", r"shrug ¯\_(ツ)_/¯ and \m/"),
        ("fish &amp; chips &lt;3 AT&T", "fish & chips <3 AT&T"),
        ('"a ""b"" c"', 'a "b" c'),
        (r'"it read: \""x y\"""', 'it read: "x y"'),
        (r'"it read: \""""x y\"""" - z"', 'it read: "x y" - z'),
        ("fish &amp;amp; chips", "fish & chips"),
        (r"he said \"no\"", 'he said "no"'),
        (r'he said \""no\"" again', 'he said "no" again'),
        ('"torn at the start', "torn at the start"),
        ('torn at the end "', "torn at the end"),
        ('"torn, with ""doubled"" ones', 'torn, with "doubled" ones'),
        ('"quoted," he said', '"quoted," he said'),
        ('"one" and "two"', '"one" and "two"'),
        ('he said: "quoted"', 'he said: "quoted"'),
        ('a 6" pipe', 'a 6" pipe'),
        ("posted\tMon Jan 05 10:20:30 +0000 2015", "posted"),
        ("  spaces ", "spaces"),
        ("", ""),
        ('"', ""),
    ],
)
def test_escapes_are_undone(stored: str, posted: str) -> None:
    assert undo_escapes(stored) == posted


def test_semeval_lines_with_and_without_id(tmp_path: Path) -> None:
    with_id = write(tmp_path / "a.txt", '11\tpositive\tgood \\u263a\t\n12\tnegative\t"bad\n13\tneutral\tso\n')
    without = write(tmp_path / "b.txt", '1\tgood \\u263a\n-1\t"bad\n0\tso\t\n')
    texts = ["good ☺", "bad", "so"]
    labels = {with_id: ["positive", "negative", "neutral"], without: ["1", "-1", "0"]}
    for path, expected in labels.items():
        rows = [record.row for record in read_semeval(path)]
        assert rows == [{"text": text, "label": label} for text, label in zip(texts, expected, strict=True)]


def test_semeval_malformed_lines_are_told(tmp_path: Path) -> None:
    lines = ["1\tneutral\ta", "2\tneutral", "3\tneutral\tNot Available", "4\tneutral\ta\tb", "", "6\tneutral\tz"]
    records = list(read_semeval(write(tmp_path / "a.txt", "\n".join(lines))))
    assert malformed_lines(records) == [2, 3, 4]
    assert [record.problem for record in records][1:4] == [
        "2 fields, not 3 (id, label, text)",
        "tweet not available",
        "4 fields, not 3 (id, label, text)",
    ]


@pytest.mark.parametrize(
    ("first_line", "is_raw"), [("text\tlabel", False), ("id\tlabel\ttext", False), ("1\tneutral\ttext", True)]
)
def test_a_header_makes_a_text_file_a_table(tmp_path: Path, first_line: str, is_raw: bool) -> None:
    path = write(tmp_path / "a.txt", f"{first_line}\n")
    assert archives.is_semeval_file(path) is is_raw


@needs_raw_files
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("twitter-2013dev-A.txt", 1654),
        ("twitter-2014sarcasm-A.txt", 86),
        ("twitter-2016devtest-A.txt", 2000),
        ("twitter-2016test-A.tail.txt", 500),
    ],
)
def test_real_tweet_files_are_read_whole(name: str, rows: int) -> None:
    records = list(read_semeval(RAW / "semeval" / name))
    assert len(records) == rows
    assert malformed_lines(records) == []
    texts = [record.row["text"] for record in records if record.row]
    assert {record.row["label"] for record in records if record.row} == {"negative", "neutral", "positive"}
    assert not [text for text in texts if r"\u" in text or '\\"' in text or "\t" in text or "&amp;" in text]
    assert not [text for text in texts if text.count('"') == 1 and '"' in (text[0], text[-1])]


# ---------------------------------------------------------------------------------------------------------- raw reviews


def test_acl_imdb_goes_by_label_and_number(tmp_path: Path) -> None:
    for name in ("neg/10_2.txt", "neg/9_1.txt", "pos/3_10.txt", "unsup/0_0.txt"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, f"review {name}<br />two")
    assert archives.find_acl_imdb_splits(tmp_path) == ["train", "unsupervised"]
    assert [record.row for record in read_acl_imdb(tmp_path, "train")] == [
        {"text": "review neg/9_1.txt<br />two", "label": "negative"},
        {"text": "review neg/10_2.txt<br />two", "label": "negative"},
        {"text": "review pos/3_10.txt<br />two", "label": "positive"},
    ]
    assert [record.row for record in read_acl_imdb(tmp_path, "unsupervised")] == [
        {"text": "review unsup/0_0.txt<br />two", "label": "-1"}
    ]


@needs_raw_files
def test_real_acl_imdb_sample() -> None:
    counts = {
        split: len(list(read_acl_imdb(RAW / "aclImdb", split)))
        for split in archives.find_acl_imdb_splits(RAW / "aclImdb")
    }
    assert counts == {"train": 200, "test": 100, "unsupervised": 50}
