"""Configuration of the LSTM-with-attention classifier. This file travels with a model to the Hub."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

ATTENTION_SCORINGS = ("linear", "tanh")
POOLINGS = ("attention", "attention+max+mean")
LONGEST_NGRAM = 3
NGRAM_ID_BITS = 21  # of a word within an n-gram's key: three fit into 63
LARGEST_NGRAM_VOCABULARY = 2**NGRAM_ID_BITS - 1  # key 0 means no word


class LstmAttnConfig(PretrainedConfig):
    """Architecture of a model: embedding -> LSTM -> attention pooling -> linear head, with or without n-grams beside.

    Args:
        vocab_size: Rows of the embedding; use `len(tokenizer)`.
        embedding_size: Features of a word vector.
        hidden_size: Features of one direction's hidden state. A bidirectional encoder gives twice as many.
        num_hidden_layers: LSTM layers stacked in each direction.
        bidirectional: Whether a second stack reads the text from its end to its beginning.
        attention_scoring: How a word's hidden state becomes its attention score: `"linear"` is a dot product with
            a learned vector; `"tanh"` puts a tanh layer before it (Yang et al. 2016, the "context vector").
        pooling: `"attention"` gives the head the attention-weighted sum of hidden states;
            `"attention+max+mean"` appends their element-wise maximum and mean over the words.
        word_dropout: Probability that training replaces a word by `unk_token_id`.
        embedding_dropout: Dropout on word vectors; all words of a text lose the same features (Gal & Ghahramani 2016).
        hidden_dropout: Dropout between LSTM layers; without effect on one layer.
        classifier_dropout: Dropout on the pooled vector.
        num_ngrams: Words, pairs and triples of words that a linear model beside the network weighs (see
            `LstmAttnNgrams`); 0 leaves it out.
        initializer_range: Standard deviation of the random initial word vectors.
        calibration_temperature: What calibrated logits are divided by (Guo et al. 2017), fitted on validation; None
            before that.
        apply_calibration: Whether logits in evaluation mode are calibrated: probabilities change, predicted classes do
            not. `from_pretrained(..., apply_calibration=True)` turns it on.
        pad_token_id: Id that fills up shorter texts; its word vector stays zero.
        unk_token_id: Id of every word outside the vocabulary.

    Raises:
        ValueError: if `attention_scoring` or `pooling` is not one of the names above, or if n-grams have more words to
            choose from than their keys can tell apart.
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
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        classifier_dropout: float = 0.0,
        num_ngrams: int = 0,
        initializer_range: float = 0.1,
        calibration_temperature: float | None = None,
        apply_calibration: bool = False,
        pad_token_id: int = 0,
        unk_token_id: int = 1,
        **kwargs: Any,
    ) -> None:
        if attention_scoring not in ATTENTION_SCORINGS:
            raise ValueError(
                f"Expected attention_scoring to be one of {ATTENTION_SCORINGS}; found {attention_scoring!r}."
            )
        if pooling not in POOLINGS:
            raise ValueError(f"Expected pooling to be one of {POOLINGS}; found {pooling!r}.")
        if num_ngrams and vocab_size > LARGEST_NGRAM_VOCABULARY:
            raise ValueError(
                f"Expected at most {LARGEST_NGRAM_VOCABULARY:,} words, for n-grams; found {vocab_size:,}. Set "
                "num_ngrams to 0, or leave rare words out."
            )
        if __name__.startswith("hf_lstm_attn."):
            # In a repository they name a file of it, which `pipeline` runs only if told to trust it. Where the package
            # is installed its own code does all that.
            kwargs.pop("custom_pipelines", None)
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.bidirectional = bidirectional
        self.attention_scoring = attention_scoring
        self.pooling = pooling
        self.word_dropout = word_dropout
        self.embedding_dropout = embedding_dropout
        self.hidden_dropout = hidden_dropout
        self.classifier_dropout = classifier_dropout
        self.num_ngrams = num_ngrams
        self.initializer_range = initializer_range
        self.calibration_temperature = calibration_temperature
        self.apply_calibration = apply_calibration
        self.unk_token_id = unk_token_id
        super().__init__(pad_token_id=pad_token_id, **kwargs)


LstmAttnConfig.register_for_auto_class()
