"""The audit of explanations, on a model so simple that its numbers can be worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.special import expit as sigmoid
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, TextClassificationPipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from hf_lstm_attn.faithfulness import audit, compute_interval
from hf_lstm_attn.tokenization import train_tokenizer

VALUES = {"great": 2.0, "fine": 1.0, "dull": -1.0, "a": 0.0, "film": 0.0, "plot": 0.0}


class SumModel(PreTrainedModel):
    """The log-odds of the second class are the sum of the words' values; attention is highest on the lowest value."""

    config_class = PretrainedConfig

    def __init__(self, values: torch.Tensor, has_attention: bool) -> None:
        super().__init__(PretrainedConfig(num_labels=2))
        self.embeddings = nn.Embedding.from_pretrained(values[:, None])
        self.has_attention = has_attention

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, output_attentions=False):
        values = (self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds).squeeze(-1)
        total = values.sum(dim=1)
        logits = torch.stack([torch.zeros_like(total), total], dim=1)
        weights = (-values).softmax(-1) if self.has_attention and output_attentions else None
        return SequenceClassifierOutput(logits=logits, attentions=weights)


def build_classifier(*, has_attention: bool = True) -> TextClassificationPipeline:
    tokenizer = train_tokenizer([" ".join(VALUES)], min_frequency=1, max_length=50)
    values = torch.zeros(len(tokenizer))
    for word, value in VALUES.items():
        values[tokenizer.convert_tokens_to_ids(word)] = value
    return TextClassificationPipeline(model=SumModel(values, has_attention).eval(), tokenizer=tokenizer)


def test_audit_of_one_text_gives_the_numbers_worked_out_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    result = audit(build_classifier(), ["dull a great fine a a a a a a"])
    assert "1/1" in capsys.readouterr().err
    whole = sigmoid(2)  # 2 + 1 - 1
    # 1, 5 and 10 % of ten words are one word, 20 % two, 50 % five.
    by_value = [sigmoid(0)] * 3 + [sigmoid(-1)] * 2  # without great; without great and fine
    alone = [sigmoid(2)] * 3 + [sigmoid(3)] * 2
    for method in ("gradient_x_input", "integrated_gradients", "leave_one_out"):
        measured = result["methods"][method]
        assert measured["comprehensiveness"]["mean"] == pytest.approx(whole - sum(by_value) / 5)
        assert measured["sufficiency"]["mean"] == pytest.approx(whole - sum(alone) / 5)
        assert measured["deletion"] == pytest.approx([whole, *by_value, 0.5])
    attention = result["methods"]["attention"]  # dull first, then the words of no value
    assert attention["comprehensiveness"]["mean"] == pytest.approx(sigmoid(2) - sigmoid(3))
    assert attention["sufficiency"]["mean"] == pytest.approx(sigmoid(2) - sigmoid(-1))
    assert attention["deletion"] == pytest.approx([whole] + [sigmoid(3)] * 5 + [0.5])
    tau = result["kendall_tau"]
    assert tau["leave_one_out"]["integrated_gradients"] == pytest.approx(1)
    assert tau["leave_one_out"]["attention"] == tau["attention"]["leave_one_out"] == pytest.approx(-1)
    assert json.loads(json.dumps(result)) == result


def test_the_seed_alone_decides_random_rankings() -> None:
    classifier = build_classifier()
    texts = ["a great film " * count + "a dull plot" for count in range(1, 10)]
    results = [audit(classifier, texts, seed=seed, progress=False)["methods"]["random"] for seed in (5, 5, 6)]
    assert results[0] == results[1] != results[2]


def test_what_cannot_be_measured_is_left_out_and_counted() -> None:
    result = audit(build_classifier(has_attention=False), ["great film", "", "  \n", "dull plot a"], progress=False)
    assert (result["examples"], result["skipped"]) == (2, 2)
    assert list(result["methods"]) == ["leave_one_out", "integrated_gradients", "gradient_x_input", "random"]
    assert "random" in result["kendall_tau"]["leave_one_out"]
    with pytest.raises(ValueError, match="word"):
        audit(build_classifier(), [" "], progress=False)


def test_rankings_without_order_have_no_agreement() -> None:
    classifier = build_classifier()
    assert audit(classifier, ["great"], progress=False)["kendall_tau"]["attention"] == {"attention": 1}
    tau = audit(classifier, ["great", "great dull film"], progress=False)["kendall_tau"]  # the second text alone counts
    assert tau["leave_one_out"]["attention"] == pytest.approx(-1)


def test_an_interval_of_95_percent() -> None:
    interval = compute_interval(np.array([0.0, 1.0] * 200), seed=3)  # standard error 0.5 / sqrt(400)
    assert list(interval.values()) == pytest.approx([0.5, 0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025], abs=0.005)
