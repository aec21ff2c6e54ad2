from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, TrainerCallback

from hf_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.fine_tuning import FreezeEncoder
from hf_lstm_attn.trainer import build_arguments, build_trainer, choose_precision

ROWS = Dataset.from_dict({"input_ids": [[2, 3, 4], [3, 5]], "labels": [0, 1]})


def train_a_step(
    model: LstmAttnForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
    **fields: object,
) -> list[torch.Tensor]:
    """The word vectors of each pass of one training step."""
    passes: list[torch.Tensor] = []
    hook = model.lstm_attn.register_forward_pre_hook(
        lambda _, arguments, named: passes.append(named["inputs_embeds"].detach().clone()), with_kwargs=True
    )
    arguments = build_arguments(folder, choose_precision(False), max_steps=1, save_strategy="no", **fields)
    build_trainer(model, tokenizer, arguments, train_dataset=ROWS, callbacks=callbacks, adversarial_radius=0.1).train()
    hook.remove()
    return passes


@pytest.mark.parametrize("callbacks", [[], [FreezeEncoder(1)]])
def test_second_pass_is_moved_by_the_radius_to_a_higher_loss(
    callbacks: list[TrainerCallback],
    model: LstmAttnForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    plain, perturbed = train_a_step(model, tokenizer, tmp_path, callbacks, learning_rate=0.0)
    length = plain.flatten(1).norm(dim=1)  # one per text
    assert (perturbed - plain).flatten(1).norm(dim=1).tolist() == pytest.approx((0.1 * length).tolist(), rel=1e-4)
    mask = (plain.abs().sum(-1) > 0).long()  # padding has the zero vector
    assert (perturbed - plain)[mask == 0].abs().max() == 0
    labels = torch.tensor([0, 1] if mask.sum(1).tolist() == [3, 2] else [1, 0])
    model.eval()
    losses = [model(inputs_embeds=embeds, attention_mask=mask, labels=labels).loss for embeds in (plain, perturbed)]
    assert losses[1] > losses[0]


def test_both_passes_train(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    before = model.get_input_embeddings().weight.detach().clone()
    train_a_step(model, tokenizer, tmp_path, learning_rate=0.1)
    moved = (model.get_input_embeddings().weight.detach() != before).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [2, 3, 4, 5]  # the words of the batch, not padding


def test_gradient_accumulation_is_refused(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        train_a_step(model, tokenizer, tmp_path, gradient_accumulation_steps=2)
