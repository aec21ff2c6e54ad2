"""How a pre-trained encoder trains on: slower than the head, and after it (Howard & Ruder 2018, "Universal Language
Model Fine-tuning for Text Classification")."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from transformers import PreTrainedModel, TrainerCallback, TrainerState


def lower_encoder_rates(optimizer: Optimizer, model: PreTrainedModel, share: float) -> None:
    """Let the LSTMs train at `share` of the learning rate, and the embedding, a layer below, at `share` of theirs.

    "Discriminative fine-tuning" (section 3.1), where the share is 1 / 2.6. Pooling and head keep the full rate. The
    optimizer's groups are split, so every parameter keeps its weight decay. A scheduler is to be built afterwards.
    """
    embedding, encoder = set(model.get_input_embeddings().parameters()), set(model.base_model.encoder.parameters())
    rest = set(model.parameters()) - embedding - encoder
    groups = [
        {**group, "params": [p for p in group["params"] if p in part], "lr": group["lr"] * factor}
        for factor, part in ((1.0, rest), (share, encoder), (share**2, embedding))  # the first one's rate is logged
        for group in optimizer.param_groups
    ]
    optimizer.param_groups[:] = [group for group in groups if group["params"]]


class FreezeEncoder(TrainerCallback):
    """For the first epochs pooling and head train alone, then everything does.

    "Gradual unfreezing" (section 3.3) with two groups of layers. Frozen parameters have no gradients: computing them
    takes no time, and the optimizer passes them over, weight decay included.

    Args:
        epochs: Epochs without training of embedding and LSTMs.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_begin(self, args: Any, state: TrainerState, control: Any, *, model: PreTrainedModel, **_: Any) -> None:
        trains = round(state.epoch or 0) >= self.epochs
        model.get_input_embeddings().requires_grad_(trains)
        model.base_model.encoder.requires_grad_(trains)
