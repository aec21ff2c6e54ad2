from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import READER, WRITER, LoopbackHub, build_environment, serve_hub  # noqa: F401

from hf_lstm_attn.hub import CHECKSUMS, CODE, HubError, compute_checksums, push, save, verify
from hf_lstm_attn.inference import load_classifier, predict_logits
from hf_lstm_attn.metrics import compute_metrics
from hf_lstm_attn.model_card import save_card
from hf_lstm_attn.results import (
    RESULTS_FILE,
    compute_predictions,
    describe_versions,
    load_results,
    load_sample_texts,
    save_json,
)

TRANSFORMERS_4 = Path(__file__).parents[1] / ".venv" / "transformers-4.51"
REPO, TUNED = "you/film-mood", "you/parcel-mood"


@pytest.fixture
def run(model_folder: Path) -> Path:
    """A folder as a finished training leaves it."""
    classifier = load_classifier(model_folder)
    logits = predict_logits(classifier.model, classifier.tokenizer, ["a fine film", "a dull film", "not fine"])
    results: dict[str, Any] = {"schema_version": 2, "versions": describe_versions(), "labels": ["negative", "positive"]}
    results["dataset"] = {"name": "films", "splits": {"test": {"rows": 3}}}
    results["metrics"] = {"test": compute_metrics(logits, [1, 0, 0])}
    save_json(
        results | {"predictions": compute_predictions(classifier, load_sample_texts())}, model_folder / RESULTS_FILE
    )
    save_card(results, model_folder)
    (model_folder / "curves.png").write_bytes(b"\x89PNG" * 100)
    for name in ("checkpoint-3/model.safetensors", "training_args.bin", "optimizer.pt", ".cache/x", "_old/y"):
        (model_folder / name).parent.mkdir(exist_ok=True)
        (model_folder / name).write_bytes(b"not to be published")
    return model_folder


def change(folder: Path, name: str, edit: Callable[[Any], None] | None = None, *, text: str = "") -> None:
    """Edit a file of JSON, or append text, and renew the checksums, as somebody would who wants to hide it."""
    content = (folder / name).read_text()
    value = json.loads(content) if edit else None
    if edit:
        edit(value)
    (folder / name).write_text(json.dumps(value) if edit else content + text)
    sums = compute_checksums(folder)
    (folder / CHECKSUMS).write_text("".join(f"{checksum}  {name}\n" for name, checksum in sums.items()))


# Push


def test_a_repository_holds_the_folders_files_and_no_others(hub: LoopbackHub, run: Path) -> None:
    assert push(run, REPO, license="mit") == f"{hub.url}/{REPO}"
    names = {"README.md", "config.json", "curves.png", "model.safetensors", "results.json", *CODE, CHECKSUMS}
    assert set(hub.files(REPO)) == names | {"tokenizer.json", "tokenizer_config.json"}
    assert "license: mit" in hub.files(REPO)["README.md"].decode()
    (run / "curves.png").rename(run / "confusion.png")
    push(run, REPO, license="mit")
    assert set(hub.files(REPO)) ^ names == {"tokenizer.json", "tokenizer_config.json", "curves.png", "confusion.png"}
    assert hub.files(REPO) == {name: (run / name).read_bytes() for name in hub.files(REPO)}
    assert len(hub.repositories[REPO].commits) == 3  # the Hub's own first commit, and one per push
    subprocess.run(["sha256sum", "--check", "--quiet", CHECKSUMS], cwd=run, check=True)


NAMES = [("model", "mit"), ("a/b/c", "mit"), ("a b/c", "mit"), (REPO, None), (REPO, "Apache 2.0")]


@pytest.mark.parametrize(("repo_id", "license"), NAMES)
def test_bad_names_are_refused_before_any_work(hub: LoopbackHub, run: Path, repo_id: str, license: str | None) -> None:
    with pytest.raises(ValueError, match="repository" if license == "mit" else "Did you mean.* apache-2.0"):
        push(run, repo_id, license=license)
    assert hub.requests == []
    assert not (run / CHECKSUMS).exists()


