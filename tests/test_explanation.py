from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizer,
    PreTrainedTokenizerFast,
    TextClassificationPipeline,
)

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification, build_tokenizer, explain
from hf_lstm_attn.attribution import (
    METHODS,
    MethodError,
    compute_log_odds,
    compute_word_scores,
    encode_texts,
    find_removal_id,
)
from hf_lstm_attn.cli import main
from hf_lstm_attn.explanation import compute_sentence_scores
from hf_lstm_attn.ngrams import add_ngrams

SIGNED = [method for method in METHODS if method != "attention"]
STRANGE_TEXTS = [
    "fine 🎬, ❤️ and 👍🏽👍🏽 for the 🇫🇷 film!",
    "שלום, עולם! fine film مرحبا بالعالم",
    "<script>alert(1)</script> fine &amp; dull",
    "a\x00b \x1b[31mfine\x1b[0m \u202efilm",
    "İstanbul’s “fine” film\r\n\r\ndull plot",
]


def build_classifier(num_labels: int = 2, *, max_length: int = 50, **fields: object) -> TextClassificationPipeline:
    torch.manual_seed(3)
    words = "a fine film truly dull plot acting in not , ."
    tokenizer = build_tokenizer(
        [words], rules=("html_breaks", "emoji"), min_frequency=1, max_length=max_length, truncation_side="left"
    )
    config = LstmAttnConfig(
        vocab_size=len(tokenizer),
        embedding_size=8,
        hidden_size=6,
        initializer_range=1.0,
        num_labels=num_labels,
        **fields,
    )
    return TextClassificationPipeline(model=LstmAttnForSequenceClassification(config).eval(), tokenizer=tokenizer)


def build_with_ngrams() -> TextClassificationPipeline:
    classifier = build_classifier()
    rows = [classifier.tokenizer(text)["input_ids"] for text in ("a truly fine film", "film , not dull", "dull plot")]
    train = Dataset.from_dict({"input_ids": rows * 3, "labels": [1, 1, 0] * 3})
    ratio = add_ngrams(classifier.model, train, train, np.zeros((9, 2)), balanced=False)
    assert ratio > 0
    assert classifier.model.config.num_ngrams > 10
    return classifier


def build_word_pieces(**choices: object) -> PreTrainedTokenizerFast:
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] fine un ##fine ##ly film a dull , . ! <".split()
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names, **choices)


def build_transformer(name: str, **choices: object) -> TextClassificationPipeline:
    torch.manual_seed(0)
    if name == "bert":
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        config = BertConfig(vocab_size=16, max_position_embeddings=20, initializer_range=0.5, **sizes)
        model = BertForSequenceClassification(config)
    else:
        config = DistilBertConfig(
            vocab_size=16,
            max_position_embeddings=20,
            dim=16,
            n_layers=2,
            n_heads=2,
            hidden_dim=32,
            initializer_range=0.5,
        )
        model = DistilBertForSequenceClassification(config)
    return TextClassificationPipeline(model=model.eval(), tokenizer=build_word_pieces(**choices))


