"""Random strings and files: an answer, or an error that names the file; never another exception.

CI tries 2,000 strings and 150 files; `make fuzz` 100,000 and 20,000. What once failed is an `example`.
"""

from __future__ import annotations

import os
import string
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from hf_lstm_attn import explain, load_data
from hf_lstm_attn.inference import load_classifier, predict
from hf_lstm_attn.named_data import undo_escapes
from hf_lstm_attn.reading import FORMATS, FileOptions, read_file, read_leniently
from hf_lstm_attn.text import make_visible

ALL = os.environ.get("FAULTS") == "all"
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": not ALL, "database": None}
CLASSIFIERS = {name: load_classifier(name) for name in ("sentiment", "imdb", "tweets")}
# Characters of all kinds, and those that the rules for words, escapes and tables look for.
SIGNS = some.one_of(some.characters(), some.sampled_from("<br/>&#x;\\u@:-)(\"',\t\n…😀́‍ \u202e" + string.printable))
TEXTS = some.one_of(
    some.text(SIGNS),
    some.lists(some.sampled_from([*"[PAD] [UNK] &amp; \\ud83d <br /> :-) @user".split(), " "])).map("".join),
)
ROWS = some.lists(some.lists(some.text(SIGNS, max_size=8), max_size=4).map(",".join), max_size=8).map("\n".join)
BYTES = some.one_of(some.binary(max_size=400), ROWS.map(lambda text: text.encode("utf-8", "surrogatepass")))


@settings(max_examples=100_000 if ALL else 2_000, **QUIET)
@given(text=TEXTS, name=some.sampled_from(sorted(CLASSIFIERS)))
@example(text="&#" + "5" * 5_000 + ";", name="tweets")
@example(text="\ud800", name="sentiment")
def test_any_string_has_an_answer(text: str, name: str) -> None:
    (scores,) = predict(CLASSIFIERS[name], [text])
    assert sum(scores.values()) == pytest.approx(1)
    assert not {"Cc", "Cs"} & {unicodedata.category(sign) for sign in make_visible(text)}
    undo_escapes(text)


@settings(max_examples=2_000 if ALL else 50, **QUIET)
@given(text=TEXTS)
def test_any_string_can_be_explained(text: str) -> None:
    explanation = explain(CLASSIFIERS["sentiment"], text)
    assert all(text[word.start : word.end] == word.word for word in explanation.words)
    str(explanation)


@settings(max_examples=20_000 if ALL else 150, **QUIET)
@given(content=BYTES, suffix=some.sampled_from([*FORMATS, ".csv.gz", ""]), format=some.sampled_from([None, "fasttext"]))
def test_any_file_is_read_or_refused_by_name(
    content: bytes, suffix: str, format: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    path.write_bytes(content)
    for read in (read_file, read_leniently, lambda path, _: load_data(path, format=format)):
        try:
            read(path, FileOptions(format=format))
        except (ValueError, FileNotFoundError) as error:
            said = str(error)
        else:
            continue
        assert path.name in said or "label" in said
