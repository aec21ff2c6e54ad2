"""The training loop of the two language models, with checkpoints.

Not the Trainer: it shuffles examples, and here a stream's hidden state goes on from window to window.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from .memory import keep_freed_memory
from .modeling_language_model import LanguageModel, LstmState, draw_candidates
from .run_folder import Clock
from .text_stream import Streams, build_streams, compute_length
from .trainer import Precision

DIRECTIONS = ("forward", "backward")
LINE_STEPS = 100  # between status lines where there is no progress bar
WARM_UP_SHARE = 0.05
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class PretrainingRecipe:
    """How the language models are built and trained.

    Attributes:
        embedding_size: Features of a word vector.
        hidden_size: Features of one direction's hidden state.
        batch_size: Streams read side by side.
        window: Words through which gradients flow back; the hidden state goes on beyond.
        epochs: Times that all texts are read, in another order each time.
        steps: Windows to train on, instead of epochs.
        learning_rate: Adam's highest; it rises for the first twentieth of the steps and falls along a cosine.
        dropout: On word vectors and on hidden states.
        candidates: Words that stand for the vocabulary in a step of training.
        word_vectors: Initial word vectors: None (random), `"train"` (skip-gram on the same texts) or a file.
        min_frequency: How often the texts must contain a word for it to enter the vocabulary.
        evaluate_every: Steps from one evaluation, and checkpoint, to the next.
        low_precision: Whether to use bfloat16 or float16 where the hardware is fast at it.
    """

    embedding_size: int = 128
    hidden_size: int = 128
    batch_size: int = 64
    window: int = 70
    epochs: int = 3
    steps: int | None = None
    learning_rate: float = 2e-3
    dropout: float = 0.2
    candidates: int = 1024
    word_vectors: str | None = "train"
    min_frequency: int = 5
    evaluate_every: int = 1_000
    low_precision: bool = True


class PretrainingLoop:
    """Windows of the streams, one step each. What a step draws depends on the seed and on its number alone."""

    def __init__(
        self,
        model: LanguageModel,
        recipe: PretrainingRecipe,
        precision: Precision,
        seed: int,
        encoded: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
    ) -> None:
        keep_freed_memory()
        self.device = torch.accelerator.current_accelerator() or torch.device("cpu")
        self.model = model.to(self.device)
        self.recipe, self.precision, self.seed = recipe, precision, seed
        self.encoded, self.held_out = encoded, held_out
        self.windows = math.ceil(compute_length(encoded, recipe.batch_size) / recipe.window)  # of an epoch
        self.total = recipe.steps or recipe.epochs * self.windows
        self.words_per_step = sum(map(len, encoded)) / self.windows
        self.optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision.name == "float16")
        self.step = 0
        self.states: list[LstmState] | None = None
        self.losses: list[float] = []  # since the last evaluation
        self.evaluations: list[dict[str, Any]] = []

    def run(self, checkpoint: Path, say: Callable[[str], None], clock: Clock) -> float:
        """Train to the end, evaluating and saving on the way; returns words per second, evaluations left out."""
        begun, seconds = self.step, 0.0
        streams: Streams | None = None
        with tqdm(total=self.total, initial=begun, unit="step", disable=not sys.stderr.isatty()) as bar:
            while self.step < self.total:
                started = time.monotonic()
                epoch, window = divmod(self.step, self.windows)
                if window == 0:
                    streams, self.states = None, None
                if streams is None:
                    streams = self._shuffle(epoch)
                loss = self._train_on(*streams.window(window * self.recipe.window, self.recipe.window))
                if not math.isfinite(loss):
                    raise ValueError(
                        f"Expected a finite loss; found {loss} in step {self.step}. Pass a lower learning_rate "
                        "(--learning-rate)."
                    )
                self.losses.append(loss)
                seconds += time.monotonic() - started
                speed = (self.step - begun) * self.words_per_step / seconds
                bar.update()
                bar.set_postfix_str(f"{self._describe_losses()}, {speed:,.0f} words/s", refresh=False)
                if self.step % self.recipe.evaluate_every == 0 or self.step == self.total:
                    say(self._evaluate())
                    self.save(checkpoint)
                    clock.save("training")
                elif bar.disable and self.step % LINE_STEPS == 0:
                    say(f"step {self.step:,} of {self.total:,}: {self._describe_losses()}; {speed:,.0f} words/s")
        return round((self.step - begun) * self.words_per_step / seconds, 1) if seconds else 0.0

    def _describe_losses(self) -> str:
        recent = np.mean(self.losses[-LINE_STEPS:])
        text = f"sampled loss {recent:.3f}"
        return f"perplexity {self.evaluations[-1]['perplexity']['mean']:.1f}, {text}" if self.evaluations else text

    def _shuffle(self, epoch: int) -> Streams:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.encoded))
        return build_streams(
            [self.encoded[row] for row in order], self.recipe.batch_size, boundary=self.model.config.pad_token_id
        )

    def _train_on(self, inputs: torch.Tensor, targets: torch.Tensor) -> float:
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = compute_learning_rate(self.step, self.total, self.recipe.learning_rate)
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.step]).generate_state(1)[0]))
        candidates = draw_candidates(self.model.config, self.recipe.candidates, self.device)
        dtype = getattr(torch, self.precision.name)
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32):
            loss, states = self.model(inputs.to(self.device), targets.to(self.device), candidates, self.states)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.states = [(hidden.detach(), cell.detach()) for hidden, cell in states]
        self.step += 1
        return loss.item()

    def _evaluate(self) -> str:
        """Measure held-out perplexity, in float32, and record it; returns a line that says so."""
        losses, words = evaluate_language_model(self.model, self.held_out, self.recipe.batch_size, self.recipe.window)
        means = dict(zip(DIRECTIONS, (losses / words).tolist(), strict=True))
        loss = sum(means.values()) / len(means)
        self.evaluations.append(
            {
                "step": self.step,
                "epoch": round(self.step / self.windows, 3),
                "training_loss": float(np.mean(self.losses)),
                "loss": {**means, "mean": loss},
                "perplexity": {**{name: math.exp(value) for name, value in means.items()}, "mean": math.exp(loss)},
            }
        )
        self.losses = []
        perplexity = ", ".join(f"{math.exp(value):.1f} {name}" for name, value in means.items())
        return f"step {self.step:,} of {self.total:,}: perplexity on held-out texts {perplexity}"

    def save(self, path: Path) -> None:
        """One file, replaced in one move: weights, Adam's moments, hidden states, and what was measured."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        for index, pair in enumerate(self.states or []):
            tensors |= {f"state.{index}.{name}": value for name, value in zip("hc", pair, strict=True)}
        progress = {"step": self.step, "evaluations": self.evaluations, "scaler": self.scaler.state_dict()}
        partial = path.with_name(path.name + ".partial")
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(tensors, partial, metadata={"progress": json.dumps(progress)})
        partial.replace(path)

    def load(self, path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            progress = json.loads(file.metadata()["progress"])
        self.step, self.evaluations = progress["step"], progress["evaluations"]
        self.scaler.load_state_dict(progress["scaler"])
        weights: dict[str, torch.Tensor] = {}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        states: dict[str, torch.Tensor] = {}
        for name, value in tensors.items():
            kind, rest = name.split(".", 1)
            if kind == "model":
                weights[rest] = value
            elif kind == "optimizer":
                index, key = rest.split(".")
                moments.setdefault(int(index), {})[key] = value
            else:
                states[rest] = value.to(self.device)
        self.model.load_state_dict(weights)
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.states = [(states[f"{index}.h"], states[f"{index}.c"]) for index in range(len(states) // 2)]


def compute_learning_rate(step: int, total: int, highest: float) -> float:
    """Rises in a line over the first twentieth of the steps, then falls to zero along a cosine."""
    warm_up = max(1, round(WARM_UP_SHARE * total))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


@torch.inference_mode()
def evaluate_language_model(
    model: LanguageModel, encoded: Sequence[np.ndarray], batch_size: int, window: int
) -> tuple[torch.Tensor, int]:
    """Summed loss in nats per direction, (directions,), over all words of the texts, and the number of words."""
    model.eval()
    streams = build_streams(encoded, batch_size, boundary=model.config.pad_token_id)
    total = torch.zeros(len(model.directions), dtype=torch.float64)
    states = None
    for start in range(0, streams.inputs.shape[-1], window):
        inputs, targets = streams.window(start, window)
        losses, states = model.compute_losses(inputs.to(model.device), targets.to(model.device), states)
        total += losses.double().cpu()
    return total, sum(map(len, encoded))
