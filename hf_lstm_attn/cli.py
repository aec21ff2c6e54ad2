"""The command line: parse, one library call, print. Heavy modules load only when a command runs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    from .data import DatasetSpec
    from .readers import Record
    from .results import RunResult

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="hf-lstm-attn",
        description="Train, evaluate and use small text classifiers: embedding, LSTM, attention, head.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a model and leave a run folder", description=train.__doc__))
    _add_evaluate(commands.add_parser("evaluate", help="measure a model on a split", description=evaluate.__doc__))
    _add_predict(commands.add_parser("predict", help="label texts", description=predict.__doc__))
    _add_demo(commands.add_parser("demo", help="train on the embedded samples", description=demo.__doc__))
    return parser


def _add_data_options(parser: argparse.ArgumentParser) -> None:
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


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=train)
    parser.add_argument("dataset", nargs="?", help="imdb, tweets, sample-reviews or sample-tweets")
    parser.add_argument("-o", "--output-dir", type=Path, help="run folder (default: runs/<data set>)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace a run")
    parser.add_argument("--json", action="store_true", help="print results.json instead of a table")
    _add_data_options(parser)
    parser.add_argument(
        "--limit", type=_positive_int, metavar="ROWS", help="at most so many rows per split, to try out"
    )
    group = parser.add_argument_group("recipe")
    group.add_argument(
        "--recipe",
        default="default",
        help="default, small (a few thousand short texts) or report (default: %(default)s)",
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
    group.add_argument("--epochs", type=_positive_int, help="epochs at most")
    group.add_argument("--batch-size", type=_positive_int, help="texts per step")
    group.add_argument("--learning-rate", type=float, help="highest learning rate")
    group.add_argument("--embedding-size", type=_positive_int, help="features of a word vector")
    group.add_argument("--hidden-size", type=_positive_int, help="features of a hidden state, per direction")
    group.add_argument("--float32", action="store_true", help="no bfloat16 or float16")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=evaluate)
    parser.add_argument("model", help="run folder, model folder or Hub id")
    parser.add_argument("dataset", nargs="?", help="a data set's name (default: the one the run was trained on)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_data_options(parser)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=predict)
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="texts; without any, --input or standard input is read"
    )
    parser.add_argument("-m", "--model", required=True, help="run folder, model folder or Hub id")
    parser.add_argument(
        "-i", "--input", type=Path, metavar="FILE", help="CSV, TSV, JSONL, Parquet, or .txt: a text a line"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="CSV, JSONL or Parquet (default: print)")
    parser.add_argument("--text-column", default="text", help="column with the texts (default: %(default)s)")
    parser.add_argument("--all-scores", action="store_true", help="a column per class")
    parser.add_argument("--batch-size", type=_positive_int, default=64, help="(default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of CSV")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=demo)
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("runs/demo"), help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1; found {text}")
    return value


def _length(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def train(options: argparse.Namespace) -> None:
    """Train a model, evaluate it once on the test split, and leave a run folder that from_pretrained loads."""
    from . import training
    from .data import resolve_spec

    spec = resolve_spec(options.dataset, **_data_choices(options))
    output_dir = options.output_dir or Path("runs") / spec.name
    result = training.train(
        spec,
        output_dir,
        recipe=_build_recipe(options),
        protocol=options.protocol,
        seed=options.seed,
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if options.json:
        print((output_dir / "results.json").read_text(encoding="utf-8"), end="")
    else:
        _print_result(result, output_dir)


def _data_choices(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("data", "config_name", "text_column", "label_column")}


def _build_recipe(options: argparse.Namespace) -> Any:
    from dataclasses import replace

    from .recipes import RECIPES

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
        recipe, arguments=recipe.arguments | _given(arguments), model=recipe.model | _given(model), **_given(fields)
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _print_result(result: RunResult, output_dir: Path) -> None:
    synthetic = " (synthetic data)" if result.dataset["synthetic"] else ""
    kept = f"weights of epoch {result.best_epoch} of {len(result.epochs)}"
    print(f"\n{result.dataset['name']}{synthetic}, {kept}, {result.timings['total']:.0f} s")
    _print_table(result.table())
    print(f"\nModel, tokenizer, results.json and curves.png are in {output_dir}")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        print("  ".join(cells))


def evaluate(options: argparse.Namespace) -> None:
    """Measure a model on one split: loss, accuracy, precision, recall, F1 and macro-recall."""
    from dataclasses import replace

    from .data import load_split
    from .prediction import load_classifier
    from .trainer import evaluate_model

    spec = _spec_to_evaluate(options)
    classifier = load_classifier(options.model)
    spec = replace(spec, label_names=tuple(classifier.model.config.id2label.values()))
    rows = load_split(spec, options.split)
    metrics = evaluate_model(classifier.model, classifier.tokenizer, rows)
    if options.json:
        print(json.dumps({"dataset": spec.name, "split": options.split, "rows": len(rows), **metrics}))
    else:
        print(f"{spec.name}{' (synthetic data)' if spec.synthetic else ''}, {options.split}, {len(rows):,} examples")
        _print_table([("metric", "value"), *((name, f"{value:.4f}") for name, value in metrics.items())])


def _spec_to_evaluate(options: argparse.Namespace) -> DatasetSpec:
    from .data import DatasetSpec, resolve_spec
    from .results import RunResult

    if options.dataset is not None or options.data is not None:
        return resolve_spec(options.dataset, **_data_choices(options))
    request = RunResult.load(options.model).request["dataset"]
    return DatasetSpec(**{name: _as_tuple(value) for name, value in request.items()})


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def predict(options: argparse.Namespace) -> None:
    """Label texts from the command line, a file or standard input. Rows keep their order; a row that cannot be read
    keeps its place, with an empty label and a note in the column "problem"."""
    from .prediction import load_classifier
    from .readers import Record, read_records
    from .writers import open_writer

    if options.texts and options.input:
        raise UsageError("Expected texts or --input; found both. Pass one of them.")
    if options.texts:
        records: Iterable[Record] = (Record(i, {"text": text}, None) for i, text in enumerate(options.texts, start=1))
    elif options.input:
        records = read_records(options.input, text_column=options.text_column)
    elif sys.stdin.isatty():
        raise UsageError('Expected texts, --input FILE or lines on standard input; found none. Try: predict "a text".')
    else:
        records = read_records(sys.stdin)
    text_column = options.text_column if options.input else "text"
    classifier = load_classifier(options.model)
    labels = list(classifier.model.config.id2label.values())
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
        for row in _predict_rows(classifier, records, text_column, options):
            counts["texts"] += 1
            counts["problems"] += row["problem"] is not None
            writer.write([row])
    if counts["problems"]:
        _warn(f"{counts['problems']:,} of {counts['texts']:,} rows could not be read; the column problem says why.")
    if options.output is not None:
        _warn(f"Wrote {counts['texts']:,} rows to {options.output}.")


def _predict_rows(
    classifier: Any, records: Iterable[Record], text_column: str, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    from itertools import tee

    from tqdm import tqdm

    from .prediction import predict as predict_scores

    records, readable = tee(records)
    texts = (record.row[text_column] for record in readable if record.row is not None)
    scores = predict_scores(classifier, texts, batch_size=options.batch_size)
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


def demo(options: argparse.Namespace) -> None:
    """Train, evaluate and try both tasks on the embedded synthetic samples."""
    from .prediction import load_classifier
    from .prediction import predict as predict_scores
    from .training import train

    results = {}
    for name, texts in DEMO_TEXTS.items():
        folder = options.output_dir / name
        results[name] = train(name, folder, recipe="small", overwrite=True)
        if options.json:
            continue
        _print_result(results[name], folder)
        classifier = load_classifier(folder)
        print()
        _print_table(
            [("text", "label", "score")]
            + [
                (text, label, f"{score:.3f}")
                for text, scores in zip(texts, predict_scores(classifier, texts), strict=True)
                for label, score in list(scores.items())[:1]
            ]
        )
    if options.json:
        print(json.dumps({name: result.test for name, result in results.items()}))
        return
    print("\nBoth data sets are synthetic, written for this project. Curves to look at:")
    for name in DEMO_TEXTS:
        print(f"  {options.output_dir / name / 'curves.png'}")


DEMO_TEXTS = {
    "sample-reviews": [
        "I expected a gem and got a chore.",
        "I expected a chore and got a gem.",
        "Not once was I bored.",
    ],
    "sample-tweets": [
        "Waited two hours for a train that never came. Brilliant.",
        "The concert starts at eight, doors open at seven.",
        "Best coffee in town, and no queue at all!",
    ],
}


class UsageError(ValueError):
    """Arguments that do not go together: exit code 2, as for those that argparse finds."""


def _warn(message: str) -> None:
    print(message, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    _prepare_libraries()
    try:
        options.run(options)
    except UsageError as error:
        _warn(f"hf-lstm-attn {options.command}: {error}")
        return WRONG_USE
    except (ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of a pipe has left: head, less
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        _warn(f"hf-lstm-attn {options.command}: {error}")
        return FAILED
    except KeyboardInterrupt:
        hint = " Continue with the same command and --resume." if options.command == "train" else ""
        _warn(f"\nInterrupted.{hint}")
        return INTERRUPTED
    return 0


def _prepare_libraries() -> None:
    """Settings that libraries read when they load."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # OpenMP's threads wait for each other in a loop. Where another process takes a core, long waits made a training
    # step several times slower; short ones cost an idle machine nothing.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()


if __name__ == "__main__":
    sys.exit(main())
