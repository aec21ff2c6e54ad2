"""The wheel holds everything that running needs, and nothing runs from the checkout by accident."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"hf_lstm_attn"}
    files = "py.typed samples/reviews/train.jsonl samples/tweets/README.md modeling_lstm_attn.py explanation_page.css"
    for name in (*files.split(), "explanation_page.js", "space/app.py", "space/README.md", "space/requirements.txt"):
        assert f"hf_lstm_attn/{name}" in names


def test_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import hf_lstm_attn, sys; assert hf_lstm_attn.__file__.startswith(sys.argv[1])\n"
        "from hf_lstm_attn.cli import main\n"
        "sys.exit(main(['train', 'sample-tweets', '-o', 'run', '--limit', '40', '--epochs', '1', "
        "'--word-vectors', 'none']))"
    )
    command = [sys.executable, "-c", code, str(site)]
    run = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "run" / "model.safetensors").is_file()
