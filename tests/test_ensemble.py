from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    TextClassificationPipeline,
)

from hf_lstm_attn import LstmAttnForSequenceClassification, build_tokenizer, evaluate_model, predict
from hf_lstm_attn.ensemble import evaluate_ensemble, predict_members, predict_probabilities

TEXTS = ["a fine film", "dull", "not fine , not a dull , dull film", "acting", "a dull plot , truly"]
LABELS = [1, 0, 1, 0, 0]
NAMES = {0: "negative", 1: "positive"}


def build_classifier(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> TextClassificationPipeline:
    return TextClassificationPipeline(model=model, tokenizer=tokenizer)


@pytest.fixture
def classifiers(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast
) -> list[TextClassificationPipeline]:
    """Two architectures with vocabularies of their own, both sure of what they say."""
    torch.manual_seed(1)
    words = build_tokenizer([text + " dull plot" for text in TEXTS], min_frequency=1, max_length=4)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        id2label=NAMES,
        label2id={name: index for index, name in NAMES.items()},
    )
    bert = BertForSequenceClassification(config).eval()
    for network in (model, bert):
        torch.nn.init.normal_(network.get_input_embeddings().weight, std=3)
        torch.nn.init.normal_(network.classifier.weight, std=3)
    return [build_classifier(model, tokenizer), build_classifier(bert, words)]


def test_members_read_with_their_own_tokenizer_and_keep_the_order_of_texts(
    classifiers: list[TextClassificationPipeline],
) -> None:
    members = predict_members(classifiers, TEXTS)
    assert members.shape == (2, 5, 2)
    for classifier, probabilities in zip(classifiers, members, strict=True):
        expected = [[scores[name] for name in NAMES.values()] for scores in predict(classifier, TEXTS)]
        assert np.ptp(expected, axis=0).min() > 0.2  # far apart, by far more than a low precision blurs
        assert probabilities.tolist() == [pytest.approx(row, abs=0.03) for row in expected]
    assert predict_probabilities(classifiers, TEXTS) == pytest.approx((members[0] + members[1]) / 2)


def test_figures_are_of_each_member_and_of_the_mean_of_probabilities(
    classifiers: list[TextClassificationPipeline],
) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(NAMES.values()))})
    dataset = Dataset.from_dict({"text": TEXTS, "label": LABELS}, features=features)
    members, ensemble = evaluate_ensemble(classifiers, dataset)
    for classifier, metrics in zip(classifiers, members, strict=True):
        assert metrics == pytest.approx(evaluate_model(classifier.model, classifier.tokenizer, dataset), abs=1e-6)
    mean = predict_members(classifiers, TEXTS).mean(axis=0)
    of_the_true_class = mean[range(len(LABELS)), LABELS]
    assert ensemble["loss"] == pytest.approx(-np.log(of_the_true_class).mean())
    assert ensemble["accuracy"] == pytest.approx((of_the_true_class > 0.5).mean())


def test_models_of_different_tasks_are_refused(classifiers: list[TextClassificationPipeline]) -> None:
    classifiers[1].model.config.id2label = {0: "positive", 1: "negative"}
    with pytest.raises(ValueError, match="same order; found negative, positive in the first and positive, negative in"):
        predict_probabilities(classifiers, TEXTS)
