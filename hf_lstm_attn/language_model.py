"""A forward and a backward language model out of the classifier's own parts, and the windows of text they read."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from .configuration_lstm_attn import LstmAttnConfig
from .modeling_lstm_attn import LstmAttnEncoder, LstmAttnPreTrainedModel, run_lstm


def draw_candidates(vocab_size: int, padding: int, number: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that stand for the whole vocabulary in one training step, drawn log-uniformly: this package's tokenizer
    numbers tokens by frequency.

    Every token waits for an exponential time at the rate of its probability, and the first ones to come are drawn. A
    token comes before the first one that was not drawn with a chance that is known exactly.

    Returns:
        `number` ids, none twice (all but padding if there are fewer), and (vocab_size,) logarithms of the
        probabilities with which each token would have been drawn.
    """
    ids = torch.arange(vocab_size, device=device)
    ids = ids[ids != padding]
    log_chances = torch.zeros(vocab_size, device=device)
    if number >= len(ids):
        return ids, log_chances
    rates = torch.log1p(1 / torch.arange(1, len(ids) + 1, device=device))  # (tokens,)
    first = (torch.empty_like(rates).exponential_() / rates).topk(number + 1, largest=False)  # times of arrival
    log_chances[ids] = torch.log(-torch.expm1(-rates * first.values[-1]))
    return ids[first.indices[:-1]], log_chances


