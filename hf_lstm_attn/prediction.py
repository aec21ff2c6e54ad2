"""Labels and scores for a stream of texts, with any `AutoModelForSequenceClassification`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline, pipeline

from .memory import keep_freed_memory
from .modeling_lstm_attn import LstmAttnForSequenceClassification
from .pipeline_lstm_attn import LstmAttnPipeline
from .pretrained_models import find_pretrained, load_stored

CHUNK = 1_024  # texts held in memory, and sorted by length to waste little on padding


def load_classifier(model: str | Path, *, calibrated: bool = False) -> TextClassificationPipeline:
    """The text-classification pipeline of a run folder, a model folder, a Hub id or a built-in model's name, on a GPU
    if there is one.

    For this package's models it is an `LstmAttnPipeline`, which adds words and weights on request.

    Args:
        calibrated: Whether to divide logits by the temperature that training fitted on validation.

    Raises:
        ValueError: if `calibrated` and the model has no temperature.
        FileNotFoundError: if there is neither such a folder nor such a repository.
    """
    keep_freed_memory()
    if (built_in := find_pretrained(model)) is not None:
        return load_stored(built_in, calibrated=calibrated)
    path = Path(model)
    if path.is_dir() and not (path / "config.json").is_file():
        raise FileNotFoundError(
            f"Expected a folder with a model (config.json, model.safetensors); found none in {path}. "
            "Is it an unfinished run? Continue it with --resume."
        )
    choices = {"apply_calibration": True} if calibrated else {}
    try:
        loaded = AutoModelForSequenceClassification.from_pretrained(model, **choices)
        return pipeline(
            "text-classification",
            model=loaded,
            tokenizer=AutoTokenizer.from_pretrained(model),
            pipeline_class=LstmAttnPipeline if isinstance(loaded, LstmAttnForSequenceClassification) else None,
        )
    except OSError as error:
        raise FileNotFoundError(f"Expected a model folder or a Hub id; found no model at {str(model)!r}.") from error


def predict(
    classifier: TextClassificationPipeline, texts: Iterable[str], *, batch_size: int = 64
) -> Iterator[dict[str, float]]:
    """Each text's scores, class name -> probability, highest first, in the order of the texts.

    Texts are read a chunk at a time, so a stream of any length fits in memory; texts beyond the model's length are cut.
    """
    texts = iter(texts)
    while chunk := list(islice(texts, CHUNK)):
        order = sorted(range(len(chunk)), key=lambda index: len(chunk[index]))
        outputs: Any = classifier([chunk[i] for i in order], batch_size=batch_size, truncation=True, top_k=None)
        scores: list[dict[str, float]] = [{}] * len(chunk)
        for index, output in zip(order, outputs, strict=True):
            scores[index] = {entry["label"]: entry["score"] for entry in output}
        yield from scores
