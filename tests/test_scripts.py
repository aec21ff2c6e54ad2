from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hf_lstm_attn import RunResult

SCRIPTS = Path(__file__).parents[1] / "scripts"
RUNS = {
    "train_imdb": "stanfordnlp/imdb",
    "report_imdb": "stanfordnlp/imdb",
    "train_tweets": "cardiffnlp/tweet_eval",
    "report_tweets": "cardiffnlp/tweet_eval",
}


def run_script(name: str, *arguments: str) -> str:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("name", RUNS)
def test_training_scripts(name: str, shared: Path, tmp_path: Path) -> None:
    data = shared / "hub" / "datasets" / RUNS[name]
    limits = ["--limit", "64", "--epochs", "1"]
    if name.startswith("train"):
        limits += ["--word-vectors", "train"]  # the unlabelled texts take minutes
    printed = run_script(name, "--data", str(data), "-o", str(tmp_path / "run"), *limits)
    result = RunResult.load(tmp_path / "run")
    assert ("report, " in printed) == name.startswith("report")
    assert result.request["protocol"] == ("report" if name.startswith("report") else "official")
    assert result.request["dataset"]["config_name"] == ("sentiment" if "tweets" in name else None)


def test_benchmark_prints_ratios() -> None:
    result = json.loads(run_script("bench_training", "--rows", "128", "--rounds", "1"))
    assert result["trainer_over_plain"] > 0
    assert set(result["examples_per_second"]) == {"plain", "trainer", "bare"}


def test_readme_shows_the_figures_of_the_model_cards() -> None:
    run_script("collect_results", "--check")


def test_standing_examples_are_drawn(model_folder: Path, tmp_path: Path) -> None:
    run_script("explain_examples", str(model_folder), "-o", str(tmp_path / "examples"), "--method", "leave_one_out")
    names = sorted(path.name for path in (tmp_path / "examples").iterdir())
    assert names == ["film_1.png", "film_2.png", "product_1.png", "product_2.png", "product_3.png"]
