"""LstmAttnTrainer: raw columns in, a publishable folder out, and every door of the stock Trainer open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from hf_lstm_attn.callbacks import EarlyStopping
from hf_lstm_attn.configuration_lstm_attn import LstmAttnConfig
from hf_lstm_attn.encoding import encode, list_labels, match_labels
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.results import load_results
from hf_lstm_attn.tokenization import train_tokenizer
from hf_lstm_attn.trainer import LstmAttnTrainer
from hf_lstm_attn.training_args import LstmAttnTrainingArguments

LABELS = ["bad", "good"]
WORDS = {"bad": ["dull", "poor", "weak"], "good": ["fine", "great", "sharp"]}


def build_rows(number: int = 48, seed: int = 0) -> Dataset:
    """Texts of five words, one of which tells the class."""
    generator = np.random.default_rng(seed)
    labels = [LABELS[row % 2] for row in range(number)]
    fillers = ["film", "plot", "a", "the"]
    texts = [" ".join(generator.permutation([*fillers, generator.choice(WORDS[label])])) for label in labels]
    return Dataset.from_dict({"text": texts, "label": labels})


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(build_rows()["text"], min_frequency=1, max_length=20)


def build_model(tokenizer: PreTrainedTokenizerFast, **fields: Any) -> LstmAttnForSequenceClassification:
    set_seed(0)
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 8, "hidden_size": 8}
    return LstmAttnForSequenceClassification(LstmAttnConfig(**(sizes | fields)))


def build_trainer(folder: Path, tokenizer: PreTrainedTokenizerFast, model: Any = None, **given: Any) -> LstmAttnTrainer:
    own = {name: given.pop(name) for name in list(given) if name in ("callbacks", "compute_metrics", "model_init")}
    rows = {
        "train_dataset": given.pop("train_dataset", build_rows()),
        "eval_dataset": given.pop("eval_dataset", build_rows(24, 1)),
    }
    args = {
        "num_train_epochs": 3,
        "learning_rate": 3e-2,
        "per_device_train_batch_size": 8,
        "save_total_limit": None,
        "bf16": False,
    }
    arguments = LstmAttnTrainingArguments(str(folder), **(args | given))
    if model is None and "model_init" not in own:
        model = build_model(tokenizer)
    return LstmAttnTrainer(model, arguments, processing_class=tokenizer, **rows, **own)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> LstmAttnTrainer:
    """A finished run, scored on test; not to be changed."""
    trainer = build_trainer(tmp_path_factory.mktemp("run") / "tiny-run", tokenizer, dataset_name="you/words")
    trainer.train()
    trainer.evaluate(build_rows(30, 2), metric_key_prefix="test")
    return trainer


# ---------------------------------------------------------------------------------------------- what it leaves


def test_the_folder_is_ready_to_publish(run: LstmAttnTrainer) -> None:
    folder = Path(run.args.output_dir)
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files >= {"model.safetensors", "config.json", "tokenizer.json", "README.md", "results.json", "handler.py"}
    assert files >= {"modeling_lstm_attn.py", "configuration_lstm_attn.py", "pipeline_lstm_attn.py", "curves.png"}
    assert "training_args.bin" not in files
    results = load_results(folder)
    assert results["labels"] == LABELS
    assert results["dataset"]["splits"]["test"]["rows"] == 30
    assert [row["epoch"] for row in results["epochs"]] == [1.0, 2.0, 3.0]
    assert results["metrics"].keys() == {"train", "validation", "test"}
    assert results["metrics"]["test"]["accuracy"] > 0.9
    assert np.sum(results["confusion"]["test"]) == 30
    assert results["world_size"] == 1
    assert results["temperature"] is None  # of 24 rows
    assert len(results["predictions"]) == 32


def test_the_kept_weights_are_the_best_evaluation(run: LstmAttnTrainer) -> None:
    results = load_results(run.args.output_dir)
    kept = next(row["validation"] for row in results["epochs"] if row["step"] == results["best_step"])
    model = AutoModelForSequenceClassification.from_pretrained(run.args.output_dir)
    rows = build_rows(24, 1)
    tokenizer = AutoTokenizer.from_pretrained(run.args.output_dir)
    logits = model.eval()(**tokenizer(rows["text"][:], padding=True, return_tensors="pt")).logits
    right = [list_labels(model.config)[i] == label for i, label in zip(logits.argmax(-1), rows["label"], strict=True)]
    assert np.mean(right) == kept["accuracy"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([LABELS.index(label) for label in rows["label"]]))
    assert loss.item() == pytest.approx(kept["loss"], abs=1e-5)


def test_predictions_come_back_in_the_rows_own_order(run: LstmAttnTrainer) -> None:
    texts = ["dull", "a fine great sharp film", "weak plot", "great"]
    output = run.predict(Dataset.from_dict({"text": texts}))
    alone = [run.predict(Dataset.from_dict({"text": [text]})).predictions[0] for text in texts]
    np.testing.assert_allclose(output.predictions, alone, atol=1e-5)
    assert [LABELS[index] for index in output.predictions.argmax(-1)] == ["bad", "good", "bad", "good"]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    weights = []
    for name in ("one", "other"):
        build_trainer(tmp_path / name, tokenizer, num_train_epochs=1).train()
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


# ------------------------------------------------------------------------------------------------------ resuming


class Interrupt(TrainerCallback):
    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.epoch and state.epoch >= 2:
            raise KeyboardInterrupt


def interrupt(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_trainer(folder, tokenizer, callbacks=[Interrupt()]).train()


@pytest.mark.parametrize("damage", ["none", "truncated weights", "no state"])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, run: LstmAttnTrainer, damage: str
) -> None:
    interrupt(tmp_path, tokenizer)
    newest = tmp_path / "checkpoint-12"
    if damage == "truncated weights":
        weights = newest / "raw_weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
    elif damage == "no state":
        (newest / "trainer_state.json").unlink()
    trainer = build_trainer(tmp_path, tokenizer, resume_from_checkpoint="true")  # the stock field is a string
    trainer.train()
    expected = AutoModelForSequenceClassification.from_pretrained(run.args.output_dir).state_dict()
    for name, value in trainer.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=0, rtol=0)
    assert (
        load_results(tmp_path)["epochs"][-1]["validation"]
        == load_results(run.args.output_dir)["epochs"][-1]["validation"]
    )


def test_other_data_is_not_resumed_on(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    interrupt(tmp_path, tokenizer)
    with pytest.raises(ValueError, match="other data"):
        build_trainer(tmp_path, tokenizer, train_dataset=build_rows(seed=5)).train(resume_from_checkpoint=True)
    with pytest.raises(ValueError, match="no whole checkpoint"):
        build_trainer(tmp_path / "empty", tokenizer).train(resume_from_checkpoint=True)


def test_a_run_that_had_ended_is_resumed_to_the_same_record(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    records = []
    for resume in (False, True):
        trainer = build_trainer(tmp_path, tokenizer, num_train_epochs=9, early_stopping_patience=1)
        trainer.train(resume_from_checkpoint=resume)
        records.append(load_results(tmp_path))
    assert len(records[0]["epochs"]) < 9
    for name in ("epochs", "best_step", "metrics", "predictions"):
        assert records[0][name] == records[1][name]
    assert records[0]["training"]["arguments"] == records[1]["training"]["arguments"]


# ------------------------------------------------------------------------------------------------- stock's doors


def test_stock_options(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    pytest.importorskip("tensorboard")
    seen: list[float] = []

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            seen.append(logs.get("eval_half", 0))

    trainer = build_trainer(
        tmp_path,
        tokenizer,
        report_to="tensorboard",
        gradient_accumulation_steps=2,
        label_smoothing_factor=0.1,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=2,
        metric_for_best_model="half",
        max_steps=6,
        callbacks=[Watch()],
        compute_metrics=lambda prediction: {
            "half": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean()) / 2
        },
    )
    trainer.train()
    assert trainer.state.global_step == 6
    assert 0 < max(seen) <= 0.5
    assert trainer.state.best_metric == max(seen)
    assert list(tmp_path.rglob("events.out*"))


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    losses = []
    for steps, batch in ((1, 8), (4, 2)):
        trainer = build_trainer(
            tmp_path / str(steps),
            tokenizer,
            num_train_epochs=1,
            gradient_accumulation_steps=steps,
            per_device_train_batch_size=batch,
            train_sampling_strategy="sequential",
            logging_strategy="steps",
            logging_steps=1,
        )
        trainer.train()
        losses.append([row["loss"] for row in trainer.state.log_history if "loss" in row])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)


def test_torch_compile(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    trainer = build_trainer(tmp_path, tokenizer, torch_compile=True, torch_compile_backend="aot_eager", max_steps=2)
    trainer.train()
    assert load_results(tmp_path)["metrics"]["validation"]["loss"] > 0


def test_hyperparameter_search(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    pytest.importorskip("optuna")
    trainer = build_trainer(tmp_path, tokenizer, model_init=lambda: build_model(tokenizer), num_train_epochs=1)
    best = trainer.hyperparameter_search(
        backend="optuna",
        n_trials=2,
        direction="maximize",
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-1)},
        compute_objective=lambda metrics: metrics["eval_f1"],
    )
    assert 1e-3 <= best.hyperparameters["learning_rate"] <= 1e-1


def test_the_stock_trainer_trains_the_model_too(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = build_model(tokenizer)
    match_labels(model, ClassLabel(names=LABELS))
    rows = encode(build_rows(), tokenizer, model.config)
    arguments = TrainingArguments(
        str(tmp_path),
        num_train_epochs=3,
        learning_rate=3e-2,
        per_device_train_batch_size=8,
        report_to="none",
        use_cpu=True,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    assert trainer.train().training_loss < 0.65


def test_streams_and_training_without_validation(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = build_model(tokenizer)
    match_labels(model, ClassLabel(names=LABELS))
    stream = build_rows().to_iterable_dataset()
    trainer = build_trainer(tmp_path, tokenizer, model, train_dataset=stream, eval_dataset=None, max_steps=12)
    trainer.train()
    assert trainer.evaluate(build_rows(24, 1), metric_key_prefix="test")["test_accuracy"] > 0.5


TORCHRUN = """
import os, sys

