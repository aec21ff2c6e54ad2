"""The tokenizer: its words are spaCy's, its offsets the text's, and a saved one is the same one."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hf_lstm_attn.tokenization import NORMALIZATION_RULES, save_tokenizer, train_tokenizer

ALL_RULES = tuple(NORMALIZATION_RULES)


def build_backend(*rules: str) -> Tokenizer:
    return train_tokenizer(["a"], normalization=rules, max_length=10).backend_tokenizer


def cut(text: str, *rules: str) -> list[str]:
    """The pieces of `text` that the tokens' offsets point at."""
    return [text[start:end] for start, end in build_backend(*rules).encode(text).offsets]


def normalize(text: str, *rules: str) -> list[str]:
    """The words as the vocabulary would hold them."""
    tokenizer = train_tokenizer([text], normalization=rules, min_frequency=1, max_length=10)
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


# -------------------------------------------------------------------------------------- spaCy's words

LIKE_SPACY = """
I don't know; you can't, it's not what he'd have done, I'm sure they'll say we've won't.
I don’t know; you can’t, it’s not what he’d have done, I’m sure they’ll say we’ve won’t.
She couldn't've known who'd've come. Let's go, c'mon, y'all! 'Cause I said so. Tell 'em.
dont cant cannot gonna gotta im ive id hes thats youre theyre didnt wouldve wed notve yall
ill its hell shell well were lets going want
Mr. Smith and Mrs. Jones met Dr. No vs. Prof. X on St. Mary's on Jan. 5, at 5 p.m. or 11am, e.g. in Wash D.C. at noon.
J. R. R. Tolkien saw the U.S. premiere (U.K. later). The end. Bye etc.
I give it 10/10, 8.5/10 or 7/10. It cost $10.50, 20% of 1,000 and £5m, ran 10km in 2-3 hours, 1980s style.
well-made 10-minute so-called state-of-the-art word--word word—word word – word his/her and/or w/o he/she
He said "stop!" (loudly). 'Quoted' ``text'' and "nested 'quotes'." [sic] {x} <b>
Wait... what...now?! No..... ...well… ok…fine
film.The end.And so.
See http://example.com/a/b?c=d, https://x.org. or www.site.com/x.html or IMDb.com and mail me@site.co.uk now.
:) :-) :( :-( ;) :D =) :P :/ <3 :'( ^_^ 8) great :) (ok)
#tag @user @user: RT @user's *emphasis* _this_ ~10 +1 50+ A+ B- R&B &amp; #1
the actors' work, goin' home, rock'n'roll, o'clock, ma'am, '70s, 80's, O'Brien's
-word word- --word word-- *** ... .. / // | \\ ^
😂😂 👍🏽 ❤️ great🎉 ★★★ © 2020
naïve café Ünïcode ÉCLAIR привет 中文
""".strip().splitlines()


@pytest.mark.parametrize("text", LIKE_SPACY)
def test_cuts_where_spacy_cuts(text: str) -> None:
    spacy = pytest.importorskip("spacy")
    assert cut(text) == [token.text for token in spacy.blank("en")(text) if not token.is_space]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I DON'T CARE", "I DO N'T CARE"),  # shouting is cut as talking is
        ("a bad film.the end", "a bad film . the end"),
        ("stop...don't", "stop ... do n't"),
    ],
)
def test_goes_beyond_spacy_where_that_serves_a_classifier(text: str, expected: str) -> None:
    assert cut(text) == expected.split()


@pytest.mark.parametrize(
    ("folder", "least"), [("stanfordnlp/imdb/plain_text", 0.998), ("cardiffnlp/tweet_eval/sentiment", 0.99)]
)
def test_agrees_with_spacy_on_real_texts(shared: Path, folder: str, least: float) -> None:
    """Spans that both find, of all that either finds (F1), over 200 texts."""
    spacy = pytest.importorskip("spacy")
    files = (shared / "hub" / "datasets" / folder).glob("test-*.parquet")
    texts = [text for file in files for text in pq.read_table(file)["text"].to_pylist()][:200]
    backend, english = build_backend(), spacy.blank("en")
    both = found = 0
    for text, encoding in zip(texts, backend.encode_batch(texts), strict=True):
        ours = set(encoding.offsets)
        theirs = {(token.idx, token.idx + len(token)) for token in english(text) if not token.is_space}
        both, found = both + 2 * len(ours & theirs), found + len(ours) + len(theirs)
    assert both / found >= least


# --------------------------------------------------------------------- nothing is lost, nothing fails

PIECES = [
    *"ab'’\".,!?-—…()[]:;=/<>3 08@#_*&$%+~|\\^\n\t",
    *("n't 's http:// www. .com İ é 😀 ❤️ 👍🏽 cannot dont <br /> ... -- [PAD] 中 Σ ﬁ ß".split()),
    "\u200d",
    "\xa0",
    "\u3000",
]


def test_every_character_but_white_space_is_in_exactly_one_token() -> None:
    generator = random.Random(0)
    backend = build_backend()
    texts = ["".join(generator.choices(PIECES, k=generator.choice((3, 10, 40, 200)))) for _ in range(1000)]
    for text, encoding in zip(texts, backend.encode_batch(texts), strict=True):
        covered = [place for start, end in encoding.offsets for place in range(start, end)]
        assert covered == [place for place, character in enumerate(text) if not character.isspace()], repr(text)


@pytest.mark.parametrize(
    "unit", ["a", "-", "a-", "a)", ")", "'s", "a.", "1-", "!?", "...", "a.com/", "http://", "\u0301", " "]
)
def test_long_runs_are_harmless(unit: str) -> None:
    """Without bounds the expression's backtracking ends the process: "retry-limit-in-match over"."""
    text = "b" + unit * (20_000 // len(unit)) + "b"
    assert len(build_backend(*ALL_RULES).encode(text)) > 0


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
    assert normalize(text, *ALL_RULES) == words.split()
    assert cut(text, *ALL_RULES) == pieces.split()


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="Unknown rule user"):
        train_tokenizer(["a"], normalization=["user"])


# ------------------------------------------------------------------------------ vocabulary and length


def test_vocabulary_is_words_by_frequency_then_alphabet() -> None:
    tokenizer = train_tokenizer(["b a c c", "a b d C"], min_frequency=2)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == ["[PAD]", "[UNK]", "c", "a", "b"]
    assert tokenizer("a d")["input_ids"] == [3, tokenizer.unk_token_id]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)


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
    assert read_files(tmp_path / "first") == read_files(tmp_path / "second") == read_files(tmp_path / "third")
