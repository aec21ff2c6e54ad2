"""What version 0.1 computed, to 1e-6: tokens, states and logits of a seeded model, metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.metrics import compute_metrics
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.tokenization import train_tokenizer

DATA = Path(__file__).parent / "data"
ORACLE = json.loads((DATA / "oracle.json").read_text())
TENSORS = load_file(DATA / "oracle.safetensors")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(ORACLE["texts"], min_frequency=1, max_length=64)


@pytest.fixture(scope="module")
def model() -> LstmAttnForSequenceClassification:
    fields = {name: value for name, value in ORACLE["config"].items() if name != "labels"}
    model = LstmAttnForSequenceClassification(LstmAttnConfig(**fields, num_labels=3)).eval()
    weights = {name.removeprefix("model."): value for name, value in TENSORS.items() if name.startswith("model.")}
    model.load_state_dict({name.replace("pooling.score", "pooling.attention"): w for name, w in weights.items()})
    return model


@pytest.mark.parametrize("name", ["reviews", "tweets"])
def test_tokens(name: str) -> None:
    expected = ORACLE["tokens"][name]
    tokenizer = train_tokenizer(ORACLE["texts"], normalization=expected["rules"], min_frequency=1)
    assert len(tokenizer) == expected["size"]
    assert tokenizer(ORACLE["texts"], truncation=False, verbose=False)["input_ids"] == expected["ids"]


def test_logits_and_states(model: LstmAttnForSequenceClassification, tokenizer: Any) -> None:
    texts = ORACLE["texts"]
    with torch.inference_mode():
        logits = model(**tokenizer(texts, truncation=True, padding=True, return_tensors="pt")).logits
        few = tokenizer([texts[i] for i in ORACLE["few"]], truncation=True, padding=True, return_tensors="pt")
        encoded = model.lstm_attn(**few, output_attentions=True)
    states = encoded.last_hidden_state * few["attention_mask"].unsqueeze(-1)
    packed = TENSORS["states_packed"]
    for found, expected in (
        (logits, TENSORS["logits"]),
        (states, TENSORS["states_padded"]),
        (states[ORACLE["packed_rows"]][:, : packed.shape[1]], packed),
        (encoded.attentions, TENSORS["attentions"]),
        (encoded.pooler_output, TENSORS["pooled"]),
    ):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("classes", [2, 3, 77])
def test_metrics(classes: int) -> None:
    logits, labels = TENSORS[f"metrics_logits_{classes}"], TENSORS[f"metrics_references_{classes}"]
    expected = ORACLE["metrics"][str(classes)]
    assert compute_metrics(logits.numpy(), labels.numpy()) == pytest.approx(expected, abs=1e-6)
