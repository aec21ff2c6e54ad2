"""Data of every form as train, validation and test: what is read, what is held out, and what is said about it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import datasets
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_lstm_attn import data, named_data
from hf_lstm_attn.data import fingerprint, load_data
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.splits import cut

CLASSES = Features({"text": Value("string"), "label": ClassLabel(names=["positive", "negative"])})


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


def make_rows(count: int, labels: tuple = ("bad", "good"), start: int = 0) -> dict[str, list]:
    """Rows whose labels take turns."""
    rows = range(start, start + count)
    return {"text": [f"text {row}" for row in rows], "label": [labels[row % len(labels)] for row in rows]}


def write(path: Path, rows: dict[str, list]) -> Path:
    """A file of the kind that its name says."""
    frame = pd.DataFrame(rows, dtype=object)
    if ".json" in path.name:
        frame.to_json(path, orient="records", lines=".jsonl" in path.name)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


def names_of(splits: DatasetDict) -> list[str]:
    return splits["train"].features["label"].names


# ----------------------------------------------------------------------------------------------------------- real data


@pytest.mark.parametrize("name", ["imdb", "tweets"])
def test_splits_of_the_real_data_are_those_of_version_0_1(shared: Path, name: str):
    expected = json.loads((Path(__file__).parent / "data" / "oracle.json").read_text())["data"][name]
    folder = shared / "hub" / "datasets" / DATASETS[name].path
    stored = datasets.load_dataset(str(folder), DATASETS[name].config_name, split="train")["label"][:]
    for kind, fractions in (("official", None), ("report", DATASETS[name].report_fractions)):
        splits = DATASETS[name].load(folder, fractions)
        held_out = expected[kind].pop("held_out", {})
        for split, wanted in expected[kind].items():
            assert data.summarize_split(splits[split]) | wanted == data.summarize_split(splits[split])
        sizes = [part["rows"] for part in held_out.values()]
        parts = cut(stored, [len(stored) - sum(sizes), *sizes], 42, stretches=kind == "official")[1:]
        for part, wanted in zip(parts, held_out.values(), strict=True):
            assert hashlib.sha256(json.dumps(part.tolist()).encode()).hexdigest() == wanted["sha256"]
        assert not {*splits["unsupervised"]["text"]} & {*splits["test"]["text"]}
    assert names_of(splits) == ["negative", "neutral", "positive"][:: 2 if name == "imdb" else 1]


def test_raw_files_of_the_benchmarks(shared: Path):
    reviews, tweets = (
        named_data.load_imdb(shared / "raw" / "aclImdb"),
        named_data.load_tweets(shared / "raw" / "semeval"),
    )
    assert [len(reviews[split]) for split in ("train", "validation", "test", "unsupervised")] == [180, 20, 100, 50]
    assert sum(map(len, tweets.values())) == 4_240


# ------------------------------------------------------------------------------------------------------------- sources


def test_a_table_is_read_by_its_columns_and_said_to_be(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows = make_rows(412, ("None", "NA", "1", "null", "true", "01"))
    rows["text"][3], rows["label"][4], rows["label"][5] = " ", "", "lonely"
    path = write(tmp_path / "tickets.csv", {"id": rows["text"], "body": rows["text"], "team": rows["label"]})
    with caplog.at_level("INFO", "hf_lstm_attn"):
        splits = load_data(path, text_column="body", label_column="team")
    assert names_of(splits) == ["01", "1", "NA", "None", "lonely", "null", "true"]
    assert [len(splits[split]) for split in ("train", "validation", "test")] == [328, 41, 41]
    assert 4 in splits["train"]["label"]  # the only row of its class
    for words in (
        "tickets.csv",
        "body",
        "team",
        "7 labels",
        "410 rows",
        "1 skipped (no text)",
        "has the label 'lonely'",
    ):
        assert words in caplog.text


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.json", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_file_may_have_any_of_the_usual_forms(tmp_path: Path, name: str):
    expected = load_data(Dataset.from_dict(make_rows(40)))
    splits = load_data(write(tmp_path / name, make_rows(40)))
    assert all(fingerprint(splits[split]) == fingerprint(expected[split]) for split in expected)


def test_splits_may_come_as_files_frames_or_data_sets(tmp_path: Path):
    train, test = write(tmp_path / "a.csv", make_rows(20)), write(tmp_path / "b.jsonl", make_rows(8, start=20))
    frame = pd.DataFrame(make_rows(8, start=20))
    for source in ({"train": train, "test": test}, {"train": train, "test": frame}):
        assert [*load_data(source)["test"]["text"]] == make_rows(8, start=20)["text"]
    own = DatasetDict(train=Dataset.from_dict(make_rows(20, (0, 1)), CLASSES), dev=Dataset.from_dict({"text": ["x"]}))
    assert names_of(load_data(own)) == ["positive", "negative"]
    assert load_data({"test": Dataset.from_dict(make_rows(9, (0, 1, -1)), CLASSES)})["test"].num_rows == 6


def test_a_quote_in_a_tsv_file_joins_no_rows(tmp_path: Path):
    rows = make_rows(30)
    rows["text"][4], rows["text"][9] = '"torn', 'torn "quote"'
    pd.DataFrame(rows).to_csv(tmp_path / "a.tsv", sep="\t", index=False, quoting=3, escapechar="\0", quotechar="\1")
    splits = load_data(tmp_path / "a.tsv")
    assert sorted(text for part in splits.values() for text in part["text"]) == sorted(rows["text"])


def test_a_delimiter_may_be_said(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("label;text\n" + "good;one, two\nbad;three\n" * 10)
    assert {*load_data(path, delimiter=";")["train"]["text"]} == {"one, two", "three"}


def test_folder_in_hub_layout(tmp_path: Path):
    for split, count in (("train", 40), ("test", 8)):
        write(tmp_path / f"{split}.jsonl", make_rows(count, (0, 1), start=count))
    write(tmp_path / "unsupervised.jsonl", {"text": ["new", "TEXT  8", ""], "label": [-1, -1, -1]})
    files = "".join(f"  - split: {name}\n    path: {name}.jsonl\n" for name in ("train", "test", "unsupervised"))
    names = "      class_label:\n        names:\n          '0': positive\n          '1': negative\n"
    features = f"  features:\n  - name: text\n    dtype: string\n  - name: label\n    dtype:\n{names}"
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}dataset_info:\n{features}---\n"
    (tmp_path / "README.md").write_text(card)
    splits = load_data(tmp_path)
    assert names_of(splits) == ["positive", "negative"]
    assert [*splits["test"]["text"]] == make_rows(8, start=8)["text"]
    assert splits["unsupervised"][:] == {"text": ["new"]}


def test_data_without_labels_keep_their_texts(tmp_path: Path):
    splits = load_data(write(tmp_path / "a.csv", {"text": ["one", "two", ""]}), label_column=None)
    assert {split: part[:] for split, part in splits.items()} == {"train": {"text": ["one", "two"]}}


def test_raw_files_of_both_splits_stay_apart(tmp_path: Path):
    lines = [f'{row}\t{("positive", "neutral", "negative")[row % 3]}\t"it\\u2019s ""{row}"""\n' for row in range(60)]
    (tmp_path / "2016train-A.txt").write_text("".join(lines[:50]) + "9\tneutral\tNot Available\n")
    (tmp_path / "2016test-A.txt").write_text("".join(lines[50:]) + "-1\tbad\n0\tso so\t\n")
    (tmp_path / "readme.txt").write_text("About these files.")
    splits = named_data.load_tweets(tmp_path)
    assert [len(splits[split]) for split in ("train", "validation", "test")] == [45, 5, 12]
    assert splits["test"][0] == {"text": 'it\u2019s "50"', "label": 0}
    assert splits["test"]["label"][-2:] == [0, 1]


