"""A text-classification pipeline that tells how much each word weighed. This file travels with a model to the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from threading import Lock
from types import GeneratorType
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import TextClassificationPipeline

CHUNK = 2_048  # texts in memory, and sorted by length to waste little on padding
TOKENS, ROWS = 32_768, 256  # of a batch, padding included; more short texts than these leave the processor's cache
TOKENIZING = Lock()  # a call sets the tokenizer's truncation for all threads, and reads it later


def cut(tokenizer: Any, text: str) -> str:
    """As much of a text as the model reads, or more: of a very long one, the rest is not even tokenized.

    Lone surrogates, which no tokenizer takes, become U+FFFD."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    limit = tokenizer.model_max_length
    for end in (limit * 2**power for power in range(5, 12)):
        if len(text) <= end or not tokenizer.is_fast:
            return text
        head = text[: text.rfind(" ", 0, end) + 1] or text[:end]  # not within a word, if it can be helped
        if len(tokenizer.backend_tokenizer.encode(head).ids) >= limit:
            return head
    return head


def pad(tokenizer: Any, ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, (texts, longest); `tokenizer.pad` took an eighth of the time of prediction."""
    side = -1 if tokenizer.padding_side == "left" else 1
    rows = [torch.tensor(text[::side], dtype=torch.long) for text in ids]
    padded = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask = (torch.arange(padded.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]).long()
    return (padded, mask) if side == 1 else (padded.flip(1), mask.flip(1))


def iterate_logits(
    model: Any, tokenizer: Any, texts: Iterable[str], *, batch_size: int | None = None, **options: Any
) -> Iterator[torch.Tensor]:
    """Logits (texts, num_labels) in float32, in the order of the texts, which may be a stream; a chunk at a time.

    Texts of like length are read together; while the model reads, another thread tokenizes what comes next.

    Args:
        batch_size: Texts in a batch, at most; by default `ROWS`, or as many as have `TOKENS` tokens.
        options: Of the tokenizer; by default texts are cut at its length.
    """
    stream, options = iter(texts), {"truncation": True, **options}

    def encode() -> list[list[int]]:
        chunk = list(islice(stream, CHUNK))
        with TOKENIZING:
            heads = [cut(tokenizer, text) for text in chunk] if options["truncation"] else chunk
            if tokenizer.is_fast and options.keys() <= {"truncation", "max_length"}:
                tokenizer("", **options)  # tells the backend where to cut; its other call takes a third longer
                return [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch_fast(heads)]
            return tokenizer(heads, return_attention_mask=False, verbose=False, **options)["input_ids"] if heads else []

    model.eval()
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(encode)
        while ids := following.result():
            following = thread.submit(encode)
            order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))  # its memory serves all that follow
            logits, start = torch.zeros(len(ids), model.config.num_labels), 0
            while start < len(ids):
                most = max(TOKENS // max(len(ids[order[start]]), 1), 1)
                rows = order[start : start + min(most, batch_size or ROWS)]
                batch, mask = pad(tokenizer, [ids[row] for row in rows])
                with torch.no_grad(), torch.autocast(model.device.type, enabled=False):
                    found = model(batch.to(model.device), attention_mask=mask.to(model.device)).logits
                logits[rows] = found.float().cpu()
                start += len(rows)
            yield logits


class LstmAttnPipeline(TextClassificationPipeline):
    """The stock pipeline, which cuts texts at the model's length by default, and on request adds attention weights.

    `pipe(text, return_attention=True)` gives every entry `words`, a list of
    `{"word": str, "start": int, "end": int, "weight": float}`: the words the model read, their first and last character
    (end exclusive) in the text, and their attention weights, which sum to 1. An attention weight is not importance.
    """

    def check_model_type(self, supported_models: Any) -> None:
        """Nothing: the stock check knows the models of transformers alone and would report an error."""

    def get_iterator(
        self, inputs: Any, num_workers: int, batch_size: int, preprocess: Any, forward: Any, postprocess: Any
    ) -> Any:
        """What the stock pipeline iterates over; lists and streams of plain texts are read sorted by length."""
        if isinstance(inputs, GeneratorType):
            first = list(islice(inputs, 1))
            inputs, known = chain(first, inputs), first
        else:
            known = inputs
        if preprocess.get("return_attention") or not all(isinstance(text, str) for text in known):
            return super().get_iterator(inputs, num_workers, batch_size, preprocess, forward, postprocess)
        most = None if batch_size == 1 else batch_size  # 1 is what the stock class takes by default
        found = iterate_logits(self.model, self.tokenizer, inputs, batch_size=most, **preprocess)
        rows = (row for logits in found for row in logits.split(1))
        return (self.postprocess({"logits": row}, **postprocess) for row in rows)

    def preprocess(self, inputs: Any, return_attention: bool = False, truncation: Any = True, **options: Any) -> Any:
        with TOKENIZING:
            text = cut(self.tokenizer, inputs) if truncation and isinstance(inputs, str) else inputs
            encoded = super().preprocess(text, truncation=truncation, **options)
        if return_attention:
            # No tensors: the pipeline puts them beside the padded tensors of a batch as they are.
            encoded["offsets"] = encoded.encodings[0].offsets
            encoded["word_ids"] = encoded.encodings[0].word_ids
            encoded["text"] = inputs["text"] if isinstance(inputs, dict) else inputs
        return encoded

    def _forward(self, model_inputs: Any) -> dict[str, Any]:
        beside = {name: model_inputs.pop(name) for name in ("offsets", "word_ids", "text") if name in model_inputs}
        outputs = super()._forward({**model_inputs, "output_attentions": True} if beside else model_inputs)
        return {**outputs, **model_inputs, **beside}

    def postprocess(self, model_outputs: Any, **postprocess_params: Any) -> Any:
        result = super().postprocess(model_outputs, **postprocess_params)
        if "offsets" not in model_outputs:
            return result
        is_word = model_outputs["attention_mask"][0].bool()  # (seq_len,), without padding
        weights = model_outputs["attentions"][0][is_word].tolist()
        tokens = zip(model_outputs["word_ids"], model_outputs["offsets"], weights, strict=True)
        words: list[dict[str, Any]] = []
        previous = None
        for word_id, (start, end), weight in islice(tokens, self.model.config.max_position_embeddings):
            if words and word_id == previous and start <= words[-1]["end"]:  # the next piece of a word
                start, weight = words[-1]["start"], words.pop()["weight"] + weight
            words.append({"word": model_outputs["text"][start:end], "start": start, "end": end, "weight": weight})
            previous = word_id
        for entry in result if isinstance(result, list) else [result]:
            entry["words"] = words
        return result
