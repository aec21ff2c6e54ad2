"""The explanation page: what it shows, in which order, and that nothing of a text acts on it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from hf_lstm_attn.explanation import METHODS, Explanation, WordScore, build_page

HOSTILE = [
    "<script>alert(1)</script> gem",
    "\"><img src=x onerror=alert(2)> gem ' onmouseover=alert(3)",
    "</style></title><!-- {{ 7 * 7 }} {% if %} &lt;b&gt; gem",
    "\x00\x1b[31m\u202egem \ud800 gem",
]


def build_explanation(text: str, method: str = "leave_one_out", **fields: object) -> Explanation:
    """Words are what stands between white space; their scores are 1, -2, 3, -4, ..."""
    found = enumerate(re.finditer(r"\S+", text))
    words = [WordScore(match[0], *match.span(), (-1) ** i * (i + 1)) for i, match in found]
    signed, read, shares = method != "attention", (0, len(text)), {"negative": 0.03, "positive": 0.97}
    given = Explanation(text, method, "positive", "positive", shares, 3.5, words, signed, read, "you/a-model")
    return replace(given, **fields)


def read_texts(page: str) -> list[str]:
    """The shown text of each explanation, in the order of the page."""
    shown = re.findall(r'<p class="text".*?>(.*?)</p>', page, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", text)) for text in shown]


def list_tags(page: str) -> list[str]:
    return re.findall(r"<(/?\w+|!--)", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_text_becomes_part_of_the_page(text: str, tmp_path: Path) -> None:
    fields = {"label": text, "predicted": text, "probabilities": {text: 0.97, "b": 0.03}, "model_name": text}
    build_explanation(text, **fields).to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert list_tags(page) == list_tags(build_page(build_explanation("gem " * len(text.split()))))
    assert not {"\x00", "\x1b", "\u202e"} & set(page)
    (shown,) = read_texts(page)
    assert len(shown) == len(text)


def test_the_page_shows_the_text_its_prediction_and_the_ten_strongest_words() -> None:
    text = "Müller’s 🎬 ❤️\n\nt1 t2 t3 t4 t5 t6 t7 t8  &  你好 "
    page = build_page(build_explanation(text))
    assert read_texts(page) == [text]
    assert "<title>Predicted label: positive (97 %)</title>" in page
    assert "you/a-model" in page
    table = page.partition("strongest words")[2].partition("</table>")[0]
    scores = re.findall(r'"number">(.*?)<', table)
    assert scores == ["+13.00", "−12.00", "+11.00", "−10.00", "+9.00", "−8.00", "+7.00", "−6.00", "+5.00", "−4.00"]
    assert '<span class="word for l10" title="+13.00">你好</span>' in page
    assert '<span class="word against l2" title="−2.00">🎬</span>' in page


def test_the_page_names_its_method_and_says_what_attention_is_not() -> None:
    assert "Leave one out: <bdi>negative</bdi>" in build_page(build_explanation("a gem", label="negative"))
    assert "An attention weight is not importance" in build_page(build_explanation("a gem", "attention"))
    assert "not importance" not in build_page(build_explanation("a gem"))


def test_what_was_not_read_is_grey() -> None:
    page = build_page(build_explanation("a gem cut off", words=[WordScore("gem", 2, 5, 1.0)], read=(0, 5)))
    assert '<span class="unread"> cut off</span>' in page
    assert "The model read no word" in build_page(build_explanation(""))


def test_the_page_needs_nothing_of_elsewhere_and_allows_nothing_but_its_style() -> None:
    page = "".join(build_page(build_explanation("a gem", method)) for method in METHODS)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert not re.search(r"(https?:)?//[a-z]|<script|style=|@import|url\(", page)


def test_every_shade_is_legible() -> None:
    style = build_page(build_explanation("a gem"))
    grounds, inks, quiet, steps = (
        re.findall(rf"--{name}: (\S+);", style) for name in ("ground", "ink", "quiet", "step")
    )
    shades = [bytes(map(int, shade)) for shade in re.findall(r"--\w+: (\d+) (\d+) (\d+);", style)]
    for scheme in (0, 1):  # light and dark
        ground, ink, note = (bytes.fromhex(colours[scheme][1:]) for colours in (grounds, inks, quiet))
        assert compute_contrast(note, ground) >= 4.5  # WCAG 2, level AA
        opacity = 10 * float(steps[scheme])
        for shade in shades:
            behind = [opacity * part + (1 - opacity) * below for part, below in zip(shade, ground, strict=True)]
            assert compute_contrast(ink, behind) >= 4.5


def compute_contrast(*colours: bytes | list[float]) -> float:
    linear = [[((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour] for colour in colours]
    dark, light = sorted(0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in linear)
    return (light + 0.05) / (dark + 0.05)
