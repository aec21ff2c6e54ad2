"""NB-SVM, and the report's two other networks (scripts/networks.py)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from hf_lstm_attn.soft_labels import NbSvm, compute_log_ratio

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import networks  # noqa: F401

NAMES = ["lstm_attn_ffnn", "lstm_attn_rnn"]


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, vocab_size=20, embedding_size=8, hidden_size=6, num_labels=3)
    return AutoModelForSequenceClassification.from_config(config).eval()


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing_and_the_auto_class_loads(name: str, tmp_path: Path) -> None:
    model = build(name)
    alone = torch.cat([model(torch.tensor([ids])).logits for ids in ([3, 4, 5, 6], [7, 8])])
    right, left = torch.tensor([[3, 4, 5, 6, 0], [7, 8, 0, 0, 0]]), torch.tensor([[0, 3, 4, 5, 6], [0, 0, 0, 7, 8]])
    model.save_pretrained(tmp_path / name)
    for loaded in (model, AutoModelForSequenceClassification.from_pretrained(tmp_path / name)):
        for ids in (right, left):
            torch.testing.assert_close(loaded(ids).logits, alone, atol=1e-6, rtol=0)
    assert model(torch.zeros(1, 0)).logits.isfinite().all()  # an empty text


def test_ffnn_is_blind_to_order_and_rnn_is_a_loop_over_cells() -> None:
    ffnn, rnn = map(build, NAMES)
    ids = torch.tensor([[3, 4, 5]])
    torch.testing.assert_close(ffnn(ids).logits, ffnn(ids.flip(1)).logits, atol=1e-6, rtol=0)
    cell, state = torch.nn.RNNCell(8, 6), torch.zeros(1, 6)
    weights = rnn.lstm_attn.encoder.rnn.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in weights.items()})
    for vector in rnn.get_input_embeddings()(ids)[0]:
        state = cell(vector[None], state)
    torch.testing.assert_close(rnn.classifier(state), rnn(ids).logits, atol=1e-6, rtol=0)


def test_log_count_ratios_by_hand() -> None:
    features = NbSvm().fit([["a", "b"], ["b"]], [1, 0]).vectorizer.transform([["a", "b"], ["b"]])  # a, "a b", b
    # Counts plus one: in class 1, two of each, of 6; outside it a 1, "a b" 1, b 2, of 4.
    expected = np.log([(2 / 6) / (1 / 4), (2 / 6) / (1 / 4), (2 / 6) / (2 / 4)])
    assert compute_log_ratio(features, np.array([True, False])) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_nb_svm_learns_what_order_decides(classes: int) -> None:
    texts, labels = [["not", "good"], ["good", "not"], ["so", "so"]][:classes] * 10, list(range(classes)) * 10
    model = NbSvm(balanced=True).fit(texts, labels)
    assert model.predict_proba(texts).argmax(-1).tolist() == labels
    model.biases -= 1_000  # where every class seems impossible, probabilities are still some
    assert model.predict_proba([["new"]]).sum() == pytest.approx(1)
