from __future__ import annotations

import pytest
import torch

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification
from hf_lstm_attn import removal as module
from hf_lstm_attn.removal import compute_logits_without_each_word, compute_variant_logits

ARCHITECTURES = [
    {},
    {"bidirectional": False, "pooling": "attention"},
    {"attention_scoring": "tanh", "pooling": "attention+max+mean", "num_labels": 3},
    {"num_hidden_layers": 2},  # which shares no states
    {"calibration_temperature": 2.5, "apply_calibration": True},
]


@pytest.mark.parametrize("fields", ARCHITECTURES)
@pytest.mark.parametrize("words", [1, 2, 90])
def test_shared_states_give_the_numbers_of_reading_each_variant(fields: dict[str, object], words: int) -> None:
    torch.manual_seed(0)
    config = LstmAttnConfig(vocab_size=30, embedding_size=8, hidden_size=6, initializer_range=1.0, **fields)
    model = LstmAttnForSequenceClassification(config).eval()
    ids = torch.randint(2, 30, (words,))
    variants = ids.repeat(words + 1, 1)
    variants[range(1, words + 1), range(words)] = 1
    with torch.no_grad():
        expected = compute_variant_logits(model, variants)
        found = compute_logits_without_each_word(model, ids, torch.arange(words), 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_words_of_several_tokens_and_long_texts_are_read_variant_by_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=30, embedding_size=8, hidden_size=6)).eval()
    ids = torch.tensor([4, 5, 6, 7])
    with torch.no_grad():
        found = compute_logits_without_each_word(model, ids, torch.tensor([-1, 0, 0, 1]), 1)
        expected = compute_variant_logits(model, torch.tensor([[4, 5, 6, 7], [4, 1, 1, 7], [4, 5, 6, 1]]))
        torch.testing.assert_close(found, expected)
        shared = compute_logits_without_each_word(model, ids, torch.arange(4), 1)
        monkeypatch.setattr(module, "LONGEST_SHARED", 3)
        torch.testing.assert_close(compute_logits_without_each_word(model, ids, torch.arange(4), 1), shared)
