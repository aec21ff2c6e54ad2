"""What `pretrain` leaves behind, and how a classifier starts from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import PreTrainedModel

from .configuration_lstm_attn import LstmAttnConfig
from .recipes import Recipe

PRETRAINING_FILE = "pretraining.json"


@dataclass
class PretrainingResult:
    """`pretraining.json`, as plain JSON values.

    Attributes:
        request: What was asked for. The same request on the same versions, hardware and data gives the same numbers.
        dataset: Name, parts, rows and words, and the fingerprint of the texts, held-out ones included.
        model: Fields of the configuration, and `parameters`.
        evaluations: Per evaluation: `step`, `epoch`, `training_loss` (sampled softmax, mean since the last one),
            `loss` and `perplexity` on held-out texts (full softmax) of both directions and their mean.
        timings: Seconds per stage; `words_per_second` counts words of the text, each read in both directions.
    """

    request: dict[str, Any]
    dataset: dict[str, Any]
    model: dict[str, Any]
    precision: dict[str, str]
    machine: dict[str, Any]
    versions: dict[str, str]
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> PretrainingResult:
        """Read a folder's `pretraining.json`; FileNotFoundError if it has none."""
        path = Path(folder) / PRETRAINING_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected a folder that `pretrain` has finished, with {PRETRAINING_FILE}; found none in {folder}."
            )
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def summarize(self) -> dict[str, Any]:
        """What a classifier that starts from here records of it."""
        return {**self.dataset, "seed": self.request["seed"], "perplexity": self.evaluations[-1]["perplexity"]}


def load_pretraining(folder: str | Path, *, dataset: str, protocol: str) -> PretrainingResult:
    """The record of a pre-trained folder that a run on `dataset` under `protocol` is to start from.

    Raises:
        FileNotFoundError: if the folder is not a finished one.
        ValueError: if it may have read texts that the run tests on.
    """
    result = PretrainingResult.load(folder)
    if result.dataset["name"] == dataset and result.request["protocol"] != protocol:
        raise ValueError(
            f"Expected pre-training under protocol {protocol!r}; found {result.request['protocol']!r} in {folder}, "
            f"which may have read texts to test on. Pre-train with protocol={protocol!r} (--protocol)."
        )
    return result


def choose_model_fields(pretraining: PretrainingResult, recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields of the configuration, with the pre-trained sizes where it leaves them open.

    Raises:
        ValueError: if the recipe asks for another size, or for another architecture.
    """
    if recipe.architecture != LstmAttnConfig.model_type:
        raise ValueError(
            f"Expected architecture {LstmAttnConfig.model_type} to start from language models; found "
            f"{recipe.architecture}. Leave init_from out."
        )
    pretrained = LstmAttnConfig(**pretraining.model)
    for name in ("embedding_size", "hidden_size", "num_hidden_layers"):
        asked, found = recipe.model.get(name, getattr(pretrained, name)), getattr(pretrained, name)
        if asked != found:
            raise ValueError(
                f"Expected {name} {asked} in the pre-trained folder; found {found}. Pass {name}={found} "
                f"(--{name.replace('_', '-')} {found}), or pre-train with {asked}."
            )
    return {"embedding_size": pretrained.embedding_size, "hidden_size": pretrained.hidden_size} | recipe.model


def load_encoder(model: PreTrainedModel, folder: str | Path) -> None:
    """Copy embedding and LSTMs of a pre-trained folder into a classifier; one direction takes the forward LSTM."""
    weights = load_file(Path(folder) / "model.safetensors")
    own = [name for name in model.base_model.state_dict() if name.startswith(("embeddings.", "encoder."))]
    model.base_model.load_state_dict({name: weights[name] for name in own}, strict=False)
