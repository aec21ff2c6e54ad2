"""Initial word vectors: skip-gram trained on one's own texts, or read from a GloVe or word2vec text file."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

Vectors = dict[str, np.ndarray]  # token -> (size,) float32


def train_word_vectors(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, size: int, seed: int) -> Vectors:
    """Skip-gram vectors with negative sampling (Mikolov et al. 2013) of the words in the tokenizer's vocabulary.

    One worker: with more, gensim's result differs from run to run.

    Args:
        texts: Training texts; words outside the vocabulary count as the unknown word. Of each text, gensim
            reads the first 10,000 words.
        size: Features of a vector.

    Returns:
        Those of the words that occur at least 5 times.

    Raises:
        ValueError: if no word occurs 5 times.
    """
    from gensim.models import Word2Vec

    logging.getLogger("hf_lstm_attn").info(f"Training word vectors on {len(texts):,} texts.")
    settings = {"sg": 1, "window": 5, "negative": 5, "sample": 1e-4, "min_count": 5, "epochs": 5, "workers": 1}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus.txt")  # of token ids: gensim reads a file without holding Python's lock
        with corpus.open("w", encoding="ascii") as file:
            for first in range(0, len(texts), 1_000):
                rows = tokenizer(list(texts[first : first + 1_000]), truncation=False, verbose=False)["input_ids"]
                file.writelines(" ".join(map(str, ids)) + "\n" for ids in rows if ids)
        try:
            vectors = Word2Vec(corpus_file=str(corpus), vector_size=size, seed=seed, **settings).wv
        except RuntimeError as error:  # gensim: "you must first build vocabulary"
            raise ValueError("No word occurs 5 times in the texts. Do without word vectors, or pass a file.") from error
    tokens = tokenizer.convert_ids_to_tokens([int(key) for key in vectors.index_to_key])
    return dict(zip(tokens, vectors.vectors, strict=True))


def load_word_vectors(path: str | Path, vocabulary: Container[str], *, size: int) -> Vectors:
    """The vectors in a GloVe (no header) or word2vec (header "rows size") text file.

    Args:
        vocabulary: The words whose vectors are wanted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not a word and `size` finite numbers, or no wanted word is in the file.
    """
    import pandas as pd

    vectors: Vectors = {}
    with Path(path).expanduser().open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            word, *values = line.rstrip().rsplit(" ", size)  # a few of GloVe's words contain spaces
            if len(values) == size and word in vocabulary:
                vectors[word] = pd.to_numeric(np.array(values), errors="coerce").astype(np.float32)
            if (len(values) < size and number > 1) or not np.isfinite(vectors.get(word, 0)).all():  # 1: a header
                raise ValueError(f"Line {number} of {path} is not a word and {size} finite numbers (embedding_size).")
    if not vectors:
        raise ValueError(f"No word of the vocabulary has {size} numbers (embedding_size) in {path}.")
    return vectors


def initialize_embeddings(
    model: PreTrainedModel, source: str, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> None:
    """Replace the model's input embeddings by word vectors, those of padding and of words without a vector apart.

    Args:
        source: "train" trains the vectors on `texts`; else the path of a file for `load_word_vectors`.

    Raises:
        FileNotFoundError, ValueError: see `train_word_vectors` and `load_word_vectors`.
    """
    weight = model.get_input_embeddings().weight.data  # (vocab_size, embedding_size)
    size, vocabulary = weight.shape[1], tokenizer.get_vocab()
    if source == "train":
        vectors = train_word_vectors(texts, tokenizer, size=size, seed=seed)
    else:
        vectors = load_word_vectors(source, vocabulary, size=size)
    vectors.pop(tokenizer.pad_token, None)
    for token, vector in vectors.items():
        weight[vocabulary[token]] = weight.new_tensor(vector)
    logging.getLogger("hf_lstm_attn").info(f"Word vectors for {len(vectors):,} of {len(tokenizer):,} words.")
