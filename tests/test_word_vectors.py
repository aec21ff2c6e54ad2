"""Initial word vectors: trained on texts, read from files, put into a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_lstm_attn.tokenization import train_tokenizer
from hf_lstm_attn.word_vectors import initialize_embeddings, load_word_vectors, train_word_vectors

CORPUS = ["cats purr softly", "kittens purr softly", "engines roar loudly", "motors roar loudly"] * 60


def test_words_of_like_contexts_get_like_vectors_by_the_seed_alone():
    tokenizer = train_tokenizer(CORPUS)
    one, again, other = (train_word_vectors(CORPUS, tokenizer, size=12, seed=seed) for seed in (3, 3, 4))
    units = {word: vector / np.linalg.norm(vector) for word, vector in one.items()}
    assert units["cats"] @ units["kittens"] > units["cats"] @ units["motors"]
    assert (one["cats"] == again["cats"]).all()
    assert (one["cats"] != other["cats"]).any()
    assert train_word_vectors(["cats purr"], tokenizer, size=4, seed=0) == {}  # no word occurs five times


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_glove_and_word2vec_files(tmp_path: Path, header: str):
    (tmp_path / "vectors.txt").write_text(f"{header}cats 0.5 1\nyork 1 2\ndogs 3 4\n", encoding="utf-8")
    vectors = load_word_vectors(tmp_path / "vectors.txt", ["cats", "dogs", "owls", "3"], size=2)
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"cats": [0.5, 1.0], "dogs": [3.0, 4.0]}


def test_files_that_do_not_fit_are_refused(tmp_path: Path):
    path = tmp_path / "vectors.txt"
    path.write_text("word 1 2 3\nfine 1 2 3\n")
    with pytest.raises(ValueError, match="embedding_size"):
        load_word_vectors(path, ["fine"], size=2)
    path.write_text("word 1 2 3\nfine 1 2 two\n")
    with pytest.raises(ValueError, match="two"):
        load_word_vectors(path, ["fine"], size=3)
    with pytest.raises(FileNotFoundError):
        load_word_vectors(tmp_path / "none.txt", ["fine"], size=3)


def test_a_model_takes_the_vectors_of_words_that_have_one(tmp_path: Path, model, tokenizer):
    path, expected = tmp_path / "vectors.txt", model.get_input_embeddings().weight.detach().clone()
    path.write_text("fine" + " 0.5" * 8 + "\n[PAD]" + " 1" * 8 + "\n")
    initialize_embeddings(model, str(path), [], tokenizer, seed=0)
    expected[tokenizer.convert_tokens_to_ids("fine")] = 0.5
    assert (model.get_input_embeddings().weight == expected).all()
    initialize_embeddings(model, "train", ["fine film"] * 5, tokenizer, seed=0)
    assert (model.get_input_embeddings().weight != expected).any()
