"""Processes of the command line: closed streams, interruptions, two at once, and code of strangers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_lstm_attn import hub
from hf_lstm_attn.cli import main
from hf_lstm_attn.inference import built_in, load_classifier, predict_logits
from hf_lstm_attn.locks import REPLACED, stage
from hf_lstm_attn.results import load_sample_texts

RUN = """
import signal, sys
from hf_lstm_attn.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.exit(main())
"""
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
TINY = ["--recipe", "small", "--max_steps", "2"]
HOLD = """
import sys
from pathlib import Path
from hf_lstm_attn.locks import hold, stage
with hold(sys.argv[1]), stage(Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""
MARKER = "from pathlib import Path\nPath({!r}).write_text('was here')\n"


def run_shell(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line under a shell, with streams redirected."""
    command = [sys.executable, "-c", RUN, *words]
    script = f'"$@" {redirection}'
    return subprocess.run(["sh", "-c", script, "sh", *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redirection", "words", "code", "said"),
    [
        ("<&-", ["predict"], 0, ""),
        (">&-", ["predict", "fine"], 0, ""),
        (">/dev/full", ["predict", "fine"], 1, "No space left"),
        ("| head -c 1", ["predict", "fine", "bad"], 0, ""),
    ],
)
def test_closed_and_full_streams(redirection: str, words: list[str], code: int, said: str) -> None:
    done = run_shell(redirection, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_full_disk_loses_nothing(rows: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    run, output = tmp_path / "run", tmp_path / "out.csv"
    train = ["train", "--data", str(rows), "--output_dir", str(run), *TINY]
    predict = ["predict", "-i", str(rows), "-o", str(output)]
    assert main(train) == main(predict) == 0
    weights, table = (run / "model.safetensors").read_bytes(), output.read_bytes()
    overwrite = [*train, "--overwrite_output_dir"]
    for size, words, place in (
        (4_000, overwrite, run),
        (60_000, overwrite, run),
        (2_000, [*predict, "--overwrite"], output),
    ):
        command = [sys.executable, "-c", LIMIT.format(size) + RUN, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert re.search(rf"File too large.* while writing {place}$", done.stderr.strip())
    assert (run / REPLACED / "model.safetensors").read_bytes() == weights
    assert output.read_bytes() == table
    assert main([*train, "--overwrite_output_dir"]) == 0
    assert (run / "model.safetensors").read_bytes() == weights  # of the same seed


def test_files_are_for_those_whom_the_user_lets_read(rows: Path, tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        assert main(["train", "--data", str(rows), "--output_dir", str(tmp_path / "run"), *TINY]) == 0
        assert main(["predict", "-i", str(rows), "-o", str(tmp_path / "out.csv")]) == 0
    finally:
        os.umask(umask)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in files} == {path.name: "640" for path in files}


def test_an_interruption_ends_in_one_line_and_130(tmp_path: Path) -> None:
    words = ["train", "sample-reviews", "--recipe", "small", "--output_dir", str(tmp_path / "run")]
    process = subprocess.Popen([sys.executable, "-c", RUN, *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if " rows, " in line:  # the data is read; training begins
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait() == 130
    assert "Traceback" not in said
    assert "--resume_from_checkpoint true" in said


def test_a_folder_or_file_that_another_process_writes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "out.csv"
    run.mkdir()
    (tmp_path / "in.txt").write_text("fine\n")
    command = [sys.executable, "-c", HOLD, str(run), str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        train = ["train", "sample-reviews", "--recipe", "small", "--output_dir", str(run)]
        for words in (train, ["predict", "-i", str(tmp_path / "in.txt"), "-o", str(output)]):
            assert main(words) == 1
            assert "Another process is writing to" in capsys.readouterr().err
        other.communicate()
    with stage(output):  # what the other left does not stand in the way
        pass
    assert not output.exists()


def test_no_command_runs_the_code_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, marker = tmp_path / "strange_model", tmp_path / "marker"
    shutil.copytree(built_in("tweets"), folder)
    hub.save(folder)
    for name in hub.CODE:
        (folder / name).write_text(MARKER.format(str(marker)))
    shutil.copytree(folder, tmp_path / "foreign_model")
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "foreign"}
    (tmp_path / "foreign_model" / "config.json").write_text(json.dumps(config))
    (tmp_path / "in.txt").write_text("fine\n")
    rows = "text,label\n" + "".join(f"fine {n},{'negative neutral positive'.split()[n % 3]}\n" for n in range(60))
    (tmp_path / "rows.csv").write_text(rows)
    data, tiny = ["--data", str(tmp_path / "rows.csv")], ["--max_steps", "1", "--overwrite_output_dir"]
    for model in (str(folder), str(tmp_path / "foreign_model")):
        main(["predict", "-m", model, "fine"])
        main(["predict", "-m", model, "-i", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.csv"), "--overwrite"])
        main(["explain", "-m", model, "fine"])
        main(["evaluate", model, *data])
        main(["audit", model, *data, "--limit", "3"])
        main(["verify", model])
        main(["push", model, "--repo_id", "you/name", "--license", "mit"])
        main(["space", model, "-o", str(tmp_path / Path(model).name / "app")])
        for role in ("--model_name_or_path", "--teachers"):
            main(["train", *data, role, model, "--output_dir", str(tmp_path / "run"), *tiny])
    assert "Traceback" not in capsys.readouterr().err
    assert not marker.exists()


def test_names_of_strangers_do_not_act_on_a_terminal(tmp_path: Path) -> None:
    labels = ["$x^$", "\x1b[31mred", "| a | <b>"]
    rows = [{"text": f"thing {n} {'abc'[n % 3]}", "label": labels[n % 3]} for n in range(90)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run, data = str(tmp_path / "run"), str(tmp_path / "rows.jsonl")
    commands = [
        ["train", "--data", data, "--output_dir", run, "--max_steps", "1", "--model_name_or_path", "none"],
        ["evaluate", run, "-o", str(tmp_path / "confusion.png")],
        ["explain", "-m", run, "thing \x1b[31m a"],
    ]
    code = f"from hf_lstm_attn.cli import main\nassert not sum(map(main, {commands!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    card = (tmp_path / "run" / "README.md").read_text()
    assert "\x1b" not in card
    assert "<b>" not in card


def test_threads_do_not_change_what_is_predicted() -> None:
    classifier = load_classifier("sentiment")
    texts = [f"{text} {number}" for number in range(20) for text in load_sample_texts()]
    threads = torch.get_num_threads()
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(predict_logits(classifier.model, classifier.tokenizer, texts).argmax(axis=1))
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(*found)
