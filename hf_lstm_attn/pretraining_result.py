"""What `pretrain` leaves behind, and how a classifier starts from it, or from another classifier."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import PreTrainedModel

from .configuration_lstm_attn import LstmAttnConfig
from .recipes import Recipe
from .results import RESULTS_FILE, RunResult

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
        return {
            **self.dataset,
            "protocol": self.request["protocol"],
            "seed": self.request["seed"],
            "perplexity": self.evaluations[-1]["perplexity"],
        }


def load_origin(folder: str | Path) -> PretrainingResult | RunResult:
    """The record of a folder of `pretrain` or of `train`; FileNotFoundError if it is not a finished one."""
    if (Path(folder) / RESULTS_FILE).is_file():
        return RunResult.load(folder)
    return PretrainingResult.load(folder)


def load_pretraining(folder: str | Path, *, dataset: str, protocol: str) -> PretrainingResult | RunResult:
    """The record of a folder that a run on `dataset` under `protocol` is to start from.

    Raises:
        FileNotFoundError: if the folder is not a finished one.
        ValueError: if it, or what it started from itself, may have read texts that the run tests on.
    """
    origin = load_origin(folder)
    source: dict[str, Any] | None = origin.summarize()
    while source is not None:
        if source["name"] == dataset and source.get("protocol") != protocol:
            raise ValueError(
                f"Expected pre-training under protocol {protocol!r}; found {source.get('protocol')!r} in {folder}, "
                f"which may have read texts to test on. Pre-train with protocol={protocol!r} (--protocol)."
            )
        source = source.get("pretraining")
    return origin


SIZES = ("embedding_size", "hidden_size", "num_hidden_layers")
POOLING_FIELDS = ("bidirectional", "attention_scoring")  # beside sizes, what the weights of a pooling depend on


def choose_model_fields(origin: PretrainingResult | RunResult, recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields of the configuration, with those of the pre-trained folder where it leaves them open.

    Raises:
        ValueError: if the recipe asks for another size, or either for another architecture.
    """
    for architecture in (recipe.architecture, origin.model["model_type"]):
        if architecture != LstmAttnConfig.model_type:
            raise ValueError(
                f"Expected architecture {LstmAttnConfig.model_type}, to start from a pre-trained folder; found "
                f"{architecture}. Leave init_from out."
            )
    pretrained = LstmAttnConfig(**origin.model)
    names = SIZES + (POOLING_FIELDS if isinstance(origin, RunResult) else ())
    fields = {name: getattr(pretrained, name) for name in names}
    for name, found in fields.items():
        asked = recipe.model.get(name, found)
        if asked != found:
            option = f" (--{name.replace('_', '-')} {found})" if name.endswith("_size") else ""
            raise ValueError(
                f"Expected {name} {asked} in the pre-trained folder; found {found}. Pass {name}={found!r}{option}, or "
                f"pre-train with {asked}."
            )
    return fields | recipe.model


def load_encoder(model: PreTrainedModel, folder: str | Path) -> None:
    """Copy embedding and LSTMs of a pre-trained folder into a classifier, and the pooling where the folder has one.

    One direction takes the forward LSTM.
    """
    weights = load_file(Path(folder) / "model.safetensors")
    own = {name.removeprefix(f"{model.base_model_prefix}."): value for name, value in weights.items()}
    model.base_model.load_state_dict(own, strict=False)
