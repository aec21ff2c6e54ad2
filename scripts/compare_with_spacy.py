"""Compare the package's tokenization rules with spaCy's English tokenizer: agreement, differences, speed.

    python scripts/compare_with_spacy.py DATASET_FOLDER [--config NAME] [--split train] [--rows 2000]

DATASET_FOLDER is a data set in Hub layout (Parquet files with a `text` column). Both tokenizers read the same texts:
`rows` of them, drawn with a fixed seed, with HTML breaks already replaced by spaces, as spaCy has no rule for those.

Agreement is the F1 score over tokens as character spans: twice the number of spans that both found, divided by the
number of spans of both. spaCy's white-space tokens are left out, because the package drops white space. Speed is texts
per second of processor time, one thread each, the median of rounds in which the two take turns; every round has a new
spaCy tokenizer, since one that has seen the texts answers from its cache. The package is timed twice: with ids alone,
which is what training needs, and with offsets as well.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import spacy
from tokenizers import Tokenizer

from hf_lstm_attn.tokenization import NORMALIZATION_RULES, train_tokenizer

SEED = 0
ROUNDS = 5
Span = tuple[int, int]  # first character, and the one after the last


@dataclass(frozen=True)
class Comparison:
    """Tokens found by each and by both, and how often each pair of differing readings occurs."""

    spacy_tokens: int
    tokens: int
    shared_tokens: int
    differences: Counter[tuple[str, str]]

    @property
    def agreement(self) -> float:
        return 2 * self.shared_tokens / (self.spacy_tokens + self.tokens)


def load_texts(folder: Path, config: str | None, split: str, rows: int) -> list[str]:
    """`rows` texts of a split, drawn with a fixed seed, HTML breaks replaced by spaces."""
    root = folder / config if config else folder
    paths = sorted(root.rglob(f"{split}-*.parquet"))
    if not paths:
        raise FileNotFoundError(f"There is no {split}-*.parquet in {root}. Choose with --config and --split.")
    texts = [text for path in paths for text in pq.read_table(path, columns=["text"])["text"].to_pylist()]
    random.Random(SEED).shuffle(texts)
    for pattern, replacement in NORMALIZATION_RULES["html_breaks"].replacements:
        texts = [re.sub(pattern, replacement, text) for text in texts[:rows]]
    return texts


def compute_comparison(texts: Sequence[str], backend: Tokenizer) -> Comparison:
    spacy_tokenizer = spacy.blank("en").tokenizer
    spacy_tokens = tokens = shared_tokens = 0
    differences: Counter[tuple[str, str]] = Counter()
    for text, encoding in zip(texts, backend.encode_batch(texts), strict=True):
        theirs = [(token.idx, token.idx + len(token)) for token in spacy_tokenizer(text) if not token.is_space]
        ours = encoding.offsets
        spacy_tokens += len(theirs)
        tokens += len(ours)
        shared_tokens += len(set(theirs) & set(ours))
        differences.update(_find_differences(text, theirs, ours))
    return Comparison(spacy_tokens, tokens, shared_tokens, differences)


def _find_differences(text: str, theirs: Sequence[Span], ours: Sequence[Span]) -> list[tuple[str, str]]:
    """Both readings of each stretch of text that is cut differently, with a bar between tokens."""
    stretches: list[Span] = []
    for start, end in sorted(set(theirs) ^ set(ours)):
        if stretches and start < stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((start, end))

    def read(spans: Sequence[Span], stretch: Span) -> str:
        return "|".join(text[start:end] for start, end in spans if stretch[0] <= start < stretch[1])

    return [(read(theirs, stretch), read(ours, stretch)) for stretch in stretches]


def measure_speeds(texts: Sequence[str], backend: Tokenizer, rounds: int = ROUNDS) -> dict[str, float]:
    """Texts per second of spaCy, and of the package with ids alone (as training needs) and with offsets as well."""
    seconds: dict[str, list[float]] = {"spaCy": [], "ids": [], "ids, offsets": []}
    for _ in range(rounds):
        spacy_tokenizer = spacy.blank("en").tokenizer
        seconds["spaCy"].append(_measure_seconds(lambda: [spacy_tokenizer(text) for text in texts]))  # noqa: B023
        seconds["ids"].append(_measure_seconds(lambda: backend.encode_batch_fast(texts)))
        seconds["ids, offsets"].append(_measure_seconds(lambda: backend.encode_batch(texts)))
    return {name: len(texts) / statistics.median(taken) for name, taken in seconds.items()}


def _measure_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the tokenization rules with spaCy's English tokenizer.")
    parser.add_argument("folder", type=Path, metavar="DATASET_FOLDER")
    parser.add_argument("--config")
    parser.add_argument("--split", default="train")
    parser.add_argument("--rows", type=int, default=2000)
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"

    texts = load_texts(arguments.folder, arguments.config, arguments.split, arguments.rows)
    backend = train_tokenizer(texts, normalization=()).backend_tokenizer
    comparison = compute_comparison(texts, backend)
    print(f"Texts      {len(texts):,}")
    print(f"Tokens     {comparison.spacy_tokens:,} by spaCy {spacy.__version__}, {comparison.tokens:,} by this package")
    print(f"Agreement  {comparison.agreement:.3%}")
    print(f"The commonest of {comparison.differences.total():,} differences (times, spaCy, this package)")
    for (theirs, ours), count in comparison.differences.most_common(10):
        print(f"  {count:5d}  {theirs:24s}  {ours}")
    speeds = measure_speeds(texts, backend)
    print(f"Texts per second of processor time, one thread each, median of {ROUNDS}")
    for name, speed in speeds.items():
        print(f"  {name:16s} {speed:9,.0f}  {speed / speeds['spaCy']:.2f} times spaCy")


if __name__ == "__main__":
    main()