def compute_logits(classifier: TextClassificationPipeline, text: str) -> torch.Tensor:
    with torch.no_grad():
        encoded = classifier.tokenizer(text, return_tensors="pt", truncation=True)
        return classifier.model(encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits[0]


def test_attention_is_the_models_weight_of_each_word() -> None:
    classifier = build_classifier()
    text = "A truly fine film, unheard-of!"
    explanation = explain(classifier, text)
    encoded = classifier.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        output = classifier.model(**encoded, output_attentions=True)
    assert [word.word for word in explanation.words] == ["A", "truly", "fine", "film", ",", "unheard", "-", "of", "!"]
    assert [word.score for word in explanation.words] == pytest.approx(output.attentions[0].tolist(), abs=1e-6)
    assert sum(word.score for word in explanation.words) == pytest.approx(1)
    probabilities = output.logits[0].softmax(-1).tolist()
    assert list(explanation.probabilities.values()) == pytest.approx(probabilities)
    assert explanation.predicted == explanation.label == f"LABEL_{output.logits.argmax()}"
    assert not explanation.signed


def test_gradient_x_input_is_the_change_as_a_words_vector_grows() -> None:
    classifier = build_classifier()
    texts = encode_texts(classifier.tokenizer, ["a truly fine film"])
    embeds = classifier.model.get_input_embeddings()(texts.input_ids).detach()
    targets = torch.tensor([1])

    def compute(scale: torch.Tensor) -> float:
        with torch.no_grad():
            return compute_log_odds(classifier.model(inputs_embeds=embeds * scale[:, None]).logits, targets).item()

    step = 1e-2
    expected = [(compute(1 + step * one_word) - compute(1 - step * one_word)) / (2 * step) for one_word in torch.eye(4)]
    (scores,) = compute_word_scores(classifier.model, texts, "gradient_x_input", targets, 1)
    assert scores == pytest.approx(expected, abs=2e-3)
    assert max(map(abs, expected)) > 0.05


@pytest.mark.parametrize("build", [build_classifier, build_with_ngrams])
def test_leave_one_out_is_what_the_unknown_word_changes(build: Callable[[], TextClassificationPipeline]) -> None:
    classifier = build()
    words = "a truly fine film".split()
    explanation = explain(classifier, " ".join(words), method="leave_one_out", label="LABEL_1")

    def compute(words: list[str]) -> float:
        first, second = compute_logits(classifier, " ".join(words)).tolist()
        return second - first

    assert explanation.log_odds == pytest.approx(compute(words), abs=1e-5)
    expected = [compute(words) - compute([*words[:i], "zzz", *words[i + 1 :]]) for i in range(4)]
    assert [word.score for word in explanation.words] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "classifier",
    [build_classifier(), build_with_ngrams(), build_transformer("bert")],
    ids=["lstm", "lstm with n-grams", "bert"],
)
def test_integrated_gradients_sum_to_the_whole_difference(classifier: TextClassificationPipeline) -> None:
    text = "a truly fine film , not dull"
    explanation = explain(classifier, text, method="integrated_gradients")
    texts = encode_texts(classifier.tokenizer, [text])
    removed = texts.input_ids.masked_fill(texts.word_ids >= 0, find_removal_id(classifier.tokenizer))
    with torch.no_grad():
        logits = classifier.model(removed, attention_mask=texts.attention_mask).logits
    target = torch.tensor([int(explanation.label[-1])])
    difference = explanation.log_odds - compute_log_odds(logits, target).item()
    assert abs(difference) > 0.1
    assert sum(word.score for word in explanation.words) == pytest.approx(difference, abs=0.01)


@pytest.mark.parametrize("method", SIGNED)
def test_what_speaks_for_one_of_two_classes_speaks_against_the_other(method: str) -> None:
    classifier = build_classifier()
    first, second = (
        [word.score for word in explain(classifier, "a fine , dull film", method=method, label=label).words]
        for label in ("LABEL_0", "LABEL_1")
    )
    assert first == pytest.approx([-score for score in second], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_other_texts_of_a_batch_change_nothing(method: str) -> None:
    classifier = build_classifier(3)
    texts, targets = ["a fine film", "", "dull dull plot , truly not fine acting", "film"], torch.tensor([0, 1, 2, 1])
    together = compute_word_scores(classifier.model, encode_texts(classifier.tokenizer, texts), method, targets, 1)
    for text, target, scores in zip(texts, targets, together, strict=True):
        encoded = encode_texts(classifier.tokenizer, [text])
        (alone,) = compute_word_scores(classifier.model, encoded, method, target[None], 1)
        assert scores == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", " \n\t", "<br /><br />"])
def test_a_text_without_words_has_no_scores(method: str, text: str) -> None:
    explanation = explain(build_classifier(), text, method=method)
    assert explanation.words == []
    assert sum(explanation.probabilities.values()) == pytest.approx(1)
    assert compute_sentence_scores(explanation) == []


@pytest.mark.parametrize("text", STRANGE_TEXTS)
def test_words_stand_where_they_stood_in_the_text(text: str) -> None:
    words = explain(build_classifier(), text).words
    assert all(word.word == text[word.start : word.end] for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    spoken = {character for character in text if character.isalnum()} | {"❤️"[1], "🏽"} & set(text)
    assert spoken <= set("".join(word.word for word in words))


def test_an_emoji_stays_whole() -> None:
    words = [word.word for word in explain(build_classifier(), "fine ❤️ 👍🏽! 👨‍👩‍👧 🇫🇷").words]
    assert words == ["fine", "❤️", "👍🏽", "!", "👨‍👩‍👧", "🇫🇷"]


@pytest.mark.parametrize(("side", "kept"), [("left", range(1600, 2000)), ("right", range(400))])
def test_a_review_of_2000_words_says_what_was_read(side: str, kept: range) -> None:
    classifier = build_classifier(max_length=400)
    classifier.tokenizer.truncation_side = side
    text = " ".join(f"film{i}" for i in range(2000))
    explanation = explain(classifier, text, method="leave_one_out")
    assert [word.word for word in explanation.words] == [f"film{i}" for i in kept]
    start, end = explanation.read
    assert text[start:end] == " ".join(f"film{i}" for i in kept)
    assert explain(classifier, text[start:end]).read == (0, end - start)  # exactly as long as the model takes


def test_training_mode_does_not_make_scores_random() -> None:
    classifier = build_classifier(classifier_dropout=0.5, word_dropout=0.5)
    expected = explain(classifier, "a truly fine film", method="leave_one_out")
    classifier.model.train()
    assert explain(classifier, "a truly fine film", method="leave_one_out") == expected


def test_log_odds_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]]).log() + torch.tensor([[-torch.inf, 0.0, 0.0]])  # p = 0, 1/3, 2/3
    assert compute_log_odds(logits, torch.tensor([2])).item() == pytest.approx(torch.tensor(2.0).log().item())
    logits = torch.tensor([[0.5, -3.0], [7.0, 2.5]])
    assert compute_log_odds(logits, torch.tensor([0, 1])).tolist() == pytest.approx([3.5, -4.5])
    assert compute_log_odds(logits, torch.tensor([0, 1]), independent=True).tolist() == [0.5, 2.5]


