from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import BertTokenizerFast, DistilBertConfig, DistilBertForSequenceClassification

from hf_lstm_attn import Recipe, RunResult, load_classifier, predict, train
from hf_lstm_attn.cli import main
from hf_lstm_attn.data import DatasetSpec, load_splits, resolve_spec
from hf_lstm_attn.distillation import build_targets, match_class_shares, match_labels

STUDENT = Recipe(
    model={"embedding_size": 16, "hidden_size": 8},
    arguments={"learning_rate": 0.01, "per_device_train_batch_size": 8},
    max_epochs=2,
    ema_decay=None,
    min_frequency=1,
    word_vectors=None,
)
UNLABELLED = ["a dull plot", "a moving story", "neither here nor there"]


@pytest.fixture
def spec(tmp_path: Path) -> DatasetSpec:
    """The sample reviews with three texts more, without labels."""
    folder = tmp_path / "data"
    folder.mkdir()
    sample = load_splits(resolve_spec("sample-reviews"), limit=60)
    unlabelled = Dataset.from_dict({"text": UNLABELLED, "label": [-1] * len(UNLABELLED)})
    rows = {name: getattr(sample, name) for name in ("train", "validation", "test")} | {"unsupervised": unlabelled}
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, dataset in rows.items():
        dataset.to_parquet(folder / f"{split}.parquet")
        lines += [f"  - split: {split}", f"    path: {split}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---"]))
    return replace(resolve_spec("sample-reviews"), path=str(folder), unlabelled=((None, "unsupervised"),))


def say(line: str) -> None:
    pass


def test_targets_are_the_teachers_mean_and_half_the_label(
    spec: DatasetSpec, finished_run: Path, tmp_path: Path
) -> None:
    splits = load_splits(spec)
    classifier = load_classifier(finished_run)
    texts = list(splits.train["text"])
    targets = build_targets(splits, UNLABELLED, [str(finished_run), "nb-svm"], classifier.tokenizer, tmp_path, say)
    assert targets.shape == (len(texts) + len(UNLABELLED), 2)
    assert targets.sum(axis=1) == pytest.approx(1, abs=1e-5)

    network = [scores["positive"] for scores in predict(classifier, [texts[0], UNLABELLED[0]])]
    nb_svm = np.load(tmp_path / "teacher_1.npy")[:, 1]
    assert targets[len(texts), 1] == pytest.approx((network[1] + nb_svm[len(texts)]) / 2, abs=1e-5)
    teachers = (network[0] + nb_svm[0]) / 2
    assert targets[0, 1] == pytest.approx((splits.train["label"][0] + teachers) / 2, abs=1e-5)
    assert np.mean(nb_svm[: len(texts)].round() == splits.train["label"]) > 0.9


def test_a_transformer_teaches_and_a_resumed_run_does_not_ask_again(spec: DatasetSpec, tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "good", "dull"]))
    teacher = tmp_path / "teacher"
    config = DistilBertConfig(vocab_size=9, dim=16, hidden_dim=16, n_layers=1, n_heads=2, max_position_embeddings=64)
    model = DistilBertForSequenceClassification(config)  # its classes are LABEL_0 and LABEL_1
    model.classifier.bias.data = torch.tensor([-4.0, 4.0])  # it likes every film
    model.save_pretrained(teacher)
    BertTokenizerFast(vocab_file=str(vocabulary), model_max_length=64).save_pretrained(teacher)

    recipe = replace(STUDENT, teachers=(str(teacher),))
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if "epoch 1 of" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", recipe=recipe, say=interrupt)
    assert any("classifies" in line for line in lines)
    lines.clear()
    resumed = train(spec, tmp_path / "cut", recipe=recipe, resume=True, say=lines.append)
    assert not any("classifies" in line for line in lines)
    whole = train(spec, tmp_path / "whole", recipe=recipe, say=say)
    assert (resumed.epochs, resumed.test) == (whole.epochs, whole.test)
    train(spec, tmp_path / "alone", recipe=STUDENT, say=say)
    taught, alone = (
        np.mean([scores["positive"] for scores in predict(load_classifier(tmp_path / name), UNLABELLED)])
        for name in ("whole", "alone")
    )
    assert alone < 0.6 < taught


def test_a_teacher_of_equal_classes_is_brought_to_the_shares_of_training() -> None:
    generator = np.random.default_rng(0)
    shares = np.array([0.1, 0.6, 0.3])
    labels = generator.choice(3, 20_000, p=shares)
    noise = generator.normal(size=(len(labels), 3))
    likelihoods = np.exp(2 * (2 * np.eye(3)[labels] + noise))
    equal = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    matched = match_class_shares(equal, shares, len(labels))
    assert matched.mean(axis=0) == pytest.approx(shares, abs=1e-3)
    odds = (matched / equal)[:, 1] / (matched / equal)[:, 0]
    assert odds == pytest.approx(odds[0])  # the same factor in every text
    assert odds[0] == pytest.approx(shares[1] / shares[0], rel=0.2)


def test_class_names() -> None:
    ours = ["negative", "positive"]
    assert match_labels({0: "POSITIVE", 1: "NEGATIVE"}, ours, "t") == ["NEGATIVE", "POSITIVE"]
    assert match_labels({0: "LABEL_0", 1: "LABEL_1"}, ours, "t") == ["LABEL_0", "LABEL_1"]
    with pytest.raises(ValueError, match="negative, positive; found 1 star, 2 stars in some/model"):
        match_labels({0: "1 star", 1: "2 stars"}, ours, "some/model")


def test_teachers_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", "sample-reviews", "--recipe", "small", "--epochs", "1", "--limit", "60", "-o"]
    assert main([*common, str(tmp_path / "a"), "--teacher", "nb-svm", "--teacher", "imdb"]) == 0
    assert RunResult.load(tmp_path / "a").request["recipe"]["teachers"] == ["nb-svm", "imdb"]
    assert main([*common, str(tmp_path / "b"), "--teacher", "no/such/folder"]) == 1
    assert "no/such/folder" in capsys.readouterr().err