# -------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((1, 0), ["0", "1"]),
        ((10, 9, None), ["9", "10"]),
        ((1.0, 2.5, float("nan")), ["1", "2.5"]),
        (("01", "1"), ["01", "1"]),
        ((-1, 0, 1), ["-1", "0", "1"]),
        (("Good", "good", " bad "), ["Good", "bad", "good"]),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_labels_are_named_by_themselves(tmp_path: Path, name: str, labels: tuple, names: list[str]):
    assert names_of(load_data(write(tmp_path / name, make_rows(30, labels)))) == names


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("body,team\na,b\n", r"No column 'text' in a\.csv \(columns: body, team\).*text_column"),
        ("", "a.csv"),
        ("text,label\n", "a.csv"),
        ("text,label\n" + "a,\n,b\n" * 9, r"18 skipped|9 skipped \(no label\)"),
        ("text,label\n" + "a,b\n" * 9, "labels"),
        ("text,label\na,x\nb,y\n", "rows"),
        ("text,label\n" + "a,1\nb,1.0\n" * 9, "labels"),
        ("text,label\n" + 'a,"x,y"\nb,x\nc,y\n' * 9, "label_delimiter=','"),
        ("text,label\n" + "so, so,bad\nwell, well,good\n" * 9, "more fields"),
        ('text,label\na,b\n"c,d\n', "a.csv"),
    ],
)
def test_files_that_cannot_serve_are_refused(tmp_path: Path, content: str, words: str):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        load_data(tmp_path / "a.csv")


