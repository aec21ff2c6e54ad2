from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from huggingface_hub import HfApi, metadata_load
from loopback_hub import LoopbackHub, build_environment, serve_hub  # noqa: F401

from hf_lstm_attn.attribution import METHODS
from hf_lstm_attn.explanation import explain
from hf_lstm_attn.hub import CODE, build_space, save
from hf_lstm_attn.inference import load_classifier

ROOT = Path(__file__).parents[1]
REPO = "you/film-mood"
VISITOR = """
import gradio_client, json, runpy, sys
page = runpy.run_path("app.py")["page"]
_, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
visitor = gradio_client.Client(address, verbose=False)
print(json.dumps([visitor.predict(sys.argv[1], method, api_name="/explain") for method in sys.argv[2:]]))
"""


def test_the_page_answers_as_the_package_does(hub: LoopbackHub, model_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    save(model_folder)
    for name in CODE:
        (model_folder / name).write_text("raise SystemExit")  # the Space runs no code of the repository
    HfApi().create_repo(REPO)
    HfApi().upload_folder(repo_id=REPO, folder_path=model_folder)
    build_space(REPO, tmp_path / "space")
    HfApi().upload_file(repo_id=REPO, path_or_fileobj=b"{}", path_in_repo="config.json")  # too late

    text = "A fine film & <b>not</b> dull: " + "fine " * 60  # the model reads 50 tokens
    command = [sys.executable, "-P", "-c", VISITOR, text, *METHODS]
    environment = build_environment(hub, tmp_path / "home", GRADIO_ANALYTICS_ENABLED="False")
    done = subprocess.run(command, cwd=tmp_path / "space", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    classifier = load_classifier(model_folder)
    for method, (label, pieces, told) in zip(METHODS, json.loads(done.stdout.splitlines()[-1]), strict=True):
        expected = explain(classifier, text, method=method)
        confidences = {entry["label"]: entry["confidence"] for entry in label["confidences"]}
        assert confidences == pytest.approx(expected.probabilities, abs=1e-4)
        assert "".join(piece["token"] for piece in pieces) == text
        scored = [(piece["token"], piece["class_or_confidence"]) for piece in pieces]
        words, scores = zip(*[(word, score) for word, score in scored if score is not None], strict=True)
        largest = max(abs(word.score) for word in expected.words)
        assert words == tuple(word.word for word in expected.words)
        assert scores == pytest.approx([word.score / largest for word in expected.words], abs=1e-3)
        assert expected.strongest[0].word in told


def test_the_space_runs_what_was_tested(model_folder: Path, tmp_path: Path) -> None:
    build_space(str(model_folder), tmp_path / "space")
    assert f'"{model_folder}"' in (tmp_path / "space" / "app.py").read_text()
    pins = set((ROOT / "constraints.txt").read_text().splitlines())
    required = (tmp_path / "space" / "requirements.txt").read_text().splitlines()
    own = f"hf_lstm_attn=={version('hf_lstm_attn')}"
    assert {line for line in required if "==" in line} - pins == {own}
    settings = metadata_load(tmp_path / "space" / "README.md")
    assert settings["app_file"] in {path.name for path in (tmp_path / "space").iterdir()}
    assert settings["sdk_version"] == version("gradio")
    assert len(settings["short_description"]) <= 60
    assert not any("{{" in path.read_text() for path in (tmp_path / "space").iterdir())
    with pytest.raises(FileExistsError):
        build_space(str(model_folder), tmp_path / "space")
