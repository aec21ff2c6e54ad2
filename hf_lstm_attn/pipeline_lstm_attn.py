"""A text-classification pipeline that tells how much each word weighed. This file travels with a model to the Hub."""

from __future__ import annotations

import re
from itertools import islice
from threading import Lock
from typing import Any

from transformers import TextClassificationPipeline

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


class LstmAttnPipeline(TextClassificationPipeline):
    """The stock pipeline, which cuts texts at the model's length by default, and on request adds attention weights.

    `pipe(text, return_attention=True)` gives every entry `words`, a list of
    `{"word": str, "start": int, "end": int, "weight": float}`: the words the model read, their first and last character
    (end exclusive) in the text, and their attention weights, which sum to 1. An attention weight is not importance.
    """

    def check_model_type(self, supported_models: Any) -> None:
        """Nothing: the stock check knows the models of transformers alone and would report an error."""

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
