"""Adversarial and virtual adversarial training on word vectors (Miyato et al. 2017, "Adversarial Training Methods for
Semi-Supervised Text Classification"), and entropy minimisation on unlabelled texts.

Together with the cross entropy they are the mixed objective of Sachan et al. 2019, "Revisiting LSTM Networks for
Semi-Supervised Text Classification via Mixed Objective Function".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Trainer

UNLABELLED = -100  # the label that torch's cross entropy and the Trainer's counts leave out
# Length of the random perturbation from which the virtual adversarial direction is found, as a share of the length of
# the text's word vectors: hardly any of it is along that direction, and bfloat16 must still see what it changes.
PROBE_RADIUS = 0.1
COLLAPSED_SHARE = 0.9  # of unlabelled texts in one class, from which on training warns


def is_labelled(labels: torch.Tensor) -> torch.Tensor:
    """(batch,) class ids, or (batch, num_labels) probabilities -> (batch,), False where the label is `UNLABELLED`."""
    return (labels != UNLABELLED).reshape(len(labels), -1).all(dim=1)


def describe_collapse(
    unlabelled_logits: np.ndarray, validation_logits: np.ndarray, label_names: Sequence[str]
) -> str | None:
    """A warning where entropy minimisation may have settled on one class for the unlabelled texts, or None.

    It may where one class has `COLLAPSED_SHARE` of the unlabelled texts, and leaves them half of what it leaves the
    texts of validation, or less. Logits are (examples, num_labels).
    """
    unlabelled, validation = (
        np.bincount(logits.argmax(-1), minlength=len(label_names)) / len(logits)
        for logits in (unlabelled_logits, validation_logits)
    )
    largest = int(unlabelled.argmax())
    if unlabelled[largest] < COLLAPSED_SHARE or 1 - unlabelled[largest] > (1 - validation[largest]) / 2:
        return None
    return (
        f"Warning: {unlabelled[largest]:.0%} of the unlabelled texts are classified as {label_names[largest]}, and "
        f"{validation[largest]:.0%} of validation. If they are not so, entropy minimisation has settled on one class "
        "for texts of their kind, which validation may not show; choose a recipe without it."
    )


class AdversarialTrainer(Trainer):
    """Trains each batch as it is, and with its word vectors moved the way that harms the prediction most.

    The perturbation of a text is a vector over all its words. Miyato et al. normalise the embedding so that a radius
    means the same for every model; here the radius is relative to the length of the text's own word vectors instead,
    which leaves the embedding as it is. The loss of a batch is the sum of

    - the cross entropy, a mean over labelled texts;
    - adversarial: the same after moving along its gradient. The gradient of the first pass serves both to train and to
      perturb, so this costs a second pass;
    - virtual adversarial: KL(p(x) || p(x + r)), a mean over all texts, with p(x) held fixed. r is along the gradient of
      this divergence at a random point near x, which is one power iteration from there towards the direction in which
      it grows most; no label is needed. Costs two passes. All passes of this term share their dropout masks, so that
      the perturbation alone tells them apart;
    - the entropy of p(x) times its weight, a mean over unlabelled texts.

    Args:
        adversarial_radius: Length of the adversarial perturbation, as a share of the length (L2) of the text's word
            vectors; None leaves the term out.
        virtual_adversarial_radius: That of the virtual adversarial one.
        entropy_weight: Of the entropy.

    Raises:
        ValueError: if the arguments ask for gradient accumulation.
    """

    def __init__(
        self,
        *args: Any,
        adversarial_radius: float | None,
        virtual_adversarial_radius: float | None,
        entropy_weight: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.adversarial_radius = adversarial_radius
        self.virtual_adversarial_radius = virtual_adversarial_radius
        self.entropy_weight = entropy_weight
        if self.args.gradient_accumulation_steps != 1:
            raise ValueError(
                "Expected adversarial training without gradient accumulation; found gradient_accumulation_steps="
                f"{self.args.gradient_accumulation_steps}. Set it to 1, or choose a smaller batch."
            )

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not model.training:
            return super().compute_loss(model, inputs, *args, **kwargs)
        inputs = dict(inputs)
        attention_mask = inputs["attention_mask"]
        with self.compute_loss_context_manager():
            input_ids = model.base_model.drop_words(inputs.pop("input_ids"), attention_mask)
            embeds = model.get_input_embeddings()(input_ids)
        embeds.requires_grad_().retain_grad()  # they have none of their own where the embedding is frozen
        virtual_radius = self.virtual_adversarial_radius
        if virtual_radius is not None:
            noise = torch.randn(embeds.shape, device=embeds.device) * attention_mask.unsqueeze(-1)
        with _repeat_random_numbers(embeds.device, enabled=virtual_radius is not None):
            loss, outputs = super().compute_loss(
                model, {**inputs, "inputs_embeds": embeds}, *args, return_outputs=True, **kwargs
            )
        logits = outputs["logits"].float()  # (batch, num_labels)
        if self.entropy_weight:  # of rows that have no cross entropy: the adversarial direction stays as it is
            loss = loss + self.entropy_weight * _compute_entropy(logits, ~is_labelled(inputs["labels"]))
        virtual_loss: torch.Tensor | float = 0.0
        if virtual_radius is not None:
            virtual_loss = self._compute_virtual_loss(
                model, embeds, attention_mask, logits.detach(), noise, virtual_radius
            )
        if self.adversarial_radius is not None:
            # The graph from word ids to word vectors is needed again: later passes add to the same word vectors.
            self.accelerator.backward(loss, retain_graph=True)
            perturbed = _move(embeds, embeds.grad, self.adversarial_radius)
            loss = super().compute_loss(model, {**inputs, "inputs_embeds": perturbed}, *args, **kwargs)
        return loss + virtual_loss

    def _compute_virtual_loss(
        self,
        model: Any,
        embeds: torch.Tensor,  # (batch, seq_len, embedding_size)
        attention_mask: torch.Tensor,  # (batch, seq_len)
        logits: torch.Tensor,  # (batch, num_labels), of `embeds`
        noise: torch.Tensor,  # like embeds, zero at padding
        radius: float,
    ) -> torch.Tensor:
        log_probabilities = logits.log_softmax(-1)

        def compute_divergence(perturbed: torch.Tensor) -> torch.Tensor:
            output = model(inputs_embeds=perturbed, attention_mask=attention_mask)
            return nn.functional.kl_div(
                output["logits"].float().log_softmax(-1), log_probabilities, log_target=True, reduction="batchmean"
            )

        probe = _move(embeds.detach(), noise, PROBE_RADIUS).requires_grad_()
        with _repeat_random_numbers(embeds.device):
            divergence = compute_divergence(probe)
        if self.accelerator.scaler is not None:  # float16: the gradient would underflow
            divergence = self.accelerator.scaler.scale(divergence)
        (gradient,) = torch.autograd.grad(divergence, probe)
        return compute_divergence(_move(embeds, gradient, radius))


def _repeat_random_numbers(device: torch.device, enabled: bool = True) -> Any:
    """A context after which the global random numbers begin again where they began in it."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=enabled)


def _move(embeds: torch.Tensor, direction: torch.Tensor, radius: float) -> torch.Tensor:
    """Each text of (batch, seq_len, embedding_size) moved by `radius` times its length; a direction of 0 moves none."""
    direction = direction.float()
    direction = direction / direction.norm(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    length = embeds.detach().norm(dim=(1, 2), keepdim=True)  # (batch, 1, 1)
    return embeds + (radius * length * direction).to(embeds.dtype)


def _compute_entropy(logits: torch.Tensor, is_counted: torch.Tensor) -> torch.Tensor:
    """Mean entropy, in nats, of (batch, num_labels) logits over the rows that count; 0 without any."""
    log_probabilities = logits.log_softmax(-1)
    entropy = -(log_probabilities.exp() * log_probabilities).sum(-1)  # (batch,)
    return (entropy * is_counted).sum() / is_counted.sum().clamp(min=1)
