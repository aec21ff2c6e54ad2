from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer

from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.language_model import LanguageModel, TextStreams, draw_candidates
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.pretraining import DEFAULTS, pretrain
from hf_lstm_attn.tokenization import train_tokenizer
from hf_lstm_attn.training_args import LstmAttnTrainingArguments

TEXTS = ["the cat sat on the mat", "a dog ran after the cat", "birds sing at dawn", "the mat was red"] * 15
WORDS = train_tokenizer(TEXTS, min_frequency=1)


@pytest.fixture(autouse=True, scope="module")
def small_windows() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextStreams, "window", 8)
        patch.setattr(LanguageModel, "num_candidates", 6)
        yield


def run(folder: Path, *, texts: list[str] = TEXTS, resume: str | None = None, **options: Any) -> dict[str, Any]:
    """Eleven steps an epoch."""
    given = {name: options.pop(name) for name in ("word_vectors", "dropout") if name in options}
    fields = {**DEFAULTS, "num_train_epochs": 2, "per_device_train_batch_size": 4, "load_best_model_at_end": False}
    args = LstmAttnTrainingArguments(str(folder), **fields | {"bf16": False} | options)
    config = LstmAttnConfig(len(WORDS), embedding_size=12, hidden_size=10, classifier_dropout=0.4)
    return pretrain(texts, folder, tokenizer=WORDS, config=config, args=args, resume_from_checkpoint=resume, **given)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder with a checkpoint of every step; not to be changed."""
    folder = tmp_path_factory.mktemp("pretrained") / "lm"
    run(folder, save_strategy="steps", save_steps=1, save_total_limit=None)
    return folder


def build_model(**fields: Any) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(LstmAttnConfig(30, embedding_size=8, hidden_size=6, **fields), streams=3).eval()


def test_states_of_the_classifier_are_those_of_the_language_models() -> None:
    model = build_model()
    classifier = LstmAttnForSequenceClassification(model.config).eval()
    classifier.lstm_attn.load_state_dict(model.state_dict(), strict=False)
    ids = torch.randint(1, 30, (3, 11))
    states = classifier.lstm_attn(input_ids=ids).last_hidden_state  # (3, 11, 12)
    streams = torch.stack([ids, ids.flip(1)])
    first, model.state = model.read(streams[:, :, :5])
    second, _ = model.read(streams[:, :, 5:])  # goes on from where the first ended
    forward, backward = torch.cat([first, second], dim=2)
    torch.testing.assert_close(forward, model.projections[0](states[..., :6]), atol=1e-6, rtol=0)
    torch.testing.assert_close(backward.flip(1), model.projections[1](states[..., 6:]), atol=1e-6, rtol=0)


def test_streams_lose_no_token_and_every_epoch_has_its_order() -> None:
    streams, orders = TextStreams(TEXTS[:4], WORDS, 3, 1), []
    for epoch in range(3):
        streams.set_epoch(epoch)
        windows = [streams[index] for index in range(len(streams))]
        assert [window["is_start"] for window in windows] == [True] + [False] * (len(windows) - 1)
        inputs, labels = (torch.cat([row[name] for row in windows], -1).flatten(1) for name in ("input_ids", "labels"))
        assert inputs[:, 1:].equal(labels[:, :-1])  # across the ends of rows, too
        forward, backward = (row[row > 0] for row in labels)
        assert backward.flip(0).equal(forward)
        orders.append(WORDS.decode(labels[0]).replace(" [PAD]", "\n").split("\n")[:4])
        assert sorted(map(str.strip, orders[-1])) == sorted(TEXTS[:4])
    assert orders[0] != orders[1] or orders[1] != orders[2]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_evaluation_loss_by_definition(bidirectional: bool) -> None:
    model = build_model(bidirectional=bidirectional)
    inputs, labels = torch.randint(0, 30, (2, 2, 3, 7))
    logits = model.read(inputs)[0] @ model.embeddings.weight.T + model.output_bias.weight[:, 0]
    logits[..., 0] = -torch.inf  # padding is never predicted
    expected = cross_entropy(logits.flatten(0, 2), labels[: len(logits)].flatten(), ignore_index=0, reduction="sum")
    assert model(inputs, labels, 5.0)["loss"].item() == pytest.approx(expected.item() / len(logits) / 5, rel=1e-5)


@pytest.mark.parametrize(("label", "others"), [(9, [2, 5]), (5, [2])])
def test_sampled_softmax_by_definition(label: int, others: list[int]) -> None:
    model = build_model()
    log_chances = torch.linspace(-3, 0, 30)
    projected = torch.randn(1, 8)
    corrected = (projected @ model.embeddings.weight.T + model.output_bias.weight[:, 0] - log_chances)[0]
    expected = corrected[[label, *others]].logsumexp(0) - corrected[label]  # a label that was drawn counts once
    losses = model.compute_losses(projected, torch.tensor([label]), torch.tensor([2, 5]), log_chances)
    assert losses.item() == pytest.approx(expected.item(), abs=1e-5)


def test_candidates_come_as_often_as_their_chances_say() -> None:
    torch.manual_seed(0)
    weights = torch.zeros(21)
    for _ in range(2_000):
        ids, log_chances = draw_candidates(21, 0, 6, "cpu")
        weights[ids] += log_chances[ids].neg().exp() / 2_000  # a token of chance p weighs 1 / p: on average 1
        assert len(ids.unique()) == 6
    assert weights.tolist() == pytest.approx([0.0] + [1.0] * 20, abs=0.2)  # padding is never drawn


def test_perplexity_falls_to_what_the_texts_leave_open(tmp_path: Path) -> None:
    result = run(tmp_path / "lm", num_train_epochs=25, learning_rate=0.03, dropout=0.0)
    # One of four sentences is ln 4 nats, over 5 tokens each: a perplexity of 1.32 where all else is known.
    assert 1.25 < result["perplexity"] < 1.6


def test_a_classifier_starts_from_the_folder(pretrained: Path) -> None:
    weights = load_file(pretrained / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"embeddings", "encoder"}
    classifier = LstmAttnForSequenceClassification.from_pretrained(pretrained, num_labels=6)
    assert all(classifier.lstm_attn.state_dict()[name].equal(value) for name, value in weights.items())
    assert classifier.classifier.weight.shape == (6, 20)
    assert classifier.config.classifier_dropout == 0.4
    assert AutoTokenizer.from_pretrained(pretrained).get_vocab() == WORDS.get_vocab()
    record = json.loads((pretrained / "pretraining.json").read_text())
    assert record["dataset"]["rows"] == 60
    assert [row["step"] for row in record["epochs"]] == [11, 22]


@pytest.mark.parametrize("step", [5, 11, 22])
def test_resumed_is_uninterrupted(pretrained: Path, tmp_path: Path, step: int) -> None:
    folder = Path(shutil.copytree(pretrained, tmp_path / "lm"))
    record = json.loads((pretrained / "pretraining.json").read_text())
    assert run(folder, resume=str(folder / f"checkpoint-{step}"))["perplexity"] == record["perplexity"]
    weights = load_file(folder / "model.safetensors")
    assert all(value.equal(weights[name]) for name, value in load_file(pretrained / "model.safetensors").items())


def test_evaluation_leaves_training_as_it_was(pretrained: Path, tmp_path: Path) -> None:
    expected = load_file(pretrained / "model.safetensors")["embeddings.weight"]
    often = {"eval_strategy": "steps", "eval_steps": 1}
    for name, options in {"often": often, "seed": {"seed": 7}, "random": {"word_vectors": None}}.items():
        run(tmp_path / name, save_strategy="no", **options)
        found = load_file(tmp_path / name / "model.safetensors")["embeddings.weight"]
        assert found.equal(expected) == (name == "often")


def test_errors(pretrained: Path, tmp_path: Path) -> None:
    shutil.copytree(pretrained, tmp_path / "lm")
    with pytest.raises(ValueError, match="other data"):
        run(tmp_path / "lm", texts=TEXTS[1:], resume=str(tmp_path / "lm" / "checkpoint-5"))
    with pytest.raises(ValueError, match="learning rate"):
        run(tmp_path / "diverges", learning_rate=1e38, warmup_steps=0)
    with pytest.raises(ValueError, match="too few texts"):
        run(tmp_path / "few", texts=["alone", " "])