def refuse_writing(event, arguments):
    if event == "open" and str(arguments[0]).startswith(sys.argv[1]) and (arguments[2] or 0) & os.O_WRONLY:
        raise RuntimeError(f"The second process writes {arguments[0]}.")

if os.environ["RANK"] == "1":
    sys.addaudithook(refuse_writing)
sys.path.insert(0, sys.argv[2])
from test_trainer import build_rows, build_trainer, train_tokenizer
tokenizer = train_tokenizer(build_rows()["text"], min_frequency=1, max_length=20)
trainer = build_trainer(sys.argv[1], tokenizer, train_sampling_strategy="random", per_device_train_batch_size=4)
trainer.train()
trainer.evaluate(build_rows(31, 2), metric_key_prefix="test")
"""


def test_two_processes_write_once_count_every_row_once_and_learn_as_one(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    script = tmp_path / "train.py"
    script.write_text(TORCHRUN)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    run = subprocess.run(
        [*command, str(tmp_path / "run"), str(Path(__file__).parent)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    results = load_results(tmp_path / "run")
    assert results["world_size"] == 2
    assert np.sum(results["confusion"]["test"]) == 31
    alone = build_trainer(tmp_path / "alone", tokenizer, train_sampling_strategy="random")  # batches of 8
    alone.train()
    losses = [[row["validation"]["loss"] for row in found["epochs"]] for found in (results, alone.results)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


# -------------------------------------------------------------------------------------- labels, losses, stopping


def test_labels_keep_their_order_and_strings_are_sorted(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    strings = build_trainer(tmp_path, tokenizer)
    assert list_labels(strings.model.config) == ["bad", "good"]
    features = Features({"text": Value("string"), "label": ClassLabel(names=["good", "bad"])})
    rows = Dataset.from_dict({"text": ["fine", "dull"], "label": [0, 1]}, features=features)
    named = build_trainer(tmp_path, tokenizer, train_dataset=rows, eval_dataset=None)
    assert list_labels(named.model.config) == ["good", "bad"]
    assert named.train_dataset["labels"][:] == [0, 1]
    trained = build_model(tokenizer, id2label={0: "good", 1: "bad"}, label2id={"good": 0, "bad": 1})
    assert build_trainer(tmp_path, tokenizer, trained).train_dataset["labels"][:2] == [1, 0]  # the model's order stands


def test_training_reads_the_end_of_a_long_text_and_evaluation_its_start(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = Dataset.from_dict({"text": ["the film " * 8 + "a dull great plot"] * 2, "label": LABELS})
    for mode, part in (("keep_end", "a dull great plot"), ("keep_start", "the film the film")):
        choices: dict[str, Any] = {"train_dataset": rows, "eval_dataset": rows, "max_length": 4}
        trainer = build_trainer(tmp_path, tokenizer, truncation_mode=mode, **choices)
        assert tokenizer.decode(trainer.train_dataset["input_ids"][0]) == part
        assert tokenizer.decode(trainer.eval_dataset["input_ids"][0]) == rows["text"][0]
    assert tokenizer.truncation_side == "right"


def test_other_classes_get_a_new_head_and_no_old_temperature(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    names = {"id2label": {0: "late", 1: "early"}, "label2id": {"late": 0, "early": 1}}
    model = build_model(tokenizer, **names, calibration_temperature=2.0)
    before = model.classifier.weight.clone()
    encoder = model.lstm_attn.encoder.forward_lstm.weight_hh_l0.clone()
    trainer = build_trainer(tmp_path, tokenizer, model)
    assert list_labels(trainer.model.config) == LABELS
    assert trainer.model.config.calibration_temperature is None
    assert not torch.equal(trainer.model.classifier.weight, before)
    assert torch.equal(trainer.model.lstm_attn.encoder.forward_lstm.weight_hh_l0, encoder)


def test_a_label_that_the_model_lacks_is_an_error_that_counts(run: LstmAttnTrainer) -> None:
    rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": ["good", "awful", "awful"]})
    with pytest.raises(ValueError, match=r"'awful' \(2 rows\)"):
        run.evaluate(rows)
    with pytest.raises(ValueError, match="no column 'text'"):
        run.evaluate(Dataset.from_dict({"body": ["a"], "label": ["good"]}))


def test_soft_labels_and_balanced_classes(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    soft = Dataset.from_dict({"text": build_rows()["text"], "label": [[0.9, 0.1], [0.2, 0.8]] * 24})
    model = build_model(tokenizer)
    match_labels(model, ClassLabel(names=LABELS))
    trainer = build_trainer(
        tmp_path / "soft", tokenizer, model, train_dataset=soft, num_train_epochs=6, learning_rate=0.05
    )
    trainer.train()
    logits = trainer.predict(build_rows(24, 1)).predictions
    confidence = torch.tensor(logits).softmax(-1).max(-1).values.mean()
    assert 0.75 < confidence < 0.95  # as sure as the labels were
    trainer = build_trainer(
        tmp_path / "balanced", tokenizer, balance_classes=True, train_dataset=build_rows().select([0, 1, 3, 5])
    )
    loss = trainer.compute_loss_func({"logits": torch.zeros(1, 2, requires_grad=True)}, torch.tensor([0]))
    assert loss.item() == pytest.approx(-np.log(0.25))


def test_a_loss_that_is_not_finite_stops_training(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = build_model(tokenizer)
    with torch.no_grad():
        model.classifier.weight.fill_(float("inf"))
    with pytest.raises(ValueError, match="loss became"):
        build_trainer(tmp_path, tokenizer, model).train()


def test_ties_go_to_the_lower_loss(run: LstmAttnTrainer) -> None:
    state, best = run.state, (run.state.best_metric, run.state.best_global_step)
    state.log_history.append({"step": 99, "eval_loss": 0.5})
    state.best_metric, state.best_global_step = 0.7, 99
    assert not run._determine_best_metric({"eval_f1": 0.7, "eval_loss": 0.6}, None)
    assert run._determine_best_metric({"eval_f1": 0.7, "eval_loss": 0.4}, None)
    state.best_metric, state.best_global_step = best
    state.log_history.pop()


def test_patience_does_not_count_while_one_class_is_predicted(run: LstmAttnTrainer) -> None:
    stopping = EarlyStopping(1)
    control = run.control
    control.should_training_stop = False
    for classes, stops in ((1, False), (2, True)):
        metrics = {"eval_f1": 0.0, "eval_predicted_classes": classes}
        stopping.on_evaluate(run.args, run.state, control, metrics)
        assert control.should_training_stop == stops


def test_precision_is_chosen_only_where_it_is_left_open(tmp_path: Path) -> None:
    assert LstmAttnTrainingArguments(str(tmp_path), bf16=False).bf16 is False
    assert LstmAttnTrainingArguments(str(tmp_path)).bf16 in (True, False)
    assert LstmAttnTrainingArguments(str(tmp_path), bf16=True, use_cpu=True).bf16 is True


def test_seventy_seven_classes_in_order(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    names = [f"class {number}" for number in range(77)]
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    rows = Dataset.from_dict({"text": ["film"] * 154, "label": [*range(77)] * 2}, features=features)
    trainer = build_trainer(tmp_path, tokenizer, train_dataset=rows, eval_dataset=rows, num_train_epochs=1)
    trainer.train()
    accuracy = trainer.evaluate(rows, metric_key_prefix="test")["test_accuracy"]
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert list_labels(again.config) == names
    assert json.loads((tmp_path / "results.json").read_text())["labels"] == names
    fresh = LstmAttnTrainer(
        again, LstmAttnTrainingArguments(str(tmp_path / "again")), eval_dataset=rows, processing_class=tokenizer
    )
    assert fresh.evaluate()["eval_accuracy"] == accuracy


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_gpu_trains_resumes_and_agrees_with_the_cpu(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, precision: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_trainer(tmp_path, tokenizer, callbacks=[Interrupt()], **{precision: True}).train()
    trainer = build_trainer(tmp_path, tokenizer, **{precision: True})
    trainer.train(resume_from_checkpoint=True)
    rows = build_rows(24, 1)
    on_gpu = torch.tensor(trainer.predict(rows).predictions).softmax(-1)
    cpu = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    on_cpu = cpu(**tokenizer(rows["text"][:], padding=True, return_tensors="pt")).logits.softmax(-1)
    torch.testing.assert_close(on_gpu, on_cpu, atol=1e-2, rtol=0)
