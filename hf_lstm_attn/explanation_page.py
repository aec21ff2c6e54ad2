"""Explanations of one text as one HTML file that needs nothing else: no network, no library, no other file.

The text comes from anywhere, so everything from it is escaped, and the page's content security policy forbids all
but its own style and script, which it names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from .characters import make_visible
from .explanation import Explanation, WordScore, compute_sentence_scores
from .rendering import (
    METHOD_NAMES,
    METHOD_NOTES,
    SENTENCES_FROM,
    describe_cut,
    describe_shades,
    find_scale,
    format_score,
)

LEVELS = 20  # shades of a word, as in the style sheet
DIGITS = 4  # of a score, kept in the page
HINT = "Point at a word for its score, or press Tab to reach the text and the arrow keys to move in it."


def build_page(explanations: Sequence[Explanation]) -> str:
    """The page: shaded text, probabilities, scores by sentence, all scores. Without JavaScript it shows the first.

    Args:
        explanations: Of one text, in the order in which they can be chosen.

    Raises:
        ValueError: for no explanation, or explanations of several texts.
    """
    if len({explanation.text for explanation in explanations}) != 1:
        raise ValueError("Expected one or more explanations of one text; found none, or several texts.")
    first = explanations[0]
    style, script = _read("explanation_page.css"), _read("explanation_page.js")
    title = f"{_clean(first.predicted)}, {first.probabilities[first.predicted]:.1%}"
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Predicted: {title}</h1>
{_build_probabilities(first)}
{_build_controls(explanations)}
<h2 id="heading">{_clean(describe_shades(first))}</h2>
<p class="note" id="note">{_clean(METHOD_NOTES[first.method])}</p>
{_build_legend(first, signed=True)}
{_build_legend(first, signed=False)}
<output id="readout" aria-live="polite" hidden>{HINT}</output>
<div role="group" aria-label="The text, word by word">
{_build_text(first)}
</div>
{f'<p class="note">{_clean(describe_cut(first))}</p>' if describe_cut(first) else ""}
{_build_sentences(first)}
{_build_words(first)}
</main>
<script type="application/json" id="data">{_build_data(explanations)}</script>
<script>{script}</script>
</body>
</html>
"""


def _build_probabilities(explanation: Explanation) -> str:
    ranked = sorted(explanation.probabilities.items(), key=lambda item: -item[1])
    rows = "\n".join(
        f'<tr{" class=predicted" if label == explanation.predicted else ""}><th scope="row"><bdi>{_clean(label)}</bdi>'
        f'</th><td class="bar">{_build_bar("probability", 0, 100 * value)}</td><td class="number">{value:.1%}</td></tr>'
        for label, value in ranked
    )
    return f'<table id="probabilities" aria-label="Probabilities">\n{rows}\n</table>'


def _build_controls(explanations: Sequence[Explanation]) -> str:
    methods = dict.fromkeys(explanation.method for explanation in explanations)
    labels = dict.fromkeys(explanation.label for explanation in explanations if explanation.signed)
    method_options = "".join(f'<option value="{name}">{_clean(METHOD_NAMES[name])}</option>' for name in methods)
    label_options = "".join(f'<option value="{_clean(name)}">{_clean(name)}</option>' for name in labels)
    return f"""<div class="controls" hidden>
<label>Method <select id="method" autocomplete="off">{method_options}</select></label>
<label>Class <select id="label" autocomplete="off">{label_options}</select></label>
</div>"""


def _build_legend(explanation: Explanation, *, signed: bool) -> str:
    scale = escape(format_score(find_scale(explanation.words), explanation).lstrip("+"))
    if signed:
        label = f'<bdi class="explained">{_clean(explanation.label)}</bdi>'
        parts = (
            f'<span><span class="word for l14">blue, underlined</span> speaks for {label}</span>\n'
            f'<span><span class="word against l14">orange, dashed</span> speaks against it</span>\n'
        )
    else:
        parts = '<span><span class="word unsigned l14">green</span> the more, the greater the weight</span>\n'
    name = "legend-signed" if signed else "legend-unsigned"
    hidden = "" if signed == explanation.signed else " hidden"
    return (
        f'<div class="legend" id="{name}"{hidden}>\n{parts}<span>strongest shade: <span class="scale">{scale}</span>'
        "</span>\n</div>"
    )


