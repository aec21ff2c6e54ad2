"""Data sets of every form, cut into splits by both protocols."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_lstm_attn.data import DATASETS, DatasetSpec, load_split, load_splits, load_unlabelled, resolve_spec

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data beside the checkout")
LABELS = ("negative", "positive")


def make_rows(count: int, labels: tuple[object, ...] = LABELS, start: int = 0) -> list[dict[str, object]]:
    """Rows whose labels take turns."""
    return [{"text": f"text {start + row}", "label": labels[row % len(labels)]} for row in range(count)]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows))
    return path


def write_hub_folder(path: Path, splits: dict[str, int], class_names: tuple[str, ...] = LABELS) -> Path:
    """A folder in Hub layout: JSON lines with integer labels, their names in the card."""
    start = 0
    for split, count in splits.items():
        write_jsonl(path / f"{split}.jsonl", make_rows(count, tuple(range(len(class_names))), start))
        start += count
    names = "".join(f"          '{number}': {name}\n" for number, name in enumerate(class_names))
    (path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n    dtype:\n"
        f"      class_label:\n        names:\n{names}---\n"
    )
    return path


# ------------------------------------------------------------------------------------------------------------ the specs


def test_unknown_name_lists_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"imdb, tweets, sample-reviews, sample-tweets; found 'imbd'.*--data"):
        resolve_spec("imbd")
    with pytest.raises(ValueError, match="found neither"):
        resolve_spec()


def test_a_known_data_set_may_lie_elsewhere(tmp_path: Path) -> None:
    spec = resolve_spec("imdb", data=tmp_path, text_column="review")
    assert spec == replace(DATASETS["imdb"], path=str(tmp_path), text_column="review")
    assert resolve_spec("imdb", data=write_csv(tmp_path / "a.csv", make_rows(2))).unlabelled == ()


@pytest.mark.parametrize(
    ("data", "name"),
    [("my reviews.v2.csv", "my-reviews.v2"), ("some/folder", "folder"), ("owner/name-v1.5", "name-v1.5")],
)
def test_data_of_ones_own_is_named_after_its_path(data: str, name: str) -> None:
    assert resolve_spec(data=data).name == name


@pytest.mark.parametrize("name", ["sample-reviews", "sample-tweets"])
@pytest.mark.parametrize("protocol", ["official", "report"])
def test_embedded_samples_load(name: str, protocol: str) -> None:
    splits = load_splits(DATASETS[name], protocol=protocol)
    assert splits.spec.synthetic
    assert splits.label_names == DATASETS[name].label_names
    assert min(len(splits.train), len(splits.validation), len(splits.test)) > 100


# ----------------------------------------------------------------------------------------------------------- protocols


def test_official_protocol_uses_the_splits_there_are(tmp_path: Path) -> None:
    spec = resolve_spec(data=write_hub_folder(tmp_path, {"train": 40, "validation": 6, "test": 10}))
    splits = load_splits(spec)
    assert splits.train.column_names == ["text", "label"]
    assert sorted(splits.train["text"]) == sorted(f"text {row}" for row in range(40))
    assert list(splits.train["text"]) != [f"text {row}" for row in range(40)]
    assert list(splits.validation["text"]) == [f"text {row}" for row in range(40, 46)]
    assert list(splits.test["text"]) == [f"text {row}" for row in range(46, 56)]
    assert splits.summary["notes"] == []


def test_official_protocol_holds_out_what_is_missing(tmp_path: Path) -> None:
    with_test = load_splits(resolve_spec(data=write_hub_folder(tmp_path / "hub", {"train": 100, "test": 10})))
    assert (len(with_test.train), len(with_test.validation), len(with_test.test)) == (90, 10, 10)
    assert Counter(with_test.validation["label"]) == {0: 5, 1: 5}
    alone = load_splits(resolve_spec(data=write_csv(tmp_path / "a.csv", make_rows(100))))
    assert (len(alone.train), len(alone.validation), len(alone.test)) == (80, 10, 10)
    assert sorted([*alone.train["text"], *alone.validation["text"], *alone.test["text"]]) == sorted(
        f"text {row}" for row in range(100)
    )
    assert alone.summary["notes"] == [
        f"{split}: a stratified 10% of the stored train" for split in ("validation", "test")
    ]


def test_grouped_data_keep_their_groups_together(tmp_path: Path) -> None:
    rows = [{"text": f"{label} film {row // 10} review {row}", "label": label} for label in "np" for row in range(500)]
    spec = replace(resolve_spec(data=write_jsonl(tmp_path / "a.jsonl", rows)), grouped=True)
    splits = load_splits(spec)
    films = {
        split: {text[: text.index(" review")] for text in part["text"]}
        for split, part in (("train", splits.train), ("validation", splits.validation))
    }
    assert Counter(splits.validation["label"]) == {0: 50, 1: 50}
    assert len(films["validation"] & films["train"]) <= 4  # two labels, two ends of a stretch
    assert splits.summary["notes"][0] == "validation: a stratified 10% of the stored train, one stretch per label"
    assert set(load_splits(spec, seed=1).validation["text"]) != set(splits.validation["text"])
    report = load_splits(spec, protocol="report")
    assert "one stretch" not in report.summary["notes"][0]


def test_report_protocol_cuts_train_anew(tmp_path: Path) -> None:
    spec = resolve_spec(data=write_hub_folder(tmp_path, {"train": 200, "validation": 6, "test": 10}))
    three = load_splits(spec, protocol="report")
    assert (len(three.train), len(three.validation), len(three.test)) == (160, 20, 20)
    assert not {*three.test["text"]} & {f"text {row}" for row in range(200, 216)}
    assert "stored test: unused" in three.summary["notes"]
    two = load_splits(replace(spec, report_fractions=(0.8, 0.2)), protocol="report")
    assert (len(two.train), len(two.validation)) == (160, 40)
    assert list(two.test["text"]) == [f"text {row}" for row in range(206, 216)]


def test_report_protocol_needs_the_test_split_it_reports_on(tmp_path: Path) -> None:
    spec = replace(resolve_spec(data=write_csv(tmp_path / "a.csv", make_rows(50))), report_fractions=(0.8, 0.2))
    with pytest.raises(ValueError, match=r"Expected a test split.*found train.*'official'"):
        load_splits(spec, protocol="report")


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    spec = resolve_spec(data=write_csv(tmp_path / "a.csv", make_rows(100)))
    first, again, other = (load_splits(spec, seed=seed) for seed in (1, 1, 2))
    assert first.summary == again.summary
    assert list(first.train["text"]) == list(again.train["text"])
    assert set(first.test["text"]) != set(other.test["text"])


@pytest.mark.parametrize("counts", [(90, 10), (500, 300, 7), (1000, 1), (33, 33, 34)])
def test_held_out_splits_have_the_shares_of_train(tmp_path: Path, counts: tuple[int, ...]) -> None:
    rows = [
        {"text": f"{label} {row}", "label": f"l{label}"} for label, count in enumerate(counts) for row in range(count)
    ]
    random.Random(0).shuffle(rows)
    splits = load_splits(resolve_spec(data=write_jsonl(tmp_path / "a.jsonl", rows)))
    for part in (splits.validation, splits.test):
        found = Counter(part["label"])
        assert all(abs(found[label] - count / 10) <= 1 for label, count in enumerate(counts))


def test_limit_keeps_order_and_shares(tmp_path: Path) -> None:
    splits = load_splits(resolve_spec(data=write_hub_folder(tmp_path, {"train": 100, "test": 100})), limit=8)
    assert [Counter(part["label"]) for part in (splits.train, splits.validation, splits.test)] == [{0: 4, 1: 4}] * 3
    numbers = [int(text.split()[1]) for text in splits.test["text"]]
    assert numbers == sorted(numbers)


# ---------------------------------------------------------------------------------------------------------- the summary


def test_summary_counts_and_is_ready_for_json(tmp_path: Path) -> None:
    splits = load_splits(resolve_spec(data=write_hub_folder(tmp_path, {"train": 30, "test": 10})))
    assert json.loads(json.dumps(splits.summary)) == splits.summary
    assert splits.summary["splits"]["test"]["rows"] == 10
    assert splits.summary["splits"]["test"]["labels"] == {"negative": 5, "positive": 5}
    assert splits.summary["malformed"] == {"count": 0, "first_lines": []}


def test_fingerprint_tells_texts_and_labels_apart(tmp_path: Path) -> None:
    def compute_fingerprint(rows: list[dict[str, object]]) -> str:
        write_jsonl(tmp_path / "test.jsonl", rows)
        return load_splits(resolve_spec(data=tmp_path)).summary["splits"]["test"]["fingerprint"]

    write_jsonl(tmp_path / "train.jsonl", make_rows(30))
    rows = make_rows(10)
    plain = compute_fingerprint(rows)
    assert re.fullmatch("[0-9a-f]{64}", plain)
    assert compute_fingerprint(rows) == plain
    assert compute_fingerprint(rows[::-1]) != plain
    assert compute_fingerprint([rows[0] | {"label": "positive"}, *rows[1:]]) != plain
    assert compute_fingerprint([rows[0] | {"text": "text 0 "}, *rows[1:]]) != plain


def test_duplicates_across_splits_are_counted_and_kept(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", make_rows(20))
    write_jsonl(tmp_path / "validation.jsonl", make_rows(4, start=100))
    again = [{"text": "  TEXT\t3 ", "label": "negative"}, {"text": "Text 101", "label": "positive"}]
    write_jsonl(tmp_path / "test.jsonl", [*make_rows(4, start=200), *again])
    splits = load_splits(resolve_spec(data=tmp_path))
    assert splits.summary["duplicates"] == {"train/validation": 0, "train/test": 1, "validation/test": 1}
    assert len(splits.test) == 6


# -------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("pos", "neg"), ("neg", "pos")),
        ((1, 0), ("0", "1")),
        ((10, 9), ("9", "10")),
        ((1.0, 0.0), ("0", "1")),
        ((True, False), ("False", "True")),
        ((-1, 0, 1), ("negative", "neutral", "positive")),
        ((1, 2, 3, 4, 5), ("1", "2", "3", "4", "5")),
    ],
)
def test_labels_without_names_are_named_by_themselves(
    tmp_path: Path, labels: tuple[object, ...], names: tuple[str, ...]
) -> None:
    split = load_split(resolve_spec(data=write_jsonl(tmp_path / "a.jsonl", make_rows(30, labels))), "train")
    assert tuple(split.features["label"].names) == names
    order = sorted(labels)  # type: ignore[type-var]
    assert split["label"] == [order.index(labels[row % len(labels)]) for row in range(30)]


@pytest.mark.parametrize(
    "labels", [("negative", "neutral", "positive"), ("NEGATIVE", "Neutral", " positive "), (0, 1, 2), (-1, 0, 1)]
)
def test_labels_of_a_known_data_set_map_onto_its_names(tmp_path: Path, labels: tuple[object, ...]) -> None:
    spec = resolve_spec("tweets", data=write_jsonl(tmp_path / "a.jsonl", make_rows(30, labels)))
    assert load_split(spec, "train")["label"] == [row % 3 for row in range(30)]


def test_integer_labels_in_parquet_take_the_names_of_the_spec(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": [f"text {row}" for row in range(30)], "label": [0, 1] * 15}), tmp_path / "a.parquet"
    )
    split = load_split(resolve_spec("imdb", data=tmp_path / "a.parquet"), "train")
    assert split.features["label"].names == ["negative", "positive"]
    assert split["label"] == [0, 1] * 15


def test_stored_class_names_are_matched_by_name_then_by_place(tmp_path: Path) -> None:
    turned = write_hub_folder(tmp_path / "turned", {"train": 30, "test": 4}, ("positive", "negative"))
    assert load_split(resolve_spec("imdb", data=turned), "test")["label"] == [1, 0, 1, 0]
    short = write_hub_folder(tmp_path / "short", {"train": 30, "test": 4}, ("neg", "pos"))
    assert load_split(resolve_spec("imdb", data=short), "test")["label"] == [0, 1, 0, 1]
    three = write_hub_folder(tmp_path / "three", {"train": 30, "test": 4}, ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"Expected labels negative, positive in .*; found a, b, c"):
        load_split(resolve_spec("imdb", data=three), "test")


def test_fewer_than_two_labels_are_an_error(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", make_rows(30, ("positive",)))
    with pytest.raises(ValueError, match=r"at least 2 labels.*found positive"):
        load_splits(resolve_spec(data=path))
    with pytest.raises(ValueError, match=r"at least 2 labels.*found only positive"):
        load_splits(resolve_spec("imdb", data=path))


def test_a_label_column_that_never_repeats_is_not_one(tmp_path: Path) -> None:
    rows = [{"text": f"text {row}", "label": f"id {row}"} for row in range(50)]
    with pytest.raises(ValueError, match=r"labels that recur.*found 50.*label_column"):
        load_splits(resolve_spec(data=write_jsonl(tmp_path / "a.jsonl", rows)))


# ------------------------------------------------------------------------------------------------------ malformed lines


def test_a_few_malformed_lines_are_skipped_counted_and_placed(tmp_path: Path) -> None:
    rows = make_rows(300)
    rows[3]["text"] = "  "
    rows[7]["label"] = None
    rows[8]["text"] = None
    del rows[9]["label"]
    rows[11]["label"] = "postive"
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    path.write_text(path.read_text() + "{half a row\n")
    splits = load_splits(resolve_spec("imdb", data=path))
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 295
    assert splits.summary["malformed"] == {
        "count": 6,
        "first_lines": ["a.jsonl:4", "a.jsonl:8", "a.jsonl:9", "a.jsonl:10", "a.jsonl:12"],
    }


@pytest.mark.parametrize(("malformed", "is_error"), [(5, False), (6, True)])
def test_more_than_five_percent_malformed_is_an_error(tmp_path: Path, malformed: int, is_error: bool) -> None:
    rows = make_rows(100)
    for row in range(malformed):
        rows[10 * row]["label"] = "unheard of"
    spec = resolve_spec("imdb", data=write_csv(tmp_path / "a.csv", rows))
    if is_error:
        with pytest.raises(
            ValueError,
            match=r"at most 5%.*negative, positive.*found 6 malformed of 100.*'unheard of'.*a\.csv:2, a\.csv:12",
        ):
            load_splits(spec)
    else:
        assert load_splits(spec).summary["malformed"]["count"] == malformed


def test_swapped_columns_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,text\n" + "".join(f"some text {row},{LABELS[row % 2]}\n" for row in range(50)))
    with pytest.raises(ValueError, match=r"unknown label 'some text 0'.*text_column and label_column"):
        load_splits(resolve_spec("imdb", data=path))


# -------------------------------------------------------------------------------------------------------- forms of data


def test_semeval_folder_is_train_and_its_labels_have_names(tmp_path: Path) -> None:
    words = ("positive", "neutral", "negative")
    lines = [f'{row}\t{words[row % 3]}\t"it\\u2019s ""{row}""' for row in range(60)]
    (tmp_path / "a.txt").write_text("\n".join(lines[:30]))
    (tmp_path / "b.txt").write_text("\n".join([*lines[30:], "99\tneutral\tNot Available"]))
    (tmp_path / "readme.txt").write_text("About these files.")
    for spec in (resolve_spec("tweets", data=tmp_path), resolve_spec(data=tmp_path)):
        splits = load_splits(spec)
        assert splits.label_names == ("negative", "neutral", "positive")
        assert (len(splits.train), len(splits.validation), len(splits.test)) == (48, 6, 6)
        assert splits.summary["malformed"] == {"count": 1, "first_lines": ["b.txt:31"]}
        split = load_split(spec, "train")
        assert split[1] == {"text": 'it\u2019s "1"', "label": 1}


@pytest.mark.parametrize("labels", [("-1", "0", "1"), ("negative", "neutral", "positive")])
@pytest.mark.parametrize("suffix", ["txt", "tsv"])
def test_the_report_own_two_column_form(tmp_path: Path, labels: tuple[str, ...], suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text("".join(f"{labels[row % 3]}\ttext {row}\n" for row in range(30)))
    for spec in (resolve_spec("tweets", data=path), resolve_spec(data=path)):
        split = load_split(spec, "train")
        assert split["label"] == [row % 3 for row in range(30)]
        assert split.features["label"].names == ["negative", "neutral", "positive"]


def test_raw_numbers_mean_the_same_where_no_tweet_is_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{row % 2}\ttext {row}\n" for row in range(30)))
    assert load_split(resolve_spec("tweets", data=path), "train")["label"] == [1 + row % 2 for row in range(30)]


def test_text_file_with_a_header_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text\tstars\tlabel\n" + "".join(f"text {row}\t5\t{LABELS[row % 2]}\n" for row in range(30)))
    assert load_split(resolve_spec(data=path), "train")[1] == {"text": "text 1", "label": 1}
    path.write_text(path.read_text().replace("text\tstars\tlabel", "tweet\tstars\tmood"))
    own = resolve_spec(data=path, text_column="tweet", label_column="mood")
    assert load_split(own, "train")[1] == {"text": "text 1", "label": 1}
    with pytest.raises(ValueError, match="found tweet, stars, mood"):
        load_split(resolve_spec(data=path, text_column="twet"), "train")


def test_acl_imdb_folder(tmp_path: Path) -> None:
    for split, label in (("train", "neg"), ("train", "pos"), ("train", "unsup"), ("test", "neg"), ("test", "pos")):
        (tmp_path / split / label).mkdir(parents=True)
        for number in range(20):
            (tmp_path / split / label / f"{number}_5.txt").write_text(f"{split} {label} No {number}")
    spec = resolve_spec("imdb", data=tmp_path)
    splits = load_splits(spec)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (36, 4, 40)
    assert splits.test[0] == {"text": "test neg No 0", "label": 0}
    assert splits.test[39] == {"text": "test pos No 19", "label": 1}
    assert load_unlabelled(spec, exclude=["TRAIN unsup  no 3"]) == [
        f"train unsup No {number}" for number in range(20) if number != 3
    ]


def test_escapes_are_undone_where_the_spec_says_so(tmp_path: Path) -> None:
    rows = make_rows(30)
    rows[0]["text"] = r"can\u2019t"
    spec = resolve_spec(data=write_jsonl(tmp_path / "a.jsonl", rows))
    assert load_split(spec, "train")[0]["text"] == r"can\u2019t"
    assert load_split(replace(spec, escapes=True), "train")[0]["text"] == "can\u2019t"


def test_load_split_keeps_the_stored_order_and_names_the_splits_there_are(tmp_path: Path) -> None:
    spec = resolve_spec(data=write_hub_folder(tmp_path, {"train": 30, "test": 10}))
    assert load_split(spec, "train")["text"] == [f"text {row}" for row in range(30)]
    with pytest.raises(ValueError, match=r"Expected split 'dev' .*; found train, test\."):
        load_split(spec, "dev")


def test_configurations_are_listed(tmp_path: Path) -> None:
    for name in ("long", "short"):
        write_jsonl(tmp_path / name / "train.jsonl", make_rows(30, (f"{name} a", f"{name} b")))
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/train.jsonl\n" for name in ("long", "short"))
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    with pytest.raises(ValueError, match=r"long, short; found None\. Pass config_name=NAME"):
        load_splits(resolve_spec(data=tmp_path))
    assert load_splits(resolve_spec(data=tmp_path, config_name="short")).label_names == ("short a", "short b")


def test_what_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="found nothing"):
        load_splits(resolve_spec(data=tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="found nothing"):
        load_splits(resolve_spec(data="folder/none.csv"))
    with pytest.raises(FileNotFoundError, match="found no data files"):
        load_splits(resolve_spec(data=tmp_path))
    with pytest.raises(ValueError, match=r"Expected rows in train of .*; found none"):
        load_splits(resolve_spec("imdb", data=write_csv(tmp_path / "a.csv", [])))
    with pytest.raises(ValueError, match=r"every split; found none for validation, test\. Pass more rows"):
        load_splits(resolve_spec(data=write_csv(tmp_path / "b.csv", make_rows(4))))
    with pytest.raises(ValueError, match="official, report; found 'kaggle'"):
        load_splits(DATASETS["sample-reviews"], protocol="kaggle")
    with pytest.raises(ValueError, match="at least 1 row; found 0"):
        load_splits(DATASETS["sample-reviews"], limit=0)


def test_a_hub_that_cannot_be_reached_points_to_a_local_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import config
    from huggingface_hub import constants

    monkeypatch.setattr(config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"nobody/nothing.*--data FOLDER with a local copy"):
        load_splits(resolve_spec(data="nobody/nothing"))


def test_unlabelled_texts_leave_out_the_excluded(tmp_path: Path) -> None:
    write_hub_folder(tmp_path, {"train": 30, "test": 10})
    spec = DatasetSpec(name="own", path=str(tmp_path), unlabelled=((None, "train"),))
    texts = load_unlabelled(spec, exclude=[" Text\n3", "text 5"])
    assert texts == [f"text {row}" for row in range(30) if row not in (3, 5)]
    with pytest.raises(ValueError, match=r"unlabelled texts \(imdb, tweets\), or .*; found sample-reviews"):
        load_unlabelled(DATASETS["sample-reviews"])


def test_no_test_split_serves_word_vectors() -> None:
    assert not [spec.name for spec in DATASETS.values() for _, split in spec.unlabelled if split == "test"]


# -------------------------------------------------------------------------------------------------------- the real data


@needs_shared
def test_real_imdb() -> None:
    spec = resolve_spec("imdb", data=SHARED / "hub/datasets/stanfordnlp/imdb")
    official = load_splits(spec)
    assert {split: part["labels"] for split, part in official.summary["splits"].items()} == {
        "train": {"negative": 11250, "positive": 11250},
        "validation": {"negative": 1250, "positive": 1250},
        "test": {"negative": 2500, "positive": 2500},
    }
    stored = pq.read_table(SHARED / "hub/datasets/stanfordnlp/imdb/plain_text/test-00000-of-00001.parquet")
    assert official.test["text"] == stored["text"].to_pylist()
    assert official.test["label"] == stored["label"].to_pylist()
    report = load_splits(spec, protocol="report")
    assert (len(report.train), len(report.validation), len(report.test)) == (20_000, 2_500, 2_500)


@needs_shared
def test_real_tweets() -> None:
    spec = resolve_spec("tweets", data=SHARED / "hub/datasets/cardiffnlp/tweet_eval")
    splits = load_splits(spec)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (45_611, 2_000, 3_000)
    assert splits.label_names == ("negative", "neutral", "positive")
    assert not [text for text in splits.train["text"] if re.search(r"\\u[0-9a-f]{4}", text)]
    assert len(load_splits(spec, protocol="report").train) == 36_489
    unlabelled = load_unlabelled(spec, exclude=splits.test["text"])
    assert len(unlabelled) > 75_000
    assert not {*unlabelled} & {*splits.test["text"]}


@needs_shared
def test_real_raw_forms() -> None:
    tweets = load_splits(resolve_spec("tweets", data=SHARED / "raw/semeval"))
    assert sum(part["rows"] for part in tweets.summary["splits"].values()) == 4_240
    assert tweets.summary["malformed"]["count"] == 0
    reviews = load_splits(resolve_spec("imdb", data=SHARED / "raw/aclImdb"))
    assert [part["rows"] for part in reviews.summary["splits"].values()] == [180, 20, 100]
