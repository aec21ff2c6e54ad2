"""The handler of an Inference Endpoint. This file travels with a model to the Hub; nothing here imports it.

A request is `{"inputs": "a text" or ["texts", ...], "parameters": {...}}`. The answer is a list with an entry per text,
`{"label": ..., "score": ...}`, or a list of such entries with `top_k`; a request it cannot serve is answered by
`{"error": "Expected ...; found ...."}`.
"""

from __future__ import annotations

from typing import Any

from transformers import pipeline

PARAMETERS: dict[str, Any] = {"return_attention": bool, "top_k": (int, type(None)), "function_to_apply": str}
FUNCTIONS = ("sigmoid", "softmax", "none")
BATCH_SIZE = 32


class EndpointHandler:
    """What Inference Endpoints load: `EndpointHandler(path)`, called with one request after the other."""

    def __init__(self, path: str = "") -> None:
        self.pipeline = pipeline("text-classification", model=path, tokenizer=path, trust_remote_code=True)

    def __call__(self, data: Any) -> Any:
        problem = find_problem(data)
        if problem:
            return {"error": problem}
        inputs = data["inputs"]
        texts = [inputs] if isinstance(inputs, str) else inputs
        return self.pipeline(texts, batch_size=BATCH_SIZE, **(data.get("parameters") or {})) if texts else []


def find_problem(data: Any) -> str:
    """What is wrong with a request; empty for one that can be served."""
    if not isinstance(data, dict) or "inputs" not in data:
        return 'Expected {"inputs": a text or a list of texts}; found no "inputs".'
    inputs, parameters = data["inputs"], data.get("parameters") or {}
    if not isinstance(inputs, (str, list)):
        return f'Expected "inputs" to be a text or a list of texts; found {type(inputs).__name__}.'
    for number, text in enumerate(inputs if isinstance(inputs, list) else []):
        if not isinstance(text, str):
            return f"Expected texts; found {type(text).__name__} as number {number}."
    if any("\ud800" <= character <= "\udfff" for text in [*inputs] for character in text):
        return "Expected texts of whole characters; found half a surrogate pair."
    if not isinstance(parameters, dict):
        return f'Expected "parameters" to be an object; found {type(parameters).__name__}.'
    for name, value in parameters.items():
        if name not in PARAMETERS:
            return f"Expected parameters among {', '.join(PARAMETERS)}; found {name!r}."
        is_flag = isinstance(value, bool)  # which Python counts as an int
        if not isinstance(value, PARAMETERS[name]) or (name == "top_k" and (is_flag or value == 0)):
            return f"Expected a fitting value for {name}; found {value!r}."
    if parameters.get("function_to_apply", "none") not in FUNCTIONS:
        return f"Expected function_to_apply among {', '.join(FUNCTIONS)}; found {parameters['function_to_apply']!r}."
    return ""
