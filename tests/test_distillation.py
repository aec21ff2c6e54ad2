"""Distilling an encoder: a tiny teacher, vectors that are computed once, and what starts from the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer, pipeline

from hf_lstm_attn import (
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnModel,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    distill_encoder,
    load_classifier,
    load_sample,
    sentence_vectors,
    train_tokenizer,
)
from hf_lstm_attn.cli import main
from hf_lstm_attn.distillation import CONFIG, DEFAULTS, TOKENIZER
from hf_lstm_attn.results import load_results
from hf_lstm_attn.sentence_vectors import compute_vectors, load_teacher
from hf_lstm_attn.word_vectors import extend_vocabulary

SIZES = {"embedding_size": 16, "hidden_size": 16}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return load_sample("reviews")["train"]["text"][:200]


def distill(texts: list[str], teacher: Path, folder: Path, **choices: Any) -> dict[str, Any]:
    fields = {**DEFAULTS, "per_device_train_batch_size": 32, "eval_steps": 6, "save_steps": 6, "bf16": False}
    args = LstmAttnTrainingArguments(str(folder), **fields, disable_tqdm=True)
    tokenizer = train_tokenizer(texts, **{**TOKENIZER, "vocab_size": 300})
    config = LstmAttnConfig(len(tokenizer), **{**CONFIG, **SIZES})
    return distill_encoder(texts, teacher, folder, tokenizer=tokenizer, config=config, args=args, **choices)


@pytest.fixture(scope="module")
def encoder(texts: list[str], teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    result = distill(texts, teacher, folder, classifiers=["imdb"])
    first = result["epochs"][0]["validation"]["cosine"]
    assert result["cosine"] > first > 0.1
    return folder


def test_vectors_are_those_of_the_teacher_and_computed_once(
    texts: list[str], teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_vectors, "SHARD", 64)
    loaded = load_teacher(teacher)
    vectors = compute_vectors(texts, loaded)
    assert vectors[7] @ loaded.encode(texts[7], normalize_embeddings=True) == pytest.approx(1, abs=2e-2)

    encode, calls = loaded.encode, []

    def stop_at_the_third(part: list[str], **choices: Any) -> Any:
        calls.append(len(part))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(part, **choices)

    loaded.encode = stop_at_the_third
    with pytest.raises(KeyboardInterrupt):
        compute_vectors(texts, loaded, tmp_path)
    assert np.array_equal(compute_vectors(texts, loaded, tmp_path), vectors)
    assert calls == [64, 64, 64, 64, 8]  # the interrupted one again, none of the first two


def test_an_interrupted_run_ends_with_the_same_weights(texts: list[str], teacher: Path, encoder: Path) -> None:
    whole = load_weights(encoder)
    checkpoint = min(encoder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    distill(texts, teacher, encoder, classifiers=["imdb"], resume_from_checkpoint=checkpoint)
    resumed = load_weights(encoder)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    return LstmAttnModel.from_pretrained(folder).state_dict()


def test_the_first_output_is_the_sentence_vector(texts: list[str], teacher: Path, encoder: Path) -> None:
    extract = pipeline("feature-extraction", str(encoder), trust_remote_code=False)
    found = np.array([extract(text)[0] for text in texts])
    assert found.shape == (len(texts), 24)
    assert (found * compute_vectors(texts, load_teacher(teacher))).sum(axis=1).mean() > 0.5


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "a fine zork film,good\na dull zork film,bad\nso so zork,fair\n" * 20)
    return path


def test_a_classifier_starts_from_an_encoder(encoder: Path, rows: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", "--data", str(rows), "--model_name_or_path", str(encoder), "-o", str(run), "--max_steps", "20"]
    assert main(command) == 0
    model, tokenizer = LstmAttnForSequenceClassification.from_pretrained(run), AutoTokenizer.from_pretrained(run)
    assert tokenizer.tokenize("zork") == ["zork"]  # it was spelled in pieces
    assert model.classifier.in_features == 3 * 32 + 24
    assert load_classifier(run)("a fine film")[0]["label"] in ("good", "bad", "fair")


@pytest.mark.parametrize("vocabulary", ["words", "subwords"])
def test_words_get_vectors_of_their_own(vocabulary: str) -> None:
    tokenizer = train_tokenizer(["the bank card is lost"] * 9, vocabulary=vocabulary, vocab_size=40)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(len(tokenizer)))
    before = model.get_input_embeddings().weight.detach().clone()
    extended = extend_vocabulary(model, tokenizer, ["the blank card"] * 5 + ["rare"], min_frequency=5)
    after = model.get_input_embeddings().weight.detach()
    assert (tokenizer.tokenize("blank") == ["blank"], extended.tokenize("blank")) == (False, ["blank"])
    assert "rare" not in extended.get_vocab()
    assert torch.equal(after[: len(before)], before)
    pieces = tokenizer("blank")["input_ids"]
    assert torch.allclose(after[extended.convert_tokens_to_ids("blank")], before[pieces].mean(dim=0))


def test_the_command_line_distills(texts: list[str], teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    command = ["distill", "--data", str(tmp_path / "texts.txt"), "--teacher", str(teacher), "-o", str(tmp_path / "run")]
    assert main([*command, "--hidden_size", "8", "--embedding_size", "8", "--num_train_epochs", "1"]) == 0
    assert LstmAttnModel.from_pretrained(tmp_path / "run").config.projection_size == 24


def test_english_is_what_training_starts_from(rows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    short = ["--max_steps", "2", "--save_strategy", "no", "--overwrite_output_dir"]
    sizes = {}
    for choices in ([], ["--model_name_or_path", "none"], ["--language", "de"], ["--hidden_size", "16"]):
        caplog.clear()
        assert main(["train", "--data", str(rows), "-o", str(tmp_path / "run"), *short, *choices]) == 0
        projection = LstmAttnConfig.from_pretrained(tmp_path / "run").projection_size
        sizes[" ".join(choices)] = projection
        assert ("built-in encoder english" in caplog.text) == (projection is not None)
    assert sizes == {"": 384, "--model_name_or_path none": None, "--language de": None, "--hidden_size 16": None}


def test_a_sentence_encoder_labels_texts_without_labels(teacher: Path, rows: Path, tmp_path: Path) -> None:
    folder, more, run = tmp_path / "sentences", tmp_path / "more.csv", tmp_path / "run"
    load_teacher(teacher).save(str(folder))  # with modules.json, by which it is known
    more.write_text("text\na fine film\nso so\n")
    teaching = ["--teacher", str(folder), "--unlabelled", str(more)]
    small = ["--recipe", "small", "--max_steps", "2", "-o", str(run)]
    assert main(["train", "--data", str(rows), *small, *teaching]) == 0
    assert load_results(run)["dataset"]["splits"]["train"]["rows"] == 48 + 2


def test_the_body_learns_at_a_rate_of_its_own(texts: list[str], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(texts)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(len(tokenizer), num_labels=2, **SIZES))
    args = LstmAttnTrainingArguments(str(tmp_path), learning_rate=1e-2, body_learning_rate=1e-4)
    data = Dataset.from_dict({"text": texts[:8], "label": [0, 1] * 4})
    groups = LstmAttnTrainer(model, args, None, data, None, tokenizer).create_optimizer().param_groups
    rates = {weights: group["lr"] for group in groups for weights in group["params"]}
    head = set(model.classifier.parameters())
    assert rates == {weights: 1e-2 if weights in head else 1e-4 for weights in model.parameters()}
