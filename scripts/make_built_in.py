"""Make a built-in model of a finished run: hf_lstm_attn/pretrained/NAME, an ordinary model folder without code.

    python scripts/make_built_in.py runs/lstm-attn-imdb-pretrained imdb
    python scripts/make_built_in.py runs/lstm-attn-imdb-pretrained imdb --vocabulary 14000

Weights are stored as float16 and computed in float32. The stored model is scored on the run's test split; its figures
stand in results.json under `built_in`. A minute; the same run gives the same bytes. Above 10 MB it is refused.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import limit_rows, set_up_output
from safetensors.numpy import load_file, save_file

from hf_lstm_attn import load_classifier
from hf_lstm_attn.data import fingerprint
from hf_lstm_attn.inference import predict_logits
from hf_lstm_attn.metrics import compute_metrics
from hf_lstm_attn.model_card import save_card
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.results import (
    RESULTS_FILE,
    compute_predictions,
    load_results,
    load_sample_texts,
    record_examples,
    save_json,
)

PRETRAINED = Path(__file__).parents[1] / "hf_lstm_attn" / "pretrained"
MOST_BYTES = 10_000_000
WORD_VECTORS = "lstm_attn.embeddings.weight"
FOR_STRANGERS = ("auto_map", "custom_pipelines")  # they name code, which is not in the folder


def store_model(run: Path, folder: Path, vocabulary: int | None) -> int:
    """Weights, configuration and tokenizer of the most frequent words; the ids of words are their ranks.

    Returns:
        How many words were kept.
    """
    weights = load_file(run / "model.safetensors")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    words = config["vocab_size"]
    tokenizer = json.loads((run / "tokenizer.json").read_text(encoding="utf-8"))
    if vocabulary and tokenizer["model"]["type"] != "WordLevel":
        raise SystemExit("--vocabulary is for words; a tokenizer of sub-words needs them all.")
    if vocabulary and vocabulary < words:
        words = vocabulary
        weights[WORD_VECTORS] = weights[WORD_VECTORS][:words]
    save_file(
        {name: w.astype(np.float16) for name, w in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    (folder / "model.safetensors").chmod(0o644)  # safetensors lets the owner alone read
    config = {name: value for name, value in config.items() if name not in FOR_STRANGERS}
    save_json({**config, "dtype": "float32", "vocab_size": words}, folder / "config.json")
    if tokenizer["model"]["type"] == "WordLevel":
        tokenizer["model"]["vocab"] = {word: id for word, id in tokenizer["model"]["vocab"].items() if id < words}
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8", newline="\n")
    shutil.copyfile(run / "tokenizer_config.json", folder / "tokenizer_config.json")
    return words


def score(classifier: Any, name: str, data: str | None, limit: int | None, expected: str | None) -> dict[str, float]:
    """Metrics of the stored model on the test split that the run was scored on."""
    test = limit_rows(DATASETS[name].load(data), limit)["test"]
    if fingerprint(test) != expected:
        raise SystemExit(f"The test split of {data or DATASETS[name].path} is not the one that the run was scored on.")
    return compute_metrics(predict_logits(classifier.model, classifier.tokenizer, test["text"][:]), test["label"][:])


def make_built_in(run: Path, name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fill the folder; see the top of this file."""
    results = load_results(run)
    words = store_model(run, folder, options.vocabulary)
    classifier = load_classifier(folder)
    results["built_in"] = {"name": name, "dtype": "float16", "vocabulary": words, "metrics": {}}
    if name in DATASETS:
        expected = results["dataset"]["splits"]["test"]["fingerprint"]
        results["built_in"]["metrics"]["test"] = score(classifier, name, options.data, options.limit, expected)
    if options.comparison:
        results["comparison"] = json.loads(options.comparison.read_text(encoding="utf-8"))["systems"]
    results["predictions"] = compute_predictions(classifier, load_sample_texts())
    results["examples"] = record_examples(classifier)
    save_json(results, folder / RESULTS_FILE)
    save_card(results, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > MOST_BYTES:
        raise SystemExit(f"{name} would take {size:,} bytes, more than {MOST_BYTES:,}. Pass a smaller --vocabulary.")
    print(f"{name}: {size:,} bytes, {words:,} words")
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", choices=("imdb", "tweets", "sentiment"))
    parser.add_argument("-o", "--output_dir", type=Path, default=PRETRAINED, help="(default: hf_lstm_attn/pretrained)")
    parser.add_argument("--vocabulary", type=int, metavar="WORDS", help="keep the most frequent (default: all)")
    parser.add_argument("--data", metavar="WHERE", help="a local copy of the run's data set (default: the Hub)")
    parser.add_argument("--comparison", type=Path, metavar="FILE", help="of compare_sentiment.py, for the card")
    parser.add_argument("--limit", type=int, metavar="ROWS", help="if the run was a trial of so many rows")
    options = parser.parse_args(arguments)
    set_up_output()
    folder = options.output_dir / options.name
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / f"built_in_{options.name}"
        made.mkdir()
        results = make_built_in(options.run, options.name, made, options)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    stored, trained = (part["metrics"].get("test", {}) for part in (results["built_in"], results))
    for metric in ("accuracy", "f1", "macro_recall") if stored else ():
        print(f"test {metric}: {100 * trained[metric]:.2f} % as trained, {100 * stored[metric]:.2f} % as stored")


if __name__ == "__main__":
    main()
