"""`hf-lstm-attn explain`"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import UsageError, add_model_option, choose_model, decode_argument, warn

if TYPE_CHECKING:
    from ..explanation import Explanation

SUFFIXES = (".html", ".png", ".json")
MOST_CLASSES = 4  # of a model with many classes, those that a page explains: the most probable ones


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help="without it, --input or standard input is read")
    add_model_option(parser)
    parser.add_argument(
        "-i", "--input", metavar="FILE", help="a .txt file that holds one text, or - for standard input"
    )
    parser.add_argument(
        "--method",
        default="attention",
        help="attention, gradient_x_input, integrated_gradients, leave_one_out, or all (default: %(default)s)",
    )
    parser.add_argument("--label", metavar="NAME", help="the class to explain (default: the predicted one)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a page (.html), a picture (.png) or .json (default: print)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Show what each word of a text did for the predicted class, or for another. An attention weight is not
    importance; the other methods measure, each in its way, what a word does to the class's log-odds."""
    _check(options)
    text = _read_text(options)
    from ..prediction import load_classifier

    classifier = load_classifier(choose_model(options))
    explanations = _explain(classifier, text, options)
    if options.output is not None:
        _write(explanations, options.output)
        warn(f"Wrote {options.output}.")
    elif options.json:
        from ..rendering import render_json

        print(render_json(explanations), end="")
    else:
        _print(explanations)


def _check(options: argparse.Namespace) -> None:
    if options.text is not None and options.input is not None:
        raise UsageError("Expected a text or --input; found both. Pass one of them.")
    if options.output is None:
        return
    suffix = options.output.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"Expected an output file ending in {', '.join(SUFFIXES)}; found {options.output.name}.")
    if suffix == ".png" and options.method == "all":
        raise UsageError("Expected one method for a picture; found all. Choose one, or write a page (.html).")
    if options.output.exists() and not options.overwrite:
        raise FileExistsError(
            f"Expected no file at {options.output}; found one. Pass --overwrite, or choose another name."
        )
    if not options.output.parent.is_dir():
        raise FileNotFoundError(f"Expected a folder {options.output.parent} to write in; found none. Create it.")


def _read_text(options: argparse.Namespace) -> str:
    from ..readers import check_file, open_lines, read_records

    if options.text is not None:
        return decode_argument(options.text)
    if options.input not in (None, "-"):
        path = check_file(options.input)
        if path.suffix.lower() != ".txt":
            raise ValueError(f"Expected a .txt file that holds one text; found {path.name}. Pass the text itself.")
        return "".join(open_lines(path)).rstrip("\n")
    if sys.stdin.isatty() and options.input is None:
        raise UsageError('Expected a text, --input FILE or standard input; found none. Try: explain "a text".')
    rows = (record.row for record in read_records(sys.stdin))
    return "\n".join(row["text"] for row in rows if row is not None).rstrip("\n")


def _explain(classifier: Any, text: str, options: argparse.Namespace) -> list[Explanation]:
    """One explanation per method; for a page, one per method and class, unless --label chooses a class."""
    from ..attribution import METHODS, MethodError
    from ..explanation import explain

    is_page = options.output is not None and options.output.suffix.lower() == ".html"
    explanations: list[Explanation] = []
    for method in METHODS if options.method == "all" else [options.method]:
        label = None if options.method == "all" and method == "attention" else options.label
        try:
            explanation = explain(classifier, text, method=method, label=label)
        except MethodError as error:
            if options.method != "all":
                raise
            warn(f"Without {method}: {error}")
            continue
        explanations.append(explanation)
        if is_page and label is None and explanation.signed:
            others = [name for name in explanation.probabilities if name != explanation.label]
            others.sort(key=explanation.probabilities.__getitem__, reverse=True)
            explanations += [
                explain(classifier, text, method=method, label=name) for name in others[: MOST_CLASSES - 1]
            ]
    return explanations


def _write(explanations: Sequence[Explanation], path: Path) -> None:
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    suffix = path.suffix.lower()
    try:
        if suffix == ".png":
            _save_picture(explanations[0], partial)
        elif suffix == ".html":
            from ..explanation_page import build_page

            partial.write_text(build_page(explanations), encoding="utf-8")
        else:
            from ..rendering import render_json

            partial.write_text(render_json(explanations), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _save_picture(explanation: Explanation, path: Path) -> None:
    from ..plots import plot_heatmap, save_figure
    from ..rendering import METHOD_NOTES, describe_cut, describe_probabilities, describe_shades

    figure = plot_heatmap(
        [word.word for word in explanation.words],
        [word.score for word in explanation.words],
        signed=explanation.signed,
        title=describe_probabilities(explanation),
        score_name=describe_shades(explanation),
        note=f"{METHOD_NOTES[explanation.method]} {describe_cut(explanation)}".strip(),
    )
    save_figure(figure, path)


def _print(explanations: Sequence[Explanation]) -> None:
    import shutil

    from ..rendering import render_terminal

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # marks and texts need Unicode, which some terminals lack
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = min(100, max(20, shutil.get_terminal_size().columns))
    print("\n\n".join(render_terminal(item, width=width, colour=colour).rstrip() for item in explanations))
