"""Speed as ratios: everything takes turns on the same texts in one run, and the medians are compared.

    pip install '.[benchmark,onnx]'
    python scripts/benchmark_speed.py -o model_cards/speed.json     # 20 minutes on an idle machine

The model is the built-in `imdb`. Of DistilBERT only the speed counts: its weights are random, its tokenizer is that of
MiniLM, which is the same. MiniLM is read from the Hub, or from the folder that the environment variable MINILM names.
Where there is a GPU, what PyTorch computes is computed there.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification, pipeline

from hf_lstm_attn import LstmAttnForSequenceClassification, load_imdb
from hf_lstm_attn.export import export
from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.pipeline_lstm_attn import pad
from hf_lstm_attn.results import describe_machine, describe_versions, save_json
from hf_lstm_attn.startup import keep_freed_memory

REVIEWS, SLOW_REVIEWS, SINGLE = 2_000, 60, 100  # read by each way; by transformers; one at a time
Way = Callable[[Sequence[str]], Any]


def sort_batches(ids: list[list[int]], size: int = 64) -> list[list[list[int]]]:
    """Texts of like length together."""
    ordered = sorted(ids, key=len, reverse=True)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def build_bare(classifier: Any, lstm_alone: bool = False) -> Way:
    """The network in a minimal loop, tokenizing included; or of that loop only the LSTMs, on vectors at hand."""
    model, tokenizer = classifier.model, classifier.tokenizer
    encoder = model.lstm_attn.encoder

    def read(texts: Sequence[str]) -> None:
        for rows in sort_batches(tokenizer(list(texts), truncation=True)["input_ids"]):
            ids, mask = pad(tokenizer, rows)
            with torch.inference_mode():
                model(ids, attention_mask=mask)

    def read_states(texts: Sequence[str]) -> float:
        seconds = 0.0
        for rows in sort_batches(tokenizer(list(texts), truncation=True)["input_ids"]):
            with torch.inference_mode():
                vectors = model.get_input_embeddings()(pad(tokenizer, rows)[0]).transpose(0, 1)  # as batch_first does
                started = time.perf_counter()
                encoder.forward_lstm(vectors)
                encoder.backward_lstm(vectors)
                seconds += time.perf_counter() - started
        return seconds

    return read_states if lstm_alone else read


def build_half(name: str) -> Way:
    """`predict` of a model in bfloat16, on a GPU if there is one."""
    classifier = load_classifier(name)
    classifier.model.to(torch.bfloat16)
    return lambda texts: list(predict(classifier, texts))


def build_onnx(classifier: Any, path: Path) -> Way:
    """onnxruntime with the exported file, one text after the other; gives class ids."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session, tokenizer = onnxruntime.InferenceSession(path, options), classifier.tokenizer

    def read(texts: Sequence[str]) -> list[int]:
        found = []
        for ids in tokenizer(list(texts), truncation=True)["input_ids"]:
            row, mask = (part.numpy() for part in pad(tokenizer, [ids]))
            found.append(int(session.run(["logits"], {"input_ids": row, "attention_mask": mask})[0].argmax()))
        return found

    return read


def build_distilbert(tokenizer: Any) -> Any:
    config = DistilBertConfig(vocab_size=len(tokenizer))
    model = DistilBertForSequenceClassification(config).eval()
    return pipeline("text-classification", model=model, tokenizer=tokenizer, truncation=True, max_length=512)


def build_sparse(texts: Sequence[str], labels: Sequence[int]) -> Way:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=300))
    return model.fit(list(texts), list(labels)).predict_proba


def build_fasttext(texts: Sequence[str], labels: Sequence[int]) -> Way:
    """fastText on words and pairs of words, which reads a line a text."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        rows = [f"__label__{label} {' '.join(text.split())}\n" for text, label in zip(texts, labels, strict=True)]
        path.write_text("".join(rows), encoding="utf-8")
        model = fasttext.train_supervised(str(path), wordNgrams=2, epoch=25, lr=1.0, verbose=0)
    return lambda some: model.predict([" ".join(text.split()) for text in some])


def build_minilm(folder: str, texts: Sequence[str], labels: Sequence[int]) -> Way:
    from sentence_transformers import SentenceTransformer

    teacher = SentenceTransformer(folder)
    head = LogisticRegression(max_iter=300).fit(teacher.encode(list(texts)), list(labels))
    return lambda some: head.predict_proba(teacher.encode(list(some)))


def measure(ways: dict[str, tuple[Way, Sequence[str]]], rounds: int) -> dict[str, float]:
    """Texts a second of each way, the median over rounds in which they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (way, texts) in ways.items():
            started = time.perf_counter()
            found = way(texts)
            spent = found if isinstance(found, float) else time.perf_counter() - started
            if number:  # the first round warms up
                seconds[name].append(spent / len(texts))
    return {name: round(1 / statistics.median(values), 2) for name, values in seconds.items()}


def time_command(*words: str) -> float:
    started = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("hf-lstm-attn")), *words], check=True, capture_output=True)
    return round(time.perf_counter() - started, 2)


def build_spacy_tokenizer() -> Way:
    tokenizer: Any = spacy.blank("en").tokenizer
    return lambda texts: list(tokenizer.pipe(texts))


