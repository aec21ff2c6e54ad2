"""What each word of a text did for a class, by several methods: texts in as tensors, numbers out.

All methods but attention explain one class by its log-odds, log p / (1 - p): it does not saturate as the probability
does, and for two classes what speaks for one speaks against the other by as much. Removing a word means putting the
unknown word in its place, which training has seen through word dropout, or the mask where a tokenizer has one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from .characters import continues_sign
from .removal import ROWS_PER_BATCH, compute_logits_without_each_word

STEPS = 32  # points of the path of integrated gradients
NO_LENGTH = 1_000_000  # a tokenizer that was given no length says a far larger number than this


class MethodError(ValueError):
    """A method that the model, or the installation, does not allow; others may do."""


@dataclass(frozen=True)
class EncodedTexts:
    """Texts as a model reads them, with the way back from tokens to words.

    Attributes:
        input_ids: (batch, seq_len).
        attention_mask: (batch, seq_len), 1 at tokens and 0 at padding.
        word_ids: (batch, seq_len), which of its text's words a token belongs to; -1 at padding and special tokens.
        spans: For each text, for each of its words, its first and last character in the text (end exclusive).
        read: For each text, the first and last character (end exclusive) of what a text too long was cut to.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    word_ids: torch.Tensor
    spans: list[list[tuple[int, int]]]
    read: list[tuple[int, int]] = field(default_factory=list)


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_length: int | None = None
) -> EncodedTexts:
    """Encode texts, cut at `max_length` tokens, by default the tokenizer's own length, and padded on the right.

    Raises:
        ValueError: for a tokenizer that cannot say where in the text a token stands.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"Expected a tokenizer that knows character offsets; found {type(tokenizer).__name__}, which does not. "
            "Load its fast version."
        )
    is_limited = max_length is not None or tokenizer.model_max_length < NO_LENGTH
    encoded = tokenizer(list(texts), truncation=is_limited, max_length=max_length, return_offsets_mapping=True)
    ids, word_ids, spans, read = [], [], [], []
    for row, text in enumerate(texts):
        token_words, words = _merge_tokens(text, encoded.word_ids(row), encoded["offset_mapping"][row])
        ids.append(torch.tensor(encoded["input_ids"][row], dtype=torch.long))
        word_ids.append(torch.tensor(token_words, dtype=torch.long))
        spans.append(words)
        start, end = 0, len(text)
        if encoded.encodings[row].overflowing:  # the text was cut
            if tokenizer.truncation_side == "left":
                start = words[0][0] if words else end
            else:
                end = words[-1][1] if words else start
        read.append((start, end))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    return EncodedTexts(
        input_ids=pad_sequence(ids, batch_first=True, padding_value=pad),
        attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        word_ids=pad_sequence(word_ids, batch_first=True, padding_value=-1),
        spans=spans,
        read=read,
    )


def _merge_tokens(
    text: str, word_ids: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Each token's word (-1 for none), and each word's characters.

    Tokens of one word touch. A tokenizer that splits nothing before its sub-words gives all tokens the same word id,
    so white space between tokens also ends a word; a token may carry the white space before it, a word does not.
    """
    token_words: list[int] = []
    words: list[tuple[int, int]] = []
    previous = None
    for word_id, (start, end) in zip(word_ids, offsets, strict=True):
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if word_id is None or start == end:
            token_words.append(-1)
            continue
        if word_id == previous and start <= words[-1][1]:
            words[-1] = (words[-1][0], max(words[-1][1], end))
        else:
            words.append((start, end))
        token_words.append(len(words) - 1)
        previous = word_id
    # Tokenizers drop variants and skin tones of emoji; what is drawn as one sign stays in one word.
    limits = [*(start for start, _ in words[1:]), len(text)]
    for number, ((start, end), limit) in enumerate(zip(words, limits, strict=False)):
        while end < limit and continues_sign(text[end]):
            end += 1
        words[number] = (start, end)
    return token_words, words


def move_texts(texts: EncodedTexts, device: torch.device) -> EncodedTexts:
    """The same texts with their tensors on a device."""
    return EncodedTexts(
        texts.input_ids.to(device), texts.attention_mask.to(device), texts.word_ids.to(device), texts.spans, texts.read
    )


