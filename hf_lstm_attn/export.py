"""Export to ONNX: a file that runs without PyTorch, on request with weights of 8 bits, checked before it is there."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .inference import list_labels, load_classifier, predict_logits
from .locks import stage
from .pipeline_lstm_attn import LstmAttnPipeline, pad
from .results import load_sample_texts, save_text

TOLERANCE, AGREEMENT = 1e-4, 0.97  # how far logits may be from PyTorch's; share of equal labels with 8 bits
INPUTS, OUTPUTS = ("input_ids", "attention_mask"), ("logits", "attentions")


class _Exported(nn.Module):
    """What the file computes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = (nn.functional.pad(part, (0, 1)) for part in (input_ids, attention_mask))  # a text may be empty
        output = self.model(ids, attention_mask=mask, output_attentions=True)
        return output.logits, output.attentions[:, :-1]


def export(
    model: str | Path, output_dir: str | Path, *, int8: bool = False, texts: Sequence[str] | None = None
) -> Path:
    """Write `model.onnx` or `model_int8.onnx`, with `tokenizer.json` and `labels.json`: all that a program needs.

    The file takes input_ids and attention_mask, (batch, seq_len) int64 of any size, and gives logits (batch,
    num_labels) and attentions (batch, seq_len).

    Args:
        model: What `load_classifier` takes.
        output_dir: Made if it is missing; what it holds of these names is replaced.
        int8: Whether to store weights in 8 bits: a quarter of the size.
        texts: Before it has its name, the file must give these PyTorch's logits, to 1e-4; with `int8` PyTorch's labels,
            for 97 % of them. By default 500 texts of the synthetic samples.

    Raises:
        ImportError: without onnx and onnxruntime.
        ValueError: for a model of another kind, or a file that does not answer so.
    """
    try:
        from onnxruntime import InferenceSession
        from onnxruntime.quantization import quantize_dynamic
    except ImportError as error:
        raise ImportError("Export needs onnx and onnxruntime: pip install 'hf_lstm_attn[onnx]'.") from error
    classifier, folder = load_classifier(model), Path(output_dir)
    if not isinstance(classifier, LstmAttnPipeline):
        raise ValueError(f"{model} is no model of this package.")
    network, tokenizer = classifier.model.cpu(), copy.deepcopy(classifier.tokenizer)
    name = "model_int8.onnx" if int8 else "model.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    with stage(folder / name) as place:
        example = pad(tokenizer, tokenizer(["a text", "another, longer text"])["input_ids"])
        axes = {key: {0: "batch", 1: "seq_len"} for key in (*INPUTS, "attentions")} | {"logits": {0: "batch"}}
        names: Any = {"input_names": INPUTS, "output_names": OUTPUTS, "dynamic_axes": axes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about what is tested here
            torch.onnx.export(_Exported(network).eval(), example, str(place / "model.onnx"), dynamo=False, **names)
        if int8:
            quantize_dynamic(place / "model.onnx", place / name, op_types_to_quantize=["LSTM", "MatMul", "Gather"])
        check(InferenceSession(place / name), classifier, texts or load_sample_texts("train", 250), int8=int8)
        (place / name).replace(folder / name)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.enable_truncation(tokenizer.model_max_length)
    save_text(tokenizer.backend_tokenizer.to_str(pretty=True), folder / "tokenizer.json")
    save_text(json.dumps(list_labels(network.config), ensure_ascii=False), folder / "labels.json")
    return folder / name


def check(session: Any, classifier: Any, texts: Sequence[str], *, int8: bool = False) -> None:
    """Raises ValueError where an onnxruntime session's answers are not those of the classifier."""
    wanted, found = predict_logits(classifier.model, classifier.tokenizer, texts), []
    for start in range(0, len(texts), 32):
        ids = classifier.tokenizer(list(texts[start : start + 32]), truncation=True)["input_ids"]
        batch = dict(zip(INPUTS, (part.numpy() for part in pad(classifier.tokenizer, ids)), strict=True))
        found.append(session.run(["logits"], batch)[0])
    logits = np.concatenate(found)
    agreement, error = (logits.argmax(axis=1) == wanted.argmax(axis=1)).mean(), np.abs(logits - wanted).max()
    if agreement < AGREEMENT if int8 else error > TOLERANCE:
        raise ValueError(f"The file is {error:.2g} away from PyTorch, and gives {agreement:.1%} of texts its label.")