@pytest.mark.parametrize("num_labels", [1, 3])
def test_independent_classes_have_sigmoids_and_their_own_logit(num_labels: int) -> None:
    classifier = build_classifier(num_labels, problem_type="multi_label_classification")
    logits = compute_logits(classifier, "a fine film")
    explanation = explain(classifier, "a fine film", method="leave_one_out", label="LABEL_0")
    assert list(explanation.probabilities.values()) == pytest.approx(logits.sigmoid().tolist())
    assert explanation.log_odds == pytest.approx(logits[0].item())
    without = compute_logits(classifier, "a zzz film")
    assert explanation.words[1].score == pytest.approx((logits[0] - without[0]).item(), abs=1e-5)
    assert sum(w.score for w in explain(classifier, "a fine film", method="gradient_x_input").words) != 0


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_any_classifier_of_transformers(name: str) -> None:
    classifier = build_transformer(name)
    text = "Unfinely fine, a zzz film!"
    for method in SIGNED:
        explanation = explain(classifier, text, method=method)
        words = [word.word for word in explanation.words]
        assert words == ["Unfinely", "fine", ",", "a", "zzz", "film", "!"]
        assert any(abs(word.score) > 1e-4 for word in explanation.words)
    with pytest.raises(MethodError, match=f"{type(classifier.model).__name__}.*leave_one_out"):
        explain(classifier, text, method="attention")


def test_a_word_of_several_tokens_is_removed_whole() -> None:
    classifier = build_transformer("bert")
    explanation = explain(classifier, "a unfinely film", method="leave_one_out", label="LABEL_1")
    ids = torch.tensor([[2, 10, 4, 4, 4, 9, 3]])  # [CLS] a [MASK] [MASK] [MASK] film [SEP]
    with torch.no_grad():
        removed = compute_log_odds(classifier.model(ids).logits, torch.tensor([1])).item()
    assert [word.word for word in explanation.words] == ["a", "unfinely", "film"]
    assert explanation.words[1].score == pytest.approx(explanation.log_odds - removed, abs=1e-5)


def test_a_tokenizer_without_a_length_takes_the_models() -> None:
    classifier = build_transformer("distilbert")
    assert classifier.tokenizer.model_max_length > 10**9
    text = " ".join(["fine"] * 30)
    explanation = explain(classifier, text, method="leave_one_out")
    assert len(explanation.words) == 18  # of 20 positions, two are taken by [CLS] and [SEP]
    assert explanation.read == (0, len(" ".join(["fine"] * 18)))


def test_white_space_belongs_to_no_word() -> None:
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    byte_level.model = models.BPE(alphabet | {"Ġf": len(alphabet)}, [("Ġ", "f")])
    no_splits = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    no_splits.normalizer = normalizers.Replace(" ", "▁")
    no_splits.model = models.BPE({letter: i for i, letter in enumerate("▁afilmne🎬")}, [])
    no_splits.decoder = decoders.Replace("▁", " ")
    for backend in (byte_level, no_splits):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
        texts = encode_texts(tokenizer, ["a fine  film 🎬"])
        assert texts.spans[0] == [(0, 1), (2, 6), (8, 12), (13, 14)]
        assert texts.word_ids.max() == 3


