"""Tokenization in Rust: word rules, the vocabulary, and the tokenizer that carries both.

The rules are one regular expression inside a `tokenizers` object, so the whole tokenizer lives in `tokenizer.json`,
loads with `AutoTokenizer`, and needs neither spaCy nor this package at run time. Texts are put
into lower case before they are cut.
"""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram, WordLevel
from tokenizers.trainers import UnigramTrainer, WordLevelTrainer

from .word_rules import END, FLAG_LETTER, SITE, WORD_RULES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
TRAINER: Any = {"special_tokens": [PAD_TOKEN, UNK_TOKEN], "show_progress": False}


class NormalizationRule(NamedTuple):
    """What a rule changes in lower-case text before words are found, and what it takes as one token before all else.

    `replacements` are pairs of an Oniguruma expression and the text that takes the place of what it matches. Offsets
    count that text as the last character matched: hence a rule leaves the first character of a token alone, or matches
    it by itself. `token` is an Oniguruma expression.
    """

    replacements: tuple[tuple[str, str], ...] = ()
    token: str = ""


_TONE_OR_VARIANT = r"[\x{FE0E}\x{FE0F}\x{1F3FB}-\x{1F3FF}]"

# Applied in this order, whatever the order in which they are asked for: a URL may hold `@` and `#`.
NORMALIZATION_RULES: dict[str, NormalizationRule] = {
    # `<br />` is white space.
    "html_breaks": NormalizationRule(((r"<br\s*/?>", " "),)),
    # Every URL becomes `http`.
    "urls": NormalizationRule(((rf"(?<![\w.-])(?={SITE})\w", "http://w"), (rf"(?<=htt)ps?://\S{{1,1000}}?{END}", "p"))),
    # `@name` becomes `@user`.
    "users": NormalizationRule(((r"(?<=@)(?<!\w@)\w+", "user"),)),
    # `#tag` becomes `tag`, a word met more often.
    "hashtags": NormalizationRule(((r"#(?=\w)", " "),)),
    # An emoji is one word, whatever its skin tone or variant; so are flags and joined emoji.
    "emoji": NormalizationRule(
        ((rf"(?<=\p{{So}}){_TONE_OR_VARIANT}", ""),), rf"{FLAG_LETTER}{{2}}|\p{{So}}(?:\x{{200D}}\p{{So}})+"
    ),
    # Three or more of a letter become two: `soooo` is `soo`.
    "elongations": NormalizationRule(((r"(\p{L})\K\1+(?=\1)", ""),)),
}


def train_tokenizer(
    texts: Iterable[str],
    *,
    normalization: Sequence[str] = ("html_breaks",),
    min_frequency: int | None = None,
    max_length: int | str = 1024,
    rules: str = "english",
    vocabulary: str = "words",
    vocab_size: int = 8000,
) -> PreTrainedTokenizerFast:
    """Tokenizer that cuts texts into words, and whose vocabulary is learned from `texts`.

    `[PAD]` is id 0 and `[UNK]` id 1; then come words, the most frequent first, or sub-words, the most probable first,
    equals in alphabetical order. The strings "[PAD]" and "[UNK]" in a text are ordinary text.

    Args:
        texts: What to learn the vocabulary from: the training texts, and no others.
        normalization: Names of `NORMALIZATION_RULES`.
        min_frequency: How often `texts` must contain a word. None: once where they are fewer than 500, twice below
            5,000, else 5 times. Sub-words have no such limit.
        max_length: Tokens kept of a text, the first ones (`model_max_length`): a number, or "mean" for the mean length
            of `texts`, rounded.
        rules: How words are found: "english" cuts as spaCy's English tokenizer does; "unicode" serves any language,
            see `word_rules`.
        vocabulary: "words", where rare words are one unknown word; or "subwords", which spells rare words in pieces
            of a unigram language model (Kudo 2018). A piece never reaches beyond its word.
        vocab_size: The most sub-words, with the special tokens; short texts give fewer.

    Raises:
        ValueError: for an unknown rule or vocabulary, another `max_length`, no texts to measure, or a `vocab_size`
            below the number of different characters.
    """
    from transformers import PreTrainedTokenizerFast

    if max_length != "mean" and not (isinstance(max_length, int) and max_length >= 1):
        raise ValueError(f"max_length is {max_length!r}; pass a number of tokens, or 'mean'.")
    if vocabulary not in ("words", "subwords"):
        raise ValueError(f"vocabulary is {vocabulary!r}; choose 'words' or 'subwords'.")
    texts = list(texts)
    backend = _build_backend(normalization, rules)
    if vocabulary == "words":
        _train_words(backend, texts, min_frequency)
    else:
        _train_subwords(backend, texts, vocab_size)
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


