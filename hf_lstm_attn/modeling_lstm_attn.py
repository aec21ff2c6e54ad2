"""The models: embedding -> LSTM -> attention -> head. This file travels with a model to the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import ModelOutput, SequenceClassifierOutput

from .configuration_lstm_attn import LstmAttnConfig

if TYPE_CHECKING:
    # transformers saves a model with the files that its own names in such lines. So the pipeline, which a repository's
    # configuration names, stays with a model that a stranger fine-tunes and saves.
    from .pipeline_lstm_attn import LstmAttnPipeline  # noqa: F401

# oneDNN has bfloat16 LSTM kernels for CPUs with AVX-512 only; elsewhere an autocast nn.LSTM raises.
CPU_AUTOCASTS_LSTM = torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False
VECTOR_SCALE = 10.0  # of the sentence vector before a head, where it stands beside states of about 1


@dataclass
class LstmAttnModelOutput(ModelOutput):
    """What `LstmAttnModel` gives. The sentence vector is first, where there is one: `pipeline("feature-extraction")`
    gives the first."""

    sentence_vector: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: torch.Tensor | None = None


def compute_reading_orders(attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The order in which each direction reads the positions of a row: (batch, seq_len) indices, twice.

    Both put a row's tokens first and its padding last: padding cannot change a token's state, wherever it stands.
    """
    seq_len = attention_mask.shape[1]
    positions = torch.arange(seq_len, device=attention_mask.device)
    is_token = attention_mask.bool()
    forward_order = torch.where(is_token, positions, positions + seq_len).argsort(dim=1)
    backward_order = torch.where(is_token, -positions, positions + seq_len).argsort(dim=1)
    return forward_order, backward_order


