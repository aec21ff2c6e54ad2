"""LstmAttnConfig, the configuration of every model here. This file travels with a model to the Hub."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

# What strangers' Auto classes and `pipeline` are told by a config.json, whichever model it was saved with.
# transformers 4 loads a pipeline's tokenizer only if the class is named there.
AUTO_MAP = {
    "AutoConfig": "configuration_lstm_attn.LstmAttnConfig",
    "AutoModel": "modeling_lstm_attn.LstmAttnModel",
    "AutoModelForSequenceClassification": "modeling_lstm_attn.LstmAttnForSequenceClassification",
}
SAVED_FOR_STRANGERS = {
    "custom_pipelines": {
        "text-classification": {
            "impl": "pipeline_lstm_attn.LstmAttnPipeline",
            "pt": ["AutoModelForSequenceClassification"],
            "tf": [],
            "type": "text",
        }
    },
    "tokenizer_class": "PreTrainedTokenizerFast",
}


class LstmAttnConfig(PretrainedConfig):
    """Architecture of a classifier: embedding -> LSTM -> attention pooling -> linear head.

    Args:
        vocab_size: Rows of the embedding; use `len(tokenizer)`.
        embedding_size: Features of a word vector.
        hidden_size: Features of one direction's hidden state. A bidirectional encoder gives twice as many.
        num_hidden_layers: LSTM layers stacked in each direction.
        bidirectional: Whether a second stack reads the text from its end to its beginning.
        attention_scoring: How a hidden state becomes its attention score: `"linear"` is a dot product with a learned
            vector; `"tanh"` puts a tanh layer before it (Yang et al. 2016, the "context vector").
        pooling: `"attention"` gives the head the attention-weighted sum of hidden states;
            `"attention+max+mean"` appends their element-wise maximum and mean over the tokens.
        projection_size: Features of the sentence vector that a projection makes of the pooled states; None has none. A
            classifier's head reads it beside the pooled states.
        max_position_embeddings: Tokens of a text that the model reads, the first ones; None reads all. The name is
            the one that transformers uses for such a limit; there are no position embeddings.
        word_dropout: Probability that training replaces a token by `unk_token_id`.
        embedding_dropout: Dropout on word vectors; all tokens of a text lose the same features (Gal & Ghahramani 2016).
        hidden_dropout: Dropout between LSTM layers; without effect on one layer.
        classifier_dropout: Dropout on the pooled vector.
        initializer_range: Standard deviation of the random initial word vectors.
        calibration_temperature: What calibrated logits are divided by (Guo et al. 2017), fitted on validation; None
            where it was not fitted.
        apply_calibration: Whether logits in evaluation mode are calibrated: probabilities change, predicted classes do
            not. `from_pretrained(..., apply_calibration=True)` turns it on.
        pad_token_id: Id that fills up shorter texts; its word vector stays zero.
        unk_token_id: Id of every token outside the vocabulary.

    Raises:
        ValueError: if `attention_scoring` or `pooling` is not one of the names above, or for a model of version 0.1
            with n-grams, which later versions do not read.
    """

    model_type = "lstm_attn"

    def __init__(
        self,
        vocab_size: int = 30_000,
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_hidden_layers: int = 1,
        bidirectional: bool = True,
        attention_scoring: str = "linear",
        pooling: str = "attention",
        projection_size: int | None = None,
        max_position_embeddings: int | None = None,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        classifier_dropout: float = 0.0,
        initializer_range: float = 0.1,
        calibration_temperature: float | None = None,
        apply_calibration: bool = False,
        pad_token_id: int = 0,
        unk_token_id: int = 1,
        **kwargs: Any,
    ) -> None:
        if attention_scoring not in ("linear", "tanh"):
            raise ValueError(f"attention_scoring is {attention_scoring!r}; choose 'linear' or 'tanh'.")
        if pooling not in ("attention", "attention+max+mean"):
            raise ValueError(f"pooling is {pooling!r}; choose 'attention' or 'attention+max+mean'.")
        if kwargs.pop("num_ngrams", 0):
            raise ValueError("This model has n-grams beside its network; the last version that reads it is 0.1.0.")
        if __name__.startswith("hf_lstm_attn."):
            # It names a file of the repository, which `pipeline` runs only if told to trust it. Where the package is
            # installed its own code does all that.
            kwargs.pop("custom_pipelines", None)
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.bidirectional = bidirectional
        self.attention_scoring = attention_scoring
        self.pooling = pooling
        self.projection_size = projection_size
        self.max_position_embeddings = max_position_embeddings
        self.word_dropout = word_dropout
        self.embedding_dropout = embedding_dropout
        self.hidden_dropout = hidden_dropout
        self.classifier_dropout = classifier_dropout
        self.initializer_range = initializer_range
        self.calibration_temperature = calibration_temperature
        self.apply_calibration = apply_calibration
        self.unk_token_id = unk_token_id
        super().__init__(pad_token_id=pad_token_id, **kwargs)

    def to_diff_dict(self) -> dict[str, Any]:
        """What is saved: beside code, always with the names of all classes, so that strangers find them."""
        output = super().to_diff_dict()
        return {**output, **SAVED_FOR_STRANGERS, "auto_map": AUTO_MAP} if "auto_map" in output else output


LstmAttnConfig.register_for_auto_class()
