"""The embedded samples: the committed bytes are what the script writes, load offline, and defeat a bag of words."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "hf_lstm_attn" / "samples"
LABELS = {"reviews": ["negative", "positive"], "tweets": ["negative", "neutral", "positive"]}
TOKEN = re.compile(r"https?://\S+|[@#]?\w+|[^\w\s]")


def load_rows(name: str, split: str) -> list[tuple[str, int]]:
    lines = (SAMPLES / name / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["text"], row["label"]) for row in map(json.loads, lines)]


def tokenize(text: str) -> list[str]:
    return TOKEN.findall(text.lower())


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "make_samples.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


def test_committed_files_are_what_the_script_writes() -> None:
    finished = run_script("--check")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("changed", ["reviews/test.jsonl", "tweets/README.md"])
def test_check_names_a_file_that_drifted(tmp_path: Path, changed: str) -> None:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    path = tmp_path / "samples" / changed
    path.write_bytes(path.read_bytes() + b"\n")
    finished = run_script("--check", "--output", str(tmp_path / "samples"))
    assert finished.returncode == 1
    assert str(path) in finished.stderr
    assert finished.stderr.count(str(tmp_path)) == 1


@pytest.mark.parametrize("name", LABELS)
def test_folder_loads_with_named_classes(tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(SAMPLES / name), cache_dir=str(tmp_path))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 1200, "test": 300}
    assert loaded["train"].features["label"].names == LABELS[name]
    assert loaded["test"][0] == dict(zip(("text", "label"), load_rows(name, "test")[0], strict=True))


@pytest.mark.parametrize("name", LABELS)
def test_card_says_synthetic_and_counts_the_rows(name: str) -> None:
    card = pytest.importorskip("huggingface_hub").DatasetCard.load(SAMPLES / name / "README.md")
    assert card.data.tags == ["synthetic"]
    assert card.data.license == "apache-2.0"
    assert "This data set is synthetic" in card.text
    for split in ("train", "test"):
        counts = Counter(label for _, label in load_rows(name, split))
        cells = [counts[label] for label in sorted(counts)] + [counts.total()]
        assert f"| {split} | {' | '.join(map(str, cells))} |" in card.text


@pytest.mark.parametrize("name", LABELS)
def test_no_text_occurs_twice(name: str) -> None:
    texts = [text.lower() for split in ("train", "test") for text, _ in load_rows(name, split)]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


@pytest.mark.parametrize(("name", "shortest", "longest"), [("reviews", 10, 60), ("tweets", 5, 25)])
def test_texts_are_well_formed(name: str, shortest: int, longest: int) -> None:
    for split in ("train", "test"):
        for text, _ in load_rows(name, split):
            assert shortest <= len(text.split()) <= longest, text
            assert not re.search(r"[{}]|\s\s|\ba [aeiou]|\ban [^aeiou]", text), text
            assert set(re.findall(r"@\w+", text)) <= {"@user"}, text
            assert set(re.findall(r"https?://[^/\s]+", text)) <= {"https://example.com"}, text


@pytest.mark.parametrize(("name", "share"), [("reviews", 0.65), ("tweets", 0.75)])
def test_most_opinions_have_a_twin_of_the_same_words_and_the_opposite_label(name: str, share: float) -> None:
    for split in ("train", "test"):
        opinions = [row for row in load_rows(name, split) if LABELS[name][row[1]] != "neutral"]
        bags: dict[tuple[str, ...], set[int]] = {}
        for text, label in opinions:
            bags.setdefault(tuple(sorted(re.findall(r"\w+", text.lower()))), set()).add(label)
        twins = sum(len(bags[tuple(sorted(re.findall(r"\w+", text.lower())))]) == 2 for text, _ in opinions)
        assert twins / len(opinions) >= share


@pytest.mark.parametrize("name", LABELS)
def test_training_words_cover_the_test_split(name: str) -> None:
    counts = Counter(token for text, _ in load_rows(name, "train") for token in tokenize(text))
    tokens = [token for text, _ in load_rows(name, "test") for token in tokenize(text)]
    assert sum(counts[token] >= 5 for token in tokens) / len(tokens) >= 0.95


@pytest.mark.parametrize(("name", "bound"), [("reviews", 0.75), ("tweets", 0.80)])
def test_a_bag_of_words_cannot_solve_the_task(name: str, bound: float) -> None:
    """Macro-recall of a linear classifier on single words; reviews are balanced, so there it equals the accuracy."""
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import recall_score
    from sklearn.pipeline import make_pipeline

    (train_texts, train_labels), (test_texts, test_labels) = (
        zip(*load_rows(name, split), strict=True) for split in ("train", "test")
    )
    classifier = make_pipeline(
        TfidfVectorizer(token_pattern=TOKEN.pattern), LogisticRegression(C=10.0, max_iter=2000, random_state=0)
    )
    classifier.fit(train_texts, train_labels)
    recall = recall_score(test_labels, classifier.predict(test_texts), average="macro")
    assert 0.5 <= recall < bound