def _build_backend(normalization: Sequence[str], rules: str) -> Tokenizer:
    """Finds words; its model is still to be trained."""
    unknown = [name for name in normalization if name not in NORMALIZATION_RULES]
    if unknown:
        raise ValueError(f"Unknown rule {', '.join(unknown)}; choose among {', '.join(NORMALIZATION_RULES)}.")
    if rules not in WORD_RULES:
        raise ValueError(f"rules is {rules!r}; choose among {', '.join(WORD_RULES)}.")
    chosen = [rule for name, rule in NORMALIZATION_RULES.items() if name in normalization]
    replacements = [pair for rule in chosen for pair in rule.replacements]
    tokens = [*(rule.token for rule in chosen if rule.token), *WORD_RULES[rules]]
    # White space fails at once on the first condition, instead of after every kind of token has been tried.
    pattern = rf"(?=\S)(?:{'|'.join(tokens)})"
    backend = Tokenizer(WordLevel({PAD_TOKEN: 0, UNK_TOKEN: 1}, unk_token=UNK_TOKEN))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), *(normalizers.Replace(Regex(found), text) for found, text in replacements)]
    )
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    backend.encode_special_tokens = True
    return backend


def _train_words(backend: Tokenizer, texts: Sequence[str], min_frequency: int | None) -> None:
    if min_frequency is None:
        min_frequency = 1 if len(texts) < 500 else 2 if len(texts) < 5_000 else 5
    backend.train_from_iterator(texts, WordLevelTrainer(vocab_size=2**31, min_frequency=min_frequency, **TRAINER))


def _train_subwords(backend: Tokenizer, texts: Sequence[str], vocab_size: int) -> None:
    """Train pieces of words, the same ones whenever the texts are the same.

    The trainer's own scores differ from run to run: in their last digits, which depend on the order in which it adds
    up; and for characters that no word's best spelling needs, which share the lowest scores, 0.0001 apart, at random.
    """
    special_tokens = [(PAD_TOKEN, 0.0), (UNK_TOKEN, 0.0)]
    backend.model = Unigram(special_tokens, unk_id=1)
    trainer = UnigramTrainer(vocab_size=vocab_size, unk_token=UNK_TOKEN, **TRAINER)
    try:
        backend.train_from_iterator(texts, trainer)
    except Exception as error:  # it has no class of its own
        raise ValueError(f"vocab_size is {vocab_size}, and the texts need more: {error}.") from error
    pieces = json.loads(backend.to_str())["model"]["vocab"][len(special_tokens) :]  # with log probabilities
    characters = sum(len(piece) == 1 for piece, _ in pieces)
    lowest = min((score for _, score in pieces), default=0.0)
    scores = {
        piece: round(lowest if len(piece) == 1 and score < lowest + 0.0001 * characters else score, 6)
        for piece, score in pieces
    }
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    backend.model = Unigram([*special_tokens, *ordered], unk_id=1)


def _compute_mean_length(backend: Tokenizer, texts: Sequence[str], batch_size: int = 1000) -> int:
    """Mean tokens per text, at least 1; in batches, because an encoding takes some hundred bytes per token."""
    if not texts:
        raise ValueError("max_length is 'mean', and there are no texts to measure; pass texts, or a number.")
    batches = (texts[start : start + batch_size] for start in range(0, len(texts), batch_size))
    return max(1, round(statistics.fmean(len(row) for batch in batches for row in backend.encode_batch_fast(batch))))
