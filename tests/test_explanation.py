"""Explanations: what each method computes, where words stand, and what is shown in a terminal and a picture."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers import TextClassificationPipeline as Pipeline

from hf_lstm_attn.attribution import MethodError, compute_log_odds, compute_logits
from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.explanation import METHODS, explain
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.tokenization import train_tokenizer

DATA = Path(__file__).parent / "data"
SIGNED = [method for method in METHODS if method != "attention"]
STRANGE_TEXTS = [
    "שלום, עולם! fine film مرحبا بالعالم",
    "a\x00b \x1b[31mfine\x1b[0m \u202efilm",
    "İstanbul’s “fine” film\r\n\r\ndull plot",
]


@pytest.fixture
def bert() -> Pipeline:
    torch.manual_seed(0)
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] fine un ##fine ##ly film a dull , . !".split()
    backend = BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})._tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", mask_token="[MASK]")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=15, max_position_embeddings=20, initializer_range=0.5, **sizes)
    return Pipeline(model=BertForSequenceClassification(config).eval(), tokenizer=tokenizer)


@pytest.mark.parametrize("method", METHODS)
def test_explanations_are_those_of_version_0_1(method: str) -> None:
    oracle = json.loads((DATA / "oracle.json").read_text())
    labels = dict(enumerate(oracle["config"].pop("labels")))
    config = LstmAttnConfig(**oracle["config"], id2label=labels, label2id={name: i for i, name in labels.items()})
    model = LstmAttnForSequenceClassification(config).eval()
    tensors = load_file(DATA / "oracle.safetensors")
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    model.load_state_dict({name.replace("pooling.score", "pooling.attention"): weights[name] for name in weights})
    tokenizer = train_tokenizer(oracle["texts"], normalization=("html_breaks",), min_frequency=1, max_length=64)
    classifier = Pipeline(model=model, tokenizer=tokenizer)
    for old in oracle["explanations"][method]:
        found = explain(classifier, oracle["texts"][old["text"]], method=method)
        assert found.label == old["label"]
        assert found.log_odds == pytest.approx(old["log_odds"], abs=1e-6)
        assert [[word.start, word.end] for word in found.words] == [row[:2] for row in old["words"]]
        assert [word.score for word in found.words] == pytest.approx([row[2] for row in old["words"]], abs=1e-6, rel=0)


def test_the_scores_of_any_classifier_of_transformers(bert: Pipeline) -> None:
    text = "Unfinely fine, a zzz film!"
    scores = {}
    for method in SIGNED:
        explanation = explain(bert, text, method=method, label="LABEL_1")
        assert [word.word for word in explanation.words] == ["Unfinely", "fine", ",", "a", "zzz", "film", "!"]
        scores[method] = [word.score for word in explanation.words]
        against = [word.score for word in explain(bert, text, method=method, label="LABEL_0").words]
        assert scores[method] == pytest.approx([-score for score in against], abs=1e-5)
    # [CLS] un ##fine ##ly fine , a [UNK] film ! [SEP]: first with the masks of the first word, then with all
    variants = torch.tensor([[2, 4, 4, 4, 5, 12, 10, 1, 9, 14, 3], [2, *[4] * 9, 3]])
    log_odds = compute_log_odds(bert.model, compute_logits(bert.model, variants), 1).tolist()
    assert scores["leave_one_out"][0] == pytest.approx(explanation.log_odds - log_odds[0], abs=1e-5)
    assert sum(scores["integrated_gradients"]) == pytest.approx(explanation.log_odds - log_odds[1], abs=0.05)
    assert min(max(map(abs, values)) for values in scores.values()) > 0.1
    assert len(explain(bert, "fine " * 30).words) == 18  # two of 20 positions are taken
    with pytest.raises(MethodError, match="attention"):
        explain(bert, "fine", method="attention")


def test_classes_that_exclude_nothing_have_sigmoids_and_their_own_logit(classifier: Pipeline) -> None:
    classifier.model.config.problem_type = "multi_label_classification"
    explanation = explain(classifier, "a fine film", label="negative")
    ids = classifier.tokenizer(["a fine film", "a zzz film"], return_tensors="pt")["input_ids"]
    logits = compute_logits(classifier.model, ids)
    assert list(explanation.probabilities.values()) == pytest.approx(logits[0].sigmoid().tolist())
    assert explanation.words[1].score == pytest.approx((logits[0, 0] - logits[1, 0]).item(), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_text_without_words_has_no_scores(classifier: Pipeline, method: str) -> None:
    explanation = explain(classifier, "<br /> \n", method=method)
    assert explanation.words == []
    assert explanation.title in str(explanation)


@pytest.mark.parametrize("text", STRANGE_TEXTS)
def test_words_stand_where_they_stood_in_the_text(classifier: Pipeline, text: str) -> None:
    words = explain(classifier, text, method="attention").words
    assert all(word.word == text[word.start : word.end] for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert {letter for letter in text if letter.isalnum()} <= set("".join(word.word for word in words))
    assert sum(word.score for word in words) == pytest.approx(1)


@pytest.mark.parametrize(("of_tokenizer", "of_model"), [(40, None), (40, 60), (60, 40), (10**30, 40)])
def test_a_text_too_long_says_what_was_read(classifier: Pipeline, of_tokenizer: int, of_model: int | None) -> None:
    classifier.tokenizer.model_max_length = of_tokenizer
    classifier.model.config.max_position_embeddings = of_model
    words = [f"film{i}" for i in range(100)]
    explanation = explain(classifier, " ".join(words))
    start, end = explanation.read
    assert [word.word for word in explanation.words] == explanation.text[start:end].split() == words[:40]
    assert explain(classifier, explanation.text[start:end]).read == (0, end)
    assert "film40" not in str(explanation)


def test_wrong_choices_are_refused(classifier: Pipeline) -> None:
    for choices in ({"method": "magic"}, {"label": "ironic"}, {"method": "attention", "label": "positive"}):
        with pytest.raises(ValueError, match="choose"):
            explain(classifier, "fine", **choices)


def test_what_cannot_be_explained_is_named(classifier: Pipeline) -> None:
    forward = classifier.model.forward
    classifier.model.forward = lambda input_ids, attention_mask: forward(input_ids, attention_mask)
    with pytest.raises(MethodError, match="inputs_embeds"):
        explain(classifier, "fine", method="gradient_x_input")
    classifier.model.config.problem_type = "regression"
    with pytest.raises(ValueError, match="number"):
        explain(classifier, "fine")


def test_the_terminal_is_coloured_if_it_can_be_and_never_acted_on(
    classifier: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    explanation = explain(classifier, "a fine film, \x1b[31m[red]\u202e truly dull " * 2, label="positive")
    print(explanation)
    plain = capsys.readouterr().out
    assert plain.startswith(explanation.title)
    strongest = [line.split()[1] for line in plain.splitlines()[-10:]]
    assert strongest == [word.word.replace("\x1b", "␛") for word in explanation.strongest]
    assert "[red]" in plain
    assert not {"\x1b", "\u202e"} & set(plain)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in str(explanation)
    assert "\x1b[31m" not in str(explanation)


def test_a_models_folder_will_do_and_a_picture_comes_of_it(model_folder: Path, classifier: Pipeline) -> None:
    classifier.model.config.word_dropout = 0.5
    classifier.model.train()  # and without dropout, all the same
    explanation = explain(model_folder, "a fine film 🎬")
    assert explanation.words == explain(classifier, "a fine film 🎬").words
    assert explanation.model_name == model_folder.name
    explanation.plot(model_folder / "heatmap.png")
    assert (model_folder / "heatmap.png").read_bytes().startswith(b"\x89PNG")
