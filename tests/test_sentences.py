from __future__ import annotations

import pytest

from hf_lstm_attn.sentences import split_sentences

TEXTS = [
    ("Dull. Truly dull! Why? I left", ["Dull.", "Truly dull!", "Why?", "I left"]),
    ("great film. loved it.", ["great film.", "loved it."]),
    ("Mr. Hitchcock met J. K. Doe vs. the world. Fine.", ["Mr. Hitchcock met J. K. Doe vs. the world.", "Fine."]),
    (
        "The U.S. remake, sets etc. are poor. So am I. Bye.",
        ["The U.S. remake, sets etc. are poor.", "So am I.", "Bye."],
    ),
    ("It was... fine. Then... Nothing.", ["It was... fine.", "Then...", "Nothing."]),
    ("He said “Go.” (And left.) 2.5 stars", ["He said “Go.”", "(And left.)", "2.5 stars"]),
    ("One<br /><br />two\n\nthree", ["One", "two", "three"]),
    ("很好。不错！“走吧。”好", ["很好。", "不错！", "“走吧。”", "好"]),
    ("ما هذا؟ فيلم جيد.", ["ما هذا؟", "فيلم جيد."]),
    ("  \n<br> ", []),
    ("", []),
    ("?!?! ... !", ["?!?!", "...", "!"]),
]


@pytest.mark.parametrize(("text", "sentences"), TEXTS)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == sentences
