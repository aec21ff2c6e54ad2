"""The code that the design promises, and the five jobs on a public task of 77 classes, through a Hub on loopback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import LoopbackHub, serve_hub  # noqa: F401

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    audit,
    explain,
    load_classifier,
    load_data,
    train_tokenizer,
    verify,
)
from hf_lstm_attn.cli import main
from hf_lstm_attn.inference import predict_logits

TEAMS = ["billing", "delivery", "repair", "returns", "sales", "spam"]


def test_the_code_of_the_design_page_runs(
    shared: Path,
    hub: LoopbackHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f'"{team} please, number {number}",{team}' for team in TEAMS for number in range(30)]
    Path("tickets.csv").write_text("\n".join(["body,team", *rows]) + "\n")
    page = (shared / "design" / "architecture.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert names["model"].num_labels == 6
    assert names["trainer"].results["metrics"]["test"]["accuracy"] > 0.9
    assert {"page.html", "heatmap.png", "tickets.csv", "runs"} <= {path.name for path in tmp_path.iterdir()}
    assert names["explanation"].predicted in capsys.readouterr().out
    assert set(hub.files("you/lstm-attn-tickets")) >= {"model.safetensors", "README.md", "results.json", "curves.png"}


def test_five_jobs_on_banking77(shared: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    dataset = load_data(shared / "hub" / "datasets" / "suite" / "banking77")
    train = dataset["train"].shuffle(seed=0).select(range(1_500))
    test = dataset["test"].shuffle(seed=0).select(range(300))
    tokenizer = train_tokenizer(train["text"][:], min_frequency=2)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(len(tokenizer), num_labels=77, **RECIPES["small"].model))
    fields: dict[str, Any] = {**RECIPES["small"].training, "num_train_epochs": 4, "hub_model_id": "you/bank"}
    args = LstmAttnTrainingArguments(str(tmp_path / "bank"), **fields)
    trainer = LstmAttnTrainer(model, args, None, train, dataset["validation"].select(range(200)), tokenizer)
    trainer.train()
    accuracy = trainer.evaluate(test, metric_key_prefix="test")["test_accuracy"]
    assert accuracy > 0.1  # chance is 0.013
    trainer.push_to_hub(license="cc-by-4.0")

    pushed = load_classifier("you/bank")
    logits = predict_logits(pushed.model, pushed.tokenizer, test["text"][:])
    assert (logits.argmax(-1) == test["label"][:]).mean() == accuracy
    explanation = explain(pushed, test["text"][0], method="gradient_x_input")
    assert len(explanation.probabilities) == 77
    assert audit(pushed, test["text"][:4], progress=False)["examples"] == 4
    assert verify("you/bank") == []


def test_the_demo_leaves_two_folders_ready_to_push(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("Predicted label: positive") == 2  # both examples are of good things
    for name in ("sample-reviews", "sample-tweets"):
        assert not verify(tmp_path / name)
        assert (tmp_path / name / "audit.png").is_file()
        assert (tmp_path / f"{name}.html").is_file()
