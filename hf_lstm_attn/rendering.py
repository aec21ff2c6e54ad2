"""Explanations for a terminal and for programs; `explanation_page.py` makes the web page, `plots.py` the picture."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from .characters import count_columns, make_visible
from .explanation import Explanation, WordScore, compute_sentence_scores

METHOD_NAMES = {
    "attention": "Attention",
    "gradient_x_input": "Gradient × input",
    "integrated_gradients": "Integrated gradients",
    "leave_one_out": "Leave one out",
}
METHOD_NOTES = {
    "attention": "An attention weight is not importance: it says how much of a word the pooling took in, not why the "
    "model decided as it did. N-grams, where a model has them, vote without it.",
    "gradient_x_input": "How fast the log-odds of the class rise as the word's vector grows.",
    "integrated_gradients": "What the word adds to the log-odds of the class on the way from a text without words to "
    "this one. The scores sum to the whole difference.",
    "leave_one_out": "How far the log-odds of the class fall when this word alone is taken away.",
}
SENTENCES_FROM = 3  # sentences in a text before their scores are shown too
STRONGEST = 5  # words named with their scores beneath a text

_BLOCKS = " ▁▂▃▄▅▆▇█"
# Five steps each of xterm's 256 colours, from faint to strong: blue, orange, green. Of these three, no two look alike
# to any kind of colour vision where they meet. Black letters are readable on all but the strongest blue.
_FOR, _AGAINST, _UNSIGNED = (153, 117, 75, 33, 26), (223, 216, 215, 208, 202), (194, 157, 120, 77, 35)
_WHITE, _BLACK = 231, 16
_PLAIN = "\x1b[0m"


def render_json(explanations: Sequence[Explanation]) -> str:
    """A JSON list, one explanation per line."""
    rows = (json.dumps(asdict(explanation), ensure_ascii=False) for explanation in explanations)
    return "[" + ",\n ".join(rows) + "]\n"


def render_terminal(explanation: Explanation, *, width: int = 100, colour: bool = False) -> str:
    """The text with its words shaded: by colour, or by a line of marks.

    Marks stand above a word that speaks for the class, and beneath one that speaks against it or whose score has no
    sign. Control characters are made visible, so that no text can write to the terminal anything but itself.
    """
    words = explanation.words
    scale = find_scale(words)
    lines = textwrap.wrap(describe_probabilities(explanation), width)
    lines += [*textwrap.wrap(_describe_shades(explanation, scale, colour), width)]
    lines += [*textwrap.wrap(METHOD_NOTES[explanation.method], width), ""]
    if not words:
        lines += ["(The model read no word of this text.)"]
    elif not colour and any(unicodedata.bidirectional(character) in ("R", "AL") for character in explanation.text):
        # Marks on a line of their own would not follow words that a terminal writes from right to left.
        for word in words:
            score = format_score(word.score, explanation)
            lines.append(f"{_mark(word.score, scale)} {score:>8}  {make_visible(word.word)}")
    else:
        scores = {position: word.score for word in words for position in range(word.start, word.end)}
        for positions in _wrap(explanation.text, *explanation.read, width):
            line = [(make_visible(explanation.text[i]), scores.get(i, 0.0)) for i in positions]
            lines += [_colour_line(line, scale, explanation.signed)] if colour else _mark_line(line, scale, explanation)
    if words:
        strongest = sorted(words, key=lambda word: -abs(word.score))[:STRONGEST]
        named = (f"{make_visible(word.word)} ({format_score(word.score, explanation)})" for word in strongest)
        lines += ["", f"Strongest: {', '.join(named)}"]
    sentences = compute_sentence_scores(explanation)
    if len(sentences) >= SENTENCES_FROM:
        lines += ["", "By sentence:"]
        for sentence in sentences:
            text = make_visible(" ".join(sentence.word.split()))
            lines.append(f"{format_score(sentence.score, explanation):>8}  {_clip(text, width - 10)}")
    if cut := describe_cut(explanation):
        lines += ["", *textwrap.wrap(cut, width)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def describe_probabilities(explanation: Explanation) -> str:
    """ "positive 98.1%, negative 1.9%": the likeliest classes, the predicted one first."""
    ranked = sorted(explanation.probabilities.items(), key=lambda item: -item[1])
    named = ", ".join(f"{make_visible(label)} {probability:.1%}" for label, probability in ranked[:STRONGEST])
    return named + (f", and {len(ranked) - STRONGEST} more" if len(ranked) > STRONGEST else "")


def describe_shades(explanation: Explanation) -> str:
    """What is shown, of which class and in which unit: "Leave one out: log-odds of positive"."""
    name = METHOD_NAMES[explanation.method]
    return (
        f"{name}: log-odds of {make_visible(explanation.label)}"
        if explanation.signed
        else f"{name}: share of the whole weight"
    )


def describe_cut(explanation: Explanation) -> str:
    """What the model did not read of a text too long; empty where it read all."""
    start, end = explanation.read
    total = len(explanation.text)
    if (start, end) == (0, total):
        return ""
    part = f"first {start:,}" if start else f"last {total - end:,}"
    return f"The {part} of {total:,} characters were not read: the text is longer than the model takes."


def format_score(score: float, explanation: Explanation) -> str:
    if not explanation.signed:
        return f"{score:.1%}"
    return f"{score:+.2f}".replace("-", "−").replace("−0.00", "0.00").replace("+0.00", "0.00")


def find_scale(words: Sequence[WordScore]) -> float:
    """The score that gets the strongest shade."""
    return max((abs(word.score) for word in words), default=0.0) or 1.0


def _clip(text: str, columns: int) -> str:
    if count_columns(text) <= columns:
        return text
    text = text[:columns]
    while count_columns(text) >= columns:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrap(text: str, start: int, end: int, width: int) -> Iterator[list[int]]:
    """Lines, each as the positions of its characters, broken at white space or else at the width."""
    line: list[int] = []
    columns = 0
    for part in re.finditer(r"\n|[^\S\n]+|\S+", text[start:end]):
        positions = range(start + part.start(), start + part.end())
        if part[0] == "\n":
            yield line
            line, columns = [], 0
            continue
        if columns + count_columns(part[0]) > width and columns:
            yield line
            line, columns = [], 0
            if part[0].isspace():
                continue
        for position in positions:
            size = count_columns(text[position])
            if columns + size > width:
                yield line
                line, columns = [], 0
            line.append(position)
            columns += size
    yield line


def _mark(score: float, scale: float) -> str:
    return _BLOCKS[round(abs(score) / scale * (len(_BLOCKS) - 1))]


def _describe_shades(explanation: Explanation, scale: float, colour: bool) -> str:
    if not explanation.words:
        return f"{describe_shades(explanation)}."
    strongest = (
        f"the {'strongest shade' if colour else 'highest mark'} is {format_score(scale, explanation).lstrip('+')}"
    )
    if not explanation.signed:
        return f"{describe_shades(explanation)}; {strongest}."
    sides = "blue speaks for it, orange against" if colour else "marks above a word speak for it, beneath it against"
    return f"{describe_shades(explanation)}; {sides}; {strongest}."


def _mark_line(line: list[tuple[str, float]], scale: float, explanation: Explanation) -> list[str]:
    """A line of characters and their scores, with the lines of marks that belong to it."""
    above, beneath = "", ""
    for character, score in line:
        columns = count_columns(character)
        mark, blank = _mark(score, scale) * columns, " " * columns
        is_above = explanation.signed and score > 0
        above += mark if is_above else blank
        beneath += blank if is_above else mark
    text = "".join(character for character, _ in line)
    return [*([above] if explanation.signed else []), text, beneath]


def _colour_line(line: list[tuple[str, float]], scale: float, signed: bool) -> str:
    shaded, style = "", ""
    for character, score in line:
        wanted = _choose_style(score, scale, signed)
        if wanted != style:
            shaded, style = shaded + _PLAIN + wanted, wanted
        shaded += character
    return shaded + (_PLAIN if style else "")


def _choose_style(score: float, scale: float, signed: bool) -> str:
    ramp = (_FOR if score > 0 else _AGAINST) if signed else _UNSIGNED
    level = round(abs(score) / scale * len(ramp))
    if level == 0:
        return ""
    ground = ramp[level - 1]
    return f"\x1b[38;5;{_WHITE if ground == _FOR[-1] else _BLACK};48;5;{ground}m"
