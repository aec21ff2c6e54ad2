"""A model's whole way: trained, pushed, loaded by strangers, fine-tuned by one of them, pushed again, verified."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from loopback_hub import WRITER, LoopbackHub, build_environment

from hf_lstm_attn import load_classifier
from hf_lstm_attn.cli import main

TRANSFORMERS_4 = Path(__file__).parents[1] / ".venv" / "transformers-4.51"
REPO, TUNED = "you/film-mood", "you/parcel-mood"
TEXTS = ["I expected a gem and got a chore.", "", "zyzzyva 🎬"]

LOAD = """
import json, sys
sys.modules["hf_lstm_attn"] = None  # as where it is not installed
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
repo, texts = sys.argv[1], json.loads(sys.argv[2])
model = AutoModelForSequenceClassification.from_pretrained(repo, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(repo, trust_remote_code=True)
logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in texts]
pipe = pipeline("text-classification", model=repo, trust_remote_code=True)
print(json.dumps({"logits": logits, "labels": [result["label"] for result in pipe(texts)]}))
"""
FINE_TUNE = """
import sys
sys.modules["hf_lstm_attn"] = None
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments
source, target, folder = sys.argv[1:]
names = ["late", "on time", "early"]
tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=True)
tokenizer.add_tokens(["parcelshop"])
model = AutoModelForSequenceClassification.from_pretrained(
    source, trust_remote_code=True, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)},
    ignore_mismatched_sizes=True)
model.resize_token_embeddings(len(tokenizer))
texts = ["late again", "parcelshop on the dot", "early for once"] * 8
rows = Dataset.from_dict({"text": texts, "label": [0, 1, 2] * 8})
rows = rows.map(lambda row: tokenizer(row["text"], truncation=True), remove_columns="text")
arguments = TrainingArguments(folder, num_train_epochs=40, learning_rate=1e-2, report_to="none", save_strategy="no",
                              use_cpu=True, disable_tqdm=True)
Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
model.push_to_hub(target)
tokenizer.push_to_hub(target)
"""


def run(code: str, *arguments: str, hub: LoopbackHub, home: Path, **variables: str) -> str:
    run = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env=build_environment(hub.url, home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip().rpartition("\n")[2]


def test_from_training_to_a_strangers_model_and_back(
    hub: LoopbackHub, finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(finished_run), "--repo-id", REPO]) == 0
    assert main(["verify", REPO]) == 0
    classifier = load_classifier(finished_run)
    expected = [classifier(text, function_to_apply="none", top_k=None) for text in TEXTS]
    expected = [{entry["label"]: entry["score"] for entry in entries} for entries in expected]
    versions = {"5": {}, "4.51": {"PYTHONPATH": str(TRANSFORMERS_4)}}
    for version, variables in versions.items() if TRANSFORMERS_4.is_dir() else [("5", {})]:
        home = tmp_path / f"home-{version}"
        answer = json.loads(run(LOAD, REPO, json.dumps(TEXTS), hub=hub, home=home, **variables))
        for logits, scores in zip(answer["logits"], expected, strict=True):
            assert logits == pytest.approx([scores["negative"], scores["positive"]], abs=1e-6)
        assert answer["labels"] == [max(scores, key=scores.__getitem__) for scores in expected]

    run(FINE_TUNE, REPO, TUNED, str(tmp_path / "tuned"), hub=hub, home=tmp_path / "home-5", HF_TOKEN=WRITER)
    texts = json.dumps(["late again", "parcelshop on the dot", "early for once"])
    answer = json.loads(run(LOAD, TUNED, texts, hub=hub, home=tmp_path / "home-5"))
    assert answer["labels"] == ["late", "on time", "early"]

    assert main(["push", str(finished_run), "--repo-id", REPO, "--dtype", "float16"]) == 0
    assert main(["verify", REPO]) == 0
    copy = Path(snapshot_download(REPO, local_dir=tmp_path / "copy_of_film_mood"))
    capsys.readouterr()
    for path in sorted(path for path in copy.iterdir() if path.name not in {".cache", ".gitattributes"}):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert main(["verify", str(copy)]) == 1
        assert f"\n  {path.name}: " in capsys.readouterr().err
        path.write_bytes(content)
