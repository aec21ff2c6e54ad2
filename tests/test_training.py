from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hf_lstm_attn import (
    RECIPES,
    LstmAttnForSequenceClassification,
    Recipe,
    RunResult,
    evaluate_model,
    load_classifier,
    predict,
    train,
)
from hf_lstm_attn.adversarial import UNLABELLED
from hf_lstm_attn.callbacks import EmaCallback
from hf_lstm_attn.configuration_lstm_attn import NGRAM_ID_BITS
from hf_lstm_attn.data import load_splits, resolve_spec
from hf_lstm_attn.model_card import render_card
from hf_lstm_attn.recipes import compute_epochs
from hf_lstm_attn.results import METRIC_NAMES
from hf_lstm_attn.trainer import (
    Precision,
    build_arguments,
    build_balanced_loss,
    build_trainer,
    choose_precision,
    encode,
    predict_logits,
)

SMALL = Recipe(
    model={"embedding_size": 16, "hidden_size": 8, "embedding_dropout": 0.2, "word_dropout": 0.1},
    arguments={"learning_rate": 0.01, "lr_scheduler_type": "cosine", "per_device_train_batch_size": 32},
    max_epochs=3,
    min_frequency=2,
)
LIMIT = 160


def run(folder: Path, recipe: Recipe = SMALL, **options: object) -> RunResult:
    return train("sample-reviews", folder, recipe=recipe, limit=LIMIT, say=lambda line: None, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    run(folder)
    return folder


def interrupt_at(words: str) -> Callable[[str], None]:
    def say(line: str) -> None:
        if words in line:
            raise KeyboardInterrupt

    return say


def assert_same_numbers(first: Path, second: Path) -> None:
    one, other = RunResult.load(first), RunResult.load(second)
    assert (one.epochs, one.test, one.best_epoch) == (other.epochs, other.test, other.best_epoch)
    for name, tensor in load_file(first / "model.safetensors").items():
        assert tensor.equal(load_file(second / "model.safetensors")[name]), name


def test_run_folder(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "architecture.png",
        "config.json",
        "configuration_lstm_attn.py",
        "confusion.png",
        "curves.png",
        "heatmap_1.png",
        "heatmap_2.png",
        "model.safetensors",
        "modeling_lstm_attn.py",
        "pipeline_lstm_attn.py",
        "reliability.png",
        "results.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    for figure in finished.glob("*.png"):
        assert figure.read_bytes().startswith(b"\x89PNG")
    result = RunResult.load(finished)
    assert [row["epoch"] for row in result.epochs] == [1, 2, 3]
    for row in result.epochs:
        assert set(row["train"]) == set(row["validation"]) == set(METRIC_NAMES)
    assert set(result.test) == set(METRIC_NAMES)
    best = max(result.epochs, key=lambda row: row["validation"]["f1"])
    assert result.best_epoch == best["epoch"]
    assert result.dataset["synthetic"] is True
    assert result.request["seed"] == 42
    assert result.versions["torch"] == torch.__version__


def test_saved_model_scores_what_the_results_say(finished: Path) -> None:
    result = RunResult.load(finished)
    splits = load_splits(resolve_spec("sample-reviews"), limit=LIMIT)
    model = AutoModelForSequenceClassification.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    assert evaluate_model(model, tokenizer, splits.test) == pytest.approx(result.test, abs=1e-6)
    assert evaluate_model(model, tokenizer, splits.validation) == pytest.approx(result.best["validation"], abs=1e-6)


def test_evaluation_in_a_low_precision_leaves_the_model_as_it_was(finished: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    rows = load_splits(resolve_spec("sample-reviews"), limit=LIMIT).test
    ids = tokenizer(list(rows["text"][:4]), padding=True, return_tensors="pt")
    precise = Precision("float32", "asked for")
    losses = []
    for precision in (precise, Precision("bfloat16", "asked for"), precise):
        with torch.no_grad():
            before = model(**ids).logits
        losses.append(evaluate_model(model, tokenizer, rows, precision)["loss"])
        with torch.no_grad():
            assert torch.equal(model(**ids).logits, before)
    assert losses[0] == losses[2] != losses[1]


def test_ngrams_are_measured_with_the_network_and_without(finished: Path, tmp_path: Path) -> None:
    said: list[str] = []
    plain = RunResult.load(finished)
    recipe = replace(SMALL, ngrams=True)
    result = train("sample-reviews", tmp_path, recipe=recipe, limit=LIMIT, say=said.append)
    before, after = (run.best["validation"]["f1"] for run in (plain, result))
    assert f"f1 on validation {before:.4f} without them, {after:.4f} with." in said[-1]
    assert result.epochs == plain.epochs
    assert result.ngrams["network_alone"] == pytest.approx(plain.test, abs=1e-5)
    assert result.ngrams["validation"] == result.best["validation"] != plain.best["validation"]
    splits = load_splits(resolve_spec("sample-reviews"), limit=LIMIT)
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(tmp_path),
        AutoTokenizer.from_pretrained(tmp_path),
    )
    assert model.config.num_ngrams == result.ngrams["number"] == len(model.ngrams.keys)
    assert evaluate_model(model, tokenizer, splits.test) == pytest.approx(result.test, abs=1e-6)
    assert evaluate_model(model, tokenizer, splits.validation) == pytest.approx(result.best["validation"], abs=1e-6)
    ids = torch.stack([(model.ngrams.keys >> place * NGRAM_ID_BITS) % 2**NGRAM_ID_BITS - 1 for place in range(3)])
    assert model.config.unk_token_id not in ids
    assert ids.max() < model.config.vocab_size
    assert "network alone" in render_card(result)


def test_logits_keep_the_order_of_the_data(finished: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    rows = load_splits(resolve_spec("sample-reviews"), limit=LIMIT).test
    trainer = build_trainer(model, tokenizer, build_arguments(tmp_path, choose_precision(False)))
    logits, labels, _ = predict_logits(trainer, encode(rows, tokenizer), "test")
    assert labels.tolist() == rows["label"]
    scores = predict(load_classifier(finished), rows["text"])
    expected = [score["positive"] for score in scores]
    assert torch.tensor(logits).softmax(-1)[:, 1].tolist() == pytest.approx(expected, abs=1e-5)


def test_limits_and_widget_are_the_models_own_scores(finished: Path) -> None:
    result = RunResult.load(finished)
    for bins in (result.limits["length"], result.limits["unknown"]):
        assert sum(row["examples"] for row in bins) == result.dataset["splits"]["test"]["rows"]
        right = sum(row["examples"] * row["accuracy"] for row in bins)
        assert right == pytest.approx(np.trace(result.test_confusion))
    classifier = load_classifier(finished)
    for row in result.widget:
        scores = next(predict(classifier, [row["text"]]))
        assert {entry["label"]: entry["score"] for entry in row["output"]} == pytest.approx(scores, abs=1e-5)
        assert sum(row["weights"]) == pytest.approx(1, abs=1e-4)
        assert "".join(row["words"]) == row["text"].replace(" ", "")


def test_confusion_and_calibration_of_the_test_split(finished: Path) -> None:
    result = RunResult.load(finished)
    confusion = np.array(result.test_confusion)
    assert confusion.sum(axis=1).tolist() == list(result.dataset["splits"]["test"]["labels"].values())
    assert confusion.trace() / confusion.sum() == pytest.approx(result.test["accuracy"])
    for reliability in result.test_reliability.values():
        assert sum(row["examples"] for row in reliability["bins"]) == confusion.sum()
    text = "the plot is dull and the acting a chore"
    plain, calibrated = (
        next(predict(load_classifier(finished, calibrated=choice), [text])) for choice in (False, True)
    )
    log_odds, divided = (np.log(scores["positive"] / scores["negative"]) for scores in (plain, calibrated))
    temperature = result.model["calibration_temperature"]
    assert temperature != 1
    assert divided == pytest.approx(log_odds / temperature, rel=1e-4)


def test_same_seed_same_numbers_and_another_seed_others(finished: Path, tmp_path: Path) -> None:
    run(tmp_path / "again")
    assert_same_numbers(finished, tmp_path / "again")
    assert run(tmp_path / "other", seed=7).epochs != RunResult.load(finished).epochs


@pytest.mark.parametrize("words", ["Training word vectors", "parameters on", "epoch 1 of", "epoch 3 of"])
def test_interrupted_run_resumes_to_the_same_numbers(finished: Path, tmp_path: Path, words: str) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("sample-reviews", folder, recipe=SMALL, limit=LIMIT, say=interrupt_at(words))
    assert not (folder / "results.json").exists()
    has_finished_a_stage = words != "Training word vectors"
    clock = folder / "checkpoints" / "clock.json"
    assert clock.is_file() == has_finished_a_stage
    if has_finished_a_stage:
        clock.write_text(json.dumps({"training": 10_000}))
    resumed = run(folder, resume=True)
    assert (resumed.timings["total"] > 10_000) == (resumed.training_seconds > 10_000) == has_finished_a_stage
    assert_same_numbers(finished, folder)
    assert not (folder / "checkpoints").exists()


def test_unlabelled_texts_train_and_resume_to_the_same_numbers(tmp_path: Path) -> None:
    spec = replace(resolve_spec("sample-reviews"), unlabelled=((None, "train"),))
    recipe = replace(
        SMALL, word_vectors=None, adversarial_radius=0.02, virtual_adversarial_radius=0.02, entropy_weight=1.0
    )
    lines: list[str] = []
    result = train(spec, tmp_path / "whole", recipe=recipe, limit=LIMIT, say=lines.append)
    assert any(f"on {LIMIT} examples and {LIMIT} unlabelled texts for 3 epochs" in line for line in lines)
    assert result.epochs[-1]["step"] == 3 * 2 * LIMIT / 32
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", recipe=recipe, limit=LIMIT, say=interrupt_at("epoch 3 of"))
    train(spec, tmp_path / "cut", recipe=recipe, limit=LIMIT, resume=True, say=lines.append)
    assert_same_numbers(tmp_path / "whole", tmp_path / "cut")


def test_unlabelled_texts_that_fall_into_one_class_are_told(tmp_path: Path) -> None:
    spec = replace(resolve_spec("sample-reviews"), unlabelled=((None, "train"),))
    lines: list[str] = []
    train(spec, tmp_path, recipe=replace(SMALL, entropy_weight=20.0), limit=LIMIT, say=lines.append)
    assert any("100% of the unlabelled texts are classified as" in line for line in lines)


FINE_TUNED = replace(
    SMALL,
    word_vectors=None,
    max_epochs=4,
    encoder_learning_rate=0.4,
    frozen_epochs=2,
    adversarial_radius=0.1,
    early_stopping_patience=None,
)


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "fine-tuned"
    run(folder, FINE_TUNED)
    return folder


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_interrupted_fine_tuning_resumes_to_the_same_numbers(fine_tuned: Path, tmp_path: Path, epoch: int) -> None:
    """With the encoder frozen, as it thaws, and after."""
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("sample-reviews", folder, recipe=FINE_TUNED, limit=LIMIT, say=interrupt_at(f"epoch {epoch} of"))
    run(folder, FINE_TUNED, resume=True)
    assert_same_numbers(fine_tuned, folder)


def test_half_written_checkpoint_is_passed_over(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("sample-reviews", folder, recipe=SMALL, limit=LIMIT, say=interrupt_at("epoch 3 of"))
    newest = max((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / "raw_weights.safetensors").unlink()
    run(folder, resume=True)
    assert_same_numbers(finished, folder)


def test_run_that_stopped_early_resumes_as_stopped(tmp_path: Path) -> None:
    eager = replace(
        SMALL,
        max_epochs=8,
        early_stopping_patience=1,
        ema_decay=None,
        arguments=SMALL.arguments | {"learning_rate": 0.3},
    )
    whole = run(tmp_path / "whole", eager)
    assert len(whole.epochs) < 8
    with pytest.raises(KeyboardInterrupt):
        train(
            "sample-reviews",
            tmp_path / "cut",
            recipe=eager,
            limit=LIMIT,
            say=interrupt_at(f"epoch {len(whole.epochs)} of"),
        )
    run(tmp_path / "cut", eager, resume=True)
    assert_same_numbers(tmp_path / "whole", tmp_path / "cut")


def test_resuming_with_other_settings_is_refused(finished: Path) -> None:
    with pytest.raises(ValueError, match="found another seed"):
        run(finished, resume=True, seed=1)
    assert run(finished, resume=True) == RunResult.load(finished)


def test_runs_and_other_folders_are_not_overwritten_unasked(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="--overwrite"):
        run(finished)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="Choose another"):
        run(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_no_pickle_is_ever_left(finished: Path) -> None:
    for path in finished.rglob("*"):
        assert path.suffix in {".json", ".safetensors", ".png", ".py"}, path


def test_unknown_recipe() -> None:
    with pytest.raises(ValueError, match=r"default, fast, best, semi-supervised, small, report; found 'turbo'"):
        train("sample-reviews", "unused", recipe="turbo")


def test_every_recipe_feeds_the_stock_arguments_and_the_configuration(tmp_path: Path) -> None:
    for recipe in RECIPES.values():
        build_arguments(tmp_path, choose_precision(False), **recipe.arguments)
        LstmAttnForSequenceClassification.config_class(**recipe.model)


def test_epochs_follow_the_size_of_the_data() -> None:
    assert [compute_epochs(RECIPES["default"], words) for words in (0, 1_000_000, 5_000_000)] == [20, 7, 3]
    assert compute_epochs(RECIPES["report"], 1_000_000) == 15


@pytest.mark.parametrize("balanced", [False, True])
def test_gradient_accumulation_gives_the_numbers_of_one_large_batch(tmp_path: Path, balanced: bool) -> None:
    splits = load_splits(resolve_spec("sample-reviews"), limit=32)
    losses = []
    for accumulation in (1, 4):
        torch.manual_seed(0)
        model, tokenizer = build_tiny(splits.train)
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=32 // accumulation,
            gradient_accumulation_steps=accumulation,
            max_steps=2,
            logging_steps=1,
            learning_rate=0.01,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            train_sampling_strategy="sequential",
            save_strategy="no",
        )
        rows = encode(splits.train, tokenizer)
        loss = build_balanced_loss(rows["labels"], num_labels=2) if balanced else None
        trainer = build_trainer(model, tokenizer, arguments, train_dataset=rows, loss=loss)
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def build_tiny(rows: Dataset) -> tuple[LstmAttnForSequenceClassification, object]:
    from hf_lstm_attn import LstmAttnConfig, build_tokenizer

    tokenizer = build_tokenizer(list(rows["text"]), min_frequency=1)
    config = LstmAttnConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8)
    return LstmAttnForSequenceClassification(config), tokenizer


def test_ema_is_the_average_that_the_formula_gives(tmp_path: Path) -> None:
    model = nn.Linear(1, 1, bias=False)
    callback = EmaCallback(decay=0.5)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    from transformers import TrainerState

    def fill(value: float) -> None:
        with torch.no_grad():
            model.weight.fill_(value)

    fill(1.0)
    callback.on_train_begin(arguments, TrainerState(), None, model=model)
    average = 1.0
    for step, value in enumerate((2.0, 4.0), start=1):
        fill(value)
        callback.on_step_end(arguments, TrainerState(global_step=step), None, model=model)
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
    callback.on_epoch_end(arguments, TrainerState(), None, model=model)
    assert model.weight.item() == pytest.approx(average)
    callback.on_epoch_begin(arguments, TrainerState(), None, model=model)
    assert model.weight.item() == 4.0


def test_balanced_loss_by_hand() -> None:
    loss = build_balanced_loss([0, 0, 0, 1], num_labels=2)
    logits = torch.zeros(1, 2, requires_grad=True)
    # With equal logits the adjusted probabilities are the prior, 3/4 and 1/4.
    assert loss({"logits": logits}, torch.tensor([1])).item() == pytest.approx(np.log(4))
    with torch.no_grad():
        assert loss({"logits": logits}, torch.tensor([1])).item() == pytest.approx(np.log(2))


def test_balanced_loss_leaves_out_unlabelled_rows() -> None:
    loss = build_balanced_loss([0, 0, 0, 1], num_labels=2)
    logits = torch.randn(4, 2, requires_grad=True)
    labels = torch.tensor([1, 0])
    expected = loss({"logits": logits[:2]}, labels).item()
    assert loss({"logits": logits}, torch.tensor([1, 0, UNLABELLED, UNLABELLED])).item() == pytest.approx(expected)
    assert loss({"logits": logits}, torch.full((4,), UNLABELLED)).item() == 0


def test_precision_is_said_with_its_reason() -> None:
    name, reason = choose_precision()
    assert name in {"float32", "bfloat16", "float16"}
    assert reason
    assert choose_precision(low_precision=False).name == "float32"


def test_stock_trainer_fine_tunes_a_saved_model(finished: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    rows = load_splits(resolve_spec("sample-reviews"), limit=64).train
    rows = rows.map(lambda batch: tokenizer(batch["text"], truncation=True), batched=True)
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=3, use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no"
    )
    before = model.classifier.weight.clone()
    Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
    assert not model.classifier.weight.equal(before)


def test_own_file_with_string_labels(tmp_path: Path) -> None:
    rows = [("a fine film", "good"), ("a dull film", "bad")] * 60
    (tmp_path / "mine.csv").write_text(
        "review,verdict\n" + "".join(f"{text} {i},{label}\n" for i, (text, label) in enumerate(rows))
    )
    spec = resolve_spec(data=tmp_path / "mine.csv", text_column="review", label_column="verdict")
    result = train(spec, tmp_path / "run", recipe=replace(SMALL, max_epochs=2), say=lambda line: None)
    assert result.label_names == ["bad", "good"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "good"}
