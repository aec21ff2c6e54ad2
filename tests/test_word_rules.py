"""The words that the rules find: spaCy's in English, Unicode's elsewhere; nothing is lost, and nothing fails."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from hf_lstm_attn.tokenization import NORMALIZATION_RULES, train_tokenizer
from hf_lstm_attn.word_rules import WORD_RULES


def build_backend(*normalization: str, rules: str = "english") -> Tokenizer:
    return train_tokenizer(["a"], normalization=normalization, max_length=10, rules=rules).backend_tokenizer


def cut(text: str, rules: str = "english") -> list[str]:
    """The pieces of `text` that the tokens' offsets point at."""
    return [text[start:end] for start, end in build_backend(rules=rules).encode(text).offsets]


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
    ("folder", "least", "rules"),
    [
        ("stanfordnlp/imdb/plain_text", 0.998, "english"),
        ("cardiffnlp/tweet_eval/sentiment", 0.99, "english"),
        ("suite/counterfactual_de", 0.95, "unicode"),
    ],
)
def test_agrees_with_spacy_on_real_texts(shared: Path, folder: str, least: float, rules: str) -> None:
    """Spans that both find, of all that either finds (F1), over 200 texts."""
    spacy = pytest.importorskip("spacy")
    files = (shared / "hub" / "datasets" / folder).glob("test-*.parquet")
    texts = [text for file in files for text in pq.read_table(file)["text"].to_pylist()][:200]
    backend, reference = build_backend(rules=rules), spacy.blank("en" if rules == "english" else "xx")
    both = found = 0
    for text, encoding in zip(texts, backend.encode_batch(texts), strict=True):
        ours = set(encoding.offsets)
        theirs = {(token.idx, token.idx + len(token)) for token in reference(text) if not token.is_space}
        both, found = both + 2 * len(ours & theirs), found + len(ours) + len(theirs)
    assert both / found >= least


# --------------------------------------------------------------------------------------- any language


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Geht's so, z.B. für 3,50 € („Ja!!“)?", "Geht's so , z.B . für 3,50 € ( „ Ja ! ! “ ) ?"),
        ("C'est l’été… E-Mail an a@b.de", "C'est l’été … E - Mail an a @ b.de"),
        ("Это да. شكرا، שלום नमस्ते। 한국어 문장", "Это да . شكرا ، שלום नमस्ते । 한국어 문장"),
        ("人々。カタカナはｺｰﾋﾟｰ 中文abc", "人 々 。 カ タ カ ナ は ｺ ｰ ﾋﾟ ｰ 中 文 abc"),
        ("ภาษานี้ ສະບາຍດີ សួរ မြန်မာ", "ภ า ษ า นี้ ສ ະ ບ າ ຍ ດີ សួ រ မြ န် မာ"),
        ("👍🏽😀 ok❤️ 👨\u200d👩\u200d👧🇫🇷🇩🇪🇫", "👍🏽 😀 ok ❤️ 👨\u200d👩\u200d👧 🇫🇷 🇩🇪 🇫"),
    ],
)
def test_unicode_rules_cut_any_language(text: str, words: str) -> None:
    assert cut(text, "unicode") == words.split()


# --------------------------------------------------------------------- nothing is lost, nothing fails

PIECES = [
    *"ab'’\".,!?-—…()[]:;=/<>3 08@#_*&$%+~|\\^\n\t",
    *("n't 's http:// www. .com İ é 😀 ❤️ 👍🏽 cannot dont <br /> ... -- [PAD] 中 Σ ﬁ ß".split()),
    "\u200d",
    "\xa0",
    "\u3000",
]


@pytest.mark.parametrize("rules", WORD_RULES)
def test_every_character_but_white_space_is_in_exactly_one_token(rules: str) -> None:
    generator = random.Random(0)
    backend = build_backend(rules=rules)
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
    assert len(build_backend(*NORMALIZATION_RULES).encode(text)) > 0


@pytest.mark.parametrize("unit", ["a", "a'", "\u0301", "กี่", "カ", "🇫", "🇫\u0301", "👨\u200d", "!?"])
def test_unicode_rules_take_time_in_proportion_to_the_length(unit: str) -> None:
    backend, seconds = build_backend(rules="unicode"), []
    for length in (5_000, 40_000):
        start = time.process_time()
        backend.encode("b" + unit * (length // len(unit)))
        seconds.append(time.process_time() - start)
    assert seconds[1] < 24 * seconds[0]  # 64 times would be quadratic
