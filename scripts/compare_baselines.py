"""Measure what one would otherwise use, on IMDB and tweets: TF-IDF with logistic regression, NB-SVM, and fastText.

    python scripts/compare_baselines.py                     # model_cards/baselines.json, about 5 minutes on one core
    python scripts/compare_baselines.py --imdb aclImdb --tweets tweet_eval      # local copies

All learn from the labelled texts of train; strengths of regularisation are chosen on validation, and test is scored
once. fastText is measured where its package is installed. For tweets the classes weigh alike, as in the networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import limit_rows, set_up_output
from datasets import DatasetDict
from peers import compute_fasttext, has_fasttext

from hf_lstm_attn import train_tokenizer
from hf_lstm_attn.data import summarize_split
from hf_lstm_attn.metrics import compute_metrics
from hf_lstm_attn.named_data import DATASETS, NamedData
from hf_lstm_attn.results import describe_machine, describe_versions, save_json
from hf_lstm_attn.soft_labels import NbSvm
from hf_lstm_attn.tokenization import split_words

OUTPUT = Path(__file__).parents[1] / "model_cards" / "baselines.json"
STRENGTHS = (1.0, 3.0, 10.0, 30.0)  # C of logistic regression
MEASURED = ("validation", "test")
Scores = dict[str, np.ndarray]  # split -> log-probabilities (texts, num_labels)


def fit_tfidf(dataset: DatasetDict, data: NamedData) -> Scores:
    """Words and pairs of words, weighted by TF-IDF; C is the best on validation."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    train = vectorizer.fit_transform(dataset["train"]["text"][:])
    features = {split: vectorizer.transform(dataset[split]["text"][:]) for split in MEASURED}
    weights = "balanced" if data.metric == "macro_recall" else None
    found: list[tuple[float, Scores]] = []
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, class_weight=weights, max_iter=1_000)
        regression.fit(train, dataset["train"]["label"][:])
        scores = {split: regression.predict_log_proba(features[split]) for split in MEASURED}
        found.append((compute_metrics(scores["validation"], dataset["validation"]["label"][:])[data.metric], scores))
    return max(found, key=lambda entry: entry[0])[1]


def fit_nb_svm(dataset: DatasetDict, data: NamedData) -> Scores:
    """Words, pairs and triples of words, weighted by naive Bayes (Wang & Manning 2012)."""
    tokenizer = train_tokenizer(dataset["train"]["text"][:], normalization=data.normalization, min_frequency=1)
    model = NbSvm(balanced=data.metric == "macro_recall")
    model.fit(split_words(dataset["train"]["text"][:], tokenizer), dataset["train"]["label"][:])
    texts = {split: split_words(dataset[split]["text"][:], tokenizer) for split in MEASURED}
    return {split: np.log(np.maximum(model.predict_proba(texts[split]), 1e-12)) for split in MEASURED}


def fit_fasttext(dataset: DatasetDict, data: NamedData) -> Scores:
    """Mean vector of words and pairs of words (Joulin et al. 2017), with its own default of everything else."""
    tokenizer = train_tokenizer(dataset["train"]["text"][:], normalization=data.normalization, min_frequency=1)
    lines = {name: [" ".join(words) for words in split_words(dataset[name]["text"][:], tokenizer)] for name in dataset}
    scored = [line for split in MEASURED for line in lines[split]]
    labels = dataset["train"]["label"][:]
    probabilities = compute_fasttext(lines["train"], labels, scored, epoch=10, seed=42)
    parts = np.split(np.log(np.clip(probabilities, 1e-12, 1)), [len(lines[MEASURED[0]])])
    return dict(zip(MEASURED, parts, strict=True))


BASELINES: dict[str, Callable[[DatasetDict, NamedData], Scores]] = {
    "TF-IDF + logistic regression": fit_tfidf,
    "NB-SVM": fit_nb_svm,
    "fastText": fit_fasttext,
}


def measure(fit: Callable[[DatasetDict, NamedData], Scores], dataset: DatasetDict, data: NamedData) -> dict[str, Any]:
    started = time.monotonic()
    scores = fit(dataset, data)
    metrics = {split: compute_metrics(scores[split], dataset[split]["label"][:]) for split in MEASURED}
    return {"seconds": round(time.monotonic() - started, 1), "metrics": metrics}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for task in ("imdb", "tweets"):
        parser.add_argument(f"--{task}", metavar="WHERE", help="a local copy of the data set (default: the Hub)")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="(default: model_cards/baselines.json)")
    parser.add_argument("--limit", type=int, metavar="ROWS", help="a trial: so many rows of each split")
    options = parser.parse_args(arguments)
    set_up_output()
    names = [name for name in BASELINES if name != "fastText" or has_fasttext()]
    results: dict[str, Any] = {"versions": describe_versions(), "machine": describe_machine(), "datasets": {}}
    for task in ("imdb", "tweets"):
        data = DATASETS[task]
        dataset = limit_rows(data.load(getattr(options, task)), options.limit)
        test = summarize_split(dataset["test"])
        results["datasets"][task] = {"test": test, "baselines": {}}
        for name in names:
            found = results["datasets"][task]["baselines"][name] = measure(BASELINES[name], dataset, data)
            print(f"{task}, {name}: test {data.metric} {100 * found['metrics']['test'][data.metric]:.2f} %")
    save_json(results, options.output)


if __name__ == "__main__":
    main()