WRONG_CHOICES = [
    ({"method": "magic"}, "attention, gradient_x_input, integrated_gradients, leave_one_out; found 'magic'"),
    ({"method": "leave_one_out", "label": "ironic"}, "LABEL_0, LABEL_1; found 'ironic'"),
    ({"label": "LABEL_1"}, "no class for attention"),
]


@pytest.mark.parametrize(("choices", "words"), WRONG_CHOICES)
def test_wrong_choices_are_named(choices: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        explain(build_classifier(), "fine", **choices)


def test_models_and_tokenizers_that_cannot_be_explained_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="predicts a number"):
        explain(build_classifier(1, problem_type="regression"), "fine", method="leave_one_out")

    class Slow(PreTrainedTokenizer):
        vocab_size = 0

        def get_vocab(self) -> dict[str, int]:
            return {}

    with pytest.raises(ValueError, match="Slow, which does not"):
        encode_texts(Slow(), ["fine"])

    class WithoutVectors(LstmAttnForSequenceClassification):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
            return super().forward(input_ids, attention_mask)

    classifier = build_classifier()
    classifier.model.__class__ = WithoutVectors
    with pytest.raises(MethodError, match=r"inputs_embeds.*leave_one_out"):
        explain(classifier, "fine", method="gradient_x_input")
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MethodError, match=r"hf_lstm_attn\[explain\]"):
        explain(build_classifier(), "fine", method="integrated_gradients")


def test_sentence_scores_are_sums_of_what_was_read() -> None:
    explanation = explain(
        build_classifier(max_length=6), "dull plot . a fine film . truly fine !", method="leave_one_out"
    )
    sentences = compute_sentence_scores(explanation)
    scores = [word.score for word in explanation.words]
    assert [word.word for word in explanation.words] == ["fine", "film", ".", "truly", "fine", "!"]
    assert [sentence.word for sentence in sentences] == ["a fine film .", "truly fine !"]
    assert [sentence.score for sentence in sentences] == pytest.approx([sum(scores[:3]), sum(scores[3:])])


# --------------------------------------------------------------------------------------------------- the command line


def test_explain_prints_the_text_and_its_caption(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "a fine film , not dull", "-m", str(model_folder)]) == 0
    printed = capsys.readouterr()
    assert "a fine film , not dull" in printed.out
    assert "not importance" in printed.out
    assert "\x1b" not in printed.out
    assert printed.err == ""


def test_explain_json_has_every_method(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "a fine film 🎬"
    assert main(["explain", text, "-m", str(model_folder), "--method", "all", "--label", "negative", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in rows] == list(METHODS)
    for row in rows:
        assert row["text"] == text
        assert [word["word"] for word in row["words"]] == text.split()
        assert row["label"] == ("negative" if row["signed"] else row["predicted"])
        assert sum(row["probabilities"].values()) == pytest.approx(1)


def test_explain_reads_a_file_or_standard_input_whole(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "review.txt"
    source.write_bytes("a fine film.\nCaf\xe9 scenes, dull plot\n".encode("latin-1"))
    for arguments in (["-i", str(source)], ["-i", "-"], []):
        with source.open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert main(["explain", *arguments, "-m", str(model_folder), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert row["text"] == "a fine film.\nCafé scenes, dull plot"


def test_explain_writes_each_kind_of_file(model_folder: Path, tmp_path: Path) -> None:
    arguments = ["explain", "a fine film", "-m", str(model_folder), "--method", "leave_one_out", "-o"]
    beginnings = {"page.html": b"<!DOCTYPE html>", "picture.png": b"\x89PNG", "scores.json": b"[{"}
    for name, beginning in beginnings.items():
        target = tmp_path / name
        assert main([*arguments, str(target)]) == 0
        assert target.read_bytes().startswith(beginning)
        assert main([*arguments, str(target)]) == 1  # the file exists
        assert main([*arguments, str(target), "--overwrite"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(beginnings)
    assert '"label":"negative"' in (tmp_path / "page.html").read_text()  # the classes can be chosen
    assert '"label":"positive"' in (tmp_path / "page.html").read_text()


def test_explain_all_leaves_out_what_a_model_does_not_allow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classifier = build_transformer("distilbert", model_max_length=20)
    folder = tmp_path / f"distilbert_{tmp_path.name}"
    classifier.save_pretrained(folder)
    assert main(["explain", "fine", "-m", str(folder), "--method", "all", "--json"]) == 0
    printed = capsys.readouterr()
    assert [row["method"] for row in json.loads(printed.out)] == SIGNED
    assert "Without attention: Expected a model that pools" in printed.err
    assert main(["explain", "fine", "-m", str(folder)]) == 1
