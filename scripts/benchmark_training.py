"""Training speed of recipe `default` on IMDB: this package against a plain padded loop, as ratios.

    python scripts/benchmark_training.py         # about 15 minutes on two idle cores

Three ways take turns over the same examples, five rounds each, every one in a process of its own:

- plain: a float32 loop in random order that pads every text to 400 words, with torch's default Adam;
- trainer: `LstmAttnTrainer` with its own settings: batches of similar length, averaged weights, mixed precision where
  it is fast, and memory kept between steps as the command line does;
- bare: a minimal loop over the very batches of "trainer", which shows what the Trainer costs.

Texts are random ids. Their lengths follow a log-normal distribution fitted to the 25,000 IMDB training reviews (median
201 words, sigma 0.65), cut at 400.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, set_seed

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    train_tokenizer,
)
from hf_lstm_attn.startup import keep_freed_memory

LENGTH, BATCH, VOCAB = 400, 64, 27_000
MEDIAN_WORDS, SIGMA = 201, 0.65


def build_examples(rows: int) -> Dataset:
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(np.log(MEDIAN_WORDS), SIGMA, rows), 10, LENGTH).astype(int)
    ids = [generator.integers(2, VOCAB, length).tolist() for length in lengths]
    return Dataset.from_dict({"input_ids": ids, "labels": generator.integers(0, 2, rows).tolist()})


def build_model() -> LstmAttnForSequenceClassification:
    set_seed(0)
    return LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=VOCAB, **RECIPES["default"].model)).train()


def build_trainer(examples: Dataset, tokenizer: PreTrainedTokenizerBase, folder: str) -> LstmAttnTrainer:
    args = LstmAttnTrainingArguments(
        folder,
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        logging_strategy="no",
    )
    return LstmAttnTrainer(build_model(), args, train_dataset=examples, processing_class=tokenizer)


def time_plain(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    model = build_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ids = torch.zeros(len(examples), LENGTH, dtype=torch.long)
    for row, values in enumerate(examples["input_ids"]):
        ids[row, : len(values)] = torch.tensor(values)
    labels = torch.tensor(examples["labels"][:])
    started = time.perf_counter()
    for rows in torch.randperm(len(examples)).split(BATCH):
        optimizer.zero_grad()
        model(ids[rows], labels=labels[rows]).loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def time_trainer(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return build_trainer(examples, tokenizer, folder).train().metrics["train_runtime"]


def time_bare(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(examples, tokenizer, folder)
        order = list(trainer._get_train_sampler(examples))
    precision = torch.bfloat16 if trainer.args.bf16 else torch.float16 if trainer.args.fp16 else torch.float32
    device = trainer.args.device
    model = build_model().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01, fused=True)
    collate = DataCollatorWithPadding(tokenizer)
    started = time.perf_counter()
    for first in range(0, len(order), BATCH):
        batch = collate([examples[row] for row in order[first : first + BATCH]]).to(device)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - started


WAYS: dict[str, Callable[[Dataset, PreTrainedTokenizerBase], float]] = {
    "plain": time_plain,
    "trainer": time_trainer,
    "bare": time_bare,
}


def time_in_new_process(name: str, rows: int) -> float:
    command = [sys.executable, str(Path(__file__).resolve()), "--rows", str(rows), "--way", name]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40 * BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="time this way once, and print seconds")
    options = parser.parse_args(arguments)
    if options.way:
        examples = build_examples(options.rows)
        tokenizer = train_tokenizer(["a"], min_frequency=1, max_length=LENGTH)
        if options.way != "plain":
            keep_freed_memory()
        WAYS[options.way](examples.select(range(min(2 * BATCH, options.rows))), tokenizer)  # warms up
        print(WAYS[options.way](examples, tokenizer))
        return
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name in WAYS:
            seconds[name].append(time_in_new_process(name, options.rows))
    speed = {name: options.rows / statistics.median(values) for name, values in seconds.items()}
    result = {
        "examples_per_second": {name: round(value, 1) for name, value in speed.items()},
        "trainer_over_plain": round(speed["trainer"] / speed["plain"], 2),
        "trainer_over_bare": round(speed["trainer"] / speed["bare"], 3),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
