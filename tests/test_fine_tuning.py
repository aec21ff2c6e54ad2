from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback

from hf_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.fine_tuning import FreezeEncoder
from hf_lstm_attn.trainer import build_arguments, build_trainer, choose_precision

ROWS = Dataset.from_dict({"input_ids": [[2, 3, 4], [3, 5]], "labels": [0, 1]})


def build(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, folder: Path, **options: object
) -> Trainer:
    """A trainer of two epochs of a step each."""
    arguments = build_arguments(
        folder,
        choose_precision(False),
        num_train_epochs=2,
        learning_rate=0.1,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        max_grad_norm=0.0,
        save_strategy="no",
    )
    return build_trainer(model, tokenizer, arguments, train_dataset=ROWS, **options)


class Recorder(TrainerCallback):
    """How far each parameter has moved from where it was when training began, after each step."""

    def on_train_begin(self, *_: object, model: LstmAttnForSequenceClassification, **__: object) -> None:
        self.before = {name: value.clone() for name, value in model.state_dict().items()}
        self.moved: list[dict[str, float]] = []

    def on_step_end(self, *_: object, model: LstmAttnForSequenceClassification, **__: object) -> None:
        self.moved.append(
            {name: (value - self.before[name]).abs().max().item() for name, value in model.state_dict().items()}
        )


def find_part(name: str) -> str:
    return next((part for part in ("embeddings", "encoder") if f".{part}." in name), "rest")


def test_each_layer_trains_at_its_share_of_the_rate(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    recorder = Recorder()
    build(model, tokenizer, tmp_path, callbacks=[recorder], encoder_learning_rate=0.5).train()
    expected = {"rest": 0.1, "encoder": 0.05, "embeddings": 0.025}
    for name, distance in recorder.moved[0].items():  # Adam's first step is as long as the rate, whatever the gradient
        assert distance == pytest.approx(expected[find_part(name)], rel=0.05), name


def test_weight_decay_is_the_stock_trainers(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    decays = []
    for share in (None, 0.5):
        optimizer = build(model, tokenizer, tmp_path, encoder_learning_rate=share).create_optimizer()
        decays.append(
            {parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
        )
    assert decays[0] == decays[1]
    assert set(decays[0].values()) == {0.0, 0.01}
    assert len(decays[0]) == len(list(model.parameters()))


@pytest.mark.parametrize("radius", [None, 0.1])
def test_frozen_encoder_waits_and_then_trains(
    radius: float | None, model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    recorder = Recorder()
    build(
        model,
        tokenizer,
        tmp_path,
        callbacks=[FreezeEncoder(1), recorder],
        encoder_learning_rate=0.5,
        adversarial_radius=radius,
    ).train()
    frozen, thawed = recorder.moved
    assert {find_part(name) for name, distance in frozen.items() if distance} == {"rest"}
    assert all(frozen[name] for name in frozen if find_part(name) == "rest")
    assert all(thawed.values())


def test_no_gradient_is_computed_for_a_frozen_encoder(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    states = []
    hook = model.lstm_attn.encoder.register_forward_hook(lambda _, __, output: states.append(output.requires_grad))
    build(model, tokenizer, tmp_path, callbacks=[FreezeEncoder(1)]).train()
    hook.remove()
    assert states == [False, True]
