"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hf_lstm_attn.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "label" in run.stdout


def read_commands() -> list[str]:
    blocks = "\n".join(re.findall(r"```\n(.*?)```", README, re.DOTALL))
    lines = [line.partition("  #")[0].rpartition("| ")[2].strip() for line in blocks.splitlines()]
    return [line for line in lines if line.startswith("hf-lstm-attn ")]


@pytest.mark.parametrize("command", read_commands())
def test_commands_parse(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documents = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)|`make (\w+)`", documents, re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_every_module_is_in_the_table() -> None:
    modules = {path.name for path in (ROOT / "hf_lstm_attn").glob("*.py")} - {"__init__.py"}
    assert modules == set(re.findall(r"`(\w+\.py)`", README.partition("## What is inside")[2].partition("\n\nThe ")[0]))