def run_lstm(
    lstm: nn.Module, inputs: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None = None
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """(seq_len, batch, features) -> states (seq_len, batch, hidden_size), and the state in which the LSTM ends."""
    if inputs.is_cuda and not torch.compiler.is_compiling() and isinstance(lstm, nn.LSTM):
        lstm.flatten_parameters()  # cuDNN wants its weights in one piece; loading scatters them
    if inputs.device.type == "cpu" and not CPU_AUTOCASTS_LSTM and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return lstm(inputs.float(), state)
    return lstm(inputs, state)


def run_in_order(lstm: nn.Module, inputs: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """States (batch, seq_len, hidden_size) of an LSTM that reads `inputs[b, order[b, t]]` at time t.

    It takes and gives (seq_len, batch, features), as its kernels do, or they would copy both.
    """
    batch, seq_len, features = inputs.shape
    rows = torch.arange(batch, device=inputs.device).unsqueeze(1)
    # index_select on flattened rows: forward and backward take a quarter of the time of `gather` on a CPU.
    read = inputs.reshape(-1, features).index_select(0, (order + rows * seq_len).T.flatten())
    outputs = run_lstm(lstm, read.view(seq_len, batch, features))[0].flatten(0, 1)
    places = order.argsort(dim=1) * batch + rows  # (batch, seq_len), of a row's states among the outputs
    return outputs.index_select(0, places.flatten()).view(batch, seq_len, outputs.shape[1])


class LstmAttnEncoder(nn.Module):
    """One LSTM stack per direction, each over the padded batch: the numbers of `pack_padded_sequence`, which leaves the
    fused CPU kernels and fails on empty texts."""

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        sizes = (config.embedding_size, config.hidden_size, config.num_hidden_layers)
        dropout = config.hidden_dropout if config.num_hidden_layers > 1 else 0.0
        self.forward_lstm = nn.LSTM(*sizes, dropout=dropout)
        self.backward_lstm = nn.LSTM(*sizes, dropout=dropout) if config.bidirectional else None

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, seq_len, embedding_size) and (batch, seq_len) -> (batch, seq_len, directions * hidden_size)."""
        lstms, orders = (self.forward_lstm, self.backward_lstm), compute_reading_orders(attention_mask)
        pairs = [(lstm, order) for lstm, order in zip(lstms, orders, strict=True) if lstm is not None]
        return torch.cat([run_in_order(lstm, inputs_embeds, order) for lstm, order in pairs], dim=-1)


class LstmAttnPooling(nn.Module):
    """Weighs the tokens of a text and sums their hidden states: `linear` scores a state h by w . h (the report's form),
    `tanh` by c . tanh(W h + b) (Yang et al. 2016, "Hierarchical Attention Networks", section 2.2)."""

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__()
        size = config.hidden_size * (2 if config.bidirectional else 1)
        self.projection = nn.Linear(size, size) if config.attention_scoring == "tanh" else None
        self.attention = nn.Linear(size, 1, bias=False)  # not `score`: peft takes a module of that name for the head
        self.with_max_and_mean = config.pooling == "attention+max+mean"
        self.output_size = size * (3 if self.with_max_and_mean else 1)

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, seq_len, size) and (batch, seq_len) -> pooled (batch, output_size), weights (batch, seq_len).
        Both are zero for a text without tokens."""
        is_token = attention_mask.bool()
        scored = hidden_states if self.projection is None else torch.tanh(self.projection(hidden_states))
        scores = self.attention(scored).squeeze(-1).float()  # (batch, seq_len); bfloat16 would tie close weights
        lowest = torch.finfo(torch.float32).min  # not -inf: a row of padding alone would become NaN
        weights = (scores.masked_fill(~is_token, lowest).softmax(dim=-1) * is_token).to(hidden_states.dtype)
        pooled = torch.bmm(weights.unsqueeze(1), hidden_states).squeeze(1)  # (batch, size)
        if self.with_max_and_mean:
            lowest = torch.finfo(hidden_states.dtype).min  # `where` and `bmm` take half the time of `masked_fill`
            maximum = torch.where(is_token.unsqueeze(-1), hidden_states, lowest).amax(dim=1)
            maximum = maximum * is_token.any(dim=1, keepdim=True)  # (batch, size)
            shares = is_token / is_token.sum(dim=1, keepdim=True).clamp(min=1)  # (batch, seq_len), of the mean
            mean = torch.bmm(shares.unsqueeze(1).to(hidden_states.dtype), hidden_states).squeeze(1)
            pooled = torch.cat([pooled, maximum, mean.to(pooled.dtype)], dim=-1)
        return pooled, weights


class LstmAttnPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the models."""

    config_class: type[LstmAttnConfig] = LstmAttnConfig
    base_model_prefix = "lstm_attn"
    _no_split_modules = ["LstmAttnEncoder"]
    _input_embed_layer = "embeddings"
    # The loss is a mean over the batch; Trainer divides it when it accumulates gradients.
    accepts_loss_kwargs = False

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As everywhere; weights of version 0.1 find their place under the attention's new name."""
        kwargs.setdefault("key_mapping", {r"pooling\.score\.": "pooling.attention."})
        return super().from_pretrained(*args, **kwargs)

    def save_pretrained(self, save_directory: Any, is_main_process: bool = True, **kwargs: Any) -> None:
        """As everywhere; the weights, which safetensors keeps to their owner, are for all who may read config.json."""
        super().save_pretrained(save_directory, is_main_process=is_main_process, **kwargs)
        for path in Path(save_directory).glob("model*.safetensors") if is_main_process else ():
            path.chmod(path.with_name("config.json").stat().st_mode)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Word vectors normal(0, initializer_range), padding zero; linear layers Xavier; recurrent layers: input
        weights Xavier, recurrent ones orthogonal per gate, biases 0, a forget gate's 1 (Jozefowicz et al. 2015)."""
        for name, parameter in module.named_parameters(recurse=False):
            if getattr(parameter, "_is_hf_initialized", False):  # it came from a checkpoint
                continue
            if isinstance(module, nn.Embedding):
                nn.init.normal_(parameter, std=self.config.initializer_range)
                if module.padding_idx is not None:
                    parameter[module.padding_idx].zero_()
            elif name.startswith("weight"):  # of an LSTM for its input, forget, cell and output gate
                for gate in parameter.split(getattr(module, "hidden_size", len(parameter))):
                    nn.init.orthogonal_(gate) if name.startswith("weight_hh") else nn.init.xavier_uniform_(gate)
            else:
                parameter.zero_()
                if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                    parameter.chunk(4)[1].fill_(1.0)


class LstmAttnModel(LstmAttnPreTrainedModel):
    """Embedding -> LSTM -> attention pooling, without a head. Padding on either side changes no number."""

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__(config)
        self.embeddings: nn.Module = nn.Embedding(config.vocab_size, config.embedding_size, config.pad_token_id)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.encoder = LstmAttnEncoder(config)
        self.pooling = LstmAttnPooling(config)
        size = config.projection_size
        self.projection = nn.Linear(self.pooling.output_size, size) if size is not None else None
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> LstmAttnModelOutput | tuple[torch.Tensor, ...]:
        """Read a batch of texts, of each the first `config.max_position_embeddings` tokens.

        Args:
            input_ids: (batch, seq_len) token ids; a seq_len of 0 is a batch of empty texts.
            attention_mask: (batch, seq_len), 1 at tokens and 0 at padding; by default 0 where an id is padding's.
            inputs_embeds: (batch, seq_len, embedding_size), instead of `input_ids`.

        Returns:
            sentence_vector: (batch, projection_size), of length 1; with `config.projection_size`.
            last_hidden_state: (batch, seq_len, directions * hidden_size).
            pooler_output: (batch, pooled_size).
            hidden_states: The word vectors, then last_hidden_state; with `output_hidden_states`.
            attentions: (batch, seq_len); with `output_attentions`. A text's weights sum to 1, padding has 0. Other
                models return (batch, heads, seq_len, seq_len).
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Pass exactly one of input_ids and inputs_embeds.")
        if input_ids is not None:
            input_ids = input_ids.long()  # an empty list of ids becomes a float tensor
            if attention_mask is None:
                attention_mask = input_ids != self.config.pad_token_id
            if self.training and self.config.word_dropout:
                is_dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.config.word_dropout
                input_ids = input_ids.masked_fill(is_dropped & attention_mask.bool(), self.config.unk_token_id)
            inputs_embeds = self.embeddings(input_ids)
        assert inputs_embeds is not None
        if attention_mask is None:
            attention_mask = inputs_embeds.new_ones(inputs_embeds.shape[:2])
        is_token, seq_len = attention_mask.bool(), inputs_embeds.shape[1]
        if seq_len == 0:  # kernels want a position: one of padding
            inputs_embeds = nn.functional.pad(inputs_embeds, (0, 0, 0, 1))
            is_token = nn.functional.pad(is_token, (0, 1))
        if self.config.max_position_embeddings is not None:
            # Whatever the length: an exported graph keeps the branch that it was made in.
            is_token = is_token & (is_token.long().cumsum(dim=1) <= self.config.max_position_embeddings)
        if self.training:
            # One mask per text, (batch, 1, embedding_size): a mask per word took a tenth of a training step to draw.
            inputs_embeds = inputs_embeds * self.embedding_dropout(torch.ones_like(inputs_embeds[:, :1]))
        states = self.encoder(inputs_embeds, is_token)
        pooled, weights = self.pooling(states, is_token)
        config, states = self.config, states[:, :seq_len]
        with_weights = config.output_attentions if output_attentions is None else output_attentions
        with_states = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        vector = None if self.projection is None else nn.functional.normalize(self.projection(pooled).float(), dim=-1)
        output = LstmAttnModelOutput(
            sentence_vector=vector,
            last_hidden_state=states,
            pooler_output=pooled,
            hidden_states=(inputs_embeds[:, :seq_len], states) if with_states else None,
            attentions=weights[:, :seq_len] if with_weights else None,
        )
        return output.to_tuple() if return_dict is False else output


class LstmAttnForSequenceClassification(LstmAttnPreTrainedModel):
    """The classifier: two classes, many, or several at once, as `problem_type` says everywhere in transformers. Cross
    entropy on two logits is the report's sigmoid with binary cross entropy on their difference."""

    keys_to_ignore_at_inference = ["hidden_states", "attentions"]

    def __init__(self, config: LstmAttnConfig) -> None:
        super().__init__(config)
        if config.apply_calibration and config.calibration_temperature is None:
            raise ValueError("apply_calibration is set, and the model has no calibration_temperature to apply.")
        self.num_labels = config.num_labels
        self.lstm_attn = LstmAttnModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        size = self.lstm_attn.pooling.output_size + (config.projection_size or 0)
        self.classifier = nn.Linear(size, config.num_labels)
        self.post_init()

    def classify(self, encoded: LstmAttnModelOutput) -> torch.Tensor:
        """Logits (batch, num_labels) of what the encoder gives; a sentence vector stands beside the pooled states."""
        features: Any = encoded.pooler_output
        if encoded.sentence_vector is not None:
            features = torch.cat([features, VECTOR_SCALE * encoded.sentence_vector.to(features.dtype)], dim=-1)
        return self.classifier(self.dropout(features))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[torch.Tensor, ...]:
        """Logits (batch, num_labels), calibrated if the configuration says so, the loss when labels are given, and what
        the encoder gives on request.

        Args:
            labels: (batch,) class ids, or (batch, num_labels) of 0. and 1. for `multi_label_classification`.
            kwargs: `output_attentions` and `output_hidden_states`, as in `LstmAttnModel`.
        """
        encoded = self.lstm_attn(input_ids, attention_mask, inputs_embeds, **kwargs)
        logits = self.classify(encoded)
        if self.config.apply_calibration and not self.training:
            logits = logits / self.config.calibration_temperature
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        output = SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )
        return output.to_tuple() if return_dict is False else output


LstmAttnModel.register_for_auto_class("AutoModel")
LstmAttnForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
