from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import pipeline

from hf_lstm_attn import RunResult
from hf_lstm_attn.cli import main
from hf_lstm_attn.examples import load_example_texts
from hf_lstm_attn.model_card import render_card
from hf_lstm_attn.packaging import build_repository, publish
from hf_lstm_attn.verification import run_as_stranger

TRANSFORMERS_4 = Path(__file__).parents[1] / ".venv" / "transformers-4.51"
VERSIONS = ["5", "4.51"]
CODE = ["configuration_lstm_attn.py", "handler.py", "modeling_lstm_attn.py", "pipeline_lstm_attn.py"]
DATA = ["config.json", "model.safetensors", "results.json", "tokenizer.json", "tokenizer_config.json"]


def test_folder_holds_what_a_stranger_needs_and_nothing_else(finished_run: Path, repository: Path) -> None:
    figures = [path.name for path in finished_run.glob("*.png")]
    assert {"curves.png", "confusion.png", "reliability.png"} <= set(figures)
    assert sorted(path.name for path in repository.iterdir()) == sorted(
        ["README.md", "SHA256SUMS", *CODE, *DATA, *figures]
    )
    check = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=repository, check=False)
    assert check.returncode == 0


def test_same_run_gives_the_same_bytes(finished_run: Path, repository: Path, tmp_path: Path) -> None:
    for path in build_repository(finished_run, tmp_path / "again", repo_id="you/tiny"):
        assert path.read_bytes() == (repository / path.name).read_bytes(), path.name


def test_half_precision_halves_the_weights(finished_run: Path, repository: Path, tmp_path: Path) -> None:
    build_repository(finished_run, tmp_path / "half", dtype="float16")
    full, half = (load_file(folder / "model.safetensors") for folder in (repository, tmp_path / "half"))
    assert torch.equal(half.pop("ngrams.keys"), full.pop("ngrams.keys"))  # numbers that must stay whole
    assert sum(tensor.nbytes for tensor in half.values()) * 2 == sum(tensor.nbytes for tensor in full.values())
    assert main(["verify", str(tmp_path / "half")]) == 0


def build_environment(home: Path, version: str) -> dict[str, str]:
    environment = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"], "HOME": str(home)}
    if version == "4.51":
        if not TRANSFORMERS_4.is_dir():
            pytest.skip("needs transformers 4.51 (make test installs it)")
        environment["PYTHONPATH"] = str(TRANSFORMERS_4)
    return environment


@pytest.mark.parametrize("version", VERSIONS)
def test_stranger_gets_the_runs_numbers(repository: Path, tmp_path: Path, version: str) -> None:
    environment = build_environment(tmp_path, version)
    examples = RunResult.load(repository).examples
    answer = run_as_stranger(
        repository, [load_example_texts()[example["id"]] for example in examples], environment=environment
    )
    assert isinstance(answer, dict), answer
    assert answer["problems"] == []
    for name in ("logits", "attentions"):
        for example, numbers in zip(examples, answer[name], strict=True):
            assert numbers == pytest.approx(example[name], abs=2e-6)  # recorded with 6 digits


def test_no_trust_is_asked_for_where_the_package_is_imported(repository: Path) -> None:
    pipe = pipeline("text-classification", model=str(repository))
    assert type(pipe.model).__module__ == "hf_lstm_attn.modeling_lstm_attn"
    assert pipe("dull")[0]["label"] in {"negative", "positive"}


def test_path_of_local_data_is_not_published(finished_run: Path, tmp_path: Path) -> None:
    result = RunResult.load(finished_run)
    assert publish(result).request["dataset"]["path"] == result.request["dataset"]["path"]
    mine = tmp_path / "mine.csv"
    mine.touch()
    request = {**result.request, "dataset": {**result.request["dataset"], "name": "mine", "path": str(mine)}}
    assert publish(replace(result, request=request)).request["dataset"]["path"] == "mine.csv"
    teachers = [str(tmp_path / "big"), "nb-svm", "you/big"]
    recipe = {**request["recipe"], "init_from": str(tmp_path / "lm"), "teachers": teachers}
    published = publish(replace(result, request={**request, "recipe": recipe}))
    assert published.request["recipe"]["init_from"] == "lm"
    assert published.request["recipe"]["teachers"] == ["big", "nb-svm", "you/big"]
    assert "big, nb-svm, you/big gave to the training texts" in render_card(published)


def test_command_prints_sizes(finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "package"
    assert main(["package", str(finished_run), "-o", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["files"] == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert main(["package", str(finished_run), "-o", str(folder)]) == 1
    assert "new or empty folder" in capsys.readouterr().err
    assert main(["package", str(tmp_path), "-o", str(tmp_path / "other")]) == 1
    assert "Expected a finished run" in capsys.readouterr().err
    assert main(["package", str(finished_run), "-o", str(tmp_path / "other"), "--dtype", "int8"]) == 1
    assert "float32, float16" in capsys.readouterr().err


HANDLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from handler import EndpointHandler
handler = EndpointHandler(sys.argv[1])
print(json.dumps([handler(request) for request in json.load(sys.stdin)]))
"""
BAD_REQUESTS = [
    ([], "inputs"),
    ({"inputs": None}, "NoneType"),
    ({"inputs": ["fine", 3]}, "number 1"),
    ({"inputs": "fine \ud83d"}, "surrogate"),
    ({"inputs": ["fine", "\ud83d"]}, "surrogate"),
    ({"inputs": "fine", "parameters": [1]}, "object"),
    ({"inputs": "fine", "parameters": {"device": "cuda"}}, "'device'"),
    ({"inputs": "fine", "parameters": {"top_k": "all"}}, "top_k"),
    ({"inputs": "fine", "parameters": {"function_to_apply": "relu"}}, "'relu'"),
]


@pytest.mark.parametrize("version", VERSIONS)
def test_handler_answers_and_explains_bad_requests(repository: Path, tmp_path: Path, version: str) -> None:
    good = [
        {"inputs": "a dull film"},
        {"inputs": ["a dull film"] * 2, "parameters": None},
        {"inputs": []},
        {"inputs": "a dull film", "parameters": {"top_k": None, "return_attention": True}},
    ]
    run = subprocess.run(
        [sys.executable, "-B", "-P", "-c", HANDLER, str(repository)],
        input=json.dumps([*good, *(request for request, _ in BAD_REQUESTS)]),
        env=build_environment(tmp_path, version),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    one, two, none, every, *refusals = json.loads(run.stdout.splitlines()[-1])
    assert set(one[0]) == {"label", "score"}
    assert two == [one[0], one[0]]
    assert none == []
    assert [len(entry["words"]) for entry in every[0]] == [3, 3]
    for answer, (_, word) in zip(refusals, BAD_REQUESTS, strict=True):
        assert set(answer) == {"error"}
        assert word in answer["error"]
