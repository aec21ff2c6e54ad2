"""What the documents show is what happens, and the scripts make what the documents say."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hf_lstm_attn import LstmAttnTrainingArguments, cli, load_classifier, load_sample
from hf_lstm_attn.results import load_results

Script = Callable[[str], Any]
ROOT = Path(__file__).parents[1]
DOCUMENTS = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "scripts/README.md", "CONTRIBUTING.md")}
README = DOCUMENTS["README.md"]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
CODE = "\n".join(text for language, text in BLOCKS if language == "python")
LINES = [line.partition("  #")[0].strip() for language, text in BLOCKS if not language for line in text.splitlines()]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Imports a script by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{place} my parcel {what} and nobody answers,{team}"
        for place in ("yes", "no", "well", "oh", "so") * 4
        for what, team in (("came late", "delivery"), ("was invoiced twice", "billing"), ("is broken", "repairs"))
    ]
    Path("tickets.csv").write_text("\n".join(["body,team", *rows]), "utf-8")
    code = CODE.replace("num_train_epochs=10", "num_train_epochs=1").replace("you/lstm-attn-tickets", "runs/tickets")
    exec(re.sub(r"trainer\.push_to_hub\(.*", "", code), {"__name__": "readme"})
    assert "Predicted label" in capsys.readouterr().out
    assert Path("page.html").is_file()
    assert "test" in load_results("runs/tickets")["metrics"]


@pytest.mark.parametrize("command", [line for line in LINES if line.startswith("hf-lstm-attn ")])
def test_commands_are_understood(command: str) -> None:
    _, extra = cli.parse(shlex.split(command)[1:])
    options = {word.removeprefix("--") for word in extra if word.startswith("--")}
    assert options <= {field.name for field in fields(LstmAttnTrainingArguments)}


def test_readme_shows_every_command() -> None:
    assert len(README.splitlines()) <= 250
    for name in ("train", "pretrain", "distill", "evaluate", "predict", "explain", "audit", "push", "verify", "space"):
        assert f"hf-lstm-attn {name} " in README


def test_make_targets_and_links_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for link in re.findall(r"\]\((?!http)([^)]+)\)", text):
            assert ((ROOT / name).parent / link).exists(), link


def test_every_script_says_what_it_makes(script: Script) -> None:
    for path in (ROOT / "scripts").glob("*.py"):
        assert path.name in DOCUMENTS["scripts/README.md"]
        assert path.read_text("utf-8").startswith('"""')


def test_samples_are_what_their_script_writes(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_samples.py", "--check"])
    script("make_samples").main()


def test_tables_show_the_published_figures(script: Script) -> None:
    assert script("collect_results").main(["--check"]) == 0


def test_tables_are_rendered_from_results(script: Script, tmp_path: Path) -> None:
    for name in ("README.md", "model_cards/README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name, version, accuracy in (("", 2, 0.93), ("-43", 2, 0.95), ("-44", 1, 0.5)):
        folder = tmp_path / "model_cards" / f"lstm-attn-imdb-pretrained{name}"
        folder.mkdir()
        results = {
            "schema_version": version,
            "dataset": {"name": "stanfordnlp/imdb", "splits": {}},
            "training": {"seed": 42, "seconds": 60},
            "metrics": {"test": {"accuracy": accuracy, "f1": 0.9, "macro_recall": 0.9}},
        }
        (folder / "results.json").write_text(json.dumps(results), "utf-8")
    collect = script("collect_results")
    assert collect.main(["--check", "--root", str(tmp_path)]) == 1
    assert collect.main(["--root", str(tmp_path)]) == 0
    assert collect.main(["--check", "--root", str(tmp_path)]) == 0
    assert "| 94.00 ± 1.41 |" in (tmp_path / "README.md").read_text("utf-8")
    index = (tmp_path / "model_cards" / "README.md").read_text("utf-8")
    assert ("imdb-pretrained-43 |" in index, "imdb-pretrained-44" in index) == (True, False)


def test_comparison_labels_bars_with_own_and_reported_values(script: Script) -> None:
    report = script("report")
    own = dict.fromkeys(report.METRICS, 0.5)
    rows = [{"model": "$x^$", **own, "reported": {"accuracy": 0.25}}, {"model": "_a_", **own, "reported": {}}]
    figure = report.plot_comparison(rows, title="reviews")
    axis = figure.axes[report.METRICS.index("accuracy")]
    assert [text.get_text().strip() for text in axis.texts] == ["50.0 (25.0)", "50.0"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["$x^$", "_a_"]


def test_report_and_built_in_model_from_raw_files(script: Script, tmp_path: Path) -> None:
    for split, rows in load_sample("tweets").items():
        if split != "validation":
            names = rows.features["label"].names
            lines = [f"1\t{names[row['label']]}\t{row['text']}\n" for row in rows]
            (tmp_path / f"tweets-{split}.txt").write_text("".join(lines), "utf-8")
    options = ["--data", str(tmp_path), "--limit", "60"]
    script("report_tweets").main([*options, "-o", str(tmp_path / "report")])
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    script("report_tweets").main([*options, "-o", str(tmp_path / "report")])
    page = (tmp_path / "report" / "README.md").read_text("utf-8")
    assert (page.count("    padded to"), page.count("79.61 ▲")) == (5, 1)
    assert all((tmp_path / "report" / name).is_file() for name in re.findall(r"\((\S+\.png)\)", page))
    assert times == {path: path.stat().st_mtime_ns for path in times}, "trained anew"
    run = str(tmp_path / "report" / "lstm-attn")
    script("make_built_in").main([run, "tweets", *options, "--vocabulary", "20", "-o", str(tmp_path / "built_in")])
    folder = tmp_path / "built_in" / "tweets"
    assert not list(folder.glob("*.py"))
    assert load_classifier(folder).model.get_input_embeddings().weight.shape[0] == 20
    assert load_results(folder)["built_in"]["metrics"]["test"]["accuracy"] > 0.2
