"""Initial word vectors: skip-gram trained on one's own texts, read from a GloVe or word2vec text file, or put together
from the pieces of a word."""

from __future__ import annotations

import copy
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tokenizers.models import Unigram, WordLevel
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def train_word_vectors(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, size: int, seed: int
) -> dict[str, np.ndarray]:
    """Skip-gram vectors with negative sampling (Mikolov et al. 2013) of the words in the tokenizer's vocabulary.

    One worker: with more, gensim's result differs from run to run.

    Args:
        texts: Training texts; words outside the vocabulary count as the unknown word. Of each text, gensim
            reads the first 10,000 words.
        size: Features of a vector.

    Returns:
        Those of the words that occur at least 5 times; there may be none.
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
        except RuntimeError:  # gensim: "you must first build vocabulary"
            return {}
    tokens = tokenizer.convert_ids_to_tokens([int(key) for key in vectors.index_to_key])
    return dict(zip(tokens, vectors.vectors, strict=True))


def load_word_vectors(path: str | Path, vocabulary: Iterable[str], *, size: int) -> dict[str, np.ndarray]:
    """The vectors in a GloVe (no header) or word2vec (header "rows size") text file, as gensim reads it.

    Args:
        vocabulary: The words whose vectors are wanted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if its vectors do not have `size` finite numbers.
    """
    from gensim.models import KeyedVectors

    path = Path(path).expanduser()
    with path.open("rb") as file:
        has_header = len(file.readline().split()) == 2
    found = KeyedVectors.load_word2vec_format(str(path), no_header=not has_header, unicode_errors="replace")
    if found.vector_size != size:
        raise ValueError(f"The vectors of {path} have {found.vector_size} numbers, and embedding_size is {size}.")
    if not np.isfinite(found.vectors).all():
        raise ValueError(f"{path} holds vectors that are not finite.")
    return {word: found[word] for word in vocabulary if word in found}


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


def extend_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, min_frequency: int = 20
) -> PreTrainedTokenizerBase:
    """Give words of `texts` that the vocabulary spells in pieces, or does not know, a word vector of their own.

    It starts as the mean of its pieces' vectors. Ids that there were stay; the model's embedding grows.

    Args:
        min_frequency: How often `texts` must contain a word.

    Returns:
        A tokenizer with the new words; `tokenizer` is not changed.
    """
    extended = copy.deepcopy(tokenizer)
    backend = extended.backend_tokenizer
    cuts = (backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text)) for text in texts)
    counts = Counter(word for cut in cuts for word, _ in cut)
    known, size = tokenizer.get_vocab(), len(tokenizer)
    new = sorted(word for word, count in counts.items() if count >= min_frequency and word not in known)
    if not new:
        return extended
    pieces = [ids.ids for ids in backend.encode_batch(new, add_special_tokens=False)]
    if isinstance(backend.model, Unigram):  # it takes the spelling with the highest sum of scores
        vocabulary = [(piece, score) for piece, score in json.loads(backend.to_str())["model"]["vocab"]]
        scores = [0.1 + sum(vocabulary[piece][1] for piece in ids) for ids in pieces]
        backend.model = Unigram([*vocabulary, *zip(new, scores, strict=True)], unk_id=tokenizer.unk_token_id)
    else:
        words = {word: size + row for row, word in enumerate(new)}
        backend.model = WordLevel({**known, **words}, unk_token=tokenizer.unk_token)
    embedding = model.resize_token_embeddings(size + len(new), mean_resizing=False).weight.data
    for row, ids in enumerate(pieces, start=size):
        embedding[row] = embedding[ids].mean(dim=0)
    logging.getLogger("hf_lstm_attn").info(f"{len(new):,} words of these texts are new to the model.")
    return extended
