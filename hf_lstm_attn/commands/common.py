"""What several commands share: options, tables, messages."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipes import RECIPE_DESCRIPTIONS

if TYPE_CHECKING:
    from ..data import DatasetSpec
    from ..results import RunResult


class UsageError(ValueError):
    """Arguments that do not go together: exit code 2, as for those that argparse finds."""


def warn(message: str) -> None:
    print(message, file=sys.stderr)


def decode_argument(text: str) -> str:
    """A text of the command line: bytes that are no UTF-8 arrive as lone surrogates, which are no text."""
    return os.fsencode(text).decode("utf-8", "replace")


def positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1; found {text}")
    return value


def add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="WHERE",
        help="Hub id, folder (Hub layout, aclImdb, SemEval) or file (CSV, TSV, JSONL, Parquet, SemEval .txt), instead "
        "of the data set's own place on the Hub",
    )
    group.add_argument("--config-name", help="configuration of a Hub data set")
    group.add_argument("--text-column", help="column with the texts (default: text)")
    group.add_argument("--label-column", help="column with the labels (default: label)")


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    group.add_argument(
        "--recipe",
        default="default",
        help=". ".join(f"{name}: {text}" for name, text in RECIPE_DESCRIPTIONS.items()) + ". (default: %(default)s)",
    )
    group.add_argument("--protocol", default="official", help="official, or report: splits (default: %(default)s)")
    group.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    group.add_argument(
        "--word-vectors",
        metavar="SOURCE",
        help="initial word vectors: none; skip-gram on the texts of train, or of train and unlabelled; or a GloVe or "
        "word2vec text file",
    )
    group.add_argument("--max-length", type=_length, help="words kept of a text: a number, mean, or a percentile (p95)")
    group.add_argument("--epochs", type=positive_int, help="epochs at most")
    group.add_argument("--batch-size", type=positive_int, help="texts per step")
    group.add_argument("--learning-rate", type=float, help="highest learning rate")
    group.add_argument("--embedding-size", type=positive_int, help="features of a word vector")
    group.add_argument("--hidden-size", type=positive_int, help="features of a hidden state, per direction")
    group.add_argument("--float32", action="store_true", help="no bfloat16 or float16")


def _length(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def data_choices(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("data", "config_name", "text_column", "label_column")}


def add_model_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-m",
        "--model",
        help="run folder, model folder, Hub id, or a built-in model: imdb, tweets (default: the built-in imdb)",
    )


def choose_model(options: argparse.Namespace) -> str | Path:
    """The model that the options name; without a name the built-in one, which standard error then tells about."""
    from ..pretrained_models import DEFAULT, FOLDER, describe_pretrained

    if options.model is not None:
        return options.model
    warn(f"Built-in model {describe_pretrained(DEFAULT)}. Choose another with --model.")
    return FOLDER / DEFAULT


def read_run_spec(folder: str | Path) -> DatasetSpec:
    """The data set that a run, or a built-in model, was trained on."""
    from ..data import DatasetSpec
    from ..pretrained_models import find_pretrained
    from ..results import RunResult

    request = RunResult.load(find_pretrained(folder) or folder).request["dataset"]
    return DatasetSpec(**{name: _as_tuple(value) for name, value in request.items()})


def spec_to_evaluate(options: argparse.Namespace) -> DatasetSpec:
    """The data set that the options name, or the one the run `options.model` was trained on."""
    from ..data import resolve_spec

    if options.dataset is not None or options.data is not None:
        return resolve_spec(options.dataset, **data_choices(options))
    return read_run_spec(options.model)


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def build_recipe(options: argparse.Namespace) -> Any:
    from dataclasses import replace

    from ..recipes import RECIPES

    if options.recipe not in RECIPES:
        raise ValueError(f"Expected a recipe of {', '.join(RECIPES)}; found {options.recipe!r}.")
    recipe = RECIPES[options.recipe]
    arguments = {"learning_rate": options.learning_rate, "per_device_train_batch_size": options.batch_size}
    model = {"embedding_size": options.embedding_size, "hidden_size": options.hidden_size}
    fields = {"max_length": options.max_length, "max_epochs": options.epochs}
    if options.word_vectors is not None:
        recipe = replace(recipe, word_vectors=None if options.word_vectors == "none" else options.word_vectors)
    if options.float32:
        recipe = replace(recipe, low_precision=False)
    return replace(
        recipe, arguments=recipe.arguments | given(arguments), model=recipe.model | given(model), **given(fields)
    )


def given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        print("  ".join(cells))


def print_result(result: RunResult, output_dir: Path) -> None:
    synthetic = " (synthetic data)" if result.dataset["synthetic"] else ""
    kept = f"weights of epoch {result.best_epoch} of {len(result.epochs)}"
    print(f"\n{result.dataset['name']}{synthetic}, {kept}, {result.timings['total']:.0f} s")
    print_table(result.table())
    print(f"\nModel, tokenizer, results.json and figures are in {output_dir}")
