"""A teacher's sentence vectors, computed once, in files that outlive an interruption; and word vectors made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .training_args import cpu_has_bf16

SHARD = 8_192  # texts whose vectors are one file


def load_teacher(teacher: str | Path) -> Any:
    """The SentenceTransformer of a folder or Hub id, with its own pooling and normalisation; any other model that
    `AutoModel` loads becomes one with the mean over its tokens.

    Raises:
        ImportError: without sentence-transformers.
        OSError: if there is no such model.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        message = "A teacher of sentence vectors needs sentence-transformers: pip install 'hf_lstm_attn[distill]'."
        raise ImportError(message) from error
    return SentenceTransformer(str(teacher), trust_remote_code=False)


def compute_vectors(texts: Sequence[str], teacher: Any, folder: str | Path | None = None) -> np.ndarray:
    """The teacher's vector of each text, (texts, size) float16, of length 1.

    Args:
        teacher: Of `load_teacher`.
        folder: Where to keep the vectors: a file for every 8,192 texts, sorted by length, in a folder that is named by
            the fingerprint of texts and teacher. What lies there is not computed again. None keeps none.
    """
    order = np.argsort([-len(text) for text in texts], kind="stable")
    place = None if folder is None else Path(folder) / f"vectors-{_fingerprint(texts, teacher)}"
    shards = []
    for start in tqdm(range(0, len(texts), SHARD), desc="Vectors", unit=" shards", disable=None):
        path = place and place / f"{start // SHARD:05}.npy"
        if path and path.is_file():
            shards.append(np.load(path))
            continue
        part = [texts[row] for row in order[start : start + SHARD]]
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
            found = teacher.encode(part, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        if not np.isfinite(found).all():
            raise ValueError("The teacher gives vectors that are not finite; its weights are broken.")
        shards.append(found.astype(np.float16))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path.with_suffix(".part.npy"), shards[-1])
            path.with_suffix(".part.npy").replace(path)
    return np.concatenate(shards)[np.argsort(order)]


def _fingerprint(texts: Sequence[str], teacher: Any) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for weights in teacher.state_dict().values():
        digest.update(weights.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def set_word_vectors(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, teacher: Any) -> None:
    """Start the model's word vectors from the teacher's vectors of each word: their principal components, as many as
    the embedding has features, scaled to the standard deviation `config.initializer_range`."""
    weight = model.get_input_embeddings().weight.data  # (vocab_size, embedding_size)
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    vectors = torch.from_numpy(compute_vectors(words, teacher).astype(np.float32))
    centred = vectors - vectors.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred.T @ centred)
    found = centred @ axes[: weight.shape[1]].T
    weight[: len(words), : found.shape[1]] = found * (model.config.initializer_range / found.std())
    weight[tokenizer.pad_token_id] = 0
