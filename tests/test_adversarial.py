from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback

from hf_lstm_attn import LstmAttnForSequenceClassification
from hf_lstm_attn.adversarial import UNLABELLED, describe_collapse
from hf_lstm_attn.fine_tuning import FreezeEncoder
from hf_lstm_attn.trainer import Precision, build_arguments, build_trainer, choose_precision, compute_labelled_loss

FLOAT32 = choose_precision(False)
ROWS = Dataset.from_dict({"input_ids": [[2, 3, 4], [3, 5]], "labels": [0, 1]})
ADVERSARIAL = {"adversarial_radius": 0.1}
VIRTUAL = {"virtual_adversarial_radius": 0.1}
MIXED = {**ADVERSARIAL, **VIRTUAL, "entropy_weight": 1.0, "loss": compute_labelled_loss}


def train_a_step(
    model: LstmAttnForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    objective: dict[str, object] = ADVERSARIAL,
    precision: Precision = FLOAT32,
    rows: Dataset = ROWS,
    callbacks: Sequence[TrainerCallback] = (),
    **fields: object,
) -> list[torch.Tensor]:
    """The word vectors of each pass of one training step."""
    passes: list[torch.Tensor] = []
    hook = model.lstm_attn.register_forward_pre_hook(
        lambda _, arguments, named: passes.append(named["inputs_embeds"].detach().clone()), with_kwargs=True
    )
    arguments = build_arguments(folder, precision, max_steps=1, save_strategy="no", **fields)
    build_trainer(model, tokenizer, arguments, train_dataset=rows, callbacks=callbacks, **objective).train()
    hook.remove()
    return passes


@pytest.fixture
def trainer(model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Trainer:
    """Of the mixed objective, whose terms a test switches off."""
    return build_trainer(model, tokenizer, build_arguments(tmp_path, FLOAT32), **MIXED)


def compute_loss(
    trainer: Trainer,
    labels: Sequence[int],
    *,
    adversarial: float | None = None,
    virtual: float | None = None,
    entropy: float = 0.0,
) -> torch.Tensor:
    """The loss that trains on texts of `ROWS` with these labels, always with the same random numbers."""
    trainer.adversarial_radius, trainer.virtual_adversarial_radius = adversarial, virtual
    trainer.entropy_weight = entropy
    batch = trainer.data_collator(
        [{"input_ids": ROWS["input_ids"][row % 2], "labels": label} for row, label in enumerate(labels)]
    )
    torch.manual_seed(0)
    return trainer.compute_loss(trainer.model.train(), batch)


def compute_gradient(trainer: Trainer, labels: Sequence[int], **terms: float) -> torch.Tensor:
    trainer.model.zero_grad()
    compute_loss(trainer, labels, **terms).backward()
    return torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()])


