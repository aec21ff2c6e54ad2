"""Training speed with the report's model and length: this package against a plain padded loop.

Three ways take turns over the same examples, five rounds each, every one in a process of its own, on an otherwise idle
machine:

- plain: a float32 loop in random order that pads every text to 272 words, with torch's default Adam;
- trainer: what `train` runs: the stock Trainer, batches of similar length, memory kept between steps, mixed precision
  where the hardware is fast at it;
- bare: a minimal loop over the very batches of "trainer", which shows what the Trainer costs.

Texts are random ids. Their lengths follow a log-normal distribution fitted to the 25,000 IMDB training reviews (median
201 words, sigma 0.65: mean 199 after the cut at 272, as in IMDB). Prints examples per second and ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, TrainingArguments, set_seed

from hf_lstm_attn import RECIPES, LstmAttnConfig, LstmAttnForSequenceClassification, build_tokenizer
from hf_lstm_attn.trainer import build_arguments, build_trainer, choose_precision

LENGTH, BATCH, VOCAB = 272, 64, 27_000
MEDIAN_WORDS, SIGMA = 201, 0.65


def build_examples(rows: int) -> Dataset:
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(np.log(MEDIAN_WORDS), SIGMA, rows), 10, LENGTH).astype(int)
    ids = [generator.integers(2, VOCAB, length).tolist() for length in lengths]
    return Dataset.from_dict({"input_ids": ids, "labels": generator.integers(0, 2, rows).tolist()})


def build_model() -> LstmAttnForSequenceClassification:
    set_seed(0)
    return LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=VOCAB, **RECIPES["report"].model)).train()


def time_plain(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    model = build_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ids = torch.zeros(len(examples), LENGTH, dtype=torch.long)
    for row, values in enumerate(examples["input_ids"]):
        ids[row, : len(values)] = torch.tensor(values)
    labels = torch.tensor(examples["labels"])
    started = time.perf_counter()
    for rows in torch.randperm(len(examples)).split(BATCH):
        optimizer.zero_grad()
        model(ids[rows], labels=labels[rows]).loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def build_bench_arguments(folder: Path) -> TrainingArguments:
    return build_arguments(
        folder,
        choose_precision(),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=1e-3,
        optim="adamw_torch_fused",
        save_strategy="no",
        logging_strategy="no",
    )


def time_trainer(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    with tempfile.TemporaryDirectory() as folder:
        arguments = build_bench_arguments(Path(folder))
        trainer = build_trainer(build_model(), tokenizer, arguments, train_dataset=examples)
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started


def time_bare(examples: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    precision = choose_precision()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0, fused=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(model, tokenizer, build_bench_arguments(Path(folder)), train_dataset=examples)
        order = list(trainer._get_train_sampler(examples))
    collate = DataCollatorWithPadding(tokenizer)
    started = time.perf_counter()
    for first in range(0, len(order), BATCH):
        batch = collate([examples[row] for row in order[first : first + BATCH]]).to(device)
        with torch.autocast(device, getattr(torch, precision.name), enabled=precision.name != "float32"):
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
    command = [sys.executable, __file__, "--rows", str(rows), "--way", name]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40 * BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="time this way once, and print seconds")
    options = parser.parse_args()
    if options.way:
        examples = build_examples(options.rows)
        tokenizer = build_tokenizer(["a"], min_frequency=1, max_length=LENGTH)
        WAYS[options.way](examples.select(range(2 * BATCH)), tokenizer)  # warms up
        print(WAYS[options.way](examples, tokenizer))
        return
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name in WAYS:
            seconds[name].append(time_in_new_process(name, options.rows))
    speed = {name: options.rows / statistics.median(values) for name, values in seconds.items()}
    result = {
        "precision": choose_precision().name,
        "examples_per_second": {name: round(value, 1) for name, value in speed.items()},
        "trainer_over_plain": round(speed["trainer"] / speed["plain"], 2),
        "trainer_over_bare": round(speed["trainer"] / speed["bare"], 3),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
