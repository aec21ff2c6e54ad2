"""`hf-lstm-attn predict`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import UsageError, add_model_option, choose_model, decode_argument, positive_int, warn

if TYPE_CHECKING:
    from ..readers import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="texts; without any, --input or standard input is read"
    )
    add_model_option(parser)
    parser.add_argument(
        "-i", "--input", type=Path, metavar="FILE", help="CSV, TSV, JSONL, Parquet, or .txt: a text a line"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="CSV, JSONL or Parquet (default: print)")
    parser.add_argument("--text-column", default="text", help="column with the texts (default: %(default)s)")
    parser.add_argument("--all-scores", action="store_true", help="a column per class")
    parser.add_argument(
        "--calibrated", action="store_true", help="probabilities by the temperature fitted on validation"
    )
    parser.add_argument("--batch-size", type=positive_int, default=64, help="(default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of CSV")


def run(options: argparse.Namespace) -> None:
    """Label texts from the command line, a file or standard input. Rows keep their order; a row that cannot be read
    keeps its place, with an empty label and a note in the column "problem"."""
    from ..readers import Record, read_records
    from ..writers import open_writer

    if options.texts and options.input:
        raise UsageError("Expected texts or --input; found both. Pass one of them.")
    if options.texts:
        texts = map(decode_argument, options.texts)
        records: Iterable[Record] = (Record(i, {"text": text}, None) for i, text in enumerate(texts, start=1))
    elif options.input:
        records = read_records(options.input, text_column=options.text_column)
    elif sys.stdin.isatty():
        raise UsageError('Expected texts, --input FILE or lines on standard input; found none. Try: predict "a text".')
    else:
        records = read_records(sys.stdin)
    text_column = options.text_column if options.input else "text"
    labels, predict_scores = _load(options)
    columns = [
        "line",
        "text",
        "label",
        "score",
        *(f"score_{label}" for label in labels if options.all_scores),
        "problem",
    ]
    format = "jsonl" if options.json and options.output is None else None
    with open_writer(options.output, format, columns, overwrite=options.overwrite) as writer:
        counts = {"texts": 0, "problems": 0}
        for row in _predict_rows(predict_scores, records, text_column, options):
            counts["texts"] += 1
            counts["problems"] += row["problem"] is not None
            writer.write([row])
    if counts["problems"]:
        warn(f"{counts['problems']:,} of {counts['texts']:,} rows could not be read; the column problem says why.")
    if options.output is not None:
        warn(f"Wrote {counts['texts']:,} rows to {options.output}.")


def _load(options: argparse.Namespace) -> tuple[list[str], Callable[[Iterable[str]], Iterator[dict[str, float]]]]:
    """The class names, and what scores texts: NumPy alone for a built-in model and a few texts, to answer at once."""
    from functools import partial

    from ..pretrained_models import find_pretrained

    model = choose_model(options)
    built_in = find_pretrained(model)
    if built_in is not None and options.texts:
        from ..numpy_classifier import NumpyClassifier

        quick = NumpyClassifier(built_in, calibrated=options.calibrated)
        return quick.label_names, quick.predict
    from ..prediction import load_classifier, predict

    classifier = load_classifier(model, calibrated=options.calibrated)
    names = list(classifier.model.config.id2label.values())
    return names, partial(predict, classifier, batch_size=options.batch_size)


def _predict_rows(
    predict_scores: Callable[[Iterable[str]], Iterator[dict[str, float]]],
    records: Iterable[Record],
    text_column: str,
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    from itertools import tee

    from tqdm import tqdm

    records, readable = tee(records)
    texts = (record.row[text_column] for record in readable if record.row is not None)
    scores = predict_scores(texts)
    for record in tqdm(records, unit=" rows", disable=not sys.stderr.isatty() or options.output is None):
        if record.row is None:
            yield {"line": record.line, "problem": record.problem}
            continue
        text_scores = next(scores)
        label = max(text_scores, key=text_scores.__getitem__)
        row = {"line": record.line, "text": record.row[text_column], "label": label, "score": text_scores[label]}
        if options.all_scores:
            row |= {f"score_{name}": score for name, score in text_scores.items()}
        yield {**row, "problem": None}
