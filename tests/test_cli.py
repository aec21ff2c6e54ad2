from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hf_lstm_attn import RunResult, __version__
from hf_lstm_attn.cli import main

TINY = ["--limit", "64", "--epochs", "2", "--hidden-size", "8", "--embedding-size", "8"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "sample-tweets", "-o", str(folder), *TINY]) == 0
    return folder


def hf_lstm_attn(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hf_lstm_attn.cli", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def list_loaded(*arguments: str) -> list[str]:
    """Which of the heavy packages a command loads."""
    code = (
        "import sys; from hf_lstm_attn.cli import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        "heavy = 'torch transformers datasets numpy pyarrow sklearn scipy gensim matplotlib'\n"
        "print(*(name for name in heavy.split() if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[-1].split()


def test_help_and_version_load_nothing_heavy() -> None:
    for option in ("--help", "--version"):
        assert list_loaded(option) == []
    assert list_loaded("predict", "--help") == []
    assert f"hf-lstm-attn {__version__}".encode() in hf_lstm_attn("--version").stdout


def test_first_prediction_of_a_built_in_model_waits_for_nothing_heavy() -> None:
    assert list_loaded("predict", "A fine film.") == ["numpy"]


def test_train_prints_a_table_of_the_three_splits(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "sample-tweets", "-o", str(tmp_path / "run"), *TINY]) == 0
    printed = capsys.readouterr()
    result = RunResult.load(tmp_path / "run")
    test_row = next(line.split() for line in printed.out.splitlines() if line.startswith("test "))
    assert test_row[1:] == [f"{result.test[name]:.4f}" for name in
                            ("loss", "accuracy", "precision", "recall", "f1", "macro_recall")]  # fmt: skip
    assert "synthetic" in printed.out
    assert "epoch 2 of 2" in printed.err
    assert "\r" not in printed.err  # no progress bars where nobody watches


def test_train_json_is_the_results_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sample-reviews", "-o", str(tmp_path / "run"), "--json", *TINY]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "run" / "results.json").read_text())


def test_evaluate_repeats_the_runs_test_figures(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = RunResult.load(run_folder)
    rows = tmp_path / "test.csv"
    from hf_lstm_attn import load_splits, resolve_spec

    test = load_splits(resolve_spec("sample-tweets"), limit=64).test
    with rows.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        names = test.features["label"].names
        writer.writerows((row["text"], names[row["label"]]) for row in test)
    assert main(["evaluate", str(run_folder), "--data", str(rows), "--split", "train", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert {name: metrics[name] for name in result.test} == pytest.approx(result.test, abs=1e-6)
    assert metrics["rows"] == 64
    assert main(["evaluate", str(run_folder)]) == 0
    assert "sample-tweets (synthetic data), test, 300 examples" in capsys.readouterr().out


def test_evaluate_shows_members_and_their_ensemble_apart(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(run_folder), "sample-tweets", "--ensemble-with", "tweets"]
    assert main(command) == 0
    head, columns, *rows = capsys.readouterr().out.splitlines()
    assert head == "sample-tweets (synthetic data), test, 300 examples"
    assert columns.split() == ["model", "loss", "accuracy", "precision", "recall", "f1", "macro_recall"]
    assert [row[: row.index("  ")] for row in rows] == [str(run_folder), "tweets", "ensemble of 2"]
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(run_folder), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    member = figures["members"][0]
    assert {name: alone[name] for name in member if name != "model"} == pytest.approx(
        {name: value for name, value in member.items() if name != "model"}, abs=1e-6
    )
    for row, metrics in zip(rows, [*figures["members"], figures["ensemble"]], strict=True):
        assert row.split()[-1] == f"{metrics['macro_recall']:.4f}"


def test_predict_texts(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "-m", str(run_folder), "late again", "", 'lovely, "day"', "--all-scores", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["late again", "", 'lovely, "day"']
    for row in rows:
        scores = {name: row[f"score_{name}"] for name in ("negative", "neutral", "positive")}
        assert sum(scores.values()) == pytest.approx(1)
        assert row["label"] == max(scores, key=scores.__getitem__)
        assert row["score"] == scores[row["label"]]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predict_files_keep_every_row_in_its_place(run_folder: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"note": "late again"}\n{"note": 7}\nnot json\n{"note": "a lovely day at the seaside"}\n')
    target = tmp_path / f"out{suffix}"
    arguments = ["predict", "-m", str(run_folder), "-i", str(source), "--text-column", "note", "-o", str(target)]
    assert main(arguments) == 0
    if suffix == ".parquet":
        rows = pq.read_table(target).to_pylist()
    elif suffix == ".csv":
        rows = list(csv.DictReader(target.open(newline="")))
    else:
        rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [int(row["line"]) for row in rows] == [1, 2, 3, 4]
    assert [bool(row["label"]) for row in rows] == [True, False, False, True]
    assert [bool(row["problem"]) for row in rows] == [False, True, True, False]
    assert main(arguments) == 1  # the file exists
    assert main([*arguments, "--overwrite"]) == 0


def test_predict_reads_standard_input(run_folder: Path) -> None:
    run = hf_lstm_attn("predict", "-m", str(run_folder), stdin="late again\ncafé, “now”\n".encode())
    assert run.returncode == 0, run.stderr
    rows = list(csv.DictReader(io.StringIO(run.stdout.decode())))
    assert [row["text"] for row in rows] == ["late again", "café, “now”"]
    assert run.stderr == b""


def test_bytes_that_are_no_text_are_read_as_such() -> None:
    run = hf_lstm_attn("predict", "caf\udce9, a fine place")  # how Python passes on a byte that is no UTF-8
    assert run.returncode == 0, run.stderr
    assert "caf\ufffd, a fine place".encode() in run.stdout


WRONG_USES = [
    ([], "COMMAND"),
    (["polish"], "polish"),
    (["predict", "-m", "x", "-i", "y", "text"], "both"),
    (["train", "imdb", "--epochs", "0"], "at least 1"),
    (["evaluate", "x", "--ensemble-with", "y", "x"], "twice"),
    (["push", "x"], "--repo-id"),
    (["train", "imdb", "--push-to-hub"], "--repo-id"),
    (["train", "imdb", "--repo-id", "you/model"], "--push-to-hub"),
    (["explain", "-m", "x", "-i", "y.txt", "text"], "both"),
    (["explain", "-m", "x", "text", "-o", "y.pdf"], ".html, .png, .json"),
    (["explain", "-m", "x", "text", "-o", "y.png", "--method", "all"], "Choose one"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG_USES)
def test_wrong_use_exits_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert words in capsys.readouterr().err


FAILURES = [
    (["train", "imbd"], "imdb, tweets"),
    (["train", "--data", "missing.csv"], "missing.csv"),
    (["train", "sample-reviews", "--recipe", "turbo"], "default, fast, best, semi-supervised, small, report"),
    (["train", "sample-reviews", "--max-length", "median"], "median"),
    (["train", "sample-reviews", "--word-vectors", "missing.txt"], "missing.txt"),
    (["train", "sample-reviews", "--word-vectors", "unlabelled"], "unlabelled"),
    (["evaluate", "missing"], "missing"),
    (["evaluate", "imdb", "sample-reviews", "--ensemble-with", "tweets"], "same classes"),
    (["predict", "-m", "missing", "text"], "missing"),
    (["push", "missing", "--repo-id", "you/model", "--dry-run"], "missing"),
    (["push", "missing", "--repo-id", "model"], "NAME/MODEL"),
    (["explain", "-m", "missing", "text"], "missing"),
    (["explain", "-m", "missing", "-i", "missing.txt"], "missing.txt"),
    (["explain", "-m", "missing", "text", "-o", "missing/page.html"], "folder missing"),
]


@pytest.mark.parametrize(("arguments", "words"), FAILURES)
def test_failures_exit_with_1_and_one_message(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    printed = capsys.readouterr()
    message = printed.err.splitlines()[-1]
    assert message.startswith(f"hf-lstm-attn {arguments[0]}: Expected")
    assert words in message
    assert printed.out == ""


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert main(["predict", "-m", str(tmp_path), "text"]) == 1
    assert "--resume" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_training_resumes_to_the_same_numbers(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "hf_lstm_attn.cli", "train", "sample-tweets", "-o", str(folder), *TINY]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "epoch 1 of" in line:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert hf_lstm_attn(*command[3:], "--resume").returncode == 0
    assert RunResult.load(folder).test == RunResult.load(run_folder).test
    assert RunResult.load(folder).epochs == RunResult.load(run_folder).epochs


def test_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "hf_lstm_attn.cli", "train", "sample-tweets", "-o", str(folder), *TINY]

    def heed_interrupts() -> None:  # which a shell makes its background jobs ignore, and their children
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts) as process:
        printed = ""
        for line in process.stderr:
            printed += line
            if "Training word vectors" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert "--resume" in printed
    assert "Traceback" not in printed
