from __future__ import annotations

import ast
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load

from hf_lstm_attn.model_card import render_card, save_card, save_figures

METRICS = {"loss": 0.5, "accuracy": 0.75, "precision": 0.5, "recall": 1.0, "f1": 0.6667, "macro_recall": 0.625}
INTERVAL = {"mean": 0.25, "low": 0.125, "high": 0.375}
SPLITS = ("train", "validation", "test")


@pytest.fixture
def results() -> dict[str, Any]:
    """All that a finished run records."""
    rows = {"rows": 200, "labels": {"negative": 100, "positive": 100}, "fingerprint": "ab12" * 16}
    scored = {"comprehensiveness": INTERVAL, "sufficiency": INTERVAL, "deletion": [0.9, 0.5]}
    measured = {"examples": 50, "methods": {"leave_one_out": scored}}
    reliability = {"expected_calibration_error": 0.1, "bins": [{"confidence": 0.9, "accuracy": 0.8, "examples": 200}]}
    arguments = {"learning_rate": 0.002, "push_to_hub_token": "hf_secret"}
    model = {"model_type": "lstm_attn", "vocab_size": 30_000, "embedding_size": 128, "hidden_size": 64}
    shape = {"num_hidden_layers": 1, "bidirectional": True, "pooling": "attention+max", "max_position_embeddings": 400}
    examples = [("a gem", "positive", 0.97), ("don't\n---\n```", "negative", 0.6)]
    words = [{"word": "gem", "weight": 0.75}, {"word": "$x^$", "weight": 0.25}]
    name = {"name": "imdb", "hub_id": "stanfordnlp/imdb", "language": "en"}
    origin = {"model_name_or_path": "runs/lm", "perplexity": 60.5, "teachers": ["nb-svm"]}
    return {
        "schema_version": 2,
        "versions": {"python": "3.11.7", "hf_lstm_attn": "0.2.0"},
        "machine": {"processor": "A CPU", "cores": 2, "threads": 2},
        "dataset": {**name, "splits": {split: {**rows, "labels": {**rows["labels"]}} for split in SPLITS}},
        "labels": ["negative", "positive"],
        "model": {**model, **shape, "parameters": 4_000_000},
        "training": {"recipe": "default", "seed": 42, "seconds": 90.0, "arguments": arguments, "origin": origin},
        "epochs": [{"epoch": float(n), "step": 10 * n, "train": METRICS, "validation": METRICS} for n in (1, 2)],
        "best_step": 20,
        "metric_for_best_model": "f1",
        "temperature": 1.25,
        "metrics": dict.fromkeys(SPLITS, METRICS),
        "confusion": {"test": [[50, 50], [0, 100]]},
        "reliability": {"test": {"as trained": reliability, "calibrated": reliability}},
        "examples": [{"text": text, "label": label, "score": p, "words": words} for text, label, p in examples],
        "audit": {**measured, "deletion_percentages": [0, 100], "caption": "A caption."},
    }


def test_metadata_is_what_the_hub_reads(results: dict[str, Any], tmp_path: Path) -> None:
    save_card(results, tmp_path, repo_id="you/film-mood", license="mit")
    data = metadata_load(tmp_path / "README.md")
    assert (data["license"], data["language"], data["datasets"]) == ("mit", "en", ["stanfordnlp/imdb"])
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-classification")
    assert data["widget"][0] == {"text": "a gem", "output": [{"label": "positive", "score": 0.97}]}
    (index,) = data["model-index"]
    found = {metric["name"]: metric["value"] for metric in index["results"][0]["metrics"]}
    assert (index["name"], found) == ("film-mood", {name: METRICS[name] for name in METRICS if name != "loss"})
    del results["metrics"]["test"]
    data = ModelCard(render_card(results)).data.to_dict()
    assert not {"license", "model-index", "model_name"} & set(data)
    assert ModelCard(render_card(results | {"license": "cc-by-4.0"})).data.license == "cc-by-4.0"


def test_body_says_what_the_results_say(results: dict[str, Any]) -> None:
    card = render_card(results, repo_id="you/film-mood")
    assert "| test | 200 | 0.5000 | 0.7500 |" in card
    assert "| train | 200 | 100 | 100 | ab12ab12ab12ab12" in card
    assert "| leave_one_out | 0.250 (0.125 to 0.375) |" in card
    for part in ("nb-svm", "runs/lm", "60.5", "1.250", "--calibrated", "| learning_rate | 0.002 |", "first 400 tokens"):
        assert part in card
    assert "hf-lstm-attn verify you/film-mood" in card
    assert "hf_secret" not in card


@pytest.mark.parametrize("part", ["all", *"versions machine dataset labels model training epochs metrics".split()])
def test_what_was_not_recorded_is_not_mentioned(results: dict[str, Any], part: str) -> None:
    card = render_card({"schema_version": 2} if part == "all" else results | {part: None})
    assert "## Limits" in card
    assert not re.search(r"None|Undefined|\{\{|\{%", card)


def test_results_of_another_schema_are_refused(results: dict[str, Any]) -> None:
    for other in ({"request": {}}, {**results, "schema_version": 3}):
        with pytest.raises(ValueError, match="schema version"):
            render_card(other)


def test_hostile_names_stay_text(results: dict[str, Any]) -> None:
    names = ["a|b <script>alert(1)</script>", "[x](http://y) `c` **d** __e__\n# f \u202e www.z.de"]
    results["labels"] = names
    results["dataset"]["name"] = results["training"]["origin"]["model_name_or_path"] = names[1]
    results["dataset"]["splits"]["test"]["labels"] = dict.fromkeys(names, 1)
    results["examples"][0] |= {"label": names[0], "text": "\"'$(x)` \n```\n# no\n---\n{{ 1 }}"}
    card = ModelCard(render_card(results))
    assert card.data.widget[0]["output"][0]["label"] == names[0]
    (code,) = re.findall(r"```python\n(.*?)\n```\n", card.text, re.DOTALL)
    ast.parse(code)
    prose = re.sub(r"```.*?\n```\n", "", card.text, flags=re.DOTALL)
    for acting in ("<script>", "](http:", "`c`", "**d**", "__e__", "\u202e", "www.z", "\n# f", "\n# no"):
        assert acting not in prose
    assert "| test | 200 | 1 | 1 | ab12" in prose


def test_figures_are_drawn_and_one_that_fails_is_a_warning(
    results: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results["confusion"]["test"] = [["no number"]]
    with caplog.at_level(logging.WARNING, "hf_lstm_attn"):
        save_figures(results, tmp_path)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {f"{name}.png" for name in "curves reliability heatmap_1 heatmap_2 audit".split()}
    assert "confusion.png" in caplog.text
    save_card(results, tmp_path)
    assert set(re.findall(r"\]\((\w+\.png)\)", (tmp_path / "README.md").read_text(encoding="utf-8"))) == drawn


def test_figures_are_bounded_and_few_rows_have_no_reliability(results: dict[str, Any], tmp_path: Path) -> None:
    results["examples"] *= 50
    results["reliability"]["test"]["as trained"]["bins"][0]["examples"] = 199
    save_figures(results, tmp_path)
    assert len([*tmp_path.glob("heatmap_*.png")]) == 3
    assert not (tmp_path / "reliability.png").exists()