def _build_text(explanation: Explanation) -> str:
    text, (start, end) = explanation.text, explanation.read
    scale = find_scale(explanation.words)
    parts = [_build_cut(text[:start])]
    position = start
    for word in explanation.words:
        parts.append(_clean(text[position : word.start]))
        level = round(abs(word.score) / scale * LEVELS)
        side = _choose_side(word.score, explanation.signed)
        shade = f"word {side} l{level}" if level else "word"
        title = escape(format_score(word.score, explanation))
        parts.append(f'<span class="{shade}" title="{title}">{_clean(text[word.start : word.end])}</span>')
        position = word.end
    parts += [_clean(text[position:end]), _build_cut(text[end:])]
    return f'<p class="text" lang="" dir="auto">{"".join(parts)}</p>'


def _build_cut(text: str) -> str:
    return f'<span class="cut">{_clean(text)}</span>' if text else ""


def _build_sentences(explanation: Explanation) -> str:
    sentences = _find_sentences(explanation)
    if not sentences:
        return ""
    scale = find_scale(sentences)
    rows = []
    for sentence in sentences:
        share = 100 * abs(sentence.score) / scale
        side = _choose_side(sentence.score, explanation.signed)
        start = {"for": 50, "against": 50 - share / 2, "unsigned": 0}[side]
        bar = _build_bar(side, start, share / 2 if explanation.signed else share)
        rows.append(
            f'<tr><td class="bar">{bar}</td><td class="number">{escape(format_score(sentence.score, explanation))}</td>'
            f'<td lang="" dir="auto">{_clean(sentence.word)}</td></tr>'
        )
    newline = "\n"
    return (
        '<h2>By sentence</h2>\n<p class="note">The scores of a sentence\'s words, added up.</p>\n'
        f'<table id="sentences">\n{newline.join(rows)}\n</table>'
    )


def _find_sentences(explanation: Explanation) -> list[WordScore]:
    """Sentences to show: none in a text of few."""
    sentences = compute_sentence_scores(explanation)
    return sentences if len(sentences) >= SENTENCES_FROM else []


def _build_words(explanation: Explanation) -> str:
    if not explanation.words:
        return '<p class="note">The model read no word of this text.</p>'
    rows = "\n".join(
        f'<tr><td><bdi>{_clean(word.word)}</bdi></td><td class="number">{escape(format_score(word.score, explanation))}'
        "</td></tr>"
        for word in explanation.words
    )
    return f'<details>\n<summary>All words and their scores</summary>\n<table id="words">\n{rows}\n</table>\n</details>'


def _build_bar(side: str, start: float, width: float) -> str:
    return (
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{side}" x="{start:.4g}" width="{width:.4g}" height="1"/></svg>'
    )


def _build_data(explanations: Sequence[Explanation]) -> str:
    """What the script reads, as JSON that cannot end its own element."""
    data = {
        "levels": LEVELS,
        "hint": HINT,
        "explanations": [
            {
                "method": explanation.method,
                "label": make_visible(explanation.label),
                "signed": explanation.signed,
                "heading": describe_shades(explanation),
                "note": METHOD_NOTES[explanation.method],
                "scale": find_scale(explanation.words),
                "scores": [_shorten(word.score) for word in explanation.words],
                "sentences": [_shorten(sentence.score) for sentence in _find_sentences(explanation)],
            }
            for explanation in explanations
        ],
    }
    text = json.dumps(data, separators=(",", ":"))  # ASCII alone: what is not is escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shorten(score: float) -> float:
    return float(f"{score:.{DIGITS}g}")


def _choose_side(score: float, signed: bool) -> str:
    return ("for" if score > 0 else "against") if signed else "unsigned"


def _clean(text: str) -> str:
    return escape(make_visible(text, keep="\n"))


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
