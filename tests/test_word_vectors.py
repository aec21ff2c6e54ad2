from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from hf_lstm_attn.word_vectors import build_embedding, load_word_vectors, train_word_vectors

CORPUS = ["cats purr softly", "kittens purr softly", "engines roar loudly", "motors roar loudly"] * 60


@pytest.fixture
def vocabulary() -> PreTrainedTokenizerFast:
    from hf_lstm_attn import build_tokenizer

    return build_tokenizer(CORPUS)


def train(tokenizer: PreTrainedTokenizerFast, seed: int = 3) -> dict[str, np.ndarray]:
    return train_word_vectors(CORPUS, tokenizer, size=12, seed=seed, say=lambda line: None)


def test_words_of_like_contexts_get_like_vectors(vocabulary: PreTrainedTokenizerFast) -> None:
    vectors = train(vocabulary)

    def cosine(one: str, other: str) -> float:
        return float(vectors[one] @ vectors[other] / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other]))

    assert cosine("cats", "kittens") > cosine("cats", "motors")
    assert vectors["cats"].shape == (12,)


def test_same_seed_same_vectors(vocabulary: PreTrainedTokenizerFast) -> None:
    first, again, other = train(vocabulary), train(vocabulary), train(vocabulary, seed=4)
    assert all((first[word] == again[word]).all() for word in first)
    assert any((first[word] != other[word]).any() for word in first)


def test_embedding_takes_known_words_and_leaves_padding(vocabulary: PreTrainedTokenizerFast) -> None:
    initial = np.zeros((len(vocabulary), 2), dtype=np.float32)
    weights = build_embedding({"cats": np.ones(2), "[PAD]": np.ones(2), "unheard": np.ones(2)}, vocabulary, initial)
    assert weights[vocabulary.convert_tokens_to_ids("cats")].tolist() == [1, 1]
    assert weights.sum() == 2
    assert initial.sum() == 0


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_glove_and_word2vec_files(tmp_path: Path, header: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}cats 0.5 1\nnew york 1 2\ndogs 3 4\n", encoding="utf-8")
    vectors = load_word_vectors(path, ["cats", "dogs", "owls"], size=2)
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"cats": [0.5, 1.0], "dogs": [3.0, 4.0]}


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        load_word_vectors(tmp_path / "missing.txt", ["cats"], size=2)
    path = tmp_path / "vectors.txt"
    path.write_text("cats 1 2\n")
    with pytest.raises(ValueError, match="--embedding-size"):
        load_word_vectors(path, ["cats"], size=3)
    with pytest.raises(ValueError, match="found none"):
        load_word_vectors(path, ["owls"], size=2)
    path.write_text("cats 1 two\n")
    with pytest.raises(ValueError, match="line 1"):
        load_word_vectors(path, ["cats"], size=2)


def test_corpus_without_repeated_words(vocabulary: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="at least 5 times"):
        train_word_vectors(["cats purr"], vocabulary, size=4, seed=0, say=lambda line: None)
