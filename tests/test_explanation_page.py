"""Pages in a real browser: what it shows, what it fetches, what it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, open_browser
from explanations import build_explanation

from hf_lstm_attn import Explanation, build_page
from hf_lstm_attn.characters import make_visible

METHODS = ["attention", "gradient_x_input", "integrated_gradients", "leave_one_out"]
HOSTILE = [
    "<script>alert(1)</script> gem",
    "\"><img src=x onerror=alert(2)> gem ' onmouseover=alert(3)",
    "</script><script>alert(4)</script> <!-- </p></style> ]]> &lt;b&gt; gem",
    "<!-- <script x gem",
    "\x00\x1b[31m\u202egem\u2028 $style ${script} {0} \ud7ff gem",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def build_all(text: str, count: int, labels: tuple[str, ...] = ("positive", "negative")) -> list[Explanation]:
    """Every method; scores 1, 2, ... of `count`, of changing sign."""
    weights = [(i + 1) / (count * (count + 1) / 2) for i in range(count)]
    explanations = [build_explanation(text, weights, method="attention")]
    for method in METHODS[1:]:
        for place, label in enumerate(labels):
            scores = [(i + 1) / count * (-1) ** (i + place) for i in range(count)]
            explanations.append(build_explanation(text, scores, method=method, label=label))
    return explanations


def write(folder: Path, explanations: list[Explanation]) -> Path:
    path = folder / "page.html"
    path.write_text(build_page(explanations), encoding="utf-8")
    return path


def read_shades(browser: Browser) -> list[tuple[str, str, str]]:
    """Word, classes and title of every word."""
    rows = browser.evaluate(
        "JSON.stringify([...document.querySelectorAll('.text .word')].map(w => [w.textContent, w.className, w.title]))"
    )
    return [tuple(row) for row in json.loads(rows)]


def select(browser: Browser, name: str, value: str) -> None:
    browser.evaluate(f"{name}.value = {json.dumps(value)}; {name}.dispatchEvent(new Event('change')); null")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_text_is_executed_or_fetched(text: str, browser: Browser, tmp_path: Path) -> None:
    explanations = [
        build_explanation(text, [0.5] * 9, method=method, label=text, predicted=text, probabilities={text: 1.0, "b": 0})
        for method in METHODS
    ]
    browser.open(write(tmp_path, explanations))
    select(browser, "method", "leave_one_out")
    browser.evaluate("words.forEach(word => word.dispatchEvent(new Event('pointerover', {bubbles: true})))")
    methods = [event["method"] for event in browser.events]
    assert "Page.javascriptDialogOpening" not in methods
    assert "Log.entryAdded" not in methods  # violations of the policy, failed requests
    assert "Runtime.exceptionThrown" not in methods
    assert methods.count("Network.requestWillBeSent") == 1  # the page itself
    assert browser.evaluate("document.scripts.length") == 2
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.querySelector('.text').textContent") == make_visible(text)


def test_the_policy_stops_what_escaping_would_miss(browser: Browser, tmp_path: Path) -> None:
    page = build_page(build_all("a gem", 2)).replace(
        "<main>", "<main><script>alert(1)</script><img src=x onerror=alert(2)>"
    )
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    browser.open(path)
    assert "Page.javascriptDialogOpening" not in [event["method"] for event in browser.events]


@pytest.mark.parametrize("text", ["Müller’s 🎬 ❤️\n\ngem  &  你好", "שלום עולם gem", "gem"])
def test_words_are_shaded_where_they_stand(text: str, browser: Browser, tmp_path: Path) -> None:
    count = len(text.split())
    browser.open(write(tmp_path, build_all(text, count)))
    assert browser.evaluate("document.querySelector('.text').textContent") == text
    assert [word for word, _, _ in read_shades(browser)] == text.split()
    direction = browser.evaluate("getComputedStyle(document.querySelector('.text')).direction")
    assert direction == ("rtl" if "שלום" in text else "ltr")


def test_methods_and_classes_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, build_all("a true gem here", 4)))
    assert read_shades(browser) == [
        ("a", "word unsigned l5", "10.0%"),
        ("true", "word unsigned l10", "20.0%"),
        ("gem", "word unsigned l15", "30.0%"),
        ("here", "word unsigned l20", "40.0%"),
    ]
    assert browser.evaluate("note.textContent").startswith("An attention weight is not importance")
    assert browser.evaluate("label.checkVisibility()") is False
    select(browser, "method", "leave_one_out")
    assert read_shades(browser) == [
        ("a", "word for l5", "+0.25"),
        ("true", "word against l10", "−0.50"),
        ("gem", "word for l15", "+0.75"),
        ("here", "word against l20", "−1.00"),
    ]
    assert browser.evaluate("heading.textContent") == "Leave one out: log-odds of positive"
    assert browser.evaluate("label.checkVisibility()") is True
    select(browser, "label", "negative")
    assert [title for _, _, title in read_shades(browser)] == ["−0.25", "+0.50", "−0.75", "+1.00"]
    cells = browser.evaluate("[...document.querySelectorAll('#words td.number')].map(cell => cell.textContent).join()")
    assert cells == "−0.25,+0.50,−0.75,+1.00"
    assert browser.evaluate("document.querySelector('.legend:not([hidden])').textContent").split()[-1] == "1.00"
    select(browser, "method", "attention")
    assert read_shades(browser)[0] == ("a", "word unsigned l5", "10.0%")


def test_pointer_and_keyboard_tell_a_words_score(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, build_all("a true gem", 3)[1:]))
    browser.evaluate("words[1].dispatchEvent(new Event('pointerover', {bubbles: true}))")
    assert browser.evaluate("readout.textContent") == "true \u00a0−0.67 log-odds: speaks against positive"
    for _ in range(3):  # method, class, text
        browser.press("Tab")
    for key, told in [("", "a"), ("ArrowRight", "true"), ("End", "gem"), ("ArrowRight", "gem"), ("ArrowLeft", "true")]:
        if key:
            browser.press(key)
        assert browser.evaluate("document.activeElement.textContent") == told
        assert browser.evaluate("readout.textContent").split()[0] == told
    assert browser.evaluate("document.querySelectorAll('.text [tabindex=\"0\"]').length") == 1


def test_arrow_keys_follow_the_direction_of_writing(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, build_all("שלום עולם", 2)))
    browser.evaluate("words[0].focus()")
    browser.press("ArrowLeft")
    assert browser.evaluate("document.activeElement.textContent") == "עולם"


def test_without_javascript_the_first_explanation_is_there(browser: Browser, tmp_path: Path) -> None:
    path = write(tmp_path, build_all("A gem. Truly! A gem?", 5)[1:])
    browser.open(path, javascript=False)
    without = read_shades(browser)
    assert without[0] == ("A", "word for l4", "+0.20")
    state = "[document.querySelector('#sentences').innerHTML, document.querySelector('#words').innerHTML].join()"
    tables = browser.evaluate(state)
    assert browser.evaluate("document.querySelector('.controls').checkVisibility()") is False
    browser.open(path)
    assert read_shades(browser) == without
    assert browser.evaluate(state) == tables  # the script writes what was written without it


def test_a_long_review_has_sentences_and_grey_for_what_was_not_read(browser: Browser, tmp_path: Path) -> None:
    text = "Cut words here. " + "A gem. Not dull! " * 500
    explanation = build_explanation(text, [0.0] * 3 + [0.25, 0.5, -0.25, -0.5] * 500)
    explanation = build_explanation(text, [], words=explanation.words[3:], read=(16, len(text)))
    path = write(tmp_path, [explanation])
    browser.open(path)
    assert len(read_shades(browser)) == 2000
    assert browser.evaluate("document.querySelector('.cut').textContent") == "Cut words here. "
    assert "The first 16 of 8,516 characters were not read" in path.read_text()
    assert browser.evaluate("document.querySelector('#sentences').rows[1].innerText").split("\t")[1:] == [
        "−0.75",
        "Not dull!",
    ]
    bar = "document.querySelector('#sentences').rows[{}].querySelector('rect').getAttribute('{}')"
    assert [browser.evaluate(bar.format(0, name)) for name in ("class", "x", "width")] == ["for", "50", "50"]
    assert [browser.evaluate(bar.format(1, name)) for name in ("class", "x", "width")] == ["against", "0", "50"]


def test_a_text_without_words(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, build_all("", 0)))
    select(browser, "method", "leave_one_out")
    assert "The model read no word" in browser.evaluate("document.body.innerText")
    assert "Runtime.exceptionThrown" not in [event["method"] for event in browser.events]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_and_can_be_read(dark: bool, width: int, browser: Browser, tmp_path: Path) -> None:
    text = "gem " * 40 + "x" * 300 + " . A gem. Not dull!"
    labels = ("positive", "negative" * 20)
    browser.open(write(tmp_path, build_all(text, len(text.split()), labels)), width=width, dark=dark)
    for method in METHODS:
        select(browser, "method", method)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for element in (
            "body",
            ".text .word:last-child",
            ".text .word:nth-last-child(2)",
            "#note",
            ".legend:not([hidden])",
        ):
            assert compute_contrast(browser, element) >= 4.5, (method, element)  # WCAG 2, level AA


def compute_contrast(browser: Browser, selector: str) -> float:
    colours = browser.evaluate(
        f"(style => [style.color, style.backgroundColor, getComputedStyle(document.body).backgroundColor].join('|'))"
        f"(getComputedStyle(document.querySelector('{selector}')))"
    )
    ink, shade, ground = ([float(part) for part in re.findall(r"[\d.]+", colour)] for colour in colours.split("|"))
    alpha = shade[3] if len(shade) == 4 else 1.0
    behind = [alpha * part + (1 - alpha) * below for part, below in zip(shade[:3], ground, strict=True)]
    first, second = sorted((compute_luminance(ink[:3]), compute_luminance(behind)))
    return (second + 0.05) / (first + 0.05)


def compute_luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_review_of_400_words_stays_small() -> None:
    words = [f"longerword{i:03}" + "." * (i % 20 == 0) for i in range(400)]
    page = build_page(build_all(" ".join(words), 400, ("positive", "neutral", "negative")))
    assert len(page.encode()) < 200_000
    assert not re.search(r"(https?:)?//[a-z]", page)  # nothing of elsewhere


def test_explanations_of_several_texts_are_an_error() -> None:
    for explanations in ([], [build_explanation("a", [1.0]), build_explanation("b", [1.0])]):
        with pytest.raises(ValueError, match="explanations of one text"):
            build_page(explanations)
