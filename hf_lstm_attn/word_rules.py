"""How text is cut into words: regular expressions in Oniguruma's syntax, which `tokenizers` runs in Rust.

The expressions of a set are tried in their order, from left to right in lower-case text. What none of them matches is
white space, and is dropped.

`ENGLISH` gives the words that spaCy's English tokenizer gives ("do|n't", "it|'s", "Mr.", "10/10", "well|-|made").
`scripts/compare_with_spacy.py` measures how far the two agree, and how fast each is. Where spaCy looks at case, which
is gone by then, the reading that serves a classifier was taken: "DON'T" is split as "don't" is, and "film.the" as
"film.The" is.

`UNICODE` serves any language. Words end where Unicode's Annex #29 lets them end ("can't", "3,14", "z.B|.", "E|-|Mail",
"a|@|b.de"), every other punctuation mark stands alone, and a sign of several characters stays whole (emoji, flags).
Scripts that put no space between words give one token per character, with its marks. Compared with spaCy's tokens for
any language (`spacy.blank("xx")`), 96 % agree on German product reviews (F1 of the spans of 1,000 texts; most of the
difference is ".." and "..."), and 99 % on Japanese ones, once spaCy's are cut into characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# ---------------------------------------------------------------------------------------------------------------------
# Characters. \p{..} is a Unicode category; `++`, `*+` and `(?>..)` give nothing back.

LETTER = r"[\p{L}\p{M}]"  # marks count: the lower case of "İ" is "i" and a combining dot
WORD = r"[\p{L}\p{M}\p{N}]"
APOSTROPHE = "['’]"
QUOTE = "['’\"“”]"
PUNCTUATION = r""",:;!?¿¡(){}<>\[\]_#*&'"”“`‘´’‚„»«…。？！，、；：～·—–"""  # one token each, at either end of a word
SYMBOL = r"\p{So}"  # emoji, arrows, dingbats: one token each, wherever they stand
DASH = "(?:-{1,3}|—{1,2}|–|~)"

# Only punctuation from here to the next white space. The bounds here and below keep the time linear in the text's
# length, whatever the text: without them Oniguruma gives up on long runs, and the process with it.
ENDING = rf"(?:[{PUNCTUATION}{SYMBOL}.]|(?<={APOSTROPHE})s)"
END = rf"(?=(?>{ENDING}{{0,500}})(?:\s|\z))"


def any_of(words: Iterable[str]) -> str:
    """Expression for one of `words`, as a tree of shared beginnings, which Oniguruma leaves early when nothing fits.

    A bar in a word ends the token: "do|nt" matches "do" where "nt" follows and nothing but punctuation after it.
    """
    branches: dict[str, set[str]] = {}
    optional = False
    for word in words:
        if word:
            branches.setdefault(word[0], set()).add(word[1:])
        else:
            optional = True
    alternatives = [
        f"(?={any_of(rests)}{END})" if head == "|" else re.escape(head) + any_of(rests)
        for head, rests in sorted(branches.items())
    ]
    if not alternatives:
        return ""
    return f"(?:{'|'.join(alternatives)})" + ("?" if optional else "")


def _joined(stems: str, endings: str) -> list[str]:
    return [f"{stem}|{ending}" for stem in stems.split() for ending in endings.split()]


# ---------------------------------------------------------------------------------------------------------------------
# Words that are cut, and words that keep their full stop. "ill", "its", "shell", "well" and "were" are left whole.

CONTRACTIONS_WITHOUT_APOSTROPHE = [
    *_joined("ai are ca could dare did do does had has have is may might must need", "nt"),
    *_joined("ought sha should was were wo would", "nt"),
    *_joined("that there these they this those what when where who why how you", "d ll ve"),
    *_joined("these they those what when where why how there you", "re"),
    *_joined("that there this what when where who why how he she", "s"),
    *_joined("could might must not should would we", "ve"),
    *"he|d i|d i|m i|ve it|d it|ll it|ve we|d can|not gon|na got|ta y|all".split(),
]
ABBREVIATIONS = (
    "mr mrs ms dr st jr vs mt prof gen sen gov rep rev inc ltd co corp bros messrs adm ph.d jan feb apr "
    "aug sep sept oct nov dec calif colo conn mich minn okla penn tenn wis"
).split()
TOP_LEVEL_DOMAINS = "com org net edu gov co uk de fr tv info biz ca us au html htm php".split()
UNITS = "km m dm cm mm ha nm yd in ft kg g mg t lb oz m/s km/h kmh mph hpa pa mbar mb kb gb tb k %".split()

