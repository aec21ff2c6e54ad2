"""The handler of an Inference Endpoint. This file travels with a model to the Hub; nothing here imports it.

A request is `{"inputs": "a text" or ["texts", ...], "parameters": {...}}`; a text may also be `{"text": ...}`, with
`text_pair` beside it. Parameters are those of the pipeline: `top_k`, `function_to_apply`, `truncation`, `max_length`,
`batch_size`, `return_attention`. The answer is what the pipeline gives for a list. A request that cannot be served
raises ValueError, which the toolkit answers with status 400.
"""

from __future__ import annotations

from typing import Any

from transformers import pipeline

PARAMETERS = ("top_k", "function_to_apply", "truncation", "max_length", "batch_size", "return_attention")


class EndpointHandler:
    """What Inference Endpoints load: `EndpointHandler(path)`, called with one request after the other."""

    def __init__(self, path: str = "") -> None:
        self.pipeline = pipeline("text-classification", model=path, tokenizer=path, trust_remote_code=True)

    def __call__(self, data: Any) -> Any:
        """Raises ValueError for a request that cannot be served."""
        if not isinstance(data, dict) or "inputs" not in data:
            raise ValueError('The request has no "inputs": a text or a list of texts.')
        inputs, parameters = data["inputs"], data.get("parameters") or {}
        texts = inputs if isinstance(inputs, list) else [inputs]
        for number, text in enumerate(texts):
            parts = [text.get("text"), text.get("text_pair") or ""] if isinstance(text, dict) else [text]
            if not all(isinstance(part, str) for part in parts):
                raise ValueError(f'Input {number} is not a text, nor an object with a "text".')
        if not isinstance(parameters, dict) or set(parameters) - set(PARAMETERS):
            raise ValueError(f'"parameters" is not an object with some of {", ".join(PARAMETERS)}.')
        if not isinstance(parameters.get("top_k"), int | None):  # which the pipeline would ignore
            raise ValueError('"top_k" is neither a number of labels nor null.')
        try:
            return self.pipeline(texts, **{"batch_size": 32, **parameters}) if texts else []
        except (TypeError, KeyError, RuntimeError, OverflowError) as error:
            raise ValueError(f"The inputs or the parameters {parameters} do not fit: {error}") from error
