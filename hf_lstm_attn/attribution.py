"""What each word of a text did for a class: the methods, in one table. Texts in, a number per word out.

All methods but attention explain one class by its log-odds, log p / (1 - p): it does not saturate as the probability
does, and for two classes what speaks for one speaks against the other by as much. Removing a word puts the mask in its
place, or the unknown token where a tokenizer has no mask: this package's models have seen it through word dropout.

torch and NumPy are imported by the functions: the command line looks a method up here before it loads anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STEPS = 32  # points of the path of integrated gradients
ROWS_PER_BATCH = 64  # of the many variants of a text that a model reads
MOST_TOKENS = 1_000_000  # of a text; a tokenizer that was given no length says a number that no machine counts to


class MethodError(ValueError):
    """A method that the model does not allow; others may do."""


class EncodedText(NamedTuple):
    """A text as a model reads it, with the way back from tokens to words.

    Attributes:
        ids: (1, seq_len), on the model's device.
        word_ids: (seq_len,), which word a token belongs to; -1 at special tokens.
        spans: The first and last character (end exclusive) of each word.
        read: The same of what is left of a text that was too long; the whole text otherwise.
        removal_id: The token that stands for a removed word.
    """

    ids: torch.Tensor
    word_ids: torch.Tensor
    spans: list[tuple[int, int]]
    read: tuple[int, int]
    removal_id: int


def encode_text(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> EncodedText:
    """Encode a text, cut where tokenizer or model end.

    Raises:
        ValueError: for a tokenizer that has no token to remove words with.
        NotImplementedError: by transformers, for one that cannot say where in the text a token stands.
    """
    from .pipeline_lstm_attn import cut

    substitutes = (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id)
    removal_id = next((token_id for token_id in substitutes if token_id is not None), None)
    if removal_id is None:
        raise ValueError("The tokenizer has no mask, unknown or padding token to remove words with; give it one.")
    length = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS)
    head = cut(tokenizer, text)
    encoded = tokenizer(head, truncation=True, max_length=length, return_offsets_mapping=True, return_tensors="pt")
    ids = encoded["input_ids"].long().to(model.device)  # an empty list of ids becomes a float tensor
    word_ids, spans = _merge_tokens(text, encoded.word_ids(0), encoded["offset_mapping"][0].tolist())
    is_cut = bool(spans) and (len(head) < len(text) or bool(encoded.encodings[0].overflowing))
    read = (spans[0][0], spans[-1][1]) if is_cut else (0, len(text))
    return EncodedText(ids, ids.new_tensor(word_ids), spans, read, int(removal_id))


def _merge_tokens(
    text: str, token_words: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Each token's word (-1 for none), and each word's characters.

    Tokens of one word touch. A tokenizer that splits nothing before its sub-words gives all tokens the same word id,
    so white space between tokens also ends a word; a token may carry the white space before it, a word does not.
    """
    word_ids: list[int] = []
    spans: list[tuple[int, int]] = []
    previous = None
    for token_word, (first, last) in zip(token_words, offsets, strict=True):
        part = text[first:last]
        start, end = last - len(part.lstrip()), first + len(part.rstrip())
        if token_word is None or start >= end:
            word_ids.append(-1)
            continue
        if spans and (start < spans[-1][1] or (start == spans[-1][1] and token_word == previous)):
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
        word_ids.append(len(spans) - 1)
        previous = token_word
    return word_ids, spans


