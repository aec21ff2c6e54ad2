"""English word tokenization in Rust: the rules, the vocabulary, and the tokenizer that carries both.

The rules give the words that spaCy's English tokenizer gives ("do|n't", "it|'s", "Mr.", "10/10", "well|-|made"), in
lower case. They are one regular expression inside a `tokenizers` object, so the whole tokenizer lives in
`tokenizer.json`, loads with `AutoTokenizer`, and needs neither spaCy nor this package at run time.
`scripts/compare_with_spacy.py` measures how far the two agree, and how fast each is.

The expression reads lower-case text from left to right. What it does not match is white space, and is dropped. Where
spaCy looks at case, which is gone by then, the reading that serves a classifier was taken: "DON'T" is split as "don't"
is, and "film.the" as "film.The" is.
"""

from __future__ import annotations

import copy
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.trainers import WordLevelTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"

# ---------------------------------------------------------------------------------------------------------------------
# Characters. The expression is Oniguruma's: \p{..} is a Unicode category; `++`, `*+` and `(?>..)` give nothing back.

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
# The kinds of token, in the order in which they are tried. The common ones come first: their order is the speed.

TOKENS = [
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


@dataclass(frozen=True)
class NormalizationRule:
    """What a rule changes in lower-case text before words are found, and what it takes as one token before all else.

    `replacements` are pairs of an Oniguruma expression and the text that takes the place of what it matches. Offsets
    count that text as the last character matched: hence a rule leaves the first character of a token alone, or matches
    it by itself. `token` is an Oniguruma expression.
    """

    purpose: str
    replacements: tuple[tuple[str, str], ...] = ()
    token: str = ""


_TONE_OR_VARIANT = r"[\x{FE0E}\x{FE0F}\x{1F3FB}-\x{1F3FF}]"
_FLAG_LETTER = r"[\x{1F1E6}-\x{1F1FF}]"

# Applied in this order, whatever the order in which they are asked for: a URL may hold `@` and `#`.
NORMALIZATION_RULES: dict[str, NormalizationRule] = {
    "html_breaks": NormalizationRule("`<br />` is white space", ((r"<br\s*/?>", " "),)),
    "urls": NormalizationRule(
        "every URL becomes `http`",
        ((rf"(?<![\w.-])(?={SITE})\w", "http://w"), (rf"(?<=htt)ps?://\S{{1,1000}}?{END}", "p")),
    ),
    "users": NormalizationRule("`@name` becomes `@user`", ((r"(?<=@)(?<!\w@)\w+", "user"),)),
    "hashtags": NormalizationRule("`#tag` becomes `tag`, a word met more often", ((r"#(?=\w)", " "),)),
    "emoji": NormalizationRule(
        "an emoji is one word, whatever its skin tone or variant; so are flags and joined emoji",
        replacements=((rf"(?<=\p{{So}}){_TONE_OR_VARIANT}", ""),),
        token=rf"{_FLAG_LETTER}{{2}}|\p{{So}}(?:\x{{200D}}\p{{So}})+",
    ),
    "elongations": NormalizationRule(
        "three or more of a letter become two: `soooo` is `soo`", ((r"(\p{L})\K\1+(?=\1)", ""),)
    ),
}


def train_tokenizer(
    texts: Iterable[str],
    *,
    normalization: Sequence[str] = ("html_breaks",),
    min_frequency: int = 5,
    max_length: int | str = 1024,
) -> PreTrainedTokenizerFast:
    """Tokenizer whose vocabulary is the words seen at least `min_frequency` times in `texts`.

    `[PAD]` is id 0 and `[UNK]` id 1; the words follow, the most frequent first and equals in alphabetical order. The
    strings "[PAD]" and "[UNK]" in a text are ordinary text.

    Args:
        texts: What to learn the vocabulary from: the training texts, and no others.
        normalization: Names of `NORMALIZATION_RULES`.
        min_frequency: How often `texts` must contain a word.
        max_length: Tokens kept of a text, the first ones (`model_max_length`): a number, or "mean" for the mean length
            of `texts`, rounded.

    Raises:
        ValueError: for an unknown rule, another `max_length`, or no texts to measure.
    """
    from transformers import PreTrainedTokenizerFast

    if max_length != "mean" and not (isinstance(max_length, int) and max_length >= 1):
        raise ValueError(f"max_length is {max_length!r}; pass a number of tokens, or 'mean'.")
    texts = list(texts)
    backend = _build_backend(normalization)
    trainer = WordLevelTrainer(
        vocab_size=2**31, min_frequency=min_frequency, special_tokens=[PAD_TOKEN, UNK_TOKEN], show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        padding_side="right",
        truncation_side="right",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=_compute_mean_length(backend, texts) if isinstance(max_length, str) else max_length,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # in transformers' words; a text cannot smuggle padding in
    )


def split_words(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> list[list[str]]:
    """The words of whole texts, rare ones as the unknown word."""
    return [tokenizer.tokenize(text, verbose=False) for text in texts]  # else it warns of texts beyond its length


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """Write `tokenizer` to `folder` so that plain `AutoTokenizer` loads it, on transformers 4 (from 4.51) and 5 alike.

    Padding and truncation set by earlier calls are left out of `tokenizer.json`; `tokenizer` itself is not changed.
    transformers 5 names the class by a name which 4 does not know, so the name both know is written instead.
    """
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(str(folder))
    config_path = Path(folder) / "tokenizer_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for loaded_from in ("is_local", "local_files_only"):  # left by from_pretrained
        config.pop(loaded_from, None)
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _build_backend(normalization: Sequence[str]) -> Tokenizer:
    unknown = [name for name in normalization if name not in NORMALIZATION_RULES]
    if unknown:
        raise ValueError(f"Unknown rule {', '.join(unknown)}; choose among {', '.join(NORMALIZATION_RULES)}.")
    chosen = [rule for name, rule in NORMALIZATION_RULES.items() if name in normalization]
    replacements = [pair for rule in chosen for pair in rule.replacements]
    tokens = [*(rule.token for rule in chosen if rule.token), *TOKENS]
    # White space fails at once on the first condition, instead of after every kind of token has been tried.
    pattern = rf"(?=\S)(?:{'|'.join(tokens)})"
    backend = Tokenizer(WordLevel({PAD_TOKEN: 0, UNK_TOKEN: 1}, unk_token=UNK_TOKEN))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), *(normalizers.Replace(Regex(found), text) for found, text in replacements)]
    )
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    backend.encode_special_tokens = True
    return backend


def _compute_mean_length(backend: Tokenizer, texts: Sequence[str], batch_size: int = 1000) -> int:
    """Mean tokens per text, at least 1; in batches, because an encoding takes some hundred bytes per token."""
    if not texts:
        raise ValueError("max_length is 'mean', and there are no texts to measure; pass texts, or a number.")
    batches = (texts[start : start + batch_size] for start in range(0, len(texts), batch_size))
    return max(1, round(statistics.fmean(len(row) for batch in batches for row in backend.encode_batch_fast(batch))))
