"""The tokenizer: its offsets are the text's, its vocabulary is that of the texts, and a saved one is the same one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hf_lstm_attn.tokenization import NORMALIZATION_RULES, save_tokenizer, train_tokenizer

ALL_RULES = tuple(NORMALIZATION_RULES)
SPELLED = ["unbelievable believable unbeliever", "play playing played player", "kind unkind kindly kindness"]
TRANSFORMERS_4 = Path(__file__).parents[1] / ".venv" / "transformers-4.51"


def test_empty_texts_have_no_tokens() -> None:
    tokenizer = train_tokenizer(["a fine film", "", "   "], min_frequency=1)
    assert tokenizer("")["input_ids"] == []
    batch = tokenizer(["", "  \n", "<br /><br />", "film"], padding=True)
    assert batch["attention_mask"] == [[0], [0], [0], [1]]


@pytest.mark.parametrize("text", ["[PAD]", "[UNK] film", "a [PAD][PAD] film"])
def test_special_tokens_in_a_text_are_text(text: str, tmp_path: Path) -> None:
    tokenizer = train_tokenizer([text], min_frequency=1)
    save_tokenizer(tokenizer, tmp_path)
    for each in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        ids = each(text)["input_ids"]
        assert each.pad_token_id not in ids
        assert each.unk_token_id not in ids


# ------------------------------------------------------------------------------------------ sub-words


def train_subwords(vocab_size: int = 8000) -> PreTrainedTokenizerFast:
    return train_tokenizer(SPELLED, rules="unicode", vocabulary="subwords", vocab_size=vocab_size)


def test_subwords_spell_words_and_never_reach_beyond_one() -> None:
    tokenizer = train_subwords()
    encoding = tokenizer("Unplayed! [PAD]☃")
    assert encoding.tokens() == ["un", "playe", "d", "!", "[", "p", "a", "d", "]", "☃"]
    assert encoding.word_ids() == [0, 0, 0, 1, 2, 3, 3, 3, 4, 5]
    assert [place for place, id_ in enumerate(encoding["input_ids"]) if id_ == tokenizer.unk_token_id] == [3, 4, 8, 9]
    assert tokenizer.convert_ids_to_tokens([0, 1]) == ["[PAD]", "[UNK]"]
    assert tokenizer.pad_token_id not in encoding["input_ids"]


def test_the_number_of_subwords_has_a_limit() -> None:
    assert [len(train_subwords(size)) for size in (20, 22, 8000)] == [20, 22, 24]
    with pytest.raises(ValueError, match="vocab_size is 10"):
        train_subwords(10)


def test_saved_subwords_load_on_transformers_4_and_5(tmp_path: Path) -> None:
    tokenizer, text = train_subwords(), "Unplayed [PAD]! Kindness, unspoken ☃"
    save_tokenizer(tokenizer, tmp_path)
    ids = tokenizer(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == ids
    if TRANSFORMERS_4.is_dir():
        code = "import sys, transformers as t; print(*t.AutoTokenizer.from_pretrained(sys.argv[1]).encode(sys.argv[2]))"
        environment = os.environ | {"PYTHONPATH": str(TRANSFORMERS_4)}
        found = subprocess.check_output([sys.executable, "-c", code, str(tmp_path), text], env=environment)
        assert [*map(int, found.split())] == ids


# -------------------------------------------------------------------------------------------- offsets


@pytest.mark.parametrize(
    ("text", "words", "pieces"),
    [
        ("Good<br /><br />Film", "good film", "Good Film"),
        ("no<BR/>way", "no way", "no way"),
        ("Sooooo GOOOD!!", "soo good ! !", "Sooooo GOOOD ! !"),
        ("feet keep aaa", "feet keep aa", "feet keep aaa"),
        ("@Bob_1's cat, a@b.com", "@user 's cat , a@b.com", "@Bob_1 's cat , a@b.com"),
        ("(see https://t.co/x7Q).", "( see http ) .", "( see https://t.co/x7Q ) ."),
        ("pic.twitter.com/Ab1, ok", "http , ok", "pic.twitter.com/Ab1 , ok"),
        ("https://x.com/@me/#top x", "http x", "https://x.com/@me/#top x"),
        ("#LoveIt #1", "loveit 1", "LoveIt 1"),
        ("ok👍🏽👍 ❤️", "ok 👍 👍 ❤", "ok 👍 👍 ❤"),
        ("👨\u200d👩\u200d👧🇫🇷🇩🇪", "👨\u200d👩\u200d👧 🇫🇷 🇩🇪", "👨\u200d👩\u200d👧 🇫🇷 🇩🇪"),
        ("İstanbul İ x", "i̇stanbul i̇ x", "İstanbul İ x"),
    ],
)
def test_rules_change_words_while_offsets_point_into_the_original(text: str, words: str, pieces: str) -> None:
    encoding = train_tokenizer([text], normalization=ALL_RULES, min_frequency=1).backend_tokenizer.encode(text)
    assert encoding.tokens == words.split()
    assert [text[start:end] for start, end in encoding.offsets] == pieces.split()


@pytest.mark.parametrize("choice", [{"normalization": ["user"]}, {"rules": "german"}, {"vocabulary": "bpe"}])
def test_an_unknown_choice_names_the_known_ones(choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"choose .*(html_breaks|unicode|subwords)"):
        train_tokenizer(["a"], **choice)


# ------------------------------------------------------------------------------ vocabulary and length


def test_vocabulary_is_words_by_frequency_then_alphabet() -> None:
    tokenizer = train_tokenizer(["b a c c", "a b d C"], min_frequency=2)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == ["[PAD]", "[UNK]", "c", "a", "b"]
    assert tokenizer("a d")["input_ids"] == [3, tokenizer.unk_token_id]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)


@pytest.mark.parametrize(("texts", "expected"), [(499, 1), (500, 2), (4_999, 2), (5_000, 5)])
def test_more_texts_must_contain_a_word_more_often(texts: int, expected: int) -> None:
    tokenizer = train_tokenizer(["a b b c c c c d d d d d"] + [""] * (texts - 1))
    assert len(tokenizer) - 2 == {1: 4, 2: 3, 5: 1}[expected]


def test_long_texts_lose_their_last_words() -> None:
    tokenizer = train_tokenizer(["a b c"], min_frequency=1, max_length=2)
    assert tokenizer.convert_ids_to_tokens(tokenizer("a b c", truncation=True)["input_ids"]) == ["a", "b"]


@pytest.mark.parametrize(("max_length", "expected"), [("mean", 3), (7, 7)])
def test_max_length(max_length: int | str, expected: int) -> None:
    texts = ["a", "a b", "a b c", "a b c d e f"]  # 1, 2, 3 and 6 tokens
    assert train_tokenizer(iter(texts), max_length=max_length).model_max_length == expected


@pytest.mark.parametrize("max_length", [0, -1, "p95", "median"])
def test_other_max_lengths_are_refused(max_length: int | str) -> None:
    with pytest.raises(ValueError, match="max_length"):
        train_tokenizer(["a"], max_length=max_length)


# -------------------------------------------------------------------------------------- save and load


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def build_small_tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["a fine film, isn't it? sooo fine @bob", "it is"], normalization=ALL_RULES, min_frequency=1)


def test_a_saved_tokenizer_loads_with_auto_tokenizer(tmp_path: Path) -> None:
    tokenizer = build_small_tokenizer()
    save_tokenizer(tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "It isn't sooooo FINE, @alice<br />"
    assert loaded(text, return_offsets_mapping=True) == tokenizer(text, return_offsets_mapping=True)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.model_max_length == tokenizer.model_max_length
    assert loaded.model_input_names == ["input_ids", "attention_mask"]
    assert (loaded.pad_token, loaded.unk_token, loaded.padding_side) == ("[PAD]", "[UNK]", "right")
    assert not loaded.clean_up_tokenization_spaces


def test_saving_leaves_out_padding_and_truncation_and_changes_nothing(tmp_path: Path) -> None:
    tokenizer = build_small_tokenizer()
    tokenizer(["a", "a film"], padding="max_length", truncation=True, max_length=5)
    before = tokenizer.backend_tokenizer.to_str()
    save_tokenizer(tokenizer, tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    assert (saved["padding"], saved["truncation"]) == (None, None)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    save_tokenizer(build_small_tokenizer(), tmp_path / "first")
    save_tokenizer(build_small_tokenizer(), tmp_path / "second")
    save_tokenizer(AutoTokenizer.from_pretrained(tmp_path / "first"), tmp_path / "third")
    assert len({train_subwords().backend_tokenizer.to_str() for _ in range(5)}) == 1
    assert read_files(tmp_path / "first") == read_files(tmp_path / "second") == read_files(tmp_path / "third")
