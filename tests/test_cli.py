"""The command line: refused at once or done, by the options that win, resumed as begun, and quick to answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hf_lstm_attn import cli_train
from hf_lstm_attn.cli import main, parse
from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.results import load_results

TINY = "--limit 40 --num_train_epochs 2 --hidden_size 8 --embedding-size 8 --recipe small --seed 7".split()
START = "import sys; sys.argv[0] = 'hf-lstm-attn'; from hf_lstm_attn.cli import main; "


def run_alone(code: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as the console script starts."""
    environment = {**os.environ, "HF_TOKEN": "", "HF_TOKEN_PATH": os.devnull}
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "cli_run"
    assert main(["train", "sample-tweets", "-o", str(folder), *TINY]) == 0
    return folder


REFUSED = {
    "train imbd": "imdb",
    "train --learning_rate 1 imdb": "data set",
    "train imdb --recipe smal": "small",
    "train": "--data",
    "train imdb --push_to_hub --hub_model_id you/model": "license",
    "train imdb --push_to_hub --license mit": "repository",
    "explain text --method atention": "attention",
    "explain text -o page.pdf": "page.pdf",
    "predict text -i rows.csv -o rows.jsonl": "--input",
    "push run --repo_id you/model --license mitt": "mit",
    "push run --repo_id you/model --license mit": "token",
    "evaluate run --spilt test": "--spilt",
    "polish": "polish",
}


def test_help_and_refusals_import_nothing_heavy() -> None:
    commands = [line.split() for line in REFUSED]
    heavy = "{'torch', 'transformers', 'datasets', 'numpy', 'pandas'} & {*sys.modules}"
    commands += [["train", "--help"], ["--version"]]
    done = run_alone(f"codes = [main(words) for words in {commands}]; print(codes, {heavy})")
    assert done.stdout.splitlines()[-1] == f"{[2] * len(REFUSED) + [0, 0]} set()"
    said = [line for line in done.stderr.splitlines() if line.startswith("hf-lstm-attn") and "error: the" not in line]
    assert len(said) == len(REFUSED)
    for words, message in zip(REFUSED.values(), said, strict=True):
        assert words in message
    assert all(name in done.stdout for name in (*cli_train.DATASETS, *cli_train.RECIPES, "--learning_rate"))


def test_the_quick_start_gives_the_same_answer(model_folder: Path) -> None:
    done = run_alone(
        f"main(['predict', '-m', {str(model_folder)!r}, 'fine', 'caf\\udce9']); print('sklearn' in sys.modules)"
    )
    *lines, needs_optional = done.stdout.splitlines()
    expected = list(predict(load_classifier(model_folder), ["fine", "caf\ufffd"]))
    for line, scores in zip(lines, expected, strict=True):
        row = json.loads(line)
        assert {row["label"]: row["score"]} == pytest.approx(dict([next(iter(scores.items()))]), abs=1e-6)
    assert (needs_optional, done.stderr) == ("False", "")


def test_train_then_evaluate_explain_audit_verify(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = load_results(run)["metrics"]["test"]
    assert main(["evaluate", str(run), "-o", str(tmp_path / "test.json")]) == 0
    assert json.loads((tmp_path / "test.json").read_text())["loss"] == pytest.approx(test["loss"], abs=1e-5)
    assert f"{test['macro_recall']:.4f}" in capsys.readouterr().out
    for name in ("page.html", "map.png"):
        assert main(["explain", "A fine day.", "-m", str(run), "--label", "neutral", "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 1_000
    assert main(["audit", str(run), "--limit", "3"]) == 0
    assert load_results(run)["audit"]["examples"] == 3
    assert (run / "audit.png").is_file()
    assert main(["verify", str(run)]) == 0
    copy = shutil.copytree(run, tmp_path / "damaged")
    (copy / "README.md").write_text("another")
    assert main(["verify", str(copy)]) == 1
    assert "README.md" in capsys.readouterr().err


def test_a_resumed_run_takes_its_own_settings(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = load_results(run)
    assert main(["train", "sample-tweets", "-o", str(run), *TINY]) == 2
    assert "--overwrite_output_dir" in capsys.readouterr().err
    cut = shutil.copytree(run, tmp_path / "cut")  # as a training that was killed in its second epoch
    last, _ = sorted(cut.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2]))
    shutil.rmtree(last)
    (cut / "results.json").unlink()
    assert main(["train", "--resume_from_checkpoint", "true", "--output_dir", str(cut)]) == 0
    assert load_results(cut)["metrics"]["test"] == pytest.approx(expected["metrics"]["test"], abs=1e-6)


def test_options_win_over_recipe_over_data_over_defaults() -> None:
    words = "train sample-tweets -o x --recipe report --learning-rate 5 --early_stopping_patience none"
    options, extra = parse(words.split())
    args = cli_train.parse_fields(options, extra, cli_train.RECIPES["report"].training)
    assert (args.learning_rate, args.early_stopping_patience, args.output_dir) == (5, None, "x")
    assert (args.num_train_epochs, args.ema_decay, args.balance_classes) == (15, None, False)
    assert (args.metric_for_best_model, args.dataset_name) == ("macro_recall", "sample-tweets")
    assert main(["train", "sample-tweets", "-o", "x", "--learning_ratee", "1"]) == 2
    assert not Path("x").exists()


def test_own_files_language_models_teachers_and_prediction(tmp_path: Path) -> None:
    table, models, folder = tmp_path / "tickets.csv", tmp_path / "models", tmp_path / "cli_tickets"
    table.write_text("body;team\n" + "parcel late;post\nmoney back;bank\n" * 20)
    data = f"--data {table} --text-column body --label-column team --delimiter ; --embedding_size 4 --hidden_size 4"
    start = (
        f"{data} --min_frequency 1 --word_vectors none --num_train_epochs 1 --per_device_train_batch_size 2 -o {models}"
    )
    assert main(["pretrain", *start.split()]) == 0
    taught = f"{data} --model_name_or_path {models} --teacher nb-svm --num_train_epochs 1 -o {folder}"
    assert main(["train", *taught.split()]) == 0
    results = load_results(folder)
    assert results["labels"] == ["bank", "post"]
    assert (results["model"]["hidden_size"], results["training"]["origin"]["teachers"]) == (4, ["nb-svm"])
    assert str(tmp_path) not in (folder / "results.json").read_text()  # it is published
    assert main(["evaluate", str(folder)]) == 0
    rows = f"predict -m {folder} -i {table} --text_column body --delimiter ; -o {tmp_path / 'out.jsonl'}"
    assert main(rows.split()) == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 40
    assert main(["predict", "-m", str(models), "late"]) == 1


def test_an_interruption_tells_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_train, "load_splits", interrupt)
    assert main(["train", "sample-tweets", "-o", "nowhere"]) == 130
    assert "--resume_from_checkpoint" in capsys.readouterr().err