def build_textcat(labels: Sequence[str]) -> Way:
    """spaCy's text classifier; of its weights only the speed counts."""
    nlp = spacy.blank("en")
    textcat: Any = nlp.add_pipe("textcat")
    for label in labels:
        textcat.add_label(label)
    nlp.initialize()
    return lambda texts: list(nlp.pipe(texts))


def time_batch(model: Any, batch: int, length: int) -> float:
    """Milliseconds a text of random ids, the best of four."""
    ids, spent = torch.randint(2, 10_000, (batch, length)), []
    for _ in range(4):
        started = time.perf_counter()
        with torch.inference_mode():
            model(ids)
        spent.append(time.perf_counter() - started)
    return round(1_000 * min(spent) / batch, 3)


def time_rows(classifier: Any, texts: Sequence[str], rows: int) -> float:
    """Milliseconds a text of `predict` on so many short ones, the texts' first twelve words."""
    heads = [" ".join(text.split()[:12]) for text in texts]
    started = time.perf_counter()
    for _ in predict(classifier, islice(cycle(heads), rows)):
        pass
    return round(1_000 * (time.perf_counter() - started) / rows, 3)


def measure_growth(classifier: Any, texts: Sequence[str]) -> dict[str, dict[int, float]]:
    """Milliseconds a text: by length at one text a batch; by texts a batch at 256 tokens; by classes in batches of 64
    such texts; and by the rows that `predict` reads."""
    model, config = classifier.model, copy.deepcopy(classifier.model.config)
    config.max_position_embeddings, by_classes = 4_096, {}
    for classes in (2, 10, 100, 1_000):
        config.num_labels = classes
        by_classes[classes] = time_batch(LstmAttnForSequenceClassification(config).eval(), 64, 256)
    unlimited = LstmAttnForSequenceClassification(config).eval()
    return {
        "length": {2**power: time_batch(unlimited, 1, 2**power) for power in range(5, 13)},
        "batch": {4**power: time_batch(model, 4**power, 256) for power in range(6)},
        "classes": by_classes,
        "rows": {10**power: time_rows(classifier, texts, 10**power) for power in range(3, 7)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="stanfordnlp/imdb", help="IMDB, as `load_imdb` takes it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/speed.json"))
    options = parser.parse_args()
    keep_freed_memory()
    data = load_imdb(options.data)
    test = data["test"].shuffle(seed=0)[:REVIEWS]
    texts, few = test["text"], test["text"][:SLOW_REVIEWS]
    train = data["train"].shuffle(seed=0)[:1_000]
    classifier, minilm = load_classifier("imdb"), os.environ.get("MINILM", "sentence-transformers/all-MiniLM-L6-v2")
    distilbert = build_distilbert(AutoTokenizer.from_pretrained(minilm))
    with tempfile.TemporaryDirectory() as folder:
        files = {"ONNX": export("imdb", folder), "ONNX, int8": export("imdb", folder, int8=True)}
        sizes = {name: path.stat().st_size for name, path in files.items()}
        reviews = {
            "the LSTMs alone": (build_bare(classifier, lstm_alone=True), texts),
            "bare network": (build_bare(classifier), texts),
            "predict": (lambda some: list(predict(classifier, some)), texts),
            "pipeline(list)": (lambda some: classifier(list(some)), texts),
            "predict, bfloat16": (build_half("imdb"), texts),
            "tokenizer": (lambda some: classifier.tokenizer(list(some), truncation=True), texts),
            "spaCy's tokenizer": (build_spacy_tokenizer(), few),
            "spaCy textcat": (build_textcat(["negative", "positive"]), texts),
            "TF-IDF + logistic regression": (build_sparse(train["text"], train["label"]), texts),
            "fastText": (build_fasttext(train["text"], train["label"]), texts),
            "DistilBERT, pipeline(list)": (lambda some: distilbert(list(some), batch_size=16), few),
            "MiniLM + logistic regression": (build_minilm(minilm, train["text"][:50], train["label"][:50]), few),
        }
        single = {
            "pipeline": (lambda some: [classifier(text) for text in some], texts[:SINGLE]),
            "bare network": (lambda some: [build_bare(classifier)([text]) for text in some], texts[:SINGLE]),
            **{name: (build_onnx(classifier, path), texts[:SINGLE]) for name, path in files.items()},
            "DistilBERT, pipeline": (lambda some: [distilbert(text) for text in some], few[:20]),
        }
        rates = {"reviews": measure(reviews, options.rounds), "one review at a time": measure(single, options.rounds)}
        answers = {name: build_onnx(classifier, path)(texts) for name, path in files.items()}
        right = {name: float((np.array(ids) == np.array(test["label"])).mean()) for name, ids in answers.items()}
        record = {
            "versions": describe_versions(),
            "machine": describe_machine(),
            "texts_per_second": rates,
            "bytes": sizes,
            "accuracy": right,
            "milliseconds": measure_growth(classifier, texts),
        }
    record["seconds"] = {
        "hf-lstm-attn predict": min(time_command("predict", "It never drags.") for _ in range(3)),
        "hf-lstm-attn --help": min(time_command("--help") for _ in range(3)),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_json(record, options.output)
    for kind, found in rates.items():
        print(kind)
        for name, rate in found.items():
            print(f"  {name:32}{rate:10.2f} texts/s{rate / found['bare network']:8.3f} of the bare network")
    print(record["seconds"], sizes, record["milliseconds"])


if __name__ == "__main__":
    main()
