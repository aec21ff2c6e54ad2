"""The models that come with the package: where they lie, how their weights are stored, and how they load.

Word vectors are stored as int8 with one float32 scale per row, all else as float16, and the n-grams' keys as they are;
the models compute in float32. The weights have a file name of their own, because `from_pretrained` would take the int8
numbers for weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

from .results import RunResult

if TYPE_CHECKING:
    from .pipeline_lstm_attn import LstmAttnPipeline

FOLDER = Path(__file__).parent / "pretrained"
DEFAULT = "imdb"  # what the command line uses where no model is named
WEIGHTS = "weights.safetensors"
WORD_VECTORS = "lstm_attn.embeddings.weight"
NGRAM_KEYS = "ngrams.keys"
STORAGE = "int8 and float16"
_LARGEST = 127  # of an int8, leaving -128 aside


def list_pretrained() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{WEIGHTS}"))


def find_pretrained(model: str | Path) -> Path | None:
    """The folder of a built-in model, by its name or as itself; None for any other. An existing folder comes first."""
    path = Path(model)
    if path.is_dir():
        return path if (path / WEIGHTS).is_file() else None
    return FOLDER / path if str(model) in list_pretrained() else None


def load_pretrained(name: str = DEFAULT, *, calibrated: bool = False) -> LstmAttnPipeline:
    """A built-in model as `load_classifier` returns any other, without a download.

    Args:
        calibrated: Whether to divide logits by the temperature that training fitted on validation.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in list_pretrained():
        raise ValueError(f"Expected a built-in model among {', '.join(list_pretrained())}; found {name!r}.")
    return load_stored(FOLDER / name, calibrated=calibrated)


def load_stored(folder: Path, *, calibrated: bool = False) -> LstmAttnPipeline:
    """The pipeline of a folder whose weights are stored as `encode_weights` gives them."""
    # Here, because the command line looks names up first: transformers takes seconds to load.
    import torch
    from transformers import PreTrainedTokenizerFast

    from .configuration_lstm_attn import LstmAttnConfig
    from .modeling_lstm_attn import LstmAttnForSequenceClassification
    from .pipeline_lstm_attn import LstmAttnPipeline

    config = LstmAttnConfig.from_pretrained(folder, **({"apply_calibration": True} if calibrated else {}))
    weights = {name: torch.from_numpy(array) for name, array in load_weights(folder).items()}
    model = LstmAttnForSequenceClassification.from_pretrained(None, config=config, state_dict=weights)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return LstmAttnPipeline(model=model, tokenizer=tokenizer, task="text-classification")


def load_weights(folder: Path) -> dict[str, np.ndarray]:
    """Every weight of a stored model, as float32; the keys of its n-grams as int64."""
    return decode_weights(load_file(folder / WEIGHTS))


def encode_weights(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as they are stored. A row of word vectors is divided by its scale, a 127th of its largest absolute
    value, and rounded: no number moves by more than half its row's scale."""
    encoded = {name: _convert(name, array, np.float16) for name, array in weights.items() if name != WORD_VECTORS}
    vectors = weights[WORD_VECTORS].astype(np.float32)  # (vocab_size, embedding_size)
    scales = np.abs(vectors).max(axis=1, keepdims=True) / _LARGEST  # (vocab_size, 1)
    steps = vectors / np.where(scales == 0, 1, scales)  # padding's row is zero
    return {**encoded, WORD_VECTORS: np.rint(steps).astype(np.int8), _name_scale(WORD_VECTORS): scales}


def decode_weights(encoded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `encode_weights` stored, as float32."""
    scale_name = _name_scale(WORD_VECTORS)
    weights = {name: _convert(name, array, np.float32) for name, array in encoded.items() if name != scale_name}
    weights[WORD_VECTORS] *= encoded[scale_name]
    return weights


def describe_pretrained(name: str) -> str:
    """One line: what a built-in model was trained on, how good it is."""
    result = RunResult.load(FOLDER / name)
    rows: Any = {split: summary["rows"] for split, summary in result.dataset["splits"].items()}
    return (
        f"{name}, trained on {rows['train']:,} labelled texts of {result.request['dataset']['path']}; "
        f"accuracy {result.repository.get('test', result.test)['accuracy']:.2%} on {rows['test']:,} test texts"
    )


def _convert(name: str, array: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    return array if name == NGRAM_KEYS else array.astype(dtype)


def _name_scale(weight: str) -> str:
    return weight.removesuffix("weight") + "scale"
