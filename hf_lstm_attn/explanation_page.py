"""How explanations look: one self-contained HTML page for several of a text, shaded words in a terminal for one.

The text comes from anywhere, so everything from it is escaped, and the page's content security policy forbids all but
styles within it. There is no script: radio buttons switch between explanations.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from rich.text import Text

from .attribution import METHODS
from .text import make_visible

# Of xterm's 256 colours, the faint first: blue, orange, green, legible under black letters. No two of the three look
# alike to any kind of colour vision.
SHADES = {"for": (195, 153, 117, 75, 33), "against": (223, 216, 215, 208, 202), "weight": (194, 157, 120, 77, 35)}


def build_page(explanations: Sequence[Any]) -> str:
    """The page, as HTML; it opens on the first of `METHODS` that is given.

    Args:
        explanations: `Explanation`s of one text: methods, or classes, to choose among.

    Raises:
        ValueError: for no explanation, or explanations of several texts.
    """
    if len({explanation.text for explanation in explanations}) != 1:
        raise ValueError("A page shows one text: pass one or more explanations of the same text.")
    order = list(METHODS)
    ordered = sorted(explanations, key=lambda one: (order.index(one.method), one.label != one.predicted))
    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, finalize=lambda value: make_visible(value, keep="\n") if isinstance(value, str) else value
    )
    page = environment.from_string(template)
    return page.render(explanations=ordered, format_score=format_score, choose_shade=choose_shade)


def format_score(explanation: Any, score: float) -> str:
    """ "+1.25" log-odds, or "12.5 %" of the attention."""
    return f"{score:+.2f}".replace("-", "−") if explanation.signed else f"{100 * score:.1f} %"


def choose_shade(explanation: Any, score: float, levels: int = 10) -> tuple[str, int]:
    """A key of `SHADES`, and the level: 0 for no shade, `levels` for the strongest word of the text.

    The style sheet has 10 levels.
    """
    largest = abs(explanation.strongest[0].score) or 1.0
    kind = "weight" if not explanation.signed else "for" if score > 0 else "against"
    return kind, round(abs(score) / largest * levels)


def build_terminal_text(explanation: Any) -> Text:
    """What was read of the text with its words shaded, then the strongest words; nothing of it acts on a terminal."""
    meaning = f"log-odds of {explanation.label}" if explanation.signed else "share of the weight, not importance"
    shaded = Text(make_visible(explanation.text, keep="\n"))
    strongest = Text()
    for word in explanation.words:
        shaded.stylize(_choose_style(explanation, word.score), word.start, word.end)
    for word in explanation.strongest:
        strongest.append(f"\n{format_score(explanation, word.score):>8}  ")
        strongest.append(make_visible(word.word), _choose_style(explanation, word.score))
    if explanation.read != (0, len(explanation.text)):
        strongest.append("\n\nThe text is longer than the model takes; what is not shown was not read.")
    heading = f"{explanation.title}\n{explanation.method}: {make_visible(meaning)}\n\n"
    return Text.assemble((heading, "bold"), shaded[slice(*explanation.read)], "\n", strongest)


def _choose_style(explanation: Any, score: float) -> str:
    kind, level = choose_shade(explanation, score, len(SHADES["for"]))
    return f"black on color({SHADES[kind][level - 1]})" if level else ""
