from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

import hf_lstm_attn  # noqa: F401  registers the models

NAMES = ["lstm_attn_ffnn", "lstm_attn_rnn"]


def build(name: str, **fields: object) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, vocab_size=20, embedding_size=8, hidden_size=6, num_labels=3, **fields)
    return AutoModelForSequenceClassification.from_config(config).eval()


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_batch_order_change_nothing(name: str) -> None:
    model = build(name)
    texts = [[3, 4, 5, 6], [7, 8]]
    alone = torch.cat([model(torch.tensor([ids])).logits for ids in texts])
    right = torch.tensor([[3, 4, 5, 6, 0], [7, 8, 0, 0, 0]])
    left = torch.tensor([[0, 0, 7, 8], [3, 4, 5, 6]])
    assert torch.allclose(model(right).logits, alone, atol=1e-6)
    assert torch.allclose(model(left).logits.flip(0), alone, atol=1e-6)
    assert model(torch.zeros(1, 0)).logits.isfinite().all()  # an empty text


def test_ffnn_is_blind_to_the_order_of_words_and_rnn_is_not() -> None:
    forth, back = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[6, 5, 4, 3]])
    ffnn, rnn = (build(name) for name in NAMES)
    assert torch.allclose(ffnn(forth).logits, ffnn(back).logits, atol=1e-6)
    assert not torch.allclose(rnn(forth).logits, rnn(back).logits, atol=1e-3)


def test_rnn_agrees_with_a_loop_over_cells() -> None:
    model = build("lstm_attn_rnn")
    ids = torch.tensor([[3, 4, 5]])
    cell = torch.nn.RNNCell(8, 6)
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in model.lstm_attn.encoder.rnn.state_dict().items()}
    )
    state = torch.zeros(1, 6)
    for vector in model.get_input_embeddings()(ids)[0]:
        state = cell(vector[None], state)
    assert torch.allclose(model.classifier(state), model(ids).logits, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_by_the_auto_class(name: str, tmp_path: Path) -> None:
    model = build(name, embedding_dropout=0.5)
    model.save_pretrained(tmp_path / name)
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["config.json", "model.safetensors"]
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / name)
    assert type(loaded) is type(model)
    ids = torch.tensor([[3, 4, 5]])
    assert torch.allclose(loaded(ids).logits, model(ids).logits, atol=1e-6)
    assert loaded.config.embedding_dropout == 0.5
