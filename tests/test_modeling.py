"""The model: padding changes nothing, its numbers are torch's own, and it saves, loads and limits itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.modeling_lstm_attn import (
    LstmAttnEncoder,
    LstmAttnForSequenceClassification,
    LstmAttnModel,
)

LENGTHS = [9, 4, 1, 7]
SEQ_LEN = max(LENGTHS)


def build(**fields: object) -> LstmAttnForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "embedding_size": 8, "hidden_size": 6, "num_labels": 3}
    return LstmAttnForSequenceClassification(LstmAttnConfig(**(sizes | fields))).eval()


def build_batch(seq_len: int = SEQ_LEN, side: str = "right") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.zeros(len(LENGTHS), seq_len, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    for row, length in enumerate(LENGTHS):
        start = 0 if side == "right" else seq_len - length
        input_ids[row, start : start + length] = torch.randint(2, 40, (length,), generator=generator)
        mask[row, start : start + length] = 1
    return {"input_ids": input_ids, "attention_mask": mask}


VARIANTS = [
    {},
    {"bidirectional": False},
    {"num_hidden_layers": 2},
    {"attention_scoring": "tanh"},
    {"pooling": "attention+max+mean"},
]


@pytest.mark.parametrize("fields", VARIANTS)
def test_padding_and_batch_order_change_nothing(fields: dict[str, object]) -> None:
    model = build(**fields)
    with torch.no_grad():
        plain = model(**build_batch(), output_attentions=True)
        longer = model(**build_batch(SEQ_LEN + 5), output_attentions=True)
        left = model(**build_batch(SEQ_LEN + 5, side="left"), output_attentions=True)
        batch = build_batch()
        reversed_batch = model(**{name: tensor.flip(0) for name, tensor in batch.items()})
        alone = [model(input_ids=batch["input_ids"][i : i + 1, :length]).logits[0] for i, length in enumerate(LENGTHS)]
    for other in (longer.logits, left.logits, reversed_batch.logits.flip(0), torch.stack(alone)):
        torch.testing.assert_close(other, plain.logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(longer.attentions[:, :SEQ_LEN], plain.attentions, atol=1e-6, rtol=0)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(left.attentions[row, -length:], plain.attentions[row, :length], atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_hidden_layers", [1, 2])
def test_encoder_equals_packed_lstm(num_hidden_layers: int) -> None:
    config = LstmAttnConfig(embedding_size=8, hidden_size=6, num_hidden_layers=num_hidden_layers)
    encoder = LstmAttnEncoder(config).eval()
    embeds = torch.randn(len(LENGTHS), SEQ_LEN, 8)
    mask = build_batch()["attention_mask"]
    with torch.no_grad():
        states = encoder(embeds, mask) * mask.unsqueeze(-1)
        packed = nn.utils.rnn.pack_padded_sequence(embeds, LENGTHS, batch_first=True, enforce_sorted=False)
        forward, _ = nn.utils.rnn.pad_packed_sequence(encoder.forward_lstm(packed)[0], batch_first=True)
        turned = embeds.clone()
        for row, length in enumerate(LENGTHS):
            turned[row, :length] = embeds[row, :length].flip(0)
        packed = nn.utils.rnn.pack_padded_sequence(turned, LENGTHS, batch_first=True, enforce_sorted=False)
        backward, _ = nn.utils.rnn.pad_packed_sequence(encoder.backward_lstm(packed)[0], batch_first=True)
        for row, length in enumerate(LENGTHS):
            backward[row, :length] = backward[row, :length].flip(0)
    torch.testing.assert_close(states, torch.cat([forward, backward], dim=-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("fields", VARIANTS)
def test_weights_sum_to_one_and_padding_has_none(fields: dict[str, object]) -> None:
    batch = build_batch(SEQ_LEN + 3)
    weights = build(**fields)(**batch, output_attentions=True).attentions
    assert weights.shape == batch["input_ids"].shape
    torch.testing.assert_close(weights.sum(1), torch.ones(len(LENGTHS)))
    assert (weights[batch["attention_mask"] == 0] == 0).all()
    assert build(**fields)(**batch).attentions is None


@pytest.mark.parametrize("fields", VARIANTS)
def test_empty_and_unknown_texts(fields: dict[str, object]) -> None:
    model = build(**fields)
    empty = model(torch.zeros(2, 0), output_attentions=True)  # what a tokenizer makes of ["", ""]
    assert empty.attentions.shape == (2, 0)
    padded = model(torch.zeros(2, 3, dtype=torch.long), output_attentions=True)
    assert (padded.attentions == 0).all()
    torch.testing.assert_close(empty.logits, padded.logits)
    among_others = model(torch.tensor([[0, 0, 0], [5, 6, 7]])).logits
    torch.testing.assert_close(among_others[0], padded.logits[0])
    assert model(torch.ones(2, 3, dtype=torch.long)).logits.isfinite().all()
    model.train()(torch.tensor([[0, 0], [5, 6]]), labels=torch.tensor([0, 1])).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_two_way_cross_entropy_is_the_reports_sigmoid() -> None:
    model = build(num_labels=2)
    labels = torch.tensor([0, 1, 1, 0])
    output = model(**build_batch(), labels=labels)
    difference = output.logits[:, 1] - output.logits[:, 0]
    torch.testing.assert_close(output.logits.softmax(-1)[:, 1], difference.sigmoid())
    expected = nn.functional.binary_cross_entropy_with_logits(difference, labels.float())
    torch.testing.assert_close(output.loss, expected)


def test_multi_label_loss() -> None:
    model = build(problem_type="multi_label_classification")
    labels = torch.tensor([[0.0, 1, 1]] * len(LENGTHS))
    output = model(**build_batch(), labels=labels)
    torch.testing.assert_close(output.loss, nn.functional.binary_cross_entropy_with_logits(output.logits, labels))


def test_initialisation() -> None:
    model = LstmAttnModel(LstmAttnConfig(vocab_size=500, embedding_size=64, hidden_size=16, initializer_range=0.3))
    for lstm in (model.encoder.forward_lstm, model.encoder.backward_lstm):
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).chunk(4)
        assert [gate.unique().item() for gate in bias] == [0, 1, 0, 0]  # input, forget, cell, output
        gate = lstm.weight_hh_l0[:16]
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    assert (model.embeddings.weight[0] == 0).all()
    assert model.embeddings.weight[1:].std().item() == pytest.approx(0.3, rel=0.05)


def test_word_dropout_makes_words_unknown_in_training_only() -> None:
    model = build(word_dropout=1.0)
    batch = build_batch()
    unknown = batch["input_ids"].masked_fill(batch["attention_mask"].bool(), 1)
    everything = model(unknown, batch["attention_mask"]).logits
    torch.testing.assert_close(model.train()(**batch).logits, everything)
    assert not torch.allclose(model.eval()(**batch).logits, everything)


def test_saved_and_loaded_model_is_the_same(model_folder: Path, model: LstmAttnForSequenceClassification) -> None:
    batch = {"input_ids": torch.tensor([[2, 3, 4]])}
    loaded = AutoModelForSequenceClassification.from_pretrained(model_folder)
    assert type(loaded) is LstmAttnForSequenceClassification
    torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)
    torch.testing.assert_close(
        AutoModel.from_pretrained(model_folder)(**batch).pooler_output, model.lstm_attn(**batch).pooler_output
    )
    assert AutoConfig.from_pretrained(model_folder).id2label == {0: "negative", 1: "positive"}
    assert {path.suffix for path in model_folder.iterdir()} == {".json", ".safetensors", ".py"}


def test_cpu_autocast(model: LstmAttnForSequenceClassification) -> None:
    batch = {"input_ids": torch.tensor([[2, 3, 4], [5, 0, 0]]), "labels": torch.tensor([0, 1])}
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**batch, output_attentions=True)
    output.loss.backward()
    torch.testing.assert_close(output.logits.float(), model(**batch).logits, atol=0.02, rtol=0)
    assert (output.attentions[1, 1:] == 0).all()


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="attention_scoring is 'dot'"):
        LstmAttnConfig(attention_scoring="dot")
    with pytest.raises(ValueError, match="pooling is 'max'"):
        LstmAttnConfig(pooling="max")
    with pytest.raises(ValueError, match="no calibration_temperature"):
        LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=4, apply_calibration=True))


def test_reads_no_more_than_its_limit_wherever_padding_stands() -> None:
    free, limited = build(), build(max_position_embeddings=4)
    limited.load_state_dict(free.state_dict())
    batch = build_batch()
    expected = free(batch["input_ids"][:, :4], batch["attention_mask"][:, :4], output_attentions=True)
    for side in ("right", "left"):
        output = limited(**build_batch(SEQ_LEN + 3, side), output_attentions=True)
        torch.testing.assert_close(output.logits, expected.logits)
        assert (output.attentions > 0).sum(dim=1).tolist() == [min(length, 4) for length in LENGTHS]


def test_hidden_states_are_word_vectors_and_lstm_states() -> None:
    model, batch = build(), build_batch()
    vectors, states = model(**batch, output_hidden_states=True).hidden_states
    torch.testing.assert_close(vectors, model.get_input_embeddings()(batch["input_ids"]))
    torch.testing.assert_close(states, model.lstm_attn(**batch).last_hidden_state)


def test_folders_of_version_0_1_load_and_those_with_ngrams_are_refused(tmp_path: Path) -> None:
    model = build(attention_scoring="tanh")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("pooling.attention.", "pooling.score."): value for name, value in weights.items()}
    save_file(old, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(**build_batch()).logits, model(**build_batch()).logits)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_ngrams": 5}))
    with pytest.raises(ValueError, match=r"0\.1"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)