def has_independent_classes(config: PretrainedConfig) -> bool:
    """Whether a text may have several classes, or none: probabilities are sigmoids and do not sum to 1."""
    return config.problem_type == "multi_label_classification" or config.num_labels == 1


def compute_log_odds(logits: torch.Tensor, targets: torch.Tensor, *, independent: bool = False) -> torch.Tensor:
    """log p / (1 - p) of each row's target class: (batch, num_labels), (batch,) -> (batch,).

    Args:
        independent: Whether p is the sigmoid of the class's own logit, which then is its log-odds, not the softmax.
    """
    logits = logits.float()
    is_target = torch.nn.functional.one_hot(targets, logits.shape[1]).bool()
    if independent:
        return logits[is_target]
    return logits[is_target] - logits.masked_fill(is_target, -torch.inf).logsumexp(dim=1)


def find_max_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The model's length where the tokenizer was saved without one; None where it has one, or none is needed."""
    if tokenizer.model_max_length < NO_LENGTH:
        return None
    return getattr(model.config, "max_position_embeddings", None)


def find_removal_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that stands for a removed word: unknown for this package's models, the mask where there is one.

    Raises:
        ValueError: for a tokenizer that has neither.
    """
    for token_id in (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id):
        if token_id is not None:
            return int(token_id)
    raise ValueError(
        f"Expected a mask, unknown or padding token to remove words with; {type(tokenizer).__name__} has none. "
        "Give it one (tokenizer.mask_token = ...)."
    )


def compute_attention(
    model: PreTrainedModel, texts: EncodedTexts, targets: torch.Tensor, removal_id: int
) -> torch.Tensor:
    """The weights of attention pooling (not of self-attention): (batch, seq_len), each row sums to 1."""
    return read_with_attention(model, texts)[1]


def compute_gradient_x_input(
    model: PreTrainedModel, texts: EncodedTexts, targets: torch.Tensor, removal_id: int
) -> torch.Tensor:
    """Gradient of the log-odds times the word vector, summed over features: (batch, seq_len).

    What n-grams give a word is multiplied and added alike, in integrated gradients too.
    """
    inputs = [vectors.requires_grad_() for vectors in _embed(model, texts.input_ids, texts.attention_mask)]
    with _gradients_in_evaluation_mode(model.device):
        log_odds = _read_vectors(model, texts.attention_mask, targets, *inputs)
        gradients = torch.autograd.grad(log_odds.sum(), inputs)
    products = [(gradient * vectors).sum(-1) for gradient, vectors in zip(gradients, inputs, strict=True)]
    return torch.stack(products).sum(dim=0).detach()


def compute_integrated_gradients(
    model: PreTrainedModel, texts: EncodedTexts, targets: torch.Tensor, removal_id: int
) -> torch.Tensor:
    """Sundararajan et al. 2017, by Captum, from the text with every word removed: (batch, seq_len).

    A row sums to the log-odds of the text less those of the text without words, up to the error of `STEPS` points.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MethodError(
            "Expected Captum for integrated gradients; found none. Install it: pip install 'hf_lstm_attn[explain]'."
        ) from error

    is_word = texts.word_ids >= 0
    if not is_word.any():
        return torch.zeros_like(texts.word_ids, dtype=torch.float)
    mask = texts.attention_mask
    inputs = _embed(model, texts.input_ids, mask)
    with _gradients_in_evaluation_mode(model.device):
        attributions = IntegratedGradients(lambda *inputs: _read_vectors(model, *inputs[-2:], *inputs[:-2])).attribute(
            inputs,
            baselines=_embed(model, texts.input_ids.masked_fill(is_word, removal_id), mask),
            additional_forward_args=(mask, targets),
            n_steps=STEPS,
            internal_batch_size=max(ROWS_PER_BATCH, len(texts.input_ids)),
        )
    return torch.stack([scores.sum(-1) for scores in attributions]).sum(dim=0).detach()