def compute_logits(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Texts of one length, a batch at a time: (texts, seq_len) ids without padding -> (texts, num_labels)."""
    import torch

    with torch.inference_mode():
        batches = [model(part, attention_mask=torch.ones_like(part)).logits for part in ids.split(ROWS_PER_BATCH)]
        return torch.cat(batches).float()


def has_independent_classes(config: Any) -> bool:
    """Whether a text may have several classes, or none."""
    return config.problem_type == "multi_label_classification" or config.num_labels == 1


def compute_probabilities(model: PreTrainedModel, logits: torch.Tensor) -> torch.Tensor:
    """(texts, num_labels) of both; a row sums to 1 unless classes are independent."""
    return logits.sigmoid() if has_independent_classes(model.config) else logits.softmax(-1)


def compute_log_odds(model: PreTrainedModel, logits: torch.Tensor, target: int) -> torch.Tensor:
    """log p / (1 - p) of the class `target`: (texts, num_labels) -> (texts,)."""
    if has_independent_classes(model.config):
        return logits[:, target].float()
    others = [index for index in range(logits.shape[1]) if index != target]
    return logits[:, target].float() - logits[:, others].float().logsumexp(dim=1)


def compute_leave_one_out(model: PreTrainedModel, text: EncodedText, target: int) -> list[float]:
    """How far the log-odds fall when a word is removed, all of its tokens at once."""
    words = text.word_ids.new_tensor(range(-1, len(text.spans)))  # -1: the whole text
    is_removed = (text.word_ids == words[:, None]) & (text.word_ids >= 0)  # (1 + words, seq_len)
    logits = compute_logits(model, text.ids.masked_fill(is_removed, text.removal_id))
    whole, *without = compute_log_odds(model, logits, target).tolist()
    return [whole - log_odds for log_odds in without]


def compute_integrated_gradients(model: PreTrainedModel, text: EncodedText, target: int) -> list[float]:
    """Sundararajan et al. 2017, from the text with every word removed: Gauss-Legendre quadrature over `STEPS` points.

    The scores sum to the log-odds of the text less those of the text without words, up to the error of the quadrature.
    """
    from numpy.polynomial.legendre import leggauss

    embed = model.get_input_embeddings()
    start = embed(text.ids.masked_fill(text.word_ids >= 0, text.removal_id))  # (1, seq_len, embedding_size)
    way = embed(text.ids) - start
    points, weights = (start.new_tensor(values)[:, None, None] for values in leggauss(STEPS))
    gradients = _compute_gradients(model, start + (1 + points) / 2 * way, target)
    return _add_up_words(text, ((weights / 2 * gradients).sum(dim=0) * way[0]).sum(-1))


def compute_gradient_x_input(model: PreTrainedModel, text: EncodedText, target: int) -> list[float]:
    """Gradient of the log-odds times the word vector, summed over features."""
    embeds = model.get_input_embeddings()(text.ids)  # (1, seq_len, embedding_size)
    return _add_up_words(text, (_compute_gradients(model, embeds, target) * embeds)[0].sum(-1))


def compute_attention(model: PreTrainedModel, text: EncodedText, target: int) -> list[float]:
    """The weights of attention pooling (not of self-attention), which are the same for all classes."""
    weights = model(text.ids, attention_mask=text.ids.new_ones(text.ids.shape), output_attentions=True).attentions
    if getattr(weights, "shape", None) != text.ids.shape:
        raise MethodError(f"{type(model).__name__} does not pool its words by attention; choose another method.")
    return _add_up_words(text, weights[0])


METHODS: dict[str, Callable[[PreTrainedModel, EncodedText, int], list[float]]] = {
    "leave_one_out": compute_leave_one_out,
    "integrated_gradients": compute_integrated_gradients,
    "gradient_x_input": compute_gradient_x_input,
    "attention": compute_attention,
}


def _compute_gradients(model: PreTrainedModel, embeds: torch.Tensor, target: int) -> torch.Tensor:
    """Gradients of each text's log-odds at its word vectors: (texts, seq_len, embedding_size) in and out."""
    import torch

    if "inputs_embeds" not in inspect.signature(model.forward).parameters:
        raise MethodError(f"{type(model).__name__} takes no word vectors (inputs_embeds); choose leave_one_out.")
    embeds = embeds.detach().requires_grad_()
    # cuDNN computes an LSTM's gradient in training mode only; PyTorch's own kernels do so in any.
    with torch.backends.cudnn.flags(enabled=False):
        logits = model(inputs_embeds=embeds, attention_mask=embeds.new_ones(embeds.shape[:2]).long()).logits
        return torch.autograd.grad(compute_log_odds(model, logits, target).sum(), embeds)[0]


def _add_up_words(text: EncodedText, token_scores: torch.Tensor) -> list[float]:
    """Sums over the tokens of each word: (seq_len,) -> a number per word."""
    is_word = text.word_ids >= 0
    sums = token_scores.new_zeros(len(text.spans)).index_add(0, text.word_ids[is_word], token_scores[is_word])
    return sums.tolist()
