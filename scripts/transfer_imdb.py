"""What pre-training is worth where labels are few: on 500 labelled IMDB reviews, a classifier that starts from language
models, and TF-IDF with logistic regression.

python scripts/transfer_imdb.py runs/imdb-pretrained
python scripts/transfer_imdb.py runs/imdb-pretrained --split validation      # to try things, with test unread

Every draw takes as many reviews of each class from train, by its seed. No other label is used: the classifier trains
for a fixed number of epochs on all of them, and logistic regression finds its C by cross-validation among them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from transformers import set_seed

from hf_lstm_attn import RECIPES, Recipe, load_splits, resolve_spec
from hf_lstm_attn.callbacks import say
from hf_lstm_attn.data import Splits
from hf_lstm_attn.fine_tuning import FreezeEncoder
from hf_lstm_attn.metrics import compute_metrics
from hf_lstm_attn.pretraining_result import PretrainingResult, load_pretraining
from hf_lstm_attn.results import describe_machine, describe_versions, render_markdown_table, save_json
from hf_lstm_attn.trainer import build_arguments, build_trainer, choose_precision, encode, predict_logits
from hf_lstm_attn.training import build_model

PROTOCOL = "official"
OUTPUT = Path(__file__).parents[1] / "model_cards" / "transfer-imdb" / "transfer.json"
RECIPE = replace(
    RECIPES["default"],
    arguments=RECIPES["default"].arguments | {"per_device_train_batch_size": 32},
    max_epochs=25,
    encoder_learning_rate=0.25,
    frozen_epochs=2,
    ema_decay=None,
    early_stopping_patience=None,
    ngrams=False,
)
STRENGTHS = [0.1, 1.0, 10.0, 100.0, 1000.0]  # C of logistic regression
FOLDS = 5


def draw_examples(rows: Dataset, examples: int, seed: int) -> Dataset:
    """`examples` rows in random order, as many of each class.

    Raises:
        ValueError: if a class has too few.
    """
    labels = np.array(rows["label"])
    classes, counts = np.unique(labels, return_counts=True)
    share = examples // len(classes)
    if share > counts.min():
        raise ValueError(f"Expected {share} rows of each class in train; found {counts.min()}. Pass fewer --examples.")
    generator = np.random.default_rng(seed)
    chosen = [generator.choice(np.flatnonzero(labels == label), share, replace=False) for label in classes]
    return rows.select(generator.permutation(np.concatenate(chosen)))


def fine_tune(splits: Splits, measured: Dataset, recipe: Recipe, seed: int) -> np.ndarray:
    """Logits (examples, num_labels) of a classifier that starts from `recipe.init_from`."""
    set_seed(seed)
    model, tokenizer = build_model(splits, recipe, seed, lambda line: None)
    with tempfile.TemporaryDirectory() as folder:
        arguments = build_arguments(
            Path(folder),
            choose_precision(recipe.low_precision),
            seed,
            num_train_epochs=recipe.max_epochs,
            optim="adamw_torch_fused",
            save_strategy="no",
            logging_strategy="no",
            **recipe.arguments,
        )
        trainer = build_trainer(
            model,
            tokenizer,
            arguments,
            train_dataset=encode(splits.train, tokenizer),
            callbacks=[FreezeEncoder(recipe.frozen_epochs)],
            encoder_learning_rate=recipe.encoder_learning_rate,
        )
        trainer.train()
        return predict_logits(trainer, encode(measured, tokenizer), "test")[0]


def fit_tfidf(splits: Splits, measured: Dataset, recipe: Recipe, seed: int) -> np.ndarray:
    """Logits (examples, num_labels) of logistic regression on TF-IDF of words and pairs of words."""
    regression = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1_000)
    )
    search = GridSearchCV(regression, {"logisticregression__C": STRENGTHS}, cv=FOLDS)
    return search.fit(splits.train["text"], splits.train["label"]).predict_log_proba(measured["text"])


MODELS: dict[str, Callable[[Splits, Dataset, Recipe, int], np.ndarray]] = {
    "pre-trained LSTM + attention": fine_tune,
    "TF-IDF + logistic regression": fit_tfidf,
}


def summarize(trials: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and sample standard deviation (None for one draw) of every figure, and the draws themselves."""
    columns = {name: [trial[name] for trial in trials] for name in trials[0]}
    return {
        "mean": {name: statistics.fmean(values) for name, values in columns.items()},
        "spread": {name: statistics.stdev(values) for name, values in columns.items()} if len(trials) > 1 else None,
        "draws": trials,
    }


def show(summary: dict[str, Any]) -> tuple[str, ...]:
    """Accuracy and F1 in per cent, and seconds."""
    mean, spread = summary["mean"], summary["spread"]
    cells = (
        f"{100 * mean[name]:.2f}" + (f" ± {100 * spread[name]:.2f}" if spread else "") for name in ("accuracy", "f1")
    )
    return (*cells, f"{mean['seconds']:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="what pretrain left")
    parser.add_argument("--data", help="a local copy of IMDB")
    parser.add_argument("--draws", type=int, default=5, help="seeds 0, 1, ... (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=500, help="labelled reviews (default: %(default)s)")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="(default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=RECIPE.max_epochs, help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="ROWS", help="at most so many rows per split, to try out")
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, help="(default: model_cards/transfer-imdb/transfer.json)"
    )
    options = parser.parse_args()

    spec = resolve_spec("imdb", data=options.data)
    origin = load_pretraining(options.folder, dataset=spec.name, protocol=PROTOCOL)
    if not isinstance(origin, PretrainingResult):
        raise ValueError(
            f"Expected a folder of `pretrain`, which sees no labels; found one of `train`: {options.folder}."
        )
    recipe = replace(RECIPE, init_from=options.folder, max_epochs=options.epochs)
    splits = load_splits(spec, protocol=PROTOCOL, limit=options.limit)
    measured = getattr(splits, options.split)
    trials: dict[str, list[dict[str, float]]] = {name: [] for name in MODELS}
    for seed in range(options.draws):
        drawn = replace(splits, train=draw_examples(splits.train, options.examples, seed))
        for name, compute_scores in MODELS.items():
            started = time.monotonic()
            scores = compute_scores(drawn, measured, recipe, seed)
            figures = compute_metrics(scores, measured["label"])
            trials[name].append({**figures, "seconds": round(time.monotonic() - started, 1)})
            say(f"seed {seed}, {name}: accuracy {figures['accuracy']:.4f}")

    models = {name: summarize(figures) for name, figures in trials.items()}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "dataset": {"name": spec.name, "split": options.split, **splits.summary["splits"][options.split]},
        "protocol": PROTOCOL,
        "examples": options.examples,
        "pretraining": origin.summarize(),
        "recipe": {**asdict(recipe), "init_from": Path(options.folder).name},
        "models": models,
        "precision": choose_precision(recipe.low_precision)._asdict(),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }
    save_json(result, options.output)
    print(f"{options.examples} labelled reviews, {options.draws} draws; {len(measured):,} rows of {options.split}\n")
    rows = [("model", "accuracy", "F1", "seconds"), *((name, *show(summary)) for name, summary in models.items())]
    print(render_markdown_table(rows), end="")


if __name__ == "__main__":
    main()
