"""Characters that need care when a text is shown: those that act instead of being shown."""

from __future__ import annotations

import unicodedata

DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")  # change the direction of what follows


def make_visible(text: str, keep: str = "") -> str:
    """The text with every character that would act instead of being shown replaced by one that shows.

    Control characters become their pictures ("␛"), line breaks and tabs white space, unless they are in `keep`;
    characters that change the direction of writing, and lone surrogates, become U+FFFD. The length stays the same.
    """
    return "".join(character if character in keep else _replace(character) for character in text)


def _replace(character: str) -> str:
    if character in "\t\n\v\f\r\x85\u2028\u2029":
        return " "
    if character < " ":
        return chr(0x2400 + ord(character))
    acts = unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in DIRECTIONS
    return "\ufffd" if acts else character