def test_the_license_of_the_results_will_do(hub: LoopbackHub, run: Path) -> None:
    save_json(load_results(run) | {"license": "cc-by-4.0"}, run / RESULTS_FILE)
    push(run, REPO)
    assert "license: cc-by-4.0" in hub.files(REPO)["README.md"].decode()


FAULTS = [("commit", 500, "again"), ("commit", 0, "again"), ("lfs_upload", 403, "write")]


@pytest.mark.parametrize(("fault", "status", "word"), FAULTS)
def test_a_failed_push_changes_nothing(hub: LoopbackHub, run: Path, fault: str, status: int, word: str) -> None:
    hub.faults[fault] = status
    with pytest.raises(HubError, match=word) as caught:
        push(run, REPO, license="mit")
    assert WRITER not in str(caught.value)
    assert hub.files(REPO) == {}
    push(run, REPO, license="mit")
    assert set(hub.files(REPO)) > {"model.safetensors"}


@pytest.mark.parametrize(("token", "word"), [("", "hf auth login"), ("hf_unknown", "401"), (READER, "403")])
def test_tokens_that_will_not_do(hub: LoopbackHub, run: Path, monkeypatch: Any, token: str, word: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=word):
        push(run, REPO, license="mit")
    assert hub.repositories == {}


def test_branches_pull_requests_and_privacy(hub: LoopbackHub, run: Path) -> None:
    push(run, REPO, license="mit")
    before = hub.files(REPO)
    with pytest.raises(HubError, match="v2"):
        push(run, REPO, license="mit", revision="v2")
    hub.repositories[REPO].branches["v2"] = hub.repositories[REPO].branches["main"]
    (run / "new.png").touch()
    assert push(run, REPO, license="mit", create_pr=True).endswith("discussions/1")
    push(run, REPO, license="mit", revision="v2")
    assert hub.files(REPO) == before
    assert set(hub.files(REPO, "v2")) - set(before) == set(hub.files(REPO, "refs/pr/1")) - set(before) == {"new.png"}
    with pytest.raises(ValueError, match="public"):
        push(run, REPO, license="mit", private=True)
    push(run, "you/secret", license="mit", private=True)
    assert hub.repositories["you/secret"].private


