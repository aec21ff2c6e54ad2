"""Initial word vectors: skip-gram trained in the domain, or read from a GloVe or word2vec text file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

SKIP_GRAM_EPOCHS = 5


def train_word_vectors(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    size: int,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """Skip-gram vectors with negative sampling (Mikolov et al. 2013) of the words in the tokenizer's vocabulary.

    One worker: with more, gensim's result differs from run to run.

    Args:
        texts: Training texts; words outside the vocabulary count as the unknown word.
        size: Features of a vector.
        say: Receives a line per pass over the texts.

    Returns:
        Token -> (size,) float32, for the words that occur at least 5 times.

    Raises:
        ValueError: if no word occurs 5 times.
    """
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Progress(CallbackAny2Vec):
        done = 0

        def on_epoch_end(self, model: Word2Vec) -> None:
            self.done += 1
            say(f"word vectors: pass {self.done} of {SKIP_GRAM_EPOCHS}")

    with tempfile.TemporaryDirectory() as folder:
        # A file of token ids: gensim then reads its corpus without holding Python's lock.
        corpus = Path(folder) / "corpus.txt"
        with corpus.open("w", encoding="ascii") as file:
            for ids in _encode(texts, tokenizer):
                file.write(" ".join(map(str, ids)) + "\n")
        if corpus.stat().st_size == 0:
            raise ValueError("Expected texts to train word vectors on; found none. Pass word_vectors=None.")
        try:
            model = Word2Vec(
                corpus_file=str(corpus),
                vector_size=size,
                sg=1,
                window=5,
                negative=5,
                sample=1e-4,
                min_count=5,
                epochs=SKIP_GRAM_EPOCHS,
                workers=1,
                seed=seed,
                callbacks=[Progress()],
            )
        except RuntimeError as error:  # gensim: "you must first build vocabulary"
            raise ValueError(
                "Expected texts with words that occur at least 5 times, to train word vectors on; found none. "
                "Pass word_vectors=None (--word-vectors none)."
            ) from error
    tokens = tokenizer.convert_ids_to_tokens([int(key) for key in model.wv.index_to_key])
    return dict(zip(tokens, model.wv.vectors, strict=True))


def _encode(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[int]]:
    for first in range(0, len(texts), 1_000):
        for ids in tokenizer(texts[first : first + 1_000], truncation=False, verbose=False)["input_ids"]:
            # gensim cuts a line at 10,000 words; a longer text continues on the next line.
            for start in range(0, len(ids), 10_000):
                yield ids[start : start + 10_000]


def load_word_vectors(path: Path, vocabulary: Iterable[str], *, size: int) -> dict[str, np.ndarray]:
    """Read the vectors of `vocabulary` from a GloVe (no header) or word2vec (header "rows size") text file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line's vector has not `size` numbers, or no word of the vocabulary is in the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of word vectors, or 'train' or 'unlabelled'; found no file {path}.")
    wanted = set(vocabulary)
    vectors: dict[str, np.ndarray] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            values = line.rstrip().split(" ")
            if number == 1 and len(values) == 2:
                continue
            word = " ".join(values[:-size])  # a few GloVe words contain spaces
            if not word or len(values) <= size:
                raise ValueError(
                    f"Expected a word and {size} numbers on line {number} of {path.name}; found {len(values)} fields. "
                    "Pass embedding_size (--embedding-size) equal to the size of the vectors."
                )
            if word in wanted:
                try:
                    vectors[word] = np.asarray(values[-size:], dtype=np.float32)
                except ValueError as error:
                    raise ValueError(
                        f"Expected {size} numbers after the word on line {number} of {path.name}; found {line[:60]!r}."
                    ) from error
    if not vectors:
        raise ValueError(f"Expected words of the vocabulary in {path.name}; found none. Is it in the same language?")
    return vectors


def build_embedding(
    vectors: dict[str, np.ndarray], tokenizer: PreTrainedTokenizerBase, initial: np.ndarray
) -> np.ndarray:
    """(vocab_size, size) weights: `initial` with the rows of known words replaced, padding untouched."""
    weights = initial.copy()
    for token, index in tokenizer.get_vocab().items():
        if token in vectors and index != tokenizer.pad_token_id:
            weights[index] = vectors[token]
    return weights


def initialize_embedding(
    embedding: nn.Embedding,
    source: str,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    seed: int,
    say: Callable[[str], None],
) -> None:
    """Fill `embedding` with skip-gram vectors of `texts` (`source` "train" or "unlabelled") or with those of a file."""
    size = embedding.embedding_dim
    if source in ("train", "unlabelled"):
        say(f"Training word vectors on {len(texts):,} texts.")
        vectors = train_word_vectors(texts, tokenizer, size=size, seed=seed, say=say)
    else:
        vectors = load_word_vectors(Path(source), tokenizer.get_vocab(), size=size)
    weights = build_embedding(vectors, tokenizer, embedding.weight.detach().numpy())
    embedding.weight.data = torch.from_numpy(weights)
    say(f"Word vectors for {len(vectors):,} of {len(tokenizer):,} words.")
