"""Everything small, built in memory; the shared data sets where a checkout has them beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from loopback_hub import WRITER, LoopbackHub, connect
from transformers import PreTrainedTokenizerFast

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification, build_tokenizer, save_tokenizer, train
from hf_lstm_attn.packaging import build_repository
from hf_lstm_attn.recipes import Recipe

SHARED = Path(__file__).parents[2] / "shared"
TEXTS = ["a fine film , truly fine", "a dull film", "fine acting in a dull , dull plot", "not fine"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data sets; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data sets beside the checkout")
    return SHARED


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """An empty Hub that this process is logged in to."""
    with LoopbackHub() as hub, connect(hub, token=WRITER):
        yield hub


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(TEXTS, min_frequency=1, max_length=50)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LstmAttnForSequenceClassification:
    torch.manual_seed(0)
    config = LstmAttnConfig(
        vocab_size=len(tokenizer),
        embedding_size=8,
        hidden_size=6,
        pooling="attention+max+mean",
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    return LstmAttnForSequenceClassification(config).eval()


@pytest.fixture
def model_folder(tmp_path: Path, model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A saved model with its tokenizer; the folder's name is unique, as remote code in one process needs."""
    folder = tmp_path / f"model_{tmp_path.name}"
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny model on the sample reviews; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "tiny-run"
    recipe = Recipe(model={"embedding_size": 8, "hidden_size": 6}, word_vectors=None, max_epochs=1, ngrams=True)
    train("sample-reviews", folder, recipe=recipe, limit=200, say=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def repository(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run as it goes to the Hub; not to be changed."""
    folder = tmp_path_factory.mktemp("repository") / "tiny-repository"
    build_repository(finished_run, folder, repo_id="you/tiny")
    return folder