@pytest.mark.parametrize("source", ["none.csv", "/none/at all", "imbd", "nobody/nothing"])
def test_what_is_not_there_is_said_so(source: str):
    with pytest.raises(FileNotFoundError, match=source):
        load_data(source)


# ------------------------------------------------------------------------------------------------------------ hold-out


@pytest.mark.parametrize("counts", [(90, 10), (500, 300, 7), (1000, 1)])
def test_held_out_splits_have_the_shares_of_train(counts: tuple[int, ...]):
    rows = [(f"{label} {row}", f"l{label}") for label, count in enumerate(counts) for row in range(count)]
    dataset = Dataset.from_dict({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    splits, again, other = load_data(dataset), load_data(dataset), load_data(dataset, seed=1)
    for part in (splits["validation"], splits["test"]):
        assert all(abs(part["label"][:].count(label) - count / 10) <= 1 for label, count in enumerate(counts))
    assert sorted(text for part in splits.values() for text in part["text"]) == sorted(text for text, _ in rows)
    assert [fingerprint(splits[split]) for split in splits] == [fingerprint(again[split]) for split in splits]
    assert {*splits["test"]["text"]} != {*other["test"]["text"]}
    assert "test" not in load_data(dataset, test_fraction=0)


def test_stretches_keep_neighbours_together():
    part = sorted(cut([0] * 50 + [1] * 50, [90, 10], 0, stretches=True)[1])
    assert pd.Series(part).diff().gt(1).sum() <= 3


# ------------------------------------------------------------------------------------- fingerprints, escapes, the names


def test_fingerprints_and_summaries():
    dataset = Dataset.from_dict({"text": ["é", "b"], "label": [1, 0]}, CLASSES)
    assert fingerprint(dataset) == hashlib.sha256("1 2 é0 1 b".encode()).hexdigest()
    assert fingerprint(dataset.select_columns("text")) == hashlib.sha256("2 é1 b".encode()).hexdigest()
    assert data.summarize_split(dataset.select([0]))["labels"] == {"positive": 0, "negative": 1}


@pytest.mark.parametrize(
    ("stored", "posted"),
    [
        (r"can\u2019t \ud83d\ude00", "can\u2019t \U0001f600"),
        (r"\ud83d\u000a\u00zz", r"\ud83d \u00zz"),
        ("&amp;lt;3 &#39;", "<3 '"),
        ('"a ""b"" c"', 'a "b" c'),
        (r"say \"yes\"", 'say "yes"'),
        ('"torn', "torn"),
        ('"a" and "b"', '"a" and "b"'),
        ("late\tMon Dec 28 14:27:59 +0000 2015", "late"),
    ],
)
def test_escapes_are_undone(stored: str, posted: str):
    assert named_data.undo_escapes(stored) == posted


@pytest.mark.parametrize("name", ["reviews", "tweets"])
def test_samples_have_names_and_fractions(name: str):
    sample = DATASETS[f"sample-{name}"]
    assert sample.synthetic
    assert fingerprint(sample.load()["train"]) == fingerprint(named_data.load_sample(name)["train"])
    assert len(sample.load(fractions=sample.report_fractions)["train"]) == 960
    assert DATASETS["imdb"].path == "stanfordnlp/imdb"
