"""Kills at file operations: what a run had is never lost, and what is left is taken up again.

CI kills at a seeded sample of 40 operations; `make faults` at all of them, with and without half of the last file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hf_lstm_attn import hub
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.locks import REPLACED

ALL = os.environ.get("FAULTS") == "all"
SIZES = "--embedding_size 4 --hidden_size 4 --word_vectors none --max_steps 2".split()
SETTINGS = ["--model_name_or_path", "none", *SIZES]
EVERY_STEP = [f"--{kind}_{what}" for kind in ("eval", "save") for what in ("strategy=steps", "steps=1")]
EVERY_STEP += ["--save_total_limit", "1"]
Kill = tuple[int, bool]  # the operation, and whether the file written before it is torn


class Server:
    """Runs commands in children of one process, see server.py."""

    def __init__(self, scratch: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("server.py")), str(scratch)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, words: list[str], folder: Path, kill: Kill = (0, False)) -> dict[str, Any]:
        order = {"words": words, "folder": str(folder), "kill_at": kill[0], "truncate": kill[1]}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "Traceback" not in answer["errors"], answer["errors"]
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("scratch"))
    yield server
    server.process.terminate()
    server.process.wait()


def choose_kills(operations: int, sample: int) -> list[Kill]:
    """All operations, with and without a torn file; in CI a sample of them."""
    kills = [(number, torn) for number in range(1, operations + 1) for torn in (False, True)]
    return kills if ALL else sorted(Random(0).sample(kills, sample))


def list_files(folder: Path) -> dict[str, bytes]:
    """What a run publishes, by name."""
    return {name: (folder / name).read_bytes() for name in hub.list_files(folder)}


@pytest.mark.parametrize(("command", "sample"), [("train", 14), ("pretrain", 3), ("distill", 3)])
def test_a_killed_training_goes_on_to_the_same_weights(
    server: Server, rows: Path, teacher: Path, tmp_path: Path, command: str, sample: int
) -> None:
    more = {"train": SETTINGS, "pretrain": SIZES, "distill": [*SIZES, "--teacher", str(teacher)]}[command]

    def begin(run: Path) -> list[str]:
        return [command, "--data", str(rows), "-o", str(run), *more, *EVERY_STEP]

    whole = server.ask(begin(tmp_path / "whole"), tmp_path / "whole")
    assert whole["code"] == 0, whole["errors"]
    weights = (tmp_path / "whole" / "model.safetensors").read_bytes()
    for kill in choose_kills(whole["operations"], sample):
        run = tmp_path / "killed"
        assert server.ask(begin(run), run, kill)["code"] == -9
        steps = [int(path.parent.name.partition("-")[2]) for path in run.glob("checkpoint-*/run.json")]
        resumed = server.ask([command, "--resume_from_checkpoint", "true", "--output_dir", str(run)], run)
        if resumed["code"]:
            assert not steps, (kill, resumed["errors"])  # there was nothing yet to go on from
            assert "no whole checkpoint" in resumed["errors"] or "Name a data set" in resumed["errors"], kill
            resumed = server.ask([*begin(run), "--overwrite_output_dir"], run)
        assert resumed["code"] == 0, (kill, resumed["errors"])
        assert (run / "model.safetensors").read_bytes() == weights, kill
        assert command != "train" or not list(hub._compare_files(run)), kill
        assert find_checkpoint(run), kill
        shutil.rmtree(run)


def test_an_overwritten_run_is_there_until_the_new_one_is_whole(server: Server, rows: Path, tmp_path: Path) -> None:
    def train(run: Path, *more: str) -> list[str]:
        return ["train", "--data", str(rows), "-o", str(run), *SETTINGS, *more]

    old, new = tmp_path / "old", tmp_path / "new"
    assert server.ask(train(old, "--seed", "1"), old)["code"] == 0
    (old / "notes.txt").write_text("mine")
    (old / "onnx").mkdir()
    (old / "onnx" / "model.onnx").write_text("exported from the old run")
    shutil.copytree(old, new)
    overwriting = server.ask(train(new, "--overwrite_output_dir"), new)
    assert overwriting["code"] == 0
    assert not (new / REPLACED).exists()
    new_files, old_files = list_files(new), list_files(old)
    assert new_files["model.safetensors"] != old_files["model.safetensors"]
    assert "onnx/model.onnx" not in new_files
    for kill in choose_kills(overwriting["operations"], 8):
        run = tmp_path / "run"
        shutil.copytree(old, run)
        assert server.ask(train(run, "--overwrite_output_dir"), run, kill)["code"] == -9
        assert (run / "notes.txt").read_text() == "mine"
        # The old run is where it was, or aside, or half on its way there.
        found: dict[str, bytes] = {}
        for place in (run, run / f"{REPLACED}.part", run / REPLACED):
            found |= list_files(place) if place.is_dir() else {}
        is_new = found["model.safetensors"] == new_files["model.safetensors"] and not list(hub._compare_files(run))
        assert is_new or old_files.items() <= ({"notes.txt": b"mine"} | found).items(), kill
        again = server.ask(train(run, "--overwrite_output_dir"), run)
        assert again["code"] == 0, (kill, again["errors"])
        assert (run / "model.safetensors").read_bytes() == new_files["model.safetensors"], kill
        assert (run / "notes.txt").read_text() == "mine"
        assert not list(run.glob(f"{REPLACED}*")), kill
        shutil.rmtree(run)


def test_a_killed_prediction_leaves_the_old_output_or_the_new(server: Server, rows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["predict", "-i", str(rows), "-o", str(folder / "out.csv"), "--overwrite"]
    whole = server.ask(words, folder)
    new = (folder / "out.csv").read_bytes()
    for kill in choose_kills(whole["operations"], 18):
        (folder / "out.csv").write_bytes(b"old")
        assert server.ask(words, folder, kill)["code"] == -9
        assert (folder / "out.csv").read_bytes() in (b"old", new), kill
        again = server.ask(words, folder)
        assert again["code"] == 0, (kill, again["errors"])
        assert (folder / "out.csv").read_bytes() == new, kill
        assert [path.name for path in folder.iterdir()] == ["out.csv"], kill


def test_a_killed_audit_leaves_a_run_that_answers(server: Server, rows: Path, tmp_path: Path) -> None:
    """Whoever completes a run's folder (audit, export, push) writes its tokenizer and configuration anew."""
    run, killed = tmp_path / "run", tmp_path / "killed"

    def audit(folder: Path) -> list[str]:
        return ["audit", str(folder), "--limit", "2"]

    assert server.ask(["train", "--data", str(rows), "-o", str(run), *SETTINGS], run)["code"] == 0
    shutil.copytree(run, killed)
    whole = server.ask(audit(killed), killed)
    assert whole["code"] == 0, whole["errors"]
    for kill in choose_kills(whole["operations"], 6):
        shutil.rmtree(killed)
        shutil.copytree(run, killed)
        assert server.ask(audit(killed), killed, kill)["code"] == -9
        for name in hub.NEEDED:
            assert (killed / name).read_bytes() == (run / name).read_bytes(), (kill, name)
        assert not [name for name in hub.list_files(killed) if name.endswith(".part")], kill
        again = server.ask(audit(killed), killed)
        assert again["code"] == 0, (kill, again["errors"])
        assert not list(hub._compare_files(killed)), kill
