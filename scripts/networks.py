"""The report's two other networks, a feed-forward and a plain recurrent one, with the classifier's embedding, head and
dropout: only what stands between embedding and head differs. Importing this file tells the Auto classes about them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification
from hf_lstm_attn.modeling_lstm_attn import compute_reading_orders, run_in_order


class FfnnConfig(LstmAttnConfig):
    """`hidden_size` is the size of the hidden layer; the fields of recurrence and attention are without effect."""

    model_type = "lstm_attn_ffnn"
    _auto_class = None  # no code is saved with the model: it is compared, not published

    def __init__(self, **kwargs: Any) -> None:  # without one, transformers makes the class a dataclass of its own
        super().__init__(**kwargs)


class RnnConfig(LstmAttnConfig):
    """One direction; the fields of attention are without effect."""

    model_type = "lstm_attn_rnn"
    _auto_class = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class WordVectors(nn.Module):
    """Leaves the word vectors as they are."""

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return inputs_embeds


class MeanAndHiddenLayer(nn.Module):
    """Mean of the word vectors, then a hidden layer (Iyyer et al. 2015, "Deep Unordered Composition")."""

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.embedding_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, seq_len, size) -> (batch, hidden_size), and the same weight for every word (batch, seq_len)."""
        is_word = attention_mask.to(hidden_states.dtype)
        weights = is_word / is_word.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.bmm(weights.unsqueeze(1), hidden_states).squeeze(1)  # (batch, embedding_size)
        return torch.relu(self.hidden(mean)), weights


class Rnn(nn.Module):
    """A plain tanh RNN (Elman 1990), from the first word to the last."""

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        self.rnn = nn.RNN(config.embedding_size, config.hidden_size, config.num_hidden_layers)

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, seq_len, embedding_size) and (batch, seq_len) -> (batch, seq_len, hidden_size)."""
        order, _ = compute_reading_orders(attention_mask)
        return run_in_order(self.rnn, inputs_embeds, order)


class LastState(nn.Module):
    """The state after the last word."""

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, seq_len, size) -> (batch, size), and the weights (batch, seq_len): 1 for the last word."""
        is_word = attention_mask.bool()
        positions = torch.arange(1, is_word.shape[1] + 1, device=is_word.device) * is_word
        is_last = (positions == positions.amax(dim=1, keepdim=True)) & is_word
        weights = is_last.to(hidden_states.dtype)
        return torch.bmm(weights.unsqueeze(1), hidden_states).squeeze(1), weights


class FfnnForSequenceClassification(LstmAttnForSequenceClassification):
    """The report's feed-forward network; of the order of words it knows nothing."""

    config_class = FfnnConfig
    _auto_class = None

    def __init__(self, config: FfnnConfig) -> None:
        super().__init__(config)
        parts: Any = self.lstm_attn
        parts.encoder, parts.pooling = WordVectors(), MeanAndHiddenLayer(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


class RnnForSequenceClassification(LstmAttnForSequenceClassification):
    """The report's plain recurrent network."""

    config_class = RnnConfig
    _auto_class = None

    def __init__(self, config: RnnConfig) -> None:
        super().__init__(config)
        parts: Any = self.lstm_attn
        parts.encoder, parts.pooling = Rnn(config), LastState()
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


for _model in (FfnnForSequenceClassification, RnnForSequenceClassification):
    AutoConfig.register(_model.config_class.model_type, _model.config_class)
    AutoModelForSequenceClassification.register(_model.config_class, _model)
