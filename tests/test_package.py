"""The wheel holds everything that running needs, and nothing runs from the checkout by accident."""

from __future__ import annotations

import json
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


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; not to be changed."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"hf_lstm_attn"}
    files = "py.typed samples/reviews/train.jsonl samples/tweets/README.md modeling_lstm_attn.py explanation_page.css"
    for name in (*files.split(), "explanation_page.js", "space/app.py", "space/README.md", "space/requirements.txt"):
        assert f"hf_lstm_attn/{name}" in names
    for name in ("imdb", "tweets"):
        for (
            file
        ) in "README.md config.json results.json tokenizer.json tokenizer_config.json weights.safetensors".split():
            assert f"hf_lstm_attn/pretrained/{name}/{file}" in names
    assert wheel.stat().st_size < 15e6


def test_wheel_runs_by_itself(site: Path, tmp_path: Path) -> None:
    code = (
        "import hf_lstm_attn, sys; assert hf_lstm_attn.__file__.startswith(sys.argv[1])\n"
        "from hf_lstm_attn.cli import main\n"
        "sys.exit(main(['train', 'sample-tweets', '-o', 'run', '--limit', '40', '--epochs', '1', "
        "'--word-vectors', 'none']))"
    )
    run_from(site, code, cwd=tmp_path)
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_built_in_models_of_the_wheel_answer_where_there_is_no_network(site: Path, tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*arguments): raise AssertionError(f'connects to {arguments}')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "import hf_lstm_attn; assert hf_lstm_attn.__file__.startswith(sys.argv[1])\n"
        "from hf_lstm_attn.cli import main\n"
        "sys.exit(main(['predict', 'What a wonderful film!', '--json']) or main(['predict', '-m', 'tweets', "
        "'I hate mondays', '--json']) or main(['explain', 'What a wonderful film!', '--json']))"
    )
    answers = run_from(site, code, cwd=tmp_path, HF_HOME=str(tmp_path / "empty"), HF_HUB_OFFLINE="0").splitlines()
    assert [json.loads(line)["label"] for line in answers[:2]] == ["positive", "negative"]
    assert "wonderful" in "".join(answers[2:])


def run_from(site: Path, code: str, *, cwd: Path, **variables: str) -> str:
    """What a process prints that has the package from `site`."""
    environment = {**os.environ, "PYTHONPATH": str(site), **variables}
    command = [sys.executable, "-c", code, str(site)]
    run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "first",
    [
        "from hf_lstm_attn import LstmAttnConfig",
        "import hf_lstm_attn.modeling_lstm_attn",
        "import hf_lstm_attn.baselines",
    ],
)
def test_models_are_registered_whatever_is_imported_first(first: str) -> None:
    code = f"{first}\nfrom transformers import AutoConfig, AutoModel\n" + "\n".join(
        f"AutoModel.from_config(AutoConfig.for_model({name!r}, vocab_size=9))"
        for name in ("lstm_attn", "lstm_attn_ffnn", "lstm_attn_rnn")
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
