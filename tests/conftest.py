"""Everything small, built in memory; the shared data sets where a checkout has them beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models; threads that wait for each other cost more

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, PreTrainedTokenizerFast

import hf_lstm_attn.inference  # noqa: F401 the Auto classes know the models by it
from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.named_data import load_sample
from hf_lstm_attn.pipeline_lstm_attn import LstmAttnPipeline
from hf_lstm_attn.tokenization import save_tokenizer, train_tokenizer

SHARED = Path(__file__).parents[2] / "shared"
TEXTS = ["a fine film , truly fine", "a dull film", "fine acting in a dull , dull plot", "not fine"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data sets; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data sets beside the checkout")
    return SHARED


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, min_frequency=1, max_length=50)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LstmAttnForSequenceClassification:
    """A random model of two classes, in evaluation mode."""
    torch.manual_seed(0)
    config = LstmAttnConfig(
        vocab_size=len(tokenizer),
        embedding_size=8,
        hidden_size=6,
        pooling="attention+max+mean",
        max_position_embeddings=50,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    return LstmAttnForSequenceClassification(config).eval()


@pytest.fixture
def classifier(model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> LstmAttnPipeline:
    return LstmAttnPipeline(model=model, tokenizer=tokenizer, task="text-classification")


@pytest.fixture
def model_folder(tmp_path: Path, model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A saved model with its tokenizer; the folder's name is unique, as remote code in one process needs."""
    folder = tmp_path / f"model_{tmp_path.name}"
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights: its mean vectors depend on a text's words."""
    folder = tmp_path_factory.mktemp("teacher")
    words = train_tokenizer(load_sample("reviews")["train"]["text"][:200]).get_vocab()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(words) + 5, intermediate_size=32, **sizes)).save_pretrained(folder)
    return folder
