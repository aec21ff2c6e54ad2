"""Characters that need care when a text is shown: those that act, those that are wide, those that no font has."""

from __future__ import annotations

import unicodedata

SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")  # change the direction of what follows
_FLAG_A = 0x1F1E6  # flags are spelled with letters from here


def make_visible(text: str, keep: str = "") -> str:
    """The text with every character that would act instead of being shown replaced by one that shows.

    Control characters become their pictures ("␛"), line breaks and tabs white space, unless they are in `keep`;
    characters that change the direction of writing, and lone surrogates, become U+FFFD. The length stays the same.
    """
    return "".join(character if character in keep else _make_visible(character) for character in text)


def _make_visible(character: str) -> str:
    if character in "\t\n\v\f\r\x85\u2028\u2029":
        return " "
    if character < " ":
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return "␡"
    acts = unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in _DIRECTIONS
    return "\ufffd" if acts else character


def count_columns(text: str) -> int:
    """Columns of fixed-width letters that a text takes: two for wide ones such as emoji, none for combining marks."""
    return sum(map(_count_columns, text))


def _count_columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def continues_sign(character: str) -> bool:
    """Whether the character changes the one before it, as combining marks, variants and skin tones do."""
    return unicodedata.category(character).startswith("M") or character == "\u200d" or character in SKIN_TONES


def reads_from_right(text: str) -> bool:
    """Whether the first letter is of a script written from right to left."""
    directions = (unicodedata.bidirectional(character) for character in text)
    return next((direction != "L" for direction in directions if direction in ("L", "R", "AL")), False)


def name_sign(character: str) -> str:
    """What to write for a character that cannot be drawn: ":fire:" for an emoji, letters for a flag, else a box."""
    if continues_sign(character):
        return ""
    if _FLAG_A <= ord(character) < _FLAG_A + 26:
        return chr(ord("A") + ord(character) - _FLAG_A)
    name = unicodedata.name(character, "").lower() if unicodedata.category(character) == "So" else ""
    return f":{name}:" if name else "□"