# The first two letters of every contraction above: most words fail here, before the tree is entered.
CONTRACTION_START = "".join(
    f"[{''.join(sorted({word.replace('|', '')[place] for word in CONTRACTIONS_WITHOUT_APOSTROPHE}))}]"
    for place in (0, 1)
)
LAST = rf"(?=(?:{APOSTROPHE}ve)?{END})"  # nothing of the word follows but perhaps "'ve", as in "who'd've"
CLITIC = rf"{APOSTROPHE}(?:s|d|m|ll|re|ve){LAST}"  # follows a word; "n't" takes a letter of the word and stands apart
SITE = rf"(?:www\.|(?:{WORD}++[.-]){{1,6}}{any_of(TOP_LEVEL_DOMAINS)}/)"  # the beginning of a URL without a scheme
URL = rf"(?:https?://|{SITE})\S{{1,1000}}?{END}"
EMAIL = rf"(?>[\w.+-]{{1,64}})@(?:{WORD}++[.-]){{1,6}}{LETTER}++"
EMOTICON = (
    r"[:=]['’]?-?(?:\){1,3}|\({1,3}|[\[\]/|}>*]|o\)|[3dpxo0]\b)|;['’]?-?(?:\)|d\b)|>[:.](?:[(<>]|o\b)|<3{1,3}|</3"
    r"|[(\[]['’]?-?[:;=]|\)-?:|[-^]_{1,3}[-^]|8-?\)|<\.<"
)

# Where a word stops, though no white space has come: asked at each character that is neither letter nor digit.
SPLIT_POINT = "|".join(
    [
        rf"(?>{ENDING}{{1,500}})(?:\s|\z)",
        r"\.\.",
        rf"[…{SYMBOL}]",
        CLITIC,
        rf"(?<={WORD}){DASH}(?={LETTER})",  # well-made, 10-minute, word--word
        rf"(?<={WORD})[:<>=/](?={LETTER})",  # his/her, but 10/10
        rf"(?<={LETTER}),(?={LETTER})",
        rf"(?<={LETTER}{LETTER})\.(?={LETTER}{LETTER}|[ai]\b)(?!{any_of(TOP_LEVEL_DOMAINS)}\b)",  # film.The
        rf"(?<=[\p{{L}}'’\"”])\.(?={QUOTE})",
        r"(?<=\d)[-+*^](?=[\d-])",  # 2-3, but 1.5 and 1,000
        rf"(?<=\d)[%+\p{{Sc}}]{END}",
    ]
)

# ---------------------------------------------------------------------------------------------------------------------
# The kinds of token. The common ones come first: their order is the speed.

ENGLISH = [
    f"(?={CONTRACTION_START}){any_of(CONTRACTIONS_WITHOUT_APOSTROPHE)}",
    rf"{LETTER}++(?=\s|,\s|\z)",  # a plain word
    r"[,\"!?*]|\.(?=\s|\z)|[()](?=[\p{L}\s,])",  # plain punctuation
    rf"{any_of(ABBREVIATIONS)}\.{END}",
    rf"{LETTER}(?:\.{LETTER})*+\.(?!\.){END}",  # J. U.S. p.m.
    rf"{LETTER}++(?=[.!?;:\")]\s)",  # a plain word, and one mark after it
    rf"n{APOSTROPHE}t{LAST}",
    rf"{LETTER}{{1,20}}?(?=n{APOSTROPHE}t{LAST})",
    rf"(?<={WORD}){CLITIC}|{APOSTROPHE}s{END}",
    rf"c{APOSTROPHE}m(?=on{END})|y{APOSTROPHE}(?=all{END})",
    r"(?:1[0-2]|[1-9])(?=[ap]\.?m\b)",  # 5pm
    rf"\d++(?:[.,]\d++)*+(?={any_of(UNITS)}{END})",  # 10km
    URL,
    EMAIL,
    rf"(?:{EMOTICON})(?!{WORD})",
    rf"{APOSTROPHE}(?:em|cause|cos|coz|cuz|bout|nuff){END}",
    rf"(?:doin|goin|havin|lovin|nothin|nuthin|somethin|ol){APOSTROPHE}",
    rf"(?:and/or|w/o){END}",
    r"\.\.+",
    r"[''’]{2}",
    rf"(?<={WORD})(?:{DASH}|/)(?={LETTER})",
    r"(?<=\d)[-+*^](?=[\d-])",
    rf"[{PUNCTUATION}{SYMBOL}=§%\p{{Sc}}]|\+(?!\d)",
    rf"\.{END}",
    r"(?<=[\p{L}'’\"”])\.(?=[\p{L}'’\"”“])",
    # All other words: letters and digits, with such characters between them as are no point to split at.
    rf"(?:{WORD}++|\S{WORD}*+)(?>(?:(?!{SPLIT_POINT})[^\s\p{{L}}\p{{M}}\p{{N}}]{WORD}*+){{0,1000}})",
]

# ---------------------------------------------------------------------------------------------------------------------
# Any language. Oniguruma knows two kinds of text segment \X: `(?y{g}:` graphemes, `(?y{w}:` words.

SCRIPTS_WITHOUT_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}ーｰ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
FLAG_LETTER = r"[\x{1F1E6}-\x{1F1FF}]"

UNICODE = [
    rf"(?y{{g}}:(?=[{SCRIPTS_WITHOUT_SPACES}])\X)\p{{M}}*+",
    # A flag is two letters. Left to \X, which looks back to the first one, a run of them would take quadratic time.
    rf"{FLAG_LETTER}{{1,2}}[\p{{M}}\p{{Cf}}\p{{Grapheme_Extend}}\p{{Emoji_Modifier}}]*+",
    r"(?y{w}:\X)",
]

WORD_RULES = {"english": ENGLISH, "unicode": UNICODE}


def choose_rules(language: str) -> str:
    """The name in `WORD_RULES` for texts of a language, as the Hub abbreviates it."""
    return "english" if language == "en" else "unicode"