def test_what_is_no_model_folder_is_not_completed(run: Path) -> None:
    (run / "notes.txt").symlink_to(run / "README.md")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        save(run)
    (run / "notes.txt").unlink()
    (run / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        save(run)


# Verify


def test_a_changed_byte_in_any_file_is_found_by_name(run: Path) -> None:
    save(run)
    assert verify(run) == []
    for name in compute_checksums(run):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert [said.split()[0] for said in verify(run)] == [name]
        (run / name).write_bytes(content)
    (run / "curves.png").rename(run / "other.png")
    assert [said.split()[0] for said in verify(run)] == ["curves.png", "other.png"]


def test_hidden_changes_are_found_by_what_they_do(run: Path) -> None:
    save(run)
    change(run, "results.json", lambda results: results["predictions"][3]["logits"].reverse())
    change(run, "results.json", lambda results: results["predictions"][5]["attentions"].pop())
    change(run, "results.json", lambda results: results["metrics"]["test"].update(accuracy=0.9999))
    change(run, "handler.py", text="# changed\n")
    differences = verify(run)
    texts = [load_results(run)["predictions"][row]["text"][:30] for row in (3, 5)]
    for part in ("handler.py", "README.md says accuracy", *texts):
        assert sum(part in difference for difference in differences) == 1
    assert len(differences) == 4


def test_code_runs_only_if_trusted_and_knows_no_token(run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(sys, "stdin", StringIO("y\n" * 10))
    save(run)
    code = f"import os, sys\nopen({str(tmp_path / 'ran')!r}, 'w').write(str(dict(os.environ)) + sys.stdin.read())\n"
    change(run, "modeling_lstm_attn.py", text=code)
    change(run, "results.json", lambda results: results["versions"].update(hf_lstm_attn="0.1.9"))  # so it may differ
    assert verify(run) == []
    change(run, "tokenizer_config.json", lambda config: config.update(auto_map={"AutoTokenizer": ["handler.X", None]}))
    assert verify(run) == []
    assert not (tmp_path / "ran").exists()
    change(run, "tokenizer_config.json", lambda config: config.pop("auto_map"))
    assert verify(run, trust_remote_code=True) == []
    assert "hf_secret" not in (tmp_path / "ran").read_text()
    assert (tmp_path / "ran").read_text().endswith("}")  # nothing was read from standard input
    change(run, "config.json", lambda config: config.update(model_type="unknown"))
    assert "read" in verify(run)[0]


def test_a_folder_of_an_older_version_is_checked_as_far_as_can_be(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(run)
    old = {"request": {}, "test": load_results(run)["metrics"]["test"], "versions": {"hf_lstm_attn": "0.1.0"}}
    change(run, "results.json", lambda results: (results.clear(), results.update(old)))
    with caplog.at_level(logging.WARNING):
        assert verify(run, trust_remote_code=True) == []
    assert "older version" in caplog.text
    change(run, "config.json", lambda config: config.update(num_ngrams=100))
    assert "0.1.0" in verify(run)[0]


# The whole way

LOAD = """
import json, sys
sys.modules["hf_lstm_attn"] = None  # as where it is not installed
from huggingface_hub import snapshot_download
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
source, target, folder, texts = *sys.argv[1:4], json.loads(sys.argv[4])
def load(repo, texts):
    model = AutoModelForSequenceClassification.from_pretrained(repo, trust_remote_code=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(repo, trust_remote_code=True)
    logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in texts]
    pipe = pipeline("text-classification", model=repo, trust_remote_code=True)
    return logits, [result["label"] for result in pipe(texts)]
answers = [load(source, texts)]
sys.path.insert(0, snapshot_download(source))
from handler import EndpointHandler
assert [row["label"] for row in EndpointHandler(sys.path[0])({"inputs": texts})] == answers[0][1]
"""
FINE_TUNE = """
from datasets import Dataset
from transformers import Trainer, TrainingArguments
texts = ["a fine film", "not dull", "in a plot"]
tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=True)
model = AutoModelForSequenceClassification.from_pretrained(
    source, trust_remote_code=True, num_labels=3, ignore_mismatched_sizes=True)
rows = Dataset.from_dict({**tokenizer(texts * 8), "labels": [2, 0, 1] * 8})
options = {"num_train_epochs": 20, "learning_rate": 2e-2, "report_to": "none", "save_strategy": "no", "use_cpu": True}
Trainer(model, TrainingArguments(folder, **options), train_dataset=rows, processing_class=tokenizer).train()
model.push_to_hub(target)
tokenizer.push_to_hub(target)
answers.append(load(target, texts))
"""
ANSWER = "print(json.dumps(answers))"


def test_a_stranger_loads_fine_tunes_and_pushes(hub: LoopbackHub, run: Path, tmp_path: Path) -> None:
    push(run, REPO, license="mit")
    assert verify(REPO) == []
    texts = ["a fine film", "", "zyzzyva 🎬", "dull " * 70]
    classifier = load_classifier(run)
    logits = predict_logits(classifier.model, classifier.tokenizer, texts)
    versions = {LOAD + FINE_TUNE + ANSWER: {"HF_TOKEN": WRITER}}
    if TRANSFORMERS_4.is_dir():
        versions[LOAD + ANSWER] = {"PYTHONPATH": str(TRANSFORMERS_4)}
    for code, variables in versions.items():
        command = [sys.executable, "-P", "-c", code, REPO, TUNED, str(tmp_path / "tuned"), json.dumps(texts)]
        environment = build_environment(hub, tmp_path / f"home{len(code)}", **variables)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (found, labels), *tuned = json.loads(done.stdout.splitlines()[-1])
        assert found == [pytest.approx(row, abs=1e-5) for row in logits.tolist()]
        assert labels == [["negative", "positive"][row] for row in logits.argmax(-1)]
        assert [labels for _, labels in tuned] == [["LABEL_2", "LABEL_0", "LABEL_1"]] * len(tuned)
    (run / "more.png").touch()
    push(run, REPO, license="mit")
    assert verify(REPO) == []
