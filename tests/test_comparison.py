from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hf_lstm_attn.cli import main
from hf_lstm_attn.comparison import Comparison, build_tables, rank, render_markdown
from hf_lstm_attn.nb_svm import NbSvm, compute_log_ratio
from hf_lstm_attn.plots import plot_comparison

TINY = ["--limit", "60", "--epochs", "1", "--hidden-size", "8", "--embedding-size", "8", "--word-vectors", "none"]


def test_nb_svm_ratios_by_hand() -> None:
    model = NbSvm().fit([["a", "b"], ["b"]], [1, 0])
    ngrams = model.vectorizer.vocabulary_
    assert set(ngrams) == {"a", "b", "a b"}
    ratios = compute_log_ratio(model.vectorizer.transform([["a", "b"], ["b"]]), np.array([True, False]))
    # Counts with one added: in class 1, a 2, b 2, "a b" 2 of 6; outside it, a 1, b 2, "a b" 1 of 4.
    expected = {"a": (2 / 6) / (1 / 4), "b": (2 / 6) / (2 / 4), "a b": (2 / 6) / (1 / 4)}
    for ngram, ratio in expected.items():
        assert ratios[ngrams[ngram]] == pytest.approx(math.log(ratio))
    assert model.count_parameters() == 3 + 1
    assert model.count_bytes() == len("a\nb\na b\n") + 4 * 4


@pytest.mark.parametrize("classes", [2, 3])
def test_nb_svm_learns_what_order_decides(classes: int) -> None:
    texts = [["not", "good"], ["good", "not"], ["so", "so"]][:classes] * 10
    labels = [0, 1, 2][:classes] * 10
    scores = NbSvm().fit(texts, labels).compute_log_probabilities(texts)
    assert scores.argmax(-1).tolist() == labels
    assert np.exp(scores).sum(axis=1).tolist() == pytest.approx([1.0] * len(texts))


def test_nb_svm_stays_finite_where_every_class_seems_impossible() -> None:
    model = NbSvm().fit([["a"], ["b"], ["c"]], [0, 1, 2])
    model.biases -= 1_000
    scores = model.compute_log_probabilities([["a"]])
    assert np.isfinite(scores).all()
    assert np.exp(scores).sum() == pytest.approx(1)


def test_rank_by_hand() -> None:
    assert rank([0.5, 0.9, 0.7], "f1") == [2, 0, 1]
    assert rank([0.5, 0.9, 0.7], "loss") == [0, 2, 1]
    assert rank([0.7, 0.7, 0.1], "accuracy") == [0, 0, 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare") / "runs"
    assert main(["compare", "sample-tweets", "--protocol", "report", "--seeds", "2", "-o", str(folder), *TINY]) == 0
    return folder


def test_compare_holds_the_figures_of_its_runs(folder: Path) -> None:
    comparison = Comparison(**json.loads((folder / "comparison.json").read_text()))
    assert list(comparison.models) == ["FFNN", "RNN", "LSTM + attention", "NB-SVM"]
    assert comparison.dataset["synthetic"]
    tests = [json.loads((folder / f"lstm_attn-{seed}" / "results.json").read_text())["test"] for seed in (42, 43)]
    model = comparison.models["LSTM + attention"]
    assert model["test"]["f1"] == pytest.approx((tests[0]["f1"] + tests[1]["f1"]) / 2)
    assert model["spread"]["test"]["f1"] == pytest.approx(abs(tests[0]["f1"] - tests[1]["f1"]) / math.sqrt(2))
    assert model["bytes"] == (folder / "lstm_attn-42" / "model.safetensors").stat().st_size
    assert (folder / "comparison.png").stat().st_size > 10_000
    markdown = (folder / "comparison.md").read_text()
    assert markdown == render_markdown(comparison)
    assert "synthetic" in markdown
    assert f"{model['test']['f1']:.4f} ± {model['spread']['test']['f1']:.4f}" in markdown


def test_best_and_worst_are_marked_and_the_reports_figures_stand_beneath(folder: Path) -> None:
    comparison = Comparison(**json.loads((folder / "comparison.json").read_text()))
    for number, name in enumerate(("FFNN", "RNN", "LSTM + attention")):
        comparison.models[name]["test"] |= {"loss": 0.1 * number, "f1": 0.1 * number}
    comparison.reported = {"RNN": {"test": {"accuracy": 0.5375}}}
    rows = [row for row in build_tables(comparison)[0] if row[1] == "test"]
    marks = {name: (cells[0][-1], cells[4][-1]) for name, _, *cells in rows if "report" not in name}
    assert marks == {"FFNN": ("▲", "▼"), "RNN": ("●", "●"), "LSTM + attention": ("▼", "▲"), "NB-SVM": (" ", " ")}
    names = [row[0] for row in rows]
    assert names.index("RNN, the report") == names.index("RNN") + 1
    assert "0.5375" in rows[names.index("RNN, the report")][3]
    figure = plot_comparison(vars(comparison))
    assert figure.legends[0].get_texts()[-1].get_text() == "the report's figure"


def test_compare_resumes_and_is_not_overwritten_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "sample-tweets", "--protocol", "report", "--seeds", "2", "-o", str(folder), *TINY]
    before = (folder / "lstm_attn-42" / "model.safetensors").stat().st_mtime_ns
    assert main(command) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert (folder / "lstm_attn-42" / "model.safetensors").stat().st_mtime_ns == before
