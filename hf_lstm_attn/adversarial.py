"""Adversarial training on word vectors: Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text
Classification"."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer


class AdversarialTrainer(Trainer):
    """Trains each batch twice: as it is, and with its word vectors moved the way that raises the loss most.

    The perturbation of a text is a vector over all its words, along the gradient of the loss. Miyato et al. normalise
    the embedding so that a radius means the same for every model; here the radius is relative to the length of the
    text's own word vectors instead, which leaves the embedding as it is. The gradient of the first pass serves both to
    train and to perturb, so a step costs two passes.

    Args:
        radius: Length of the perturbation, as a share of the length (L2) of the text's word vectors.

    Raises:
        ValueError: if the arguments ask for gradient accumulation.
    """

    def __init__(self, *args: Any, radius: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.radius = radius
        if self.args.gradient_accumulation_steps != 1:
            raise ValueError(
                "Expected adversarial training without gradient accumulation; found gradient_accumulation_steps="
                f"{self.args.gradient_accumulation_steps}. Set it to 1, or choose a smaller batch."
            )

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not model.training:
            return super().compute_loss(model, inputs, *args, **kwargs)
        inputs = dict(inputs)
        with self.compute_loss_context_manager():
            input_ids = model.base_model.drop_words(inputs.pop("input_ids"), inputs["attention_mask"])
            embeds = model.get_input_embeddings()(input_ids)
        embeds.requires_grad_().retain_grad()  # they have none of their own where the embedding is frozen
        loss = super().compute_loss(model, {**inputs, "inputs_embeds": embeds}, *args, **kwargs)
        # The graph from word ids to word vectors is needed again: the second pass adds to the same word vectors.
        self.accelerator.backward(loss, retain_graph=True)
        gradient = embeds.grad.float()
        direction = gradient / gradient.norm(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        length = embeds.detach().norm(dim=(1, 2), keepdim=True)  # (batch, 1, 1)
        perturbed = embeds + (self.radius * length * direction).to(embeds.dtype)
        return super().compute_loss(model, {**inputs, "inputs_embeds": perturbed}, *args, **kwargs)
