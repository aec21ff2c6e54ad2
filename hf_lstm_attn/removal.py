"""What a model says of a text without one of its words, for every word; at less cost for this package's own models."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from .modeling_lstm_attn import LstmAttnEncoder, LstmAttnForSequenceClassification

ROWS_PER_BATCH = 64  # of the many variants of a text that a model reads
LONGEST_SHARED = 512  # words of a text whose variants share states: their memory grows with the square


def compute_variant_logits(model: PreTrainedModel, variants: torch.Tensor) -> torch.Tensor:
    """Texts of one length, a batch at a time: (variants, seq_len) ids without padding -> (variants, num_labels)."""
    return torch.cat(
        [model(part, attention_mask=torch.ones_like(part)).logits for part in variants.split(ROWS_PER_BATCH)]
    )


def compute_logits_without_each_word(
    model: PreTrainedModel, ids: torch.Tensor, word_ids: torch.Tensor, removal_id: int
) -> torch.Tensor:
    """Logits of the whole text, then a row per word with `removal_id` in that word's place: (1 + words, num_labels).

    Args:
        ids: (seq_len,) without padding.
        word_ids: (seq_len,), which word a token belongs to; -1 for none.
    """
    words = torch.arange(int(word_ids.max()) + 1, device=ids.device)
    if (
        isinstance(model, LstmAttnForSequenceClassification)
        and isinstance(model.lstm_attn.encoder, LstmAttnEncoder)  # not a baseline's
        and model.config.num_hidden_layers == 1
        and len(ids) <= LONGEST_SHARED
        and torch.equal(word_ids, words)  # a token a word
    ):
        return _compute_with_shared_states(model, ids, removal_id)
    is_removed = torch.cat([torch.zeros_like(word_ids[None], dtype=torch.bool), word_ids == words[:, None]])
    return compute_variant_logits(model, ids.masked_fill(is_removed, removal_id))  # from (1 + words, seq_len)


def _compute_with_shared_states(
    model: LstmAttnForSequenceClassification, ids: torch.Tensor, removal_id: int
) -> torch.Tensor:
    encoder, pooling = model.lstm_attn.encoder, model.lstm_attn.pooling
    embeds, removed = model.lstm_attn.embeddings(ids), model.lstm_attn.embeddings(ids.new_tensor([removal_id]))
    states = _read_variants(encoder, embeds, removed)
    rows = torch.arange(len(ids) + 1, device=ids.device)
    logits = []
    for part in rows.split(ROWS_PER_BATCH):
        hidden = [states[0, part]]
        if len(states) == 2:  # the backward LSTM counts words, and so rows, from the end
            hidden.append(states[1, (len(rows) - part) % len(rows)].flip(1))
        hidden_states = torch.cat(hidden, dim=-1)  # (rows, seq_len, size)
        mask = torch.ones(hidden_states.shape[:2], device=ids.device)
        pooled, _ = pooling(hidden_states, mask)
        is_removed = part.unsqueeze(1) == rows[1:]  # (rows, seq_len); row 0 is the whole text
        ngram_scores = model.ngrams(ids.where(~is_removed, removal_id), mask) if model.ngrams is not None else None
        logits.append(model.classify(pooled, ngram_scores))
    return torch.cat(logits)


def _read_variants(encoder: LstmAttnEncoder, embeds: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
    """States of the whole text and of each variant, in reading order: (directions, 1 + seq_len, seq_len, hidden_size).

    Until an LSTM meets the removed word, its states are those of the whole text. So variants join at their word: step
    t computes the rows of the whole text and of variants 0 to t, half of all. Only the joining row reads another
    word than the rest, so the product of words and input weights is computed once.
    """
    lstms = [lstm for lstm in (encoder.forward_lstm, encoder.backward_lstm) if lstm is not None]
    of_input, of_state, input_bias, state_bias = (
        torch.stack(parts) for parts in zip(*(lstm.all_weights[0] for lstm in lstms), strict=True)
    )  # (directions, 4 * hidden_size, ...)
    inputs = torch.stack([embeds, embeds.flip(0)][: len(lstms)])  # (directions, seq_len, embedding_size)
    bias, of_input, of_state = (input_bias + state_bias).unsqueeze(1), of_input.mT, of_state.mT
    read = torch.baddbmm(bias, inputs, of_input)  # (directions, seq_len, 4 * hidden_size)
    read_removed = torch.baddbmm(bias, removed.expand(len(lstms), 1, -1), of_input)

    directions, seq_len, size = len(lstms), len(embeds), encoder.forward_lstm.hidden_size
    states = embeds.new_empty(directions, 1 + seq_len, seq_len, size)
    hidden = cell = embeds.new_zeros(directions, 1, size)
    for step in range(seq_len):
        hidden, cell = (torch.cat([rows, rows[:, :1]], dim=1) for rows in (hidden, cell))
        now = read[:, step : step + 1]
        gates = torch.baddbmm(now, hidden, of_state)  # (directions, 2 + step, 4 * hidden_size)
        gates[:, -1:] += read_removed - now
        at_input, at_forget, candidate, at_output = gates.chunk(4, dim=2)
        cell = at_forget.sigmoid_() * cell + at_input.sigmoid_() * candidate.tanh_()
        hidden = at_output.sigmoid_() * cell.tanh()
        states[:, : 2 + step, step] = hidden
        states[:, 2 + step :, step] = hidden[:, :1]
    return states
