"""What the training scripts share: their options, trial runs, and runs that go on where they stopped."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import datasets
import transformers
from datasets import Dataset, DatasetDict
from transformers import set_seed

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    train_tokenizer,
)
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.encoding import start_from
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.recipes import Recipe
from hf_lstm_attn.results import RESULTS_FILE, load_results
from hf_lstm_attn.startup import keep_freed_memory
from hf_lstm_attn.word_vectors import initialize_embeddings

SEED = 42


def set_up_output() -> None:
    """Show what this library logs, and no progress bars but those of training; keep memory between steps."""
    keep_freed_memory()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hf_lstm_attn").setLevel(logging.INFO)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()


def build_parser(doc: str | None, output_dir: str) -> argparse.ArgumentParser:
    """The options of every training script."""
    set_up_output()
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="WHERE", help="a local copy of the data set (default: the Hub)")
    parser.add_argument("-o", "--output_dir", type=Path, default=Path(output_dir), help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="ROWS", help="a trial: so many rows of each split, and one epoch")
    return parser


def add_seed(parser: argparse.ArgumentParser) -> None:
    """`--seed`, for scripts whose result is a mean over seeds."""
    parser.add_argument("--seed", type=int, default=SEED, help="of training; the splits stay (default: %(default)s)")


def name_run(output_dir: Path, seed: int) -> Path:
    """The folder of a run with this seed: runs of other seeds than the first have it in their name."""
    return output_dir if seed == SEED else output_dir.with_name(f"{output_dir.name}-{seed}")


def limit_rows(splits: DatasetDict, rows: int | None) -> DatasetDict:
    """The splits, or at most so many rows of each, drawn with a fixed seed."""
    if rows is None:
        return splits
    return DatasetDict(
        {name: split.shuffle(seed=SEED).select(range(min(rows, len(split)))) for name, split in splits.items()}
    )


def load_finished(folder: Path) -> dict[str, Any] | None:
    """The results of a run whose test split has been scored; None for any other folder."""
    results = load_results(folder) if (folder / RESULTS_FILE).is_file() else {}
    if "test" not in results.get("metrics", {}):
        return None
    print(f"{folder} is finished; delete it to train anew.")
    return results


def train_and_test(trainer: LstmAttnTrainer, test: Dataset) -> dict[str, Any]:
    """Train, from the newest whole checkpoint if there is one, and score the test split once.

    Returns:
        The results that the run's folder holds.
    """
    trainer.train(resume_from_checkpoint=find_checkpoint(Path(trainer.args.output_dir)))
    metrics = trainer.evaluate(test, metric_key_prefix="test")
    for name in ("accuracy", "f1", "macro_recall"):
        print(f"test {name}: {100 * metrics[f'test_{name}']:.2f} %")
    print(f"Model, card and figures: {trainer.args.output_dir}")
    return trainer.results


def build_model(
    rows: Dataset, recipe: Recipe, seed: int, network: dict[str, Any], start: str | None = None, **tokenizer: Any
) -> tuple[Any, Any]:
    """A network for the labels of these rows with a tokenizer of their texts, as the recipe says.

    Args:
        network: Fields of the configuration.
        start: A model to start from, with its tokenizer.
        tokenizer: Arguments of `train_tokenizer`; the recipe's win.
    """
    texts, fields = rows["text"][:], {"num_labels": rows.features["label"].num_classes, **network}
    set_seed(seed)
    if start is not None:
        return start_from(start, texts, **fields)
    trained = train_tokenizer(texts, **{**tokenizer, **recipe.tokenizer})
    model = LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=len(trained), **fields))
    if recipe.word_vectors:
        initialize_embeddings(model, recipe.word_vectors, texts, trained, seed=seed)
    return model, trained


def render_table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a table of Markdown; the first is its head."""
    head, *others = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *others))


def train_default(task: str, doc: str | None) -> None:
    """Train the model of recipe `default` on a data set of `DATASETS`, and score its test split."""
    options = build_parser(doc, f"runs/lstm-attn-{task}").parse_args()
    if load_finished(options.output_dir):
        return
    data, recipe = DATASETS[task], RECIPES["default"]
    dataset = limit_rows(data.load(options.data), options.limit)
    model, tokenizer = build_model(dataset["train"], recipe, SEED, recipe.model, normalization=data.normalization)
    trainer = LstmAttnTrainer(
        model=model,
        args=LstmAttnTrainingArguments(
            str(options.output_dir),
            num_train_epochs=1 if options.limit else None,
            balance_classes=data.metric == "macro_recall",
            metric_for_best_model=data.metric,
            seed=SEED,
            dataset_name=data.path,
            dataset_config=data.config_name,
            license=data.license,
            recipe="default",
        ),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        processing_class=tokenizer,
        dataset_arguments={"name": task, "limit": options.limit},
    )
    train_and_test(trainer, dataset["test"])
