from __future__ import annotations

import pytest

from hf_lstm_attn.characters import count_columns, make_visible, name_sign, reads_from_right


def test_nothing_that_acts_is_left_and_every_place_is_kept() -> None:
    text = "a\x1b[31m\x00\x7f\x9b\u202e\u2066\ud800\r\n\tb שלום 🎬"
    visible = make_visible(text)
    assert visible == "a␛[31m␀␡\ufffd\ufffd\ufffd\ufffd   b שלום 🎬"
    assert len(visible) == len(text)
    assert make_visible("a\nb", keep="\n") == "a\nb"
    everything = "".join(map(chr, range(0x11000)))
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in make_visible(everything))


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("é", 1), ("e\u0301", 1), ("你好", 4), ("🎬!", 3), ("", 0)])
def test_columns(text: str, columns: int) -> None:
    assert count_columns(text) == columns


@pytest.mark.parametrize(("text", "expected"), [("12, שלום fine", True), ("fine שלום", False), ("🎬 …", False)])
def test_the_first_letter_says_the_direction(text: str, expected: bool) -> None:
    assert reads_from_right(text) is expected


@pytest.mark.parametrize(
    ("text", "written"),
    [("🔥", ":fire:"), ("👍🏽", ":thumbs up sign:"), ("🇫🇷", "FR"), ("你", "□"), ("❤️", ":heavy black heart:")],
)
def test_signs_have_names(text: str, written: str) -> None:
    assert "".join(map(name_sign, text)) == written
