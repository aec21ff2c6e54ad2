from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest
from explanations import build_explanation

from hf_lstm_attn.attribution import METHODS
from hf_lstm_attn.characters import count_columns
from hf_lstm_attn.rendering import METHOD_NAMES, METHOD_NOTES, format_score, render_json, render_terminal

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shaded_lines(printed: str) -> list[str]:
    """The lines between the description, which ends at an empty line, and the list of the strongest words."""
    return printed.partition("\n\n")[2].partition("\n\nStrongest")[0].split("\n")


def test_marks_stand_above_for_and_beneath_against() -> None:
    printed = render_terminal(build_explanation("not a gem", [-1.0, 0.0, 0.5]))
    assert shaded_lines(printed) == ["      ▄▄▄", "not a gem", "███"]
    assert printed.startswith("positive 75.0%, negative 25.0%\nLeave one out: log-odds of positive; marks above")
    assert "Strongest: not (−1.00), gem (+0.50), a (0.00)" in printed


def test_attention_has_marks_beneath_and_a_warning() -> None:
    printed = render_terminal(build_explanation("not a gem", [0.6, 0.3, 0.1], method="attention"))
    assert shaded_lines(printed) == ["not a gem", "███ ▄ ▁▁▁"]
    assert "An attention weight is not importance" in " ".join(printed.split())


def test_marks_keep_to_their_words_through_wide_letters_and_wrapping() -> None:
    text = "你好世界 e\u0301te\u0301 🎬🎬 gem " + "long" * 9 + "\n\nend"
    scores = [0.0, 0.5, 0.0, 1.0, 0.0, 1.0]
    printed = render_terminal(build_explanation(text, scores, method="attention"), width=20)
    lines = shaded_lines(printed)
    assert all(count_columns(line) <= 20 for line in lines)
    texts, marks = lines[0::2], lines[1::2]
    found = {}
    for line, mark in zip(texts, marks, strict=False):
        for match in re.finditer(r"\S+", line):
            start, end = count_columns(line[: match.start()]), count_columns(line[: match.end()])
            found[match[0]] = mark[start:end].strip()
    assert found["gem"] == "███"
    assert found["e\u0301te\u0301"] == "▄▄▄"
    assert found["你好世界"] == found["🎬🎬"] == ""
    assert found["end"] == "███"


def test_colour_shades_words_and_changes_no_letter() -> None:
    explanation = build_explanation("not a gem at all", [-1.0, 0.0, 1.0, 0.01, 0.4])
    printed = render_terminal(explanation, colour=True)
    (line,) = shaded_lines(printed)
    assert ESCAPE.sub("", line) == explanation.text
    shades = re.findall(r"48;5;(\d+)m(\w+)", line)
    assert [word for _, word in shades] == ["not", "gem", "all"]
    assert len({shade for shade, _ in shades}) == 3
    assert line.endswith("\x1b[0m")


@pytest.mark.parametrize("colour", [False, True])
def test_no_text_can_write_to_the_terminal_anything_but_itself(colour: bool) -> None:
    text = "\x1b]0;title\x07 \x1b[2J\x9b31m \u202egem\r\x08\x00 <b>"
    explanation = build_explanation(text, [1.0, -1.0, 0.5, 0.2], label="a\x1b[2J", probabilities={"a\x1b[2J": 1.0})
    printed = ESCAPE.sub("", render_terminal(explanation, colour=colour))
    assert not set(printed) & set("\x1b\x07\x9b\u202e\r\x08\x00")
    assert "␛]0;title␇" in printed


def test_right_to_left_words_have_a_line_each() -> None:
    printed = render_terminal(build_explanation("שלום gem", [1.0, -0.5]))
    assert shaded_lines(printed) == ["█    +1.00  שלום", "▄    −0.50  gem"]


def test_long_texts_get_sentences_and_say_what_was_not_read() -> None:
    text = "Unread words. " + "A gem. Not dull! Truly? " * 500
    scores = [0.0, 0.0] + [0.25, 0.5, -0.25, -0.5, 0.1] * 400
    explanation = build_explanation(text, scores)
    explanation = build_explanation(text, [], words=explanation.words[2:], read=(14, len(text)))
    printed = render_terminal(explanation, width=80)
    assert "Unread" not in printed
    assert "The first 14 of 12,014 characters were not read" in printed
    sentences = [line.split(maxsplit=1) for line in printed.partition("By sentence:\n")[2].splitlines()[:3]]
    assert sentences == [["+0.75", "A gem."], ["−0.75", "Not dull!"], ["+0.10", "Truly?"]]


def test_a_text_without_words() -> None:
    assert "The model read no word" in render_terminal(build_explanation("", []))


def test_many_classes_are_not_all_named() -> None:
    probabilities = {f"class{i}": i / 45 for i in range(10)}
    printed = render_terminal(build_explanation("gem", [1.0], probabilities=probabilities))
    assert printed.startswith("class9 20.0%, class8 17.8%, class7 15.6%, class6 13.3%, class5 11.1%, and 5 more\n")


def test_json_holds_everything() -> None:
    explanations = [build_explanation("שלום <gem> 🎬\u2028", [1.0, -0.5, 0.25]), build_explanation("", [])]
    rows = json.loads(render_json(explanations))
    assert rows == [json.loads(json.dumps(asdict(explanation))) for explanation in explanations]
    assert rows[0]["words"][1] == {"word": "<gem>", "start": 5, "end": 10, "score": -0.5}


@pytest.mark.parametrize(
    ("score", "signed", "attention"), [(0.004, "0.00", "0.4%"), (-0.004, "0.00", "-0.4%"), (-1.5, "−1.50", "-150.0%")]
)
def test_scores(score: float, signed: str, attention: str) -> None:
    assert format_score(score, build_explanation("", [])) == signed
    assert format_score(score, build_explanation("", [], method="attention")) == attention


def test_every_method_has_a_name_and_a_note() -> None:
    assert set(METHODS) == set(METHOD_NAMES) == set(METHOD_NOTES)
