"""Export to ONNX: the file answers as PyTorch does, or is not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from onnxruntime import InferenceSession

from hf_lstm_attn import built_in, hub
from hf_lstm_attn.cli import main
from hf_lstm_attn.export import check, export
from hf_lstm_attn.inference import load_classifier
from hf_lstm_attn.results import load_sample_texts

SCRIPT = Path(__file__).parents[1] / "scripts" / "predict_with_onnx.py"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files of the built-in model, made by the command."""
    folder = tmp_path_factory.mktemp("onnx")
    assert main(["export", "tweets", "-o", str(folder)]) == 0
    assert main(["export", "tweets", "-o", str(folder), "--int8"]) == 0
    return folder


def test_a_quarter_of_the_size_and_nothing_left_behind(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "model.onnx",
        "model_int8.onnx",
        "tokenizer.json",
        "labels.json",
    }
    assert (exported / "model_int8.onnx").stat().st_size < 0.3 * (exported / "model.onnx").stat().st_size


def test_without_pytorch_the_labels_are_the_same(exported: Path) -> None:
    texts = ["Never was a train so superb.", "stuck in traffic again 😡", "", "fine " * 2_000]
    wanted = [row["label"] for row in load_classifier("tweets")(texts[:2])]
    blocked = "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    for name in ("model.onnx", "model_int8.onnx"):
        command = [sys.executable, "-c", blocked, str(SCRIPT), str(exported / name), *texts]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [line.split("  ")[0] for line in done.stdout.splitlines()][:2] == wanted
        assert len(done.stdout.splitlines()) == len(texts)


def test_a_file_that_answers_otherwise_is_refused(exported: Path) -> None:
    session, texts = InferenceSession(exported / "model.onnx"), load_sample_texts("train", 20)
    check(session, load_classifier("tweets"), texts)
    with pytest.raises(ValueError, match="away from PyTorch"):
        check(InferenceSession(exported / "model_int8.onnx"), load_classifier("tweets"), texts)
    other = load_classifier("tweets")
    other.model.classifier.weight.data.neg_()
    with pytest.raises(ValueError, match="of texts its label"):
        check(session, other, texts, int8=True)


def test_a_run_says_on_its_card_how_to_use_what_it_holds(tmp_path: Path) -> None:
    run_folder = tmp_path / "run"
    shutil.copytree(built_in("tweets"), run_folder)
    assert main(["export", str(run_folder)]) == 0
    assert "onnx/model.onnx" in hub.list_files(run_folder)
    assert not list(hub._compare_files(run_folder))
    card = (run_folder / "README.md").read_text(encoding="utf-8")
    assert 'onnxruntime.InferenceSession("onnx/model.onnx")' in card
    assert json.loads((run_folder / "onnx" / "labels.json").read_text())


def test_models_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        export(tmp_path, tmp_path / "onnx")
    assert built_in("tweets").is_dir()
    assert not (tmp_path / "onnx").exists()
