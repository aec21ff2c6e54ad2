"""The command line: parse, hand over to one module of `commands`, turn errors into messages and exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import wrapt

from . import __version__
from .commands import audit, compare, demo, evaluate, explain, package, predict, pretrain, push, space, train, verify
from .commands.common import UsageError, warn

COMMANDS = {
    "train": (train, "train a model and leave a run folder"),
    "pretrain": (pretrain, "train language models to start a classifier from"),
    "evaluate": (evaluate, "measure a model on a split"),
    "predict": (predict, "label texts"),
    "compare": (compare, "train the baselines too, and compare"),
    "explain": (explain, "show what each word did"),
    "audit": (audit, "measure how faithful explanations are"),
    "package": (package, "assemble what goes to the Hub"),
    "push": (push, "push a run to the Hub"),
    "verify": (verify, "check that a model is what it says"),
    "space": (space, "build a Gradio Space for a model"),
    "demo": (demo, "train on the embedded samples"),
}
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
    for name, (module, help) in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=module.run.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    _prepare_libraries()
    try:
        options.run(options)
    except UsageError as error:
        warn(f"hf-lstm-attn {options.command}: {error}")
        return WRONG_USE
    except (ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of a pipe has left: head, less
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        warn(f"hf-lstm-attn {options.command}: {error}")
        return FAILED
    except KeyboardInterrupt:
        hint = (
            " Continue with the same command and --resume."
            if options.command in ("train", "pretrain", "compare")
            else ""
        )
        warn(f"\nInterrupted.{hint}")
        return INTERRUPTED
    return 0


def _prepare_libraries() -> None:
    """Settings that libraries read when they load, and what is to be said to them once a command has loaded them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # OpenMP's threads wait for each other in a loop. Where another process takes a core, long waits made a training
    # step several times slower; short ones cost an idle machine nothing.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    wrapt.register_post_import_hook(_silence_transformers, "transformers")
    wrapt.register_post_import_hook(_silence_datasets, "datasets")


def _silence_transformers(_: Any) -> None:
    from transformers import logging  # the argument is the module that transformers replaces while it loads

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _silence_datasets(datasets: Any) -> None:
    datasets.disable_progress_bars()


if __name__ == "__main__":
    sys.exit(main())
