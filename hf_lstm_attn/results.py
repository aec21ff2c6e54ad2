"""What a run leaves behind: `results.json`, enough to redo the run and to fill its model card."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS_FILE = "results.json"
PUSHED_FILE = "pushed.json"  # last commit pushed to each repository; outlives a new run in the folder
PACKAGES = ("hf_lstm_attn", "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "gensim")
METRIC_NAMES = ("loss", "accuracy", "precision", "recall", "f1", "macro_recall")
TRAINING_STAGES = ("data", "vocabulary_and_word_vectors", "encoding", "training", "ngrams")


@dataclass
class RunResult:
    """One training run, as plain JSON values.

    Attributes:
        request: What was asked for: the arguments of `train` and the recipe. The same request on the same versions,
            hardware and data gives the same numbers.
        dataset: Registry entry or file, split sizes, label counts, duplicates and fingerprint.
        label_names: Class names in id order.
        model: The configuration's fields and `parameters`, how many numbers were trained.
        arguments: The `TrainingArguments` that differ from transformers' defaults.
        precision: Number format of training, and why it was chosen.
        machine: Processor, threads, and accelerator if any.
        versions: Python and the packages that numbers depend on.
        epochs: Per epoch, `train` and `validation` metrics. Training metrics are measured after the epoch, without
            dropout, on `train_rows_evaluated` training examples.
        best_epoch: The epoch whose weights were kept.
        ngrams: Of a model with n-grams: their `number` and `ratio` (see ngrams.py), metrics on `train` and `validation`
            with them, and on test of the `network_alone`. `epochs` has the network's.
        test: Metrics on the test split, computed once, after training.
        test_confusion: Counts; the row is the true class and the column the predicted one.
        test_reliability: `compute_reliability` of the test split, as trained and calibrated by the temperature fitted
            on validation (`model["calibration_temperature"]`).
        limits: What errors and leanings depend on (see `measure_limits`).
        widget: Example texts with the model's scores (see `score_widget_texts`).
        comparison: The models beside it: {"models": {name: {"test": {metric: value}, ...}}}; see `Comparison`.
        audit: How faithful its explanations are on a data set; see `audit_explanations`.
        timings: Seconds per stage, over all sittings of a resumed run, and training speed.
        examples: What the model says of 32 synthetic texts (examples.py), by which `verify` knows it again.
        repository: In a folder made for the Hub: its `id` there, if it was given, and the `dtype` of its weights. Of a
            built-in model: its name as `built_in`, the `dtype`, how many words of the `vocabulary` it keeps, and
            `test`, metrics of the model as stored.
    """

    request: dict[str, Any]
    dataset: dict[str, Any]
    label_names: list[str]
    model: dict[str, Any]
    arguments: dict[str, Any]
    precision: dict[str, str]
    machine: dict[str, Any]
    versions: dict[str, str]
    train_rows_evaluated: int
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    ngrams: dict[str, Any] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    test_confusion: list[list[int]] = field(default_factory=list)
    test_reliability: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    widget: list[dict[str, Any]] = field(default_factory=list)
    comparison: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    repository: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write `results.json` into the folder."""
        save_json(asdict(self), folder / RESULTS_FILE)

    @classmethod
    def load(cls, folder: str | Path) -> RunResult:
        """Read a run folder's `results.json`.

        Raises:
            FileNotFoundError: if the folder has none.
        """
        path = Path(folder) / RESULTS_FILE
        if not path.is_file():
            raise FileNotFoundError(f"Expected a finished run with {RESULTS_FILE}; found none in {folder}.")
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def summarize(self) -> dict[str, Any]:
        """What a classifier that starts from here records of it."""
        train = self.dataset["splits"]["train"]
        return {
            "name": self.dataset["name"],
            "labels": len(self.label_names),
            "texts": train["rows"],
            "fingerprint": train["fingerprint"],
            "protocol": self.request["protocol"],
            "seed": self.request["seed"],
            "pretraining": self.request.get("pretraining"),
        }

    @property
    def best(self) -> dict[str, Any]:
        """The row of `epochs` whose weights were kept, with the metrics of the model as kept: with its n-grams."""
        row = next(row for row in self.epochs if row["epoch"] == self.best_epoch)
        return row | {split: self.ngrams[split] for split in ("train", "validation") if split in self.ngrams}

    @property
    def training_seconds(self) -> float:
        """From raw texts to the trained model, its vocabulary and word vectors included."""
        return sum(self.timings.get(stage, 0) for stage in TRAINING_STAGES)

    def table(self) -> list[tuple[str, ...]]:
        """The report's table: a row per split, a column per metric; fractions, and loss in nats.

        Under the report's protocol its own figures follow, where it gives any.
        """
        rows = {"train": self.best["train"], "validation": self.best["validation"], "test": self.test}
        if self.request["protocol"] == "report":
            for split, metric, value in self.request["dataset"]["reported"]:
                rows[f"report, {split}"] = {metric: value}
        cells = [(name, *(f"{row[m]:.4f}" if m in row else "" for m in METRIC_NAMES)) for name, row in rows.items()]
        return [("split", *METRIC_NAMES), *cells]


def render_markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(cell.strip() for cell in line)} |\n" for line in lines)


def save_json(value: Any, path: Path) -> None:
    """Write JSON so that an interruption leaves the old file or the new one, never a half."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def describe_versions() -> dict[str, str]:
    """Python and the packages that a run's numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def describe_machine() -> dict[str, Any]:
    """Processor, threads, and the accelerator if there is one."""
    import torch

    machine: dict[str, Any] = {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        machine["accelerator"] = torch.cuda.get_device_name()
    return machine


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