@pytest.mark.parametrize("callbacks", [[], [FreezeEncoder(1)]])
def test_second_pass_is_moved_by_the_radius_to_a_higher_loss(
    callbacks: list[TrainerCallback],
    model: LstmAttnForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    plain, perturbed = train_a_step(model, tokenizer, tmp_path, callbacks=callbacks, learning_rate=0.0)
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


def test_virtual_perturbation_has_the_radius_and_spares_padding(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    plain, probe, perturbed = train_a_step(model, tokenizer, tmp_path, VIRTUAL, learning_rate=0.0)
    length = plain.flatten(1).norm(dim=1)  # one per text
    is_padding = plain.abs().sum(-1) == 0
    assert is_padding.sum() == 1
    for moved in (probe, perturbed):
        assert (moved - plain).flatten(1).norm(dim=1).tolist() == pytest.approx((0.1 * length).tolist(), rel=1e-4)
        assert (moved - plain)[is_padding].abs().max() == 0


def test_virtual_perturbation_changes_predictions_more_than_random_ones(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    rows = Dataset.from_dict({"input_ids": [[2, 3, 4], [5, 3, 4]] * 32, "labels": [0, 1] * 32})
    arguments = build_arguments(tmp_path, FLOAT32, learning_rate=0.03, save_strategy="no")
    build_trainer(model, tokenizer, arguments, train_dataset=rows).train()
    plain, _, perturbed = train_a_step(
        model, tokenizer, tmp_path, VIRTUAL, rows=rows.select(range(2)), learning_rate=0.0
    )
    noise = torch.randn(100, *plain.shape)
    noise *= (perturbed - plain).norm(dim=(1, 2), keepdim=True) / noise.norm(dim=(2, 3), keepdim=True)

    def diverge(embeds: torch.Tensor) -> torch.Tensor:
        one, other = (model(inputs_embeds=vectors).logits.log_softmax(-1) for vectors in (plain, embeds))
        return nn.functional.kl_div(other, one, log_target=True, reduction="batchmean")

    model.eval()
    with torch.no_grad():
        random = torch.stack([diverge(plain + vectors) for vectors in noise])
        assert diverge(perturbed) > random.max()


def test_passes_of_the_virtual_loss_differ_by_the_perturbation_alone(trainer: Trainer) -> None:
    base_model = trainer.model.base_model
    base_model.config.word_dropout = base_model.embedding_dropout.p = trainer.model.dropout.p = 0.5
    texts = [UNLABELLED] * 8
    assert not compute_loss(trainer, [0, 1]).equal(compute_loss(trainer, [0, 1], adversarial=0.0))  # dropout at work
    assert compute_loss(trainer, texts, virtual=0.0).item() == 0
    assert 0 < compute_loss(trainer, texts, virtual=1e-3) < compute_loss(trainer, texts, virtual=0.1)


def test_supervised_loss_is_the_mean_over_labelled_texts(trainer: Trainer) -> None:
    for adversarial in (None, 0.1):
        expected = compute_loss(trainer, [0, 1], adversarial=adversarial).item()
        mixed = compute_loss(trainer, [0, 1, UNLABELLED, UNLABELLED, UNLABELLED], adversarial=adversarial)
        assert mixed.item() == pytest.approx(expected)


def test_batch_without_labels_gives_a_finite_loss_and_gradient(trainer: Trainer) -> None:
    assert compute_loss(trainer, [UNLABELLED] * 2, adversarial=0.1).item() == 0
    loss = compute_loss(trainer, [UNLABELLED] * 2, adversarial=0.1, virtual=0.1, entropy=1.0)
    loss.backward()
    assert loss > 0
    assert all(parameter.grad.isfinite().all() for parameter in trainer.model.parameters())


def test_entropy_is_the_mean_over_unlabelled_texts(trainer: Trainer) -> None:
    with torch.no_grad():
        trainer.model.classifier.weight.zero_()
        trainer.model.classifier.bias.copy_(torch.tensor([0.75, 0.25]).log())
    entropy = -(0.75 * torch.tensor(0.75).log() + 0.25 * torch.tensor(0.25).log()).item()
    supervised = compute_loss(trainer, [0, 1, UNLABELLED]).item()
    assert compute_loss(trainer, [0, 1, UNLABELLED], entropy=2.0).item() == pytest.approx(supervised + 2 * entropy)
    assert compute_loss(trainer, [0, 1], entropy=2.0).item() == pytest.approx(supervised)


def test_mixed_objective_is_the_sum_of_its_terms(trainer: Trainer) -> None:
    labels = [0, 1, UNLABELLED, UNLABELLED]
    supervised = compute_gradient(trainer, labels)
    adversarial = compute_gradient(trainer, labels, adversarial=0.1)
    virtual = compute_gradient(trainer, labels, virtual=0.1)
    entropy = compute_gradient(trainer, labels, entropy=1.0)
    mixed = compute_gradient(trainer, labels, adversarial=0.1, virtual=0.1, entropy=1.0)
    torch.testing.assert_close(mixed, adversarial + virtual + entropy - 2 * supervised, rtol=1e-4, atol=1e-6)


def test_mixed_objective_trains_in_bfloat16(
    model: LstmAttnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    rows = Dataset.from_dict({"input_ids": [*ROWS["input_ids"], [4, 4]], "labels": [0, 1, UNLABELLED]})
    before = model.get_input_embeddings().weight.detach().clone()
    precision = Precision("bfloat16", "asked for")
    passes = train_a_step(model, tokenizer, tmp_path, MIXED, precision, rows, learning_rate=0.1)
    assert len(passes) == 4
    moved = (model.get_input_embeddings().weight.detach() != before).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [2, 3, 4, 5]
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("negative_of_unlabelled", "negative_of_validation", "told"),
    [(97, 50, True), (97, 93, True), (97, 96, False), (85, 20, False), (100, 100, True), (3, 50, True)],
)
def test_unlabelled_texts_in_one_class_are_told_unless_validation_is_alike(
    negative_of_unlabelled: int, negative_of_validation: int, told: bool
) -> None:
    unlabelled, validation = (
        np.eye(2)[[0] * count + [1] * (100 - count)] for count in (negative_of_unlabelled, negative_of_validation)
    )
    warning = describe_collapse(unlabelled, validation, ["negative", "positive"])
    assert (warning is not None) == told
    if warning and negative_of_unlabelled == 97:
        assert f"97% of the unlabelled texts are classified as negative, and {negative_of_validation}%" in warning