def compute_leave_one_out(
    model: PreTrainedModel, texts: EncodedTexts, targets: torch.Tensor, removal_id: int
) -> torch.Tensor:
    """How far the log-odds fall when a word is removed: (batch, seq_len); a word of several tokens goes as a whole,
    and its first token bears the score."""
    scores = torch.zeros_like(texts.word_ids, dtype=torch.float)
    independent = has_independent_classes(model.config)
    with torch.inference_mode():
        for row, spans in enumerate(texts.spans):
            if not spans:
                continue
            length = int(texts.attention_mask[row].sum())
            ids, word_ids = texts.input_ids[row, :length], texts.word_ids[row, :length]
            logits = compute_logits_without_each_word(model, ids, word_ids, removal_id)
            log_odds = compute_log_odds(logits, targets[row].expand(len(logits)), independent=independent)
            words = torch.arange(len(spans), device=ids.device)
            first_tokens = (word_ids == words[:, None]).int().argmax(dim=1)
            scores[row, first_tokens] = log_odds[0] - log_odds[1:]
    return scores


METHODS: dict[str, Callable[[PreTrainedModel, EncodedTexts, torch.Tensor, int], torch.Tensor]] = {
    "attention": compute_attention,
    "gradient_x_input": compute_gradient_x_input,
    "integrated_gradients": compute_integrated_gradients,
    "leave_one_out": compute_leave_one_out,
}


def compute_word_scores(
    model: PreTrainedModel, texts: EncodedTexts, method: str, targets: torch.Tensor, removal_id: int
) -> list[list[float]]:
    """Each text's scores, one per word: those of the word's tokens, added up.

    Args:
        targets: (batch,) the class to explain for each text.

    Raises:
        ValueError: for an unknown method; MethodError for one that the model does not allow.
    """
    if method not in METHODS:
        raise ValueError(f"Expected a method of {', '.join(METHODS)}; found {method!r}.")
    return add_up_words(texts, METHODS[method](model, texts, targets, removal_id))


def add_up_words(texts: EncodedTexts, token_scores: torch.Tensor) -> list[list[float]]:
    """Each text's scores, one per word, from (batch, seq_len), one per token."""
    token_scores, word_ids = token_scores.float().cpu(), texts.word_ids.cpu()
    return [
        torch.zeros(len(spans)).index_add(0, row_words[row_words >= 0], row_scores[row_words >= 0]).tolist()
        for spans, row_words, row_scores in zip(texts.spans, word_ids, token_scores, strict=True)
    ]


def read_with_attention(model: PreTrainedModel, texts: EncodedTexts) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (batch, num_labels) and the weights of attention pooling (batch, seq_len)."""
    with torch.inference_mode():
        outputs = model(texts.input_ids, attention_mask=texts.attention_mask, output_attentions=True)
    weights = outputs.attentions
    if not isinstance(weights, torch.Tensor) or weights.shape != texts.input_ids.shape:
        raise MethodError(
            f"Expected a model that pools its words by attention, with one weight per word; found "
            f"{type(model).__name__}. Choose gradient_x_input, integrated_gradients or leave_one_out."
        )
    return outputs.logits, weights


def _read_vectors(
    model: PreTrainedModel,
    mask: torch.Tensor,
    targets: torch.Tensor,
    embeds: torch.Tensor,
    ngram_scores: torch.Tensor | None = None,
) -> torch.Tensor:
    """Log-odds (batch,) of word vectors (batch, seq_len, embedding_size) and of what n-grams give each word."""
    given = {} if ngram_scores is None else {"ngram_scores": ngram_scores}
    try:
        if "inputs_embeds" not in inspect.signature(model.forward).parameters:
            raise NotImplementedError
        logits = model(inputs_embeds=embeds, attention_mask=mask, **given).logits
    except NotImplementedError as error:
        raise MethodError(
            f"Expected a model that reads word vectors (inputs_embeds), which gradients need; found "
            f"{type(model).__name__}. Choose leave_one_out."
        ) from error
    return compute_log_odds(logits, targets, independent=has_independent_classes(model.config))


def _embed(model: PreTrainedModel, input_ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What `_read_vectors` reads of texts: word vectors and, of a model with n-grams, what they give each word."""
    embeds = model.get_input_embeddings()(input_ids).detach()
    ngrams = getattr(model, "ngrams", None)
    return (embeds,) if ngrams is None else (embeds, ngrams(input_ids, mask))


def _gradients_in_evaluation_mode(device: torch.device) -> AbstractContextManager[None]:
    """cuDNN computes an LSTM's gradient in training mode only; PyTorch's own kernels do so in any."""
    # The flag is the whole process's: where no GPU is used, threads leave it alone.
    return torch.backends.cudnn.flags(enabled=False) if device.type == "cuda" else nullcontext()
