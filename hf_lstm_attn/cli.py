"""The command line: parse, check what can be checked at once, call the library, print. Options are in cli.txt."""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from errno import EDQUOT, EFBIG, ENOSPC
from importlib import import_module
from pathlib import Path
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

from . import __version__, hub
from .attribution import METHODS
from .locks import IS_FIRST
from .named_data import DATASETS
from .recipes import RECIPES
from .startup import prepare
from .text import make_visible

FAILED, WRONG_USE, INTERRUPTED, TRAINING = 1, 2, 130, ("train", "pretrain", "distill")
DEFAULT_MODEL = "sentiment"
DEMO_TEXTS = {"sample-reviews": "I expected a chore and got a gem."}
DEMO_TEXTS |= {"sample-tweets": "Everyone said the train was dreadful. Superb, more like."}
logger = logging.getLogger("hf_lstm_attn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    code, options = WRONG_USE, argparse.Namespace(command="", debug=False)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # None where it was closed
        setattr(sys, name, getattr(sys, name) or Path(os.devnull).open(mode))  # noqa: SIM115
    try:
        options, extra = parse(sys.argv[1:] if arguments is None else arguments)
        check(options)
        code = FAILED
        prepare(options)
        with logging_redirect_tqdm():
            if options.command in globals():
                globals()[options.command](options)
            else:
                getattr(import_module(".cli_train", __package__), options.command)(options, extra)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    except KeyboardInterrupt:
        hint = f" Go on with --resume_from_checkpoint true --output_dir {getattr(options, 'output_dir', '')}"
        print(f"Interrupted.{hint * (options.command in TRAINING)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who reads the output has left: head, less
        _drop_output()
    except Exception as error:
        if options.debug:
            raise
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        print(f"hf-lstm-attn {options.command}: {_explain(error, options)}", file=sys.stderr)
        return code
    return 0


def _explain(error: Exception, options: argparse.Namespace) -> str:
    """What went wrong, on one line, in the words of the command line; a full disk rather than what came of it."""
    full: BaseException | None = error
    while full is not None and not re.search(rf"(Errno|os error) ({ENOSPC}|{EDQUOT}|{EFBIG})\b", str(full)):
        full = full.__cause__ or full.__context__
    message = " ".join(str(full or error).split()) or type(error).__name__
    if full is not None:
        message += f", while writing {next(iter(pick(options, 'output_dir', 'output').values()), 'the answer')}"
    names = "|".join(name for name in vars(options) if "_" in name) or "(?!)"  # arguments in Python, options here
    return make_visible(re.sub(rf"(?<![-/])\b({names})\b(?!\.\w|/)", r"--\1", message))


def _drop_output() -> None:
    """Let what is still to be printed go nowhere, or Python would fail on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    """The commands and options of cli.txt: sections, whose lines `@NAME` stand for another section's."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^(\w+)(?:: .*)?\n((?: .*\n)+)", text, re.MULTILINE))
    about = "Train, use and explain small text classifiers: embedding, LSTM, attention, head."
    parser = argparse.ArgumentParser(prog="hf-lstm-attn", description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help in re.findall(r"^(\w+): (.*)\n", text, re.MULTILINE):
        fields = sections["fields"] if name in TRAINING else None
        command = commands.add_parser(name, help=help, description=help, epilog=fields, allow_abbrev=False)
        command.add_argument("--debug", action="store_true", help="show where an error comes from")
        section = sections[name]
        while (expanded := re.sub(r" +@(\w+)\n", lambda match: sections[match[1]], section)) != section:
            section = expanded
        for line in section.splitlines():
            _add_option(command, *re.split(" {2,}", line.strip() + "  ")[:2])
    return parser


def _add_option(command: argparse.ArgumentParser, spec: str, help: str) -> None:
    """`--flag`, `--option VALUE`, `--option [VALUE]`, `--option VALUE...`, or one of these values by itself."""
    *names, value = spec.split()
    if value.startswith("-"):
        command.add_argument(*names, value, action="store_true", help=help)
        return
    metavar = value.strip("[.]")
    choices: dict[str, Any] = {"help": help, "metavar": metavar, "type": {"N": int, "SHARE": float}.get(metavar, str)}
    if default := re.search(r"\(default: (.+)\)", help):
        choices["default"] = default[1]
    if value.endswith("..."):
        choices |= {"nargs": "+", "action": "extend"} if names else {"nargs": "*"}
    elif value.startswith("["):
        choices |= {"nargs": "?"} | ({"const": "true"} if names else {})
    command.add_argument(*(names or [metavar.lower()]), **choices)


def parse(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the words that are left: fields of LstmAttnTrainingArguments and their values.

    Options may be written with dashes. A training that is resumed without data is the one whose folder is named.
    """
    words = [re.sub(r"^--[\w-]+", lambda match: "--" + match[0][2:].replace("-", "_"), word) for word in words]
    if len(words) > 1 and words[0] in TRAINING and words[1].startswith("-"):
        words.insert(1, "")  # no data set; else argparse would take the value of an option for one
    parser = build_parser()
    options, extra = parser.parse_known_args(words)
    if options.command not in TRAINING:
        if extra:
            parser.error(f"unknown: {' '.join(extra)}. See hf-lstm-attn {options.command} --help")
        return options, extra
    for name in ("resume_from_checkpoint", "push_to_hub"):
        value = getattr(options, name, None)
        setattr(options, name, {"true": True, "false": None}.get(str(value).lower(), value))
    if any(word.startswith("--hub_token") for word in words):
        parser.error("A token does not belong on a command line: log in with `hf auth login`, or set HF_TOKEN.")
    options.dataset = options.dataset or None
    options.words, options.source = words, options.dataset or options.data or getattr(options, "train_file", None)
    stored = Path(options.output_dir or "") / hub.COMMAND_FILE
    if options.resume_from_checkpoint and not options.source and stored.is_file():
        return parse([*json.loads(stored.read_text(encoding="utf-8"))["words"], *words[2:]])
    return options, extra


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot work, before anything heavy is imported.

    Raises:
        ValueError: with the nearest name that there is, or what to do.
    """
    given = vars(options)
    known: dict[str, Any] = {"dataset": DATASETS, "recipe": RECIPES, "method": METHODS, "engine": ["ray"]}
    for kind, names in known.items():
        name = given.get(kind)
        if name and name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Choose among {', '.join(names)}."
            raise ValueError(f"There is no {kind} {name!r}. {hint}")
    if options.command in TRAINING:
        if not options.source:
            raise ValueError(f"Name a data set ({', '.join(DATASETS)}), or pass --data.")
        options.output_dir = options.output_dir or f"runs/{Path(options.source).resolve().name.partition('.')[0]}"
        is_free = options.resume_from_checkpoint or options.overwrite_output_dir or not IS_FIRST
        if not is_free and any(path.name[0] not in "._" for path in Path(options.output_dir).glob("*")):
            ways = "--resume_from_checkpoint true goes on, --overwrite_output_dir trains anew"
            raise ValueError(f"{options.output_dir} is not empty: {ways}, or choose another --output_dir.")
    endings = {"explain": (".png", ".html"), "evaluate": (".png", ".json")}.get(options.command)
    if endings and options.output and not options.output.endswith(endings):
        raise ValueError(f"{options.output} must end in {' or '.join(endings)}.")
    if options.command == "predict":
        if bool(options.input) != bool(options.output) or (options.input and options.text):
            raise ValueError("Pass texts, or --input and --output, or lines on standard input.")
        if options.engine and not options.input:
            raise ValueError("The engine ray needs --input and --output.")
        if not (options.text or options.input) and sys.stdin.isatty():
            raise ValueError('There is nothing to label. Try: hf-lstm-attn predict "A fine film."')
    if options.command == "push" or given.get("push_to_hub"):
        from huggingface_hub import get_token

        hub.check_repo_id(given.get("repo_id") or given.get("hub_model_id") or "")
        if options.license or options.command == "train":
            hub.check_license(options.license)
        if get_token() is None:
            raise ValueError("There is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN.")


def predict(options: argparse.Namespace) -> None:
    """Labels of texts: JSON lines, or lines for a reader where the output is a terminal."""
    from .inference import choose_labels, load_classifier, predict, predict_file

    if options.model is None:
        logger.info("By the built-in model sentiment, for everyday English; choose another with --model.")
    scoring = ("text_column", "all_scores", "threshold", "label_delimiter")
    if options.engine:
        from .ray_data import predict_with_ray

        choices = pick(options, *scoring, "workers")
        count = predict_with_ray(options.model or DEFAULT_MODEL, options.input, options.output, **choices)
        logger.info(f"Wrote {count:,} rows into {options.output}.")
        return
    classifier = load_classifier(options.model or DEFAULT_MODEL, calibrated=options.calibrated)
    if options.input:
        choices = pick(options, *scoring, "spreadsheet_safe", "overwrite") | describe_files(options)
        counts = predict_file(classifier, options.input, options.output, **choices)
        logger.info(f"Wrote {counts['rows']:,} rows to {options.output}; {counts['without_text']:,} have no text.")
        if counts["rows"] == counts["without_text"]:
            raise ValueError(f"No row of {options.input} has a text that can be read.")
        return
    given = (os.fsencode(text).decode("utf-8", "replace") for text in options.text)
    texts, again = itertools.tee(given if options.text else map(str.rstrip, sys.stdin))
    for text, scores in zip(texts, predict(classifier, again), strict=True):
        labels = choose_labels(classifier, scores, options.threshold)
        if sys.stdout.isatty():
            shown = scores if options.all_scores else labels
            print(make_visible("  ".join([*(f"{name} {scores[name]:.4f}" for name in shown), text])))
        else:
            row = {"text": text, "label": options.label_delimiter.join(labels), "score": max(scores.values())}
            print(json.dumps(row | ({"scores": scores} if options.all_scores else {}), ensure_ascii=False))


def pick(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def describe_files(options: argparse.Namespace) -> dict[str, Any]:
    """How files are read, as arguments of `load_data` and `predict_file`; only what was said."""
    given = pick(options, "format", "delimiter", "columns", "encoding", "quoting")
    if options.columns:
        given["columns"] = [name for words in options.columns for name in words.split(",") if name]
    if options.format:
        given["format"] = options.format.replace("-", "_")
    return given | ({"header": False} if options.no_header else {})


def explain(options: argparse.Namespace) -> None:
    """A page, a picture, or the terminal."""
    from .explanation import explain

    explanation = explain(options.model or DEFAULT_MODEL, options.text, method=options.method, label=options.label)
    if options.output:
        (explanation.plot if options.output.endswith(".png") else explanation.to_html)(options.output)
    else:
        print(explanation)


def push(options: argparse.Namespace) -> None:
    """One commit."""
    choices = {name: vars(options)[name] for name in ("license", "revision", "create_pr")}
    print(hub.push(options.run, options.repo_id, private=options.private or None, **choices))


def export(options: argparse.Namespace) -> None:
    """A file, checked; a run whose folder it lies in says so on its card."""
    from .export import export
    from .results import load_results

    folder = Path(options.output_dir or f"{options.run}/onnx")
    path = export(options.run, folder, int8=options.int8)
    if folder.parent == Path(options.run) and (folder.parent / "results.json").is_file():
        hub.save_run(load_results(options.run), options.run, {})
    print(f"{path}: {path.stat().st_size:,} bytes; its answers are PyTorch's.")


def verify(options: argparse.Namespace) -> None:
    """Every difference, or none."""
    if differences := hub.verify(options.run, trust_remote_code=options.trust_remote_code):
        raise ValueError(" ".join([f"{options.run} is not what it says.", *differences]))
    print(f"{options.run} is what it says. Who made its files, no check can tell.")


def space(options: argparse.Namespace) -> None:
    """A folder for a Space."""
    hub.build_space(options.run, options.output_dir, revision=options.revision)
    print(f"Wrote {options.output_dir}. To see it: pip install gradio, then python {options.output_dir}/app.py")


def demo(options: argparse.Namespace) -> None:
    """Both samples, by the commands that anyone would give."""
    for name, text in DEMO_TEXTS.items():
        run = f"{options.output_dir}/{name}"
        training = ["train", name, "--recipe", "small", "--output_dir", run, "--overwrite_output_dir"]
        explaining = ["explain", "--model", run, text]
        page = [*explaining, "--output", f"{run}.html"]
        for command in (training, ["evaluate", run], explaining, page, ["audit", run, "--limit", "40"]):
            print(f"\n$ hf-lstm-attn {shlex.join(command)}")
            if main(command):
                raise ValueError("This command failed.")
