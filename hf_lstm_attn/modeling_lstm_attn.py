"""The LSTM-with-attention classifier. This file travels with a model to the Hub: torch, transformers and its
configuration are all it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import ModelOutput

from .configuration_lstm_attn import LONGEST_NGRAM, NGRAM_ID_BITS, LstmAttnConfig

if TYPE_CHECKING:
    # transformers saves a model with the files that its own names in such lines. So the pipeline, which a repository's
    # configuration names, stays with a model that a stranger fine-tunes and saves.
    from .pipeline_lstm_attn import LstmAttnPipeline  # noqa: F401


@dataclass
class LstmAttnModelOutput(ModelOutput):
    """What the encoder says of a batch of texts.

    Attributes:
        last_hidden_state: (batch, seq_len, directions * hidden_size), one state per word, both directions side by side.
        pooler_output: (batch, pooled_size), one vector per text.
        attentions: (batch, seq_len), one weight per word; a text's weights sum to 1 and padding has exactly 0.
            Other models return (batch, heads, seq_len, seq_len): pooling needs one weight per word.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    attentions: torch.Tensor | None = None


def compute_reading_orders(attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The order in which each direction reads the positions of a row: (batch, seq_len) indices, twice.

    Both put a row's words first and its padding last, forward from the first word and backward from the last one.
    An LSTM then meets padding only after the last word, so padding cannot change the state of a word, on whichever
    side it stands.
    """
    seq_len = attention_mask.shape[1]
    positions = torch.arange(seq_len, device=attention_mask.device)
    after_all_words = positions + seq_len
    is_word = attention_mask.bool()
    forward_order = torch.where(is_word, positions, after_all_words).argsort(dim=1)
    backward_order = torch.where(is_word, -positions, after_all_words).argsort(dim=1)
    return forward_order, backward_order


def permute_positions(states: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """`states[b, order[b, t]]` for every row b: (batch, seq_len, features) in, the same shape out."""
    batch, seq_len, features = states.shape
    row_starts = torch.arange(batch, device=states.device).unsqueeze(1) * seq_len
    # index_select on flattened rows: forward and backward take a quarter of the time of `gather` on a CPU.
    return states.reshape(-1, features).index_select(0, (order + row_starts).flatten()).view(batch, seq_len, features)


def run_lstm(
    lstm: nn.LSTM, inputs: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None = None
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """(batch, seq_len, features) -> states (batch, seq_len, hidden_size), and the state in which the LSTM ends."""
    if inputs.is_cuda and not torch.compiler.is_compiling():
        lstm.flatten_parameters()  # cuDNN wants its weights in one piece; loading scatters them
    if inputs.device.type == "cpu" and not CPU_AUTOCASTS_LSTM:
        with torch.autocast("cpu", enabled=False):
            return lstm(inputs.to(next(lstm.parameters()).dtype), state)
    return lstm(inputs, state)


class LstmAttnEncoder(nn.Module):
    """One LSTM stack per direction, each over the padded batch.

    Same numbers as `nn.LSTM` over `pack_padded_sequence`, without its cost: packing leaves the fused CPU kernels,
    fails on an empty text and cannot be compiled into one graph.
    """

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()

        def build_stack() -> nn.LSTM:
            return nn.LSTM(
                config.embedding_size,
                config.hidden_size,
                num_layers=config.num_hidden_layers,
                dropout=config.hidden_dropout if config.num_hidden_layers > 1 else 0.0,
                batch_first=True,
            )

        self.forward_lstm = build_stack()
        self.backward_lstm = build_stack() if config.bidirectional else None

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, seq_len, embedding_size) and (batch, seq_len) -> (batch, seq_len, directions * hidden_size)."""
        forward_order, backward_order = compute_reading_orders(attention_mask)
        states = [self._read(self.forward_lstm, inputs_embeds, forward_order)]
        if self.backward_lstm is not None:
            states.append(self._read(self.backward_lstm, inputs_embeds, backward_order))
        return torch.cat(states, dim=-1)

    @staticmethod
    def _read(lstm: nn.LSTM, inputs_embeds: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        states, _ = run_lstm(lstm, permute_positions(inputs_embeds, order))
        return permute_positions(states, order.argsort(dim=1))


# oneDNN has bfloat16 LSTM kernels for CPUs with AVX-512 only; elsewhere an autocast nn.LSTM raises, so it runs in the
# dtype of its weights.
CPU_AUTOCASTS_LSTM = torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False


class LstmAttnPooling(nn.Module):
    """Weighs the words of a text and sums their hidden states.

    `linear` scores a state h by w . h (the report's form); `tanh` by c . tanh(W h + b) (Yang et al. 2016,
    "Hierarchical Attention Networks for Document Classification", section 2.2).
    """

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        size = config.hidden_size * (2 if config.bidirectional else 1)
        self.projection = nn.Linear(size, size) if config.attention_scoring == "tanh" else None
        self.score = nn.Linear(size, 1, bias=False)
        self.with_max_and_mean = config.pooling == "attention+max+mean"
        self.output_size = size * (3 if self.with_max_and_mean else 1)

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, seq_len, size) and (batch, seq_len) -> pooled (batch, output_size), weights (batch, seq_len).

        A text without words has weights of zero and a pooled vector of zeros.
        """
        is_word = attention_mask.bool()
        scored = hidden_states if self.projection is None else torch.tanh(self.projection(hidden_states))
        scores = self.score(scored).squeeze(-1).float()  # (batch, seq_len); bfloat16 would tie close weights
        lowest = torch.finfo(torch.float32).min  # not -inf: a row of padding alone would become NaN
        weights = scores.masked_fill(~is_word, lowest).softmax(dim=-1) * is_word  # (batch, seq_len)
        weights = weights.to(hidden_states.dtype)
        pooled = torch.bmm(weights.unsqueeze(1), hidden_states).squeeze(1)  # (batch, size)
        if self.with_max_and_mean:
            outside = ~is_word.unsqueeze(-1)  # (batch, seq_len, 1)
            has_words = is_word.any(dim=1, keepdim=True)  # (batch, 1)
            maximum = hidden_states.masked_fill(outside, torch.finfo(hidden_states.dtype).min).amax(dim=1)
            total = hidden_states.masked_fill(outside, 0).sum(dim=1)
            mean = total / is_word.sum(dim=1, keepdim=True).clamp(min=1)
            pooled = torch.cat([pooled, maximum * has_words, mean.to(pooled.dtype)], dim=-1)
        return pooled, weights


def pack_ngrams(input_ids: torch.Tensor, is_read: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every `length` words in a row as one number, `NGRAM_ID_BITS` bits a word: equal where all words are equal.

    Args:
        input_ids: (batch, seq_len).
        is_read: (batch, seq_len), False at words that no n-gram may have.

    Returns:
        Keys (batch, seq_len - length + 1), and whether all of an n-gram's words may be read. Shorter texts have none.
    """
    ngrams = max(input_ids.shape[1] - length + 1, 0)
    keys = input_ids.new_zeros(input_ids.shape[0], ngrams)
    are_read = torch.ones_like(keys, dtype=torch.bool)
    for word in range(length if ngrams else 0):
        keys = (keys << NGRAM_ID_BITS) | (input_ids[:, word : word + ngrams] + 1)
        are_read = are_read & is_read[:, word : word + ngrams]
    return keys, are_read


class LstmAttnNgrams(nn.Module):
    """A linear model beside the network: what words, pairs and triples of words say for each class.

    The network generalises, the n-grams remember (Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems").
    An n-gram counts once in a text, however often it occurs; none has an unknown word or padding in it. Gradients do
    not train these weights: they are fitted as NB-SVM's (Wang & Manning 2012, "Baselines and Bigrams").
    """

    keys: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(config.num_ngrams, dtype=torch.long))  # ascending
        self.register_buffer("weight", torch.zeros(config.num_ngrams, config.num_labels))
        self.register_buffer("bias", torch.zeros(config.num_labels))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """What each word contributes to the logits: (batch, seq_len) -> (batch, seq_len, num_labels).

        The words of an n-gram share its weight, and so do its occurrences.
        """
        input_ids = input_ids.long()
        is_read = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        scores = self.weight.new_zeros(*input_ids.shape, self.weight.shape[1])
        for length in range(1, LONGEST_NGRAM + 1):
            keys, are_read = pack_ngrams(input_ids, is_read, length)
            places = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)  # (batch, ngrams)
            places = places.where(are_read & (self.keys[places] == keys), -1)
            ordered = places.sort(dim=1).values
            occurrences = torch.searchsorted(ordered, places, right=True) - torch.searchsorted(ordered, places)
            shares = self.weight[places] * ((places >= 0) / (occurrences * length)).unsqueeze(-1).to(scores.dtype)
            for word in range(length):
                scores[:, word : word + keys.shape[1]] += shares
        return scores


class LstmAttnPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the models."""

    config_class: type[LstmAttnConfig] = LstmAttnConfig
    base_model_prefix = "lstm_attn"
    _no_split_modules = ["LstmAttnEncoder"]
    # The loss is a mean over the batch; Trainer divides it when it accumulates gradients.
    accepts_loss_kwargs = False

    def _init_weights(self, module: nn.Module) -> None:
        """Word vectors normal(0, initializer_range), padding zero; recurrent layers: input weights Xavier, recurrent
        weights orthogonal per gate, biases zero but 1 for an LSTM's forget gate (Jozefowicz et al. 2015); linear layers
        Xavier.

        Parameters that came from a checkpoint carry `_is_hf_initialized` and are left alone.
        """
        parameters = {
            name: parameter
            for name, parameter in module.named_parameters(recurse=False)
            if not getattr(parameter, "_is_hf_initialized", False)
        }
        with torch.no_grad():
            if isinstance(module, nn.Embedding) and "weight" in parameters:
                nn.init.normal_(module.weight, std=self.config.initializer_range)
                if module.padding_idx is not None:
                    module.weight[module.padding_idx].zero_()
            elif isinstance(module, nn.Linear):
                for name, parameter in parameters.items():
                    nn.init.zeros_(parameter) if name == "bias" else nn.init.xavier_uniform_(parameter)
            elif isinstance(module, LstmAttnNgrams):
                for buffer in module.buffers():
                    if not getattr(buffer, "_is_hf_initialized", False):
                        buffer.zero_()
            elif isinstance(module, nn.RNNBase):
                for name, parameter in parameters.items():
                    gates = parameter.split(module.hidden_size)  # of an LSTM: input, forget, cell, output
                    if name.startswith("weight_hh"):
                        for gate in gates:
                            nn.init.orthogonal_(gate)
                    elif name.startswith("weight_ih"):
                        for gate in gates:
                            nn.init.xavier_uniform_(gate)
                    else:
                        parameter.zero_()
                        if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                            gates[1].fill_(1.0)


class LstmAttnModel(LstmAttnPreTrainedModel):
    """Embedding -> LSTM -> attention pooling, without a head.

    Adding padding on either side, or other texts to the batch, leaves a text's numbers unchanged.
    """

    encoder_class: Any = LstmAttnEncoder
    pooling_class: Any = LstmAttnPooling

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__(config)
        self.embeddings: nn.Module = nn.Embedding(
            config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id
        )
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.encoder = self.encoder_class(config)
        self.pooling = self.pooling_class(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> LstmAttnModelOutput | tuple[torch.Tensor, ...]:
        """Read a batch of texts.

        Args:
            input_ids: (batch, seq_len) token ids; a seq_len of 0 is a batch of empty texts.
            attention_mask: (batch, seq_len), 1 at words and 0 at padding. Default: where `input_ids` is not the
                padding id, or everywhere when `inputs_embeds` is given.
            inputs_embeds: (batch, seq_len, embedding_size), instead of `input_ids`.
            output_attentions: Whether to return the word weights, (batch, seq_len).
            return_dict: False returns a tuple.

        Raises:
            ValueError: unless exactly one of `input_ids` and `inputs_embeds` is given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Expected exactly one of input_ids and inputs_embeds; found both or neither.")
        if input_ids is not None:
            input_ids = input_ids.long()  # an empty list of ids becomes a float tensor
            if attention_mask is None:
                attention_mask = input_ids != self.config.pad_token_id
            inputs_embeds = self.embeddings(self.drop_words(input_ids, attention_mask))
        assert inputs_embeds is not None
        if attention_mask is None:
            attention_mask = torch.ones(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
        seq_len = inputs_embeds.shape[1]
        if seq_len == 0:  # kernels want a position: one of padding
            inputs_embeds = nn.functional.pad(inputs_embeds, (0, 0, 0, 1))
            attention_mask = nn.functional.pad(attention_mask, (0, 1))
        if self.training:
            # One mask per text, (batch, 1, embedding_size): a mask per word took a tenth of a training step to draw.
            inputs_embeds = inputs_embeds * self.embedding_dropout(torch.ones_like(inputs_embeds[:, :1]))
        hidden_states = self.encoder(inputs_embeds, attention_mask)
        pooled, weights = self.pooling(hidden_states, attention_mask)
        output_attentions = self.config.output_attentions if output_attentions is None else output_attentions
        output = LstmAttnModelOutput(
            last_hidden_state=hidden_states[:, :seq_len],
            pooler_output=pooled,
            attentions=weights[:, :seq_len] if output_attentions else None,
        )
        return output.to_tuple() if return_dict is False else output

    def drop_words(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Word dropout: in training, some words become unknown. (batch, seq_len) in and out."""
        if not self.training or self.config.word_dropout == 0:
            return input_ids
        drop = torch.rand(input_ids.shape, device=input_ids.device) < self.config.word_dropout
        return input_ids.masked_fill(drop & attention_mask.bool(), self.config.unk_token_id)


class LstmAttnForSequenceClassification(LstmAttnPreTrainedModel):
    """The classifier: two classes, many, or several at once.

    `problem_type` chooses the loss as everywhere in transformers: cross entropy for one label per text, binary cross
    entropy for several. Two classes have two logits: softmax over (a, b) is sigmoid(b - a), so cross entropy on two
    logits is the report's sigmoid with binary cross entropy on their difference.
    """

    keys_to_ignore_at_inference = ["hidden_states", "attentions"]
    model_class: type[LstmAttnModel] = LstmAttnModel

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__(config)
        if config.apply_calibration and config.calibration_temperature is None:
            raise ValueError(
                "Expected a temperature to apply; found none in the configuration. Load without apply_calibration, or "
                "set config.calibration_temperature to one fitted on validation examples."
            )
        self.num_labels = config.num_labels
        self.lstm_attn = self.model_class(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(self.lstm_attn.pooling.output_size, config.num_labels)
        self.ngrams = LstmAttnNgrams(config) if config.num_ngrams else None
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        ngram_scores: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput | tuple[torch.Tensor, ...]:
        """Classify a batch of texts; arguments as in the encoder.

        Args:
            labels: (batch,) class ids, or (batch, num_labels) of 0. and 1. for `multi_label_classification`.
            ngram_scores: (batch, seq_len, num_labels), what `ngrams` gives for `input_ids`; a model with n-grams needs
                them beside `inputs_embeds`, from which no n-gram can be read.

        Returns:
            `loss` (when labels are given), `logits` (batch, num_labels) and, on request, `attentions`
            (batch, seq_len): one weight per word, unlike the four axes of transformer models.

        Raises:
            ValueError: as the encoder, and for `inputs_embeds` without the `ngram_scores` that they need.
        """
        if self.ngrams is not None and ngram_scores is None:
            if input_ids is None:
                raise ValueError(
                    "Expected ngram_scores beside inputs_embeds, for a model with n-grams; found none. Pass "
                    "ngram_scores=model.ngrams(input_ids, attention_mask)."
                )
            ngram_scores = self.ngrams(input_ids, attention_mask)
        encoded = self.lstm_attn(
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
        )
        logits = self.classify(encoded.pooler_output, ngram_scores)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        output = SequenceClassifierOutput(loss=loss, logits=logits, attentions=encoded.attentions)
        return output.to_tuple() if return_dict is False else output

    def classify(self, pooled: torch.Tensor, ngram_scores: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, pooled_size), and (batch, seq_len, num_labels) of a model with n-grams -> logits (batch, num_labels),
        calibrated if the configuration says so."""
        logits = self.classifier(self.dropout(pooled))
        if self.ngrams is not None:
            assert ngram_scores is not None
            logits = logits + ngram_scores.sum(dim=1) + self.ngrams.bias
        if self.config.apply_calibration and not self.training:
            logits = logits / self.config.calibration_temperature
        return logits


LstmAttnModel.register_for_auto_class("AutoModel")
LstmAttnForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
