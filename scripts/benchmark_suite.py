"""Small text-classification tasks: this package beside what one would otherwise train on so little data.

    python scripts/benchmark_suite.py --data suite --validation              # to choose settings by
    python scripts/benchmark_suite.py --data suite                           # the test splits
    python scripts/benchmark_suite.py --tweet_eval cardiffnlp/tweet_eval     # TweetEval's tasks, by its own metrics

A task is a folder in Hub layout: `train`, `test`, columns `text` and `label`. "n rows" are the first n of train. This
package holds a tenth of them out to pick the checkpoint by; the peers (peers.py) train on all. TweetEval comes with its
own validation split, which takes the tenth's place.

With --validation no test split is used. What is scored instead is TweetEval's validation split, or the last fifth of
train (at most 2,000 rows), which then belongs to none of the n rows.

MiniLM is read from the Hub, or from the folder that the environment variable MINILM names.

Every result is stored as soon as it is there; what is stored is not computed again.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import string
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import transformers
from common import build_model
from datasets import ClassLabel, Dataset, DatasetDict
from peers import ON_REQUEST, PEERS, SEEDED, Predict, has_fasttext
from suite_results import (
    TWEETS,
    Record,
    add_task,
    compute_macro_f1,
    load_record,
    read_ids,
    render_differences,
    render_suite,
    render_tweets,
    write_ids,
)

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
)
from hf_lstm_attn.data import load_data
from hf_lstm_attn.encoding import choose_start
from hf_lstm_attn.inference import list_labels, predict_logits
from hf_lstm_attn.reading import FileOptions, open_splits
from hf_lstm_attn.results import save_json
from hf_lstm_attn.startup import keep_freed_memory
from hf_lstm_attn.word_rules import choose_rules

OURS = "lstm-attn"
LANGUAGES = {"counterfactual_de": "de", "counterfactual_ja": "ja"}  # the others are English
HELD_OUT, MOST_HELD_OUT = 0.2, 2_000  # share of train that --validation scores, and its rows at most
TRAINING_FIELDS = {field.name for field in fields(LstmAttnTrainingArguments)}
MODEL_FIELDS = set(inspect.signature(LstmAttnConfig).parameters)


class Rows(NamedTuple):
    """Texts and the names of their labels."""

    texts: list[str]
    labels: list[str]

    def cut(self, start: int | None, end: int | None) -> Rows:
        return Rows(self.texts[start:end], self.labels[start:end])


class Task(NamedTuple):
    """What a system may learn from, and the rows that it is scored on.

    `validation` picks the checkpoint; where it is None, train gives a part of itself for that.
    """

    name: str
    train: Rows
    validation: Rows | None
    scored: Rows

    @property
    def language(self) -> str:
        return LANGUAGES.get(self.name, "en")

    @property
    def labels(self) -> list[str]:
        return sorted({*self.train.labels, *self.scored.labels})


Fit = Callable[[Task, Rows, int], Predict]  # a task, the rows to train on, and the seed
Cell = tuple[str, str, int]  # n, system, seed

# ---------------------------------------------------------------------------------------------------------------- data


def load_task(folder: Path, config_name: str | None, *, on_validation: bool) -> Task:
    name = config_name or folder.name
    splits = {split: read_rows(part) for split, part in open_splits(folder, config_name, FileOptions())[0].items()}
    train, validation = splits["train"], splits.get("validation")
    if not on_validation:
        return Task(name, train, validation, splits["test"])
    if validation is not None:
        return Task(name, train, None, validation)
    kept = len(train.texts) - min(round(HELD_OUT * len(train.texts)), MOST_HELD_OUT)
    return Task(name, train.cut(None, kept), None, train.cut(kept, None))


def read_rows(part: Dataset) -> Rows:
    feature, labels = part.features["label"], part["label"][:]
    return Rows(part["text"][:], feature.int2str(labels) if isinstance(feature, ClassLabel) else labels)


def add_typos(text: str) -> str:
    """The text with one letter of every fifth word changed, whatever the run."""
    words, dice = text.split(" "), random.Random(text)
    for place in range(4, len(words), 5):
        if letters := [index for index, sign in enumerate(words[place]) if sign.isalpha()]:
            index = dice.choice(letters)
            words[place] = words[place][:index] + dice.choice(string.ascii_lowercase) + words[place][index + 1 :]
    return " ".join(words)


# ------------------------------------------------------------------------------------------------------------- systems


def fit_ours(task: Task, rows: Rows, seed: int, *, recipe: str, settings: dict[str, Any]) -> Predict:
    parts = {"train": rows, **({"validation": task.validation} if task.validation else {})}
    stored = {split: Dataset.from_dict({"text": part.texts, "label": part.labels}) for split, part in parts.items()}
    splits = load_data(DatasetDict(stored), seed=seed, test_fraction=0.0)  # holds validation out where there is none
    return train_ours(splits["train"], splits["validation"], seed, task.language, recipe, settings)


class UnpublishedTrainer(LstmAttnTrainer):
    """Leaves out what a model needs to be published, which takes longer than training on few rows."""

    def _finish(self) -> None:
        """No record, no figures, no card."""


def train_ours(
    rows: Dataset, validation: Dataset, seed: int, language: str, recipe_name: str, settings: dict[str, Any]
) -> Predict:
    """What `hf-lstm-attn train --data ... --recipe ...` does.

    Args:
        rows, validation: As `load_data` gives them.
        settings: Fields of the training arguments or of the configuration, instead of the recipe's.
    """
    recipe = RECIPES[recipe_name]
    training = recipe.training | {name: settings[name] for name in settings.keys() & TRAINING_FIELDS}
    own, start = {name: settings[name] for name in settings.keys() & MODEL_FIELDS}, settings.get("model_name_or_path")
    if start is None and recipe_name == "default":
        start = choose_start(language, len(rows))
    start = None if start == "none" else start
    network = own if start else recipe.model | own
    model, tokenizer = build_model(rows, recipe, seed, network, start, rules=choose_rules(language))
    with tempfile.TemporaryDirectory() as folder:
        args = LstmAttnTrainingArguments(folder, seed=seed, language=language, disable_tqdm=True, **training)
        UnpublishedTrainer(model, args, None, rows, validation, tokenizer).train()
    names = list_labels(model.config)
    return lambda texts: [names[label] for label in predict_logits(model, tokenizer, texts).argmax(axis=1)]


def fit_peer(task: Task, rows: Rows, seed: int, *, name: str) -> Predict:
    return PEERS[name](rows.texts, rows.labels, task.language, seed)


def choose_systems(names: Sequence[str], recipes: Sequence[str], settings: dict[str, Any]) -> dict[str, Fit]:
    """The systems by the names that the tables show; ours is there once per recipe."""
    systems: dict[str, Fit] = {}
    for name in names:
        if name in PEERS:
            systems[name] = partial(fit_peer, name=name)
            continue
        for recipe in recipes:
            shown = ", ".join([recipe, *(f"{field}={value}" for field, value in settings.items())])
            systems[f"{name} ({shown})"] = partial(fit_ours, recipe=recipe, settings=settings)
    return systems


# ----------------------------------------------------------------------------------------------------------- measuring


def measure(task: Task, n: str, system: str, seed: int, fit: Fit) -> dict[str, Any]:
    """Train on the first n rows and score; seconds are those of both."""
    started = time.monotonic()
    rows = task.train if n == "all" else task.train.cut(None, int(n))
    predictions = write_ids(fit(task, rows, seed)(task.scored.texts), task.labels)
    ids, truth = read_ids(predictions), read_ids(write_ids(task.scored.labels, task.labels))
    return {
        "task": task.name,
        "n": n,
        "system": system,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "accuracy": float((truth == ids).mean()),
        "macro_f1": compute_macro_f1(truth, ids),
        "predictions": predictions,
    }


def list_missing(record: Record, task: str, systems: Sequence[str], options: argparse.Namespace) -> list[Cell]:
    """The cells of a task that are asked for and not stored; a system that no seed changes has the seed 0."""
    seeds = {system: [0] if system in PEERS and system not in SEEDED else options.seeds for system in systems}
    cells = [(n, system, seed) for n in options.n for system in systems for seed in seeds[system]]
    return [cell for cell in cells if name_cell(task, *cell) not in record["cells"]]


def name_cell(task: str, n: str, system: str, seed: int) -> str:
    return f"{task}/{n}/{system}/{seed}"


# ---------------------------------------------------------------------------------------------------------------- main


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--data", type=Path, metavar="FOLDER", help="a folder with a folder per task")
    place.add_argument("--tweet_eval", type=Path, metavar="FOLDER", help="TweetEval in Hub layout")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="(default: all that are there)")
    parser.add_argument("--n", nargs="+", type=parse_rows, metavar="ROWS", help="(default: 100 1000 all; tweets: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44], metavar="SEED")
    names = [name for name in (OURS, *PEERS) if name not in ON_REQUEST and (name != "fasttext" or has_fasttext())]
    parser.add_argument(
        "--systems", nargs="+", choices=(OURS, *PEERS), default=names, help="(default: all installed but setfit)"
    )
    parser.add_argument("--validation", action="store_true", help="score on held-out rows instead of test")
    parser.add_argument("--typos", action="store_true", help="change a letter of every fifth word that is scored")
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=["default"], help="of this package's model")
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="instead of what the recipe says")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="(default: runs/suite-test.json or the like)")
    options = parser.parse_args(arguments)
    options.split = "validation" if options.validation else "test"
    if options.tweet_eval:
        name, tasks, sizes = "tweet_eval", list(TWEETS), ["all"]
    else:
        tasks = sorted(path.name for path in options.data.iterdir() if path.is_dir())
        name, sizes = "suite", ["100", "1000", "all"]
    options.tasks, options.n = options.tasks or tasks, options.n or sizes
    typos = "-typos" * options.typos
    options.output = options.output or Path(f"runs/{name}-{options.split}{typos}.json")
    options.settings = dict(map(parse_setting, options.set))
    if unknown := options.settings.keys() - TRAINING_FIELDS - MODEL_FIELDS - {"model_name_or_path"}:
        parser.error(f"--set: there is no field {', '.join(sorted(unknown))}.")
    return options


def parse_rows(text: str) -> str:
    """A number of rows, or "all"."""
    return text if text == "all" else str(int(text))


def parse_setting(text: str) -> tuple[str, Any]:
    """FIELD=VALUE, where the value is JSON (2e-3, true, null) or else a string."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    keep_freed_memory()
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    record = load_record(options.output, options.split)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    systems = choose_systems(options.systems, options.recipe, options.settings)
    for name in options.tasks:
        place = (options.tweet_eval, name) if options.tweet_eval else (options.data / name, None)
        task = load_task(*place, on_validation=options.validation)
        if options.typos:
            task = task._replace(scored=Rows([add_typos(text) for text in task.scored.texts], task.scored.labels))
        add_task(record, name, task.scored.labels, task.labels)
        for n, system, seed in list_missing(record, name, list(systems), options):
            cell = measure(task, n, system, seed, systems[system])
            record["cells"][name_cell(name, n, system, seed)] = cell
            save_json(record, options.output)
            scores = f"accuracy {100 * cell['accuracy']:.1f}, macro-F1 {100 * cell['macro_f1']:.1f}"
            print(f"{name}, n = {n}, {system}, seed {seed}: {scores}, {cell['seconds']} s", file=sys.stderr)
    print(f"Scored on {options.split}.\n")
    for n in options.n:
        for render in (render_tweets,) if options.tweet_eval else (render_suite, render_differences):
            print(render(record, options.tasks, n, list(systems)))


if __name__ == "__main__":
    main()