class LanguageModel(LstmAttnPreTrainedModel):
    """Each direction of the classifier's encoder predicts the next token that it will read.

    The embedding is shared by both directions and by input and output (Press & Wolf 2017, "Using the Output Embedding
    to Improve Language Models"). Padding marks the boundary between texts: it is read, as a vector of zeros, and never
    predicted.

    Args:
        streams: Rows of every window.
        dropout: On features of word vectors and of hidden states; all tokens of a row lose the same.

    Attributes:
        num_candidates: Tokens that stand for the vocabulary in a step of training.
        state: (directions, 2, layers, streams, hidden_size), the hidden and cell states from which the next window goes
            on. A checkpoint carries them.
    """

    num_candidates = 1024
    state: torch.Tensor

    def __init__(self, config: LstmAttnConfig, *, streams: int, dropout: float = 0.0) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.encoder = LstmAttnEncoder(config)
        self.lstms = [lstm for lstm in (self.encoder.forward_lstm, self.encoder.backward_lstm) if lstm is not None]
        self.projections = nn.ModuleList(nn.Linear(config.hidden_size, config.embedding_size) for _ in self.lstms)
        self.output_bias = nn.Embedding(config.vocab_size, 1)  # an embedding: its gradient adds up in a fixed order
        self.dropout = nn.Dropout(dropout)
        shape = (len(self.lstms), 2, config.num_hidden_layers, streams, config.hidden_size)
        self.register_buffer("state", torch.zeros(shape))
        self.post_init()
        nn.init.zeros_(self.output_bias.weight)

    def forward(
        self, input_ids: torch.Tensor, labels: torch.Tensor, tokens_per_window: float, is_start: bool = False
    ) -> dict[str, torch.Tensor]:
        """Read a window from where the last one ended.

        Args:
            input_ids: (2, streams, window) tokens to read, forward and backward.
            labels: (2, streams, window) tokens to predict.
            tokens_per_window: Labels but padding in a window and direction, on average over the windows: a mean of the
                loss over windows is then a mean over tokens.
            is_start: Whether the streams begin here, from a state of zeros.

        Returns:
            `loss` in nats: a sampled softmax in training, the full one in evaluation.

        Raises:
            ValueError: if the loss is not finite.
        """
        if is_start:
            self.state = torch.zeros_like(self.state)
        projected, self.state = self.read(input_ids)
        # positions at once: those of a training window, or as many as fit into memory with the whole vocabulary
        number, size = (self.num_candidates, labels.numel()) if self.training else (self.config.vocab_size, 512)
        drawn = draw_candidates(self.config.vocab_size, self.config.pad_token_id, number, labels.device)
        parts = zip(projected.flatten(0, 2).split(size), labels[: len(projected)].flatten().split(size), strict=True)
        total = torch.stack([self.compute_losses(*part, *drawn).sum() for part in parts]).sum()
        if not total.isfinite():
            raise ValueError(f"The loss became {total.item()}; lower the learning rate.")
        return {"loss": total / (len(projected) * tokens_per_window)}

    def read(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors to compare with word vectors, (directions, streams, window, embedding_size), and the state after."""
        projected, states = [], []
        for lstm, projection, ids, state in zip(self.lstms, self.projections, input_ids, self.state, strict=False):
            embedded = self.embeddings(ids)  # (streams, window, embedding_size)
            embedded = embedded * self.dropout(torch.ones_like(embedded[:, :1]))
            outputs, last_state = run_lstm(lstm, embedded.transpose(0, 1), (state[0], state[1]))
            outputs = outputs * self.dropout(torch.ones_like(outputs[:1]))  # (window, streams, hidden_size)
            projected.append(projection(outputs.transpose(0, 1)))
            states.append(torch.stack(last_state))
        return torch.stack(projected), torch.stack(states).detach().float()

    def compute_losses(
        self, projected: torch.Tensor, labels: torch.Tensor, candidates: torch.Tensor, log_chances: torch.Tensor
    ) -> torch.Tensor:
        """Sampled softmax (Jean et al. 2015, "On Using Very Large Target Vocabulary"): the label against candidates.

        Scores are lowered by the log of each token's chance to be a candidate, so that the best model is the one that
        the full softmax would have. With every token a candidate it is the full softmax.

        Returns:
            (positions,) losses in nats, 0 where the label is padding, of vectors (positions, embedding_size).
        """
        own = (projected.float() * self.embeddings(labels)).sum(-1) + self.output_bias(labels).squeeze(-1)
        bias = self.output_bias(candidates).squeeze(-1) - log_chances[candidates]
        scores = nn.functional.linear(projected, self.embeddings(candidates), bias)  # (positions, candidates)
        margins = scores.float().logsumexp(dim=-1) - own + log_chances[labels]
        is_candidate = torch.zeros_like(log_chances, dtype=torch.bool).index_fill(0, candidates, True)
        # a label among the candidates is in their sum already
        losses = torch.where(is_candidate[labels], margins, nn.functional.softplus(margins))
        return losses * (labels != self.config.pad_token_id)


class TextStreams(Dataset):
    """The windows of an epoch, in order; item i is the i-th that `LanguageModel` reads.

    The texts are joined to one line, each between two boundaries, and the line is cut into equal streams, row below
    row. Each token is a label once per direction; the token before it is its input, also where a row begins. The
    backward line is the forward one from its end. What the rows lack is filled up with boundaries.

    Args:
        texts: Whole texts; those without words are left out.
        tokenizer: Its padding is the boundary.
        streams: Rows of a window.
        seed: Of the order of the texts, another one in each epoch.

    Attributes:
        window: Tokens of a row in a window, through which gradients flow back.
        encoded: Token ids (tokens + 1,) of each text, a boundary behind them.
        tokens: Without boundaries.

    Raises:
        ValueError: if there are no tokens.
    """

    window = 70

    def __init__(self, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, streams: int, seed: int) -> None:
        self.boundary, self.streams, self.seed = tokenizer.pad_token_id, streams, seed
        batches = (texts[first : first + 1_000] for first in range(0, len(texts), 1_000))
        rows = (tokenizer(batch, truncation=False, verbose=False)["input_ids"] for batch in batches)
        self.encoded = [np.array([*ids, self.boundary], dtype=np.int32) for batch in rows for ids in batch if ids]
        total = sum(map(len, self.encoded))
        self.tokens, self.length = total - len(self.encoded), -(-total // streams)  # length of a row
        if not self.tokens:
            raise ValueError("There are too few texts with words to pre-train on.")
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Join the texts in the order of an epoch; the data loader calls it."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.encoded))
        line = np.concatenate([self.encoded[row] for row in order])
        line = np.pad(line, (1, self.streams * self.length - len(line)), constant_values=self.boundary)
        lines = torch.from_numpy(np.stack([line, line[::-1]]))
        self.inputs, self.labels = (part.reshape(2, self.streams, -1) for part in (lines[:, :-1], lines[:, 1:]))

    def load(self) -> DataLoader:
        """A loader of windows, with a generator of its own: starting it takes no number from training's."""
        return DataLoader(self, collate_fn=itemgetter(0), generator=torch.Generator())

    def __len__(self) -> int:
        return -(-self.length // self.window)

    def __getitem__(self, index: int) -> dict[str, Any]:
        columns = slice(index * self.window, (index + 1) * self.window)
        return {
            "input_ids": self.inputs[:, :, columns].long(),
            "labels": self.labels[:, :, columns].long(),
            "tokens_per_window": self.tokens / len(self),
            "is_start": index == 0,
        }
