"""Time grows no faster than the input: if n characters take t, 4 n take not much more than 4 t.

CI measures a few of the inputs, `make faults` all.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hf_lstm_attn import load_data
from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.named_data import undo_escapes

ROWS = "".join(f"thing {number},{'ab'[number % 2]}\n" for number in range(40))
ALL = os.environ.get("FAULTS") == "all"
CLASSIFIER = load_classifier("imdb")
READ = {  # name of a file -> its content, of a size
    "tabs.tsv": lambda n: "text\tlabel\n" + "\t" * n + "\n" + ROWS.replace(",", "\t"),
    "commas.csv": lambda n: "text,label\n" + "," * n + "\n" + ROWS,
    "quotes.csv": lambda n: "text,label\n" + '"x,a\n' * n + ROWS,
    "quotes_in_one_line.csv": lambda n: "text,label\n" + 'x"' * n + ",a\n" + ROWS,
    "quotes.tsv": lambda n: "text\tlabel\n" + '"x\ta\n' * n + ROWS.replace(",", "\t"),
    "columns.csv": lambda n: ",".join(map(str, range(n))) + "\n" + ROWS,
    "prefixes.txt": lambda n: "__label__a " * n + "x\n" + "__label__b x\n" * 40,
    "long.jsonl": lambda n: '{"text": "' + "word " * n + '", "label": "a"}\n{"text": "b", "label": "b"}\n' * 20,
}
TEXTS = {
    "words": "word ",
    "letters": "a",
    "digits": "1,",
    "entities": "&#5",
    "numbers": "&#" + "5" * 5_000,
    "escapes": "\\ud83d",
    "breaks": "<br",
    "addresses": "http://",
    "quotes": '"',
    "marks": "a\u0301",
}


def assert_linear(work: Callable[[int], object], n: int) -> None:
    """Compares processor time of n and 4 n, the better of two; 16 times as much would be quadratic."""

    def measure(size: int) -> float:
        gc.collect()
        started = time.process_time()
        work(size)
        return time.process_time() - started

    work(n)
    small, large = (min(measure(size) for _ in range(2)) for size in (n, 4 * n))
    assert large < 9 * small + 0.05, (small, large)


@pytest.mark.parametrize("name", READ if ALL else ["tabs.tsv"])
def test_reading(name: str, tmp_path: Path) -> None:
    def read(size: int) -> None:
        path = tmp_path / f"{size}-{len(list(tmp_path.iterdir()))}-{name}"  # datasets keeps what it has read
        path.write_text(READ[name](size))
        try:
            load_data(path, format="fasttext" if name == "prefixes.txt" else None)
        except ValueError as error:
            said = str(error)
        else:
            return
        assert path.name in said

    assert_linear(read, 4_000 if name == "columns.csv" else 20_000)


@pytest.mark.parametrize("name", TEXTS if ALL else ["words", "digits"])
def test_texts(name: str) -> None:
    assert_linear(lambda size: undo_escapes(TEXTS[name] * (size // len(TEXTS[name]))), 20_000)
    assert_linear(lambda size: list(predict(CLASSIFIER, [TEXTS[name] * (size // len(TEXTS[name]))])), 20_000)


def test_of_a_very_long_text_only_the_start_is_tokenized() -> None:
    text = "a fine film , " * 700_000  # 10 MB
    started = time.process_time()
    (scores,) = predict(CLASSIFIER, [text])
    assert time.process_time() - started < 20 * measure_tokens(text[: len(text) // 50])
    assert scores == pytest.approx(next(predict(CLASSIFIER, [text[:100_000]])))


def measure_tokens(text: str) -> float:
    started = time.process_time()
    CLASSIFIER.tokenizer(text)
    return time.process_time() - started


def test_a_small_parquet_file_that_holds_much(tmp_path: Path) -> None:
    table = pa.table({"text": ["a" * 1_000_000] * 30, "label": ["a", "b"] * 15})
    parquet.write_table(table, tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    assert len(load_data(tmp_path / "bomb.parquet")["train"]) == 24
