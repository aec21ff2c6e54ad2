"""The benchmark of small tasks (scripts/benchmark_suite.py) on two tiny ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import benchmark_suite
import suite_results

WORDS = {"good": "fine lovely great", "bad": "dull poor awful", "so": "plain usual middling"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two tasks of two and three labels, in which a word tells the label."""
    for task, labels in {"verdicts": ["good", "bad"], "shades": ["good", "bad", "so"]}.items():
        folder = tmp_path / "data" / task
        folder.mkdir(parents=True)
        rows = [
            {"text": f"a {word} film about {number}", "label": label}
            for number in range(8)
            for label in labels
            for word in WORDS[label].split()
        ]
        pd.DataFrame(rows).to_parquet(folder / "train-00000-of-00001.parquet")
        pd.DataFrame(rows[::5]).to_parquet(folder / "test-00000-of-00001.parquet")
    return tmp_path / "data"


def test_tables_of_two_tasks(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "suite.json"
    command = ["--data", str(data), "--n", "40", "--seeds", "42", "-o", str(file)]
    command += ["--systems", "lstm-attn", "tfidf", "words-chars", "majority"]
    benchmark_suite.main([*command, "--recipe", "small", "--set", "num_train_epochs=1"])
    tables = capsys.readouterr().out
    assert "| tfidf | " in tables
    assert "| mean | " in tables
    record = json.loads(file.read_text("utf-8"))
    scores = {(cell["task"], cell["system"]): cell["macro_f1"] for cell in record["cells"].values()}
    assert {system for _, system in scores} >= {"lstm-attn (small, num_train_epochs=1)", "tfidf", "words-chars"}
    for task in ("verdicts", "shades"):
        assert scores[task, "tfidf"] == 1 > scores[task, "majority"]
    benchmark_suite.main([*command, "--recipe", "small", "--set", "num_train_epochs=1"])
    assert capsys.readouterr() == (tables, ""), "stored results were computed again"
    with pytest.raises(ValueError, match="validation"):
        benchmark_suite.main([*command, "--validation"])


def test_validation_leaves_test_unread(data: Path, tmp_path: Path) -> None:
    for path in data.rglob("test-*"):
        path.unlink()
    file = tmp_path / "suite.json"
    command = ["--data", str(data), "--systems", "tfidf", "majority", "--n", "all", "--validation", "-o", str(file)]
    benchmark_suite.main(command)
    truth = {name: task["truth"].split() for name, task in json.loads(file.read_text("utf-8"))["tasks"].items()}
    assert {name: len(ids) for name, ids in truth.items()} == {"verdicts": 10, "shades": 14}  # a fifth


def test_tweet_eval_is_scored_by_its_own_metrics() -> None:
    truth, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 0])
    labels = ["irony", "other", "third"]
    found = {
        task: suite_results.score_tweets(task, truth, predicted, labels) for task in ("hate", "irony", "sentiment")
    }
    assert found["hate"] == pytest.approx(100 * f1_score(truth, predicted, average="macro"))
    assert found["irony"] == pytest.approx(100 * 2 * 2 / (3 + 3))
    assert found["sentiment"] == pytest.approx(100 * np.mean([2 / 3, 1 / 2, 0]))


def test_macro_f1_and_its_interval() -> None:
    generator = np.random.default_rng(0)
    truths = [generator.integers(4, size=60) for _ in range(3)]
    guesses = [generator.integers(5, size=60) for _ in range(3)]
    for truth, guess in zip(truths, guesses, strict=True):
        expected = f1_score(truth, guess, average="macro")
        assert suite_results.compute_macro_f1(truth, guess) == pytest.approx(expected)
    predictions = [[[truth], [guess, guess]] for truth, guess in zip(truths, guesses, strict=True)]
    draws = suite_results.bootstrap_means(truths, predictions)
    assert (draws[:, 0] == 1).all()  # perfect on whatever rows
    assert np.percentile(draws[:, 1], 97.5) < 0.5
