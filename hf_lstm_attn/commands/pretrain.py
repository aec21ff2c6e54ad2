"""`hf-lstm-attn pretrain`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import UsageError, add_data_options, data_choices, given, positive_int, print_table

SETTINGS = ("embedding_size", "hidden_size", "batch_size", "learning_rate", "dropout", "epochs", "steps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", help="imdb, tweets, sample-reviews or sample-tweets")
    parser.add_argument("-o", "--output-dir", type=Path, help="(default: runs/<data set>-pretrained)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace a run")
    parser.add_argument("--json", action="store_true", help="print pretraining.json instead of a table")
    add_data_options(parser)
    parser.add_argument("--split", help="train, unlabelled or train+unlabelled (default: all that the data has)")
    parser.add_argument("--protocol", default="official", help="whose test texts stay unread: official, or report")
    parser.add_argument("--limit", type=positive_int, metavar="TEXTS", help="at most so many per part, to try out")
    group = parser.add_argument_group("language models")
    group.add_argument("--epochs", type=positive_int, help="times that all texts are read (default: 3)")
    group.add_argument("--steps", type=positive_int, help="windows of 70 words to train on, instead of epochs")
    group.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    group.add_argument(
        "--word-vectors",
        metavar="SOURCE",
        help="initial word vectors: train (skip-gram on the same texts; the default), none, or a GloVe or word2vec "
        "text file",
    )
    group.add_argument("--embedding-size", type=positive_int, help="features of a word vector (default: 128)")
    group.add_argument("--hidden-size", type=positive_int, help="features of a hidden state, per direction (128)")
    group.add_argument("--batch-size", type=positive_int, help="streams read side by side (default: 64)")
    group.add_argument("--learning-rate", type=float, help="highest learning rate (default: 0.002)")
    group.add_argument("--dropout", type=float, help="on word vectors and hidden states (default: 0.2)")
    group.add_argument("--float32", action="store_true", help="no bfloat16 or float16")


def run(options: argparse.Namespace) -> None:
    """Train a forward and a backward language model on texts, labelled or not, and leave a folder for train
    --init-from. Texts that train would validate or test on are not read."""
    from ..data import resolve_spec
    from ..pretraining import pretrain
    from ..pretraining_loop import PretrainingRecipe
    from ..pretraining_result import PRETRAINING_FILE

    if options.epochs is not None and options.steps is not None:
        raise UsageError("Expected --epochs or --steps; found both. Pass one of them.")
    settings = given({name: getattr(options, name) for name in SETTINGS})
    if options.word_vectors is not None:
        settings["word_vectors"] = None if options.word_vectors == "none" else options.word_vectors
    spec = resolve_spec(options.dataset, **data_choices(options))
    output_dir = options.output_dir or Path("runs") / f"{spec.name}-pretrained"
    result = pretrain(
        spec,
        output_dir,
        recipe=PretrainingRecipe(low_precision=not options.float32, **settings),
        split=options.split,
        protocol=options.protocol,
        seed=options.seed,
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if options.json:
        print((output_dir / PRETRAINING_FILE).read_text(encoding="utf-8"), end="")
        return
    data = result.dataset
    print(f"\n{data['name']}, {data['words']:,} words, {result.timings['total']:.0f} s; perplexity on held-out texts:")
    rows = [("step", "epoch", "forward", "backward")]
    for row in result.evaluations:
        perplexity = row["perplexity"]
        rows.append(
            (f"{row['step']:,}", f"{row['epoch']:.2f}", f"{perplexity['forward']:.1f}", f"{perplexity['backward']:.1f}")
        )
    print_table(rows)
    print(f"\nStart a classifier from it: hf-lstm-attn train ... --init-from {output_dir}")
