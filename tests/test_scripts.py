from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hf_lstm_attn import RECIPES, Recipe, RunResult, resolve_spec, train
from hf_lstm_attn.pretraining import pretrain
from hf_lstm_attn.pretraining_loop import PretrainingRecipe

TINY = Recipe(model={"embedding_size": 8, "hidden_size": 8}, max_epochs=1, min_frequency=1, word_vectors=None)
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


def test_readme_and_cards_show_the_figures_of_the_model_cards() -> None:
    run_script("collect_results", "--check")


def copy_checkout(folder: Path) -> Path:
    """The scripts with the files they write, to be spoilt."""
    for name in ("model_cards", "README.md", "scripts/collect_results.py", "scripts/collect_ablation.py"):
        source, target = SCRIPTS.parent / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    return folder


def collect(checkout: Path, *arguments: str, script: str = "collect_results") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "scripts" / f"{script}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_drift_of_a_card_is_found_and_named(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    cards = checkout / "model_cards"
    card = cards / "lstm-attn-imdb" / "README.md"
    accuracy = f"{100 * RunResult.load(card.parent).test['accuracy']:.2f}"
    card.write_text(card.read_text(encoding="utf-8").replace(accuracy, "95.94"), encoding="utf-8")
    results = cards / "lstm-attn-tweets" / "results.json"
    results.write_text(results.read_text(encoding="utf-8").replace('"seed": 42', '"seed": 43'), encoding="utf-8")
    (cards / "report-lstm-attn-imdb" / "curves.png").unlink()
    checked = collect(checkout, "--check")
    assert checked.returncode == 1
    assert [line.partition(". ")[0] for line in checked.stderr.splitlines()] == [
        "model_cards/lstm-attn-imdb/README.md differs from the figures it comes from",
        "model_cards/lstm-attn-tweets/README.md differs from the figures it comes from",
        "model_cards/report-lstm-attn-imdb/README.md shows curves.png: no such file",
    ]


