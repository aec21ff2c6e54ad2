"""Make a built-in model of a finished run: `hf_lstm_attn/pretrained/NAME`. The same run gives the same bytes.

python scripts/make_pretrained.py runs/train_imdb imdb
python scripts/make_pretrained.py runs/train_imdb imdb --data FOLDER   # score the model as stored on the test split too
python scripts/make_pretrained.py runs/train_imdb imdb --vocabulary 28000      # keep the most frequent words alone
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from hf_lstm_attn import RunResult, evaluate_model, load_classifier, load_splits, render_card, resolve_spec
from hf_lstm_attn.configuration_lstm_attn import LARGEST_NGRAM_VOCABULARY, LONGEST_NGRAM, NGRAM_ID_BITS
from hf_lstm_attn.model_card import CARD_FILE
from hf_lstm_attn.packaging import publish
from hf_lstm_attn.pretrained_models import FOLDER, NGRAM_KEYS, STORAGE, WEIGHTS, WORD_VECTORS, encode_weights

MOST_BYTES = 5_000_000


def make_pretrained(
    run: Path, name: str, folder: Path, *, vocabulary: int | None = None, data: str | None = None
) -> RunResult:
    """Fill the folder, in place of what it held.

    Args:
        vocabulary: Words kept, the most frequent ones, and n-grams of these; the others become unknown words. None
            keeps all.
        data: Where the run's data set lies; the model as stored is then scored on its test split.

    Raises:
        ValueError: if the folder came out larger than 5 MB, or if the test split is not the one the run was scored on.
    """
    result = publish(RunResult.load(run))
    result = replace(result, repository={"built_in": name, "dtype": STORAGE})
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = load_file(run / "model.safetensors")
    words = min(vocabulary or len(weights[WORD_VECTORS]), len(weights[WORD_VECTORS]))
    result.repository["vocabulary"] = words
    weights[WORD_VECTORS] = weights[WORD_VECTORS][:words]  # ids are ranks by frequency
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] = words
    if result.ngrams:
        keep_ngrams(weights, words)
        config["num_ngrams"] = result.repository["ngrams"] = len(weights[NGRAM_KEYS])
    save_file(encode_weights(weights), folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors lets the owner alone read
    _write(folder / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    tokenizer = json.loads((run / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] = {word: id for word, id in tokenizer["model"]["vocab"].items() if id < words}
    _write(folder / "tokenizer.json", json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))
    shutil.copyfile(run / "tokenizer_config.json", folder / "tokenizer_config.json")
    if data is not None:
        result.repository["test"] = measure(folder, result, data)
    result.save(folder)
    _write(folder / CARD_FILE, render_card(result))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size:,} bytes")
    if size > MOST_BYTES:
        raise ValueError(f"Expected at most {MOST_BYTES:,} bytes; found {size:,}. Pass a smaller --vocabulary.")
    return result


def keep_ngrams(weights: dict[str, np.ndarray], words: int) -> None:
    """Leave the n-grams whose words all have an id below `words`."""
    keys = weights[NGRAM_KEYS]
    ids = [((keys >> place * NGRAM_ID_BITS) & LARGEST_NGRAM_VOCABULARY) - 1 for place in range(LONGEST_NGRAM)]
    is_kept = np.max(ids, axis=0) < words
    for name in (NGRAM_KEYS, "ngrams.weight"):
        weights[name] = weights[name][is_kept]


def measure(folder: Path, result: RunResult, data: str) -> dict[str, float]:
    """Metrics of the stored model on the test split."""
    request = result.request
    spec = resolve_spec(request["dataset"]["name"], data=data)
    splits = load_splits(spec, protocol=request["protocol"], seed=request["seed"], limit=request["limit"])
    found = splits.summary["splits"]["test"]["fingerprint"]
    if found != result.dataset["splits"]["test"]["fingerprint"]:
        raise ValueError("Expected the test split that the run was scored on; found another one. Pass --data.")
    classifier = load_classifier(folder)
    return evaluate_model(classifier.model, classifier.tokenizer, splits.test)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", help="of the built-in model")
    parser.add_argument("-o", "--output-dir", type=Path, help="(default: hf_lstm_attn/pretrained/NAME)")
    parser.add_argument("--vocabulary", type=int, metavar="WORDS", help="keep the most frequent (default: all)")
    parser.add_argument("--data", metavar="WHERE", help="Hub id or folder of the run's data set")
    options = parser.parse_args()
    folder = options.output_dir or FOLDER / options.name
    result = make_pretrained(options.run, options.name, folder, vocabulary=options.vocabulary, data=options.data)
    for metric, value in result.repository.get("test", {}).items():
        print(f"{metric}: {result.test[metric]:.4f} as trained, {value:.4f} as stored")


if __name__ == "__main__":
    main()
