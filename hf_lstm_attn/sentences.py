"""Where sentences begin and end, by a rule simple enough to be followed by eye."""

from __future__ import annotations

import re

from .tokenization import ABBREVIATIONS

# Closing quotes and brackets belong to the sentence before them. Chinese and Japanese put no space between sentences.
_END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*(?=\s|\Z)|[。！？]+[”’」』）]*|\n|<br\s*/?>", re.IGNORECASE)
_LAST_WORD = re.compile(r"(?:^|[\s(\[\"“])([^\s(\[\"“]+)\.\Z")
_MORE_ABBREVIATIONS = ("cf", "e.g", "i.e", "vs")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The first and last character (end exclusive) of each sentence, without the white space around it.

    A sentence ends at a line break or `<br />`; at `. ! ? …` before white space; and at `。！？`. It goes on after the
    full stop of an abbreviation or an initial ("Mr. Hitchcock", "J. K."), and before a lower-case letter after an
    ellipsis, "etc." or an acronym ("the U.S. remake"). A line break is no part of a sentence.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for end in _END.finditer(text):
        is_break = end[0][0] in "\n<"
        if not is_break and _goes_on(text[start : end.end()], text[end.end() :][:50]):
            continue
        _append_stripped(spans, text, start, end.start() if is_break else end.end())
        start = end.end()
    _append_stripped(spans, text, start, len(text))
    return spans


def _goes_on(sentence: str, following: str) -> bool:
    next_is_lower = following.lstrip()[:1].islower()
    if sentence.endswith(("..", "…")):
        return next_is_lower
    last = _LAST_WORD.search(sentence)
    if last is None:
        return False
    word = last[1].lower()
    if word in (*ABBREVIATIONS, *_MORE_ABBREVIATIONS) or (len(word) == 1 and word.isalpha() and word != "i"):
        return True
    return next_is_lower and (word == "etc" or "." in word)


def _append_stripped(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    part = text[start:end]
    if part.strip():
        start += len(part) - len(part.lstrip())
        spans.append((start, start + len(part.strip())))