def test_a_run_is_published_with_its_card(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    train("sample-reviews", tmp_path / "run", recipe=TINY, limit=40, say=lambda line: None)
    collected = collect(checkout, str(tmp_path / "run"), "lstm-attn-sample-reviews")
    assert collected.returncode == 0, collected.stderr
    assert collect(checkout, "--check").returncode == 0
    folder = checkout / "model_cards" / "lstm-attn-sample-reviews"
    assert (folder / "heatmap_1.png").read_bytes() == (tmp_path / "run" / "heatmap_1.png").read_bytes()
    assert "model_cards/lstm-attn-sample-reviews/results.json" in (checkout / "README.md").read_text(encoding="utf-8")


def test_transfer_measures_both_models_on_the_same_rows(tmp_path: Path) -> None:
    data = SCRIPTS.parent / "hf_lstm_attn" / "samples" / "reviews"
    recipe = PretrainingRecipe(embedding_size=8, hidden_size=8, batch_size=4, steps=2, word_vectors=None)
    pretrain(resolve_spec("imdb", data=data), tmp_path / "lm", split="train", recipe=recipe, say=lambda line: None)
    options = ["--draws", "2", "--examples", "30", "--limit", "80", "--epochs", "3", "--split", "validation"]
    output = tmp_path / "cards" / "transfer.json"
    printed = run_script("transfer_imdb", str(tmp_path / "lm"), "--data", str(data), *options, "--output", str(output))
    result = json.loads(output.read_text())
    assert result["dataset"]["rows"] == 80
    assert str(tmp_path) not in output.read_text()
    for name, model in result["models"].items():
        accuracies = [draw["accuracy"] for draw in model["draws"]]
        assert len(accuracies) == 2
        assert model["mean"]["accuracy"] == pytest.approx(sum(accuracies) / 2)
        assert (
            f"| {name} | {100 * model['mean']['accuracy']:.2f} ± {100 * model['spread']['accuracy']:.2f} |" in printed
        )


def test_recipes_of_the_readme_show_their_published_runs(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    published = RunResult.load(checkout / "model_cards" / "lstm-attn-imdb")
    run = publishable_run(published, tmp_path / "run", f1=0.5, word_vectors="/elsewhere/vectors.txt")
    assert collect(checkout, str(run), "other-imdb").returncode == 0
    limited = publishable_run(published, tmp_path / "limited", f1=0.6, limit=60)
    assert collect(checkout, str(limited), "limited-imdb").returncode == 0
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("<!-- recipes")[2].partition("<!-- end of recipes")[0].splitlines()
    cells = {row.split(" | ")[0].strip("| `"): row.strip("| ").split(" | ")[2:] for row in rows[3:]}
    assert list(cells) == list(RECIPES)
    assert cells["small"] == ["—", "—"]
    first, *_, second = cells["default"][0].split("<br>")
    assert first.startswith(f"[{100 * published.test['f1']:.2f}](model_cards/lstm-attn-imdb/results.json) in ")
    minutes = published.training_seconds / 60
    assert second == (
        f"[50.00](model_cards/other-imdb/results.json) in {minutes:.1f} minutes (`word_vectors` vectors.txt)"
    )
    assert "(protocol report)" in cells["report"][0]


def publishable_run(
    published: RunResult, folder: Path, *, f1: float, seed: int = 42, limit: int | None = None, **recipe: Any
) -> Path:
    """A run folder like a published one, with this score on validation and test and these fields of its recipe.

    With `init_from` among them, that folder's language models have a perplexity of 99.6.
    """
    result = copy.deepcopy(published)
    if "init_from" in recipe:
        result.request["pretraining"] = {"name": "imdb", "perplexity": {"forward": 99, "backward": 100, "mean": 99.6}}
    result.request |= {"seed": seed, "limit": limit, "recipe": {**result.request["recipe"], **recipe}}
    result.test["f1"] = result.best["validation"]["f1"] = f1
    folder.mkdir()
    result.save(folder)
    return folder


def test_ablation_page_shows_its_records() -> None:
    run_script("collect_ablation", "--check")


def test_seeds_of_a_configuration_are_one_row_of_the_ablation(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    shutil.rmtree(checkout / "model_cards" / "ablation")
    published = RunResult.load(checkout / "model_cards" / "lstm-attn-imdb")

    def log(*arguments: str) -> subprocess.CompletedProcess[str]:
        return collect(checkout, *arguments, script="collect_ablation")

    def log_run(name: str, f1: float, seed: int, *arguments: str, **recipe: Any) -> None:
        run = publishable_run(published, tmp_path / f"{name}-{seed}-{f1}", f1=f1, seed=seed, **recipe)
        logged = log(str(run), "--name", name, *arguments)
        assert logged.returncode == 0, logged.stderr

    log_run("default without n-grams", 0.90, 42)
    log_run("default without n-grams", 0.94, 43)
    log_run("default without n-grams", 0.92, 43)  # replaces the seed
    log_run("sharp", 0.90, 42, "--note", "It | hurts.", adversarial_radius=0.5, init_from="/elsewhere/pretrained")
    log_run("slow", 0.93, 42, max_epochs=9)
    assert log("--check").returncode == 0
    page = checkout / "model_cards" / "ablation" / "README.md"
    text = page.read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("| ")][2:]
    seconds = f"{published.training_seconds:,.0f}"
    machine = f"{published.machine['processor']}, {published.precision['name']}"
    sharp = "`init_from` pretrained, `adversarial_radius` 0.5"
    assert rows == [
        ["default without n-grams", "", "2", "91.00 ± 1.41", "", "91.00 ± 1.41", "", seconds, machine],
        ["slow", "`max_epochs` 9", "1", "93.00", "+2.00", "93.00", "", seconds, machine],
        ["sharp", sharp, "1", "90.00", "-1.00", "90.00", "100", seconds, machine],
    ]
    assert "- sharp: It &#124; hurts." in text
    assert "elsewhere" not in (page.parent / "imdb.json").read_text(encoding="utf-8")

    other = publishable_run(published, tmp_path / "other", f1=0.9, seed=44, max_epochs=1)
    refused = log(str(other), "--name", "default without n-grams")
    assert (refused.returncode, "`max_epochs` 1" in refused.stderr) == (1, True)
    elsewhere = log(str(checkout / "model_cards" / "report-lstm-attn-imdb"), "--name", "report")
    assert (elsewhere.returncode, "measured on the same texts" in elsewhere.stderr) == (1, True)
    assert page.read_text(encoding="utf-8") == text

    records = page.parent / "imdb.json"
    records.write_text(records.read_text(encoding="utf-8").replace("0.93", "0.97"), encoding="utf-8")
    (page.parent / "imdb.png").unlink()
    checked = log("--check")
    assert checked.returncode == 1
    assert [line.partition(". ")[0] for line in checked.stderr.splitlines()] == [
        "model_cards/ablation/README.md differs from the records it comes from",
        "model_cards/ablation/README.md shows imdb.png: no such file",
    ]
    assert log().returncode == 0
    assert log("--check").returncode == 0


def test_standing_examples_are_drawn(model_folder: Path, tmp_path: Path) -> None:
    run_script("explain_examples", str(model_folder), "-o", str(tmp_path / "examples"), "--method", "leave_one_out")
    names = sorted(path.name for path in (tmp_path / "examples").iterdir())
    assert names == ["film_1.png", "film_2.png", "product_1.png", "product_2.png", "product_3.png"]
