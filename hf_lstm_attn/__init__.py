"""Small text classifiers that train from scratch and can be looked into: embedding -> LSTM -> attention -> head.

Importing this package makes `AutoConfig`, `AutoModel` and `AutoModelForSequenceClassification` know its models. It
imports nothing heavy by itself: names load on first use, and the registration waits until transformers is imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from .configuration_lstm_attn import LstmAttnConfig
    from .data import DATASETS, DatasetSpec, load_splits, resolve_spec
    from .explanation import Explanation, WordScore, explain
    from .explanation_page import build_page
    from .metrics import ClassificationMetric, Loss, build_metrics
    from .model_card import render_card
    from .modeling_lstm_attn import LstmAttnForSequenceClassification, LstmAttnModel
    from .pipeline_lstm_attn import LstmAttnPipeline
    from .prediction import load_classifier, predict
    from .pretrained_models import list_pretrained, load_pretrained
    from .recipes import RECIPES, Recipe
    from .results import RunResult
    from .tokenization import build_tokenizer, save_tokenizer
    from .trainer import evaluate_model
    from .training import train

_MODULES = {
    "configuration_lstm_attn": ("LstmAttnConfig",),
    "data": ("DATASETS", "DatasetSpec", "load_splits", "resolve_spec"),
    "explanation": ("Explanation", "WordScore", "explain"),
    "explanation_page": ("build_page",),
    "metrics": ("ClassificationMetric", "Loss", "build_metrics"),
    "model_card": ("render_card",),
    "modeling_lstm_attn": ("LstmAttnForSequenceClassification", "LstmAttnModel"),
    "pipeline_lstm_attn": ("LstmAttnPipeline",),
    "prediction": ("load_classifier", "predict"),
    "pretrained_models": ("list_pretrained", "load_pretrained"),
    "recipes": ("RECIPES", "Recipe"),
    "results": ("RunResult",),
    "tokenization": ("build_tokenizer", "save_tokenizer"),
    "trainer": ("evaluate_model",),
    "training": ("train",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__version__ = version("hf_lstm_attn")
__all__ = [
    "DATASETS",
    "RECIPES",
    "ClassificationMetric",
    "DatasetSpec",
    "Explanation",
    "Loss",
    "LstmAttnConfig",
    "LstmAttnForSequenceClassification",
    "LstmAttnModel",
    "LstmAttnPipeline",
    "Recipe",
    "RunResult",
    "WordScore",
    "build_metrics",
    "build_page",
    "build_tokenizer",
    "evaluate_model",
    "explain",
    "list_pretrained",
    "load_classifier",
    "load_pretrained",
    "load_splits",
    "predict",
    "render_card",
    "resolve_spec",
    "save_tokenizer",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


_MODELS = tuple(f"{__name__}.{module}" for module in ("configuration_lstm_attn", "modeling_lstm_attn", "baselines"))
_is_registered = False


def _register(module: Any) -> None:
    """Runs when transformers, or one of `_MODELS`, has loaded, and no other of these is still loading: often one of
    them is what imports transformers."""
    global _is_registered
    others = (sys.modules.get(name) for name in _MODELS if name != module.__name__)
    if _is_registered or any(getattr(getattr(other, "__spec__", None), "_initializing", False) for other in others):
        return
    _is_registered = True
    # transformers replaces itself by a lazy module while it loads: the argument is the module it was.
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    from .baselines import FfnnForSequenceClassification, RnnForSequenceClassification
    from .modeling_lstm_attn import LstmAttnForSequenceClassification

    for model in (LstmAttnForSequenceClassification, FfnnForSequenceClassification, RnnForSequenceClassification):
        AutoConfig.register(model.config_class.model_type, model.config_class)
        AutoModel.register(model.config_class, model.model_class)
        AutoModelForSequenceClassification.register(model.config_class, model)


for _name in ("transformers", *_MODELS):
    wrapt.register_post_import_hook(_register, _name)
