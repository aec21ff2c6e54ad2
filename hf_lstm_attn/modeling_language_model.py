"""A forward and a backward language model over one embedding, out of the classifier's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from .configuration_lstm_attn import LstmAttnConfig
from .modeling_lstm_attn import LstmAttnEncoder, LstmAttnPreTrainedModel, run_lstm

LstmState = tuple[torch.Tensor, torch.Tensor]  # hidden and cell state, each (layers, batch, hidden_size)


class Candidates(NamedTuple):
    """Words that stand for the whole vocabulary in one training step.

    Attributes:
        ids: (candidates,), no word twice.
        log_chances: (vocab_size,), log of the probability with which each word would have been drawn.
    """

    ids: torch.Tensor
    log_chances: torch.Tensor


def draw_candidates(config: LstmAttnConfig, number: int, device: torch.device | str = "cpu") -> Candidates:
    """`number` different words but padding, drawn log-uniformly: this package's tokenizer numbers words by frequency.

    Every word waits for an exponential time at the rate of its probability, and the first ones to come are drawn. A
    word comes before the first one that was not drawn with a chance that is known exactly.
    """
    ids = torch.arange(config.vocab_size, device=device)
    ids = ids[ids != config.pad_token_id]
    log_chances = torch.zeros(config.vocab_size, device=device)
    if number >= len(ids):
        return Candidates(ids, log_chances)
    ranks = torch.arange(1, len(ids) + 1, device=device)
    rates = torch.log1p(1 / ranks)  # (words,)
    arrivals = torch.empty_like(rates).exponential_() / rates
    first = arrivals.topk(number + 1, largest=False)
    log_chances[ids] = torch.log(-torch.expm1(-rates * first.values[-1]))
    return Candidates(ids[first.indices[:-1]], log_chances)


class LanguageModel(LstmAttnPreTrainedModel):
    """Each direction of the classifier's encoder foretells the next word that it will read.

    The embedding is shared by both directions and by input and output (Press & Wolf 2017, "Using the Output Embedding
    to Improve Language Models"). `embedding_dropout` drops features of word vectors, `classifier_dropout` features of
    hidden states; all words of a row lose the same.

    In `inputs` and `targets`, (directions, batch, window), padding marks the boundary between texts: it is read, as a
    vector of zeros, and never foretold.
    """

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.encoder = LstmAttnEncoder(config)
        self.projections = nn.ModuleList(nn.Linear(config.hidden_size, config.embedding_size) for _ in self.directions)
        self.output_bias = nn.Embedding(config.vocab_size, 1)  # an embedding: its gradient adds up in a fixed order
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.output_dropout = nn.Dropout(config.classifier_dropout)
        self.post_init()
        nn.init.zeros_(self.output_bias.weight)

    @property
    def directions(self) -> list[nn.LSTM]:
        both = [self.encoder.forward_lstm, self.encoder.backward_lstm]
        return [lstm for lstm in both if lstm is not None]

    def read(
        self, inputs: torch.Tensor, states: Sequence[LstmState] | None = None
    ) -> tuple[torch.Tensor, list[LstmState]]:
        """Hidden states (directions, batch, window, hidden_size), and the states from which the next window goes on."""
        outputs, last_states = [], []
        for index, (lstm, ids) in enumerate(zip(self.directions, inputs, strict=True)):
            embedded = _drop(self.embedding_dropout, self.embeddings(ids))  # (batch, window, embedding_size)
            output, state = run_lstm(lstm, embedded, None if states is None else states[index])
            outputs.append(output)
            last_states.append(state)
        return torch.stack(outputs), last_states

    def project(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """(directions, batch, window, hidden_size) -> (directions, batch, window, embedding_size)."""
        projected = [
            projection(_drop(self.output_dropout, states))
            for projection, states in zip(self.projections, hidden_states, strict=True)
        ]
        return torch.stack(projected)

    def score(
        self, projected: torch.Tensor, ids: torch.Tensor, log_chances: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits of the words `ids`, (words,), at each position: (positions, embedding_size) -> (positions, words)."""
        bias = self.output_bias(ids).squeeze(-1)  # (words,)
        if log_chances is not None:
            bias = bias - log_chances[ids]
        return nn.functional.linear(projected, self.embeddings(ids), bias).float()

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        candidates: Candidates,
        states: Sequence[LstmState] | None = None,
    ) -> tuple[torch.Tensor, list[LstmState]]:
        """Sampled softmax (Jean et al. 2015, "On Using Very Large Target Vocabulary"): the target against candidates.

        Scores are lowered by the log of each word's chance to be a candidate, so that the best model is the one that
        the full softmax would have. With every word a candidate it is the full softmax.

        Returns:
            The mean loss in nats over the words of all directions, and the states that the next window starts from.
        """
        hidden_states, states = self.read(inputs, states)
        projected = self.project(hidden_states).flatten(0, 2)  # (positions, embedding_size)
        targets = targets.flatten()  # (positions,)
        target_scores = (projected.float() * self.embeddings(targets)).sum(-1) + self.output_bias(targets).squeeze(-1)
        target_scores = target_scores - candidates.log_chances[targets]
        # (positions,) of the logarithm of the sum over candidates; a target among them is counted there already
        total = self.score(projected, candidates.ids, candidates.log_chances).logsumexp(dim=-1)
        is_candidate = torch.zeros_like(candidates.log_chances, dtype=torch.bool)
        is_candidate[candidates.ids] = True
        margins = total - target_scores
        losses = torch.where(is_candidate[targets], margins, nn.functional.softplus(margins))
        is_word = targets != self.config.pad_token_id
        return (losses * is_word).sum() / is_word.sum().clamp(min=1), states

    def compute_losses(
        self, inputs: torch.Tensor, targets: torch.Tensor, states: Sequence[LstmState] | None = None
    ) -> tuple[torch.Tensor, list[LstmState]]:
        """Full softmax: summed loss in nats per direction, (directions,), and the states for the next window."""
        hidden_states, states = self.read(inputs, states)
        words = torch.arange(self.config.vocab_size, device=inputs.device)
        losses = []
        for projected, expected in zip(self.project(hidden_states), targets, strict=True):
            is_word = expected != self.config.pad_token_id
            total = torch.zeros((), device=inputs.device)
            for part, goal in zip(projected[is_word].split(512), expected[is_word].split(512), strict=True):
                logits = self.score(part, words)  # (512, vocab_size)
                logits[:, self.config.pad_token_id] = -torch.inf
                total = total + nn.functional.cross_entropy(logits, goal, reduction="sum")
            losses.append(total)
        return torch.stack(losses), states


def _drop(dropout: nn.Dropout, values: torch.Tensor) -> torch.Tensor:
    """One mask per row, for all of its words: (batch, window, features) in and out."""
    if not dropout.training or dropout.p == 0:
        return values
    return values * dropout(torch.ones_like(values[:, :1]))
