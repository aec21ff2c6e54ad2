"""results.json, the record of a run: enough to redo it, to fill its card and to check its model anywhere."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .inference import list_labels, load_classifier
from .pipeline_lstm_attn import LstmAttnPipeline

RESULTS_FILE = "results.json"
SCHEMA_VERSION = 2
PACKAGES = ("hf_lstm_attn", "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate")
SAMPLES = Path(__file__).parent / "samples"


def load_results(folder: str | Path) -> dict[str, Any]:
    """Read a run folder's results.json.

    Raises:
        FileNotFoundError: if the folder has none.
        ValueError: if it is not an object of JSON.
    """
    path = Path(folder) / RESULTS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {RESULTS_FILE}: it is not the folder of a finished training.")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold an object of JSON: {error}") from error


def save_json(value: Any, path: Path) -> None:
    """Write JSON by `save_text`."""
    save_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)


def save_text(text: str, path: Path) -> None:
    """Write so that an interruption leaves the old file or the new one, never a half."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def describe_versions() -> dict[str, str]:
    """Python and the packages that a run's numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads, and the accelerator if there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else []
    accelerator = {"accelerator": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    processor, threads = names[0] if names else platform.machine(), torch.get_num_threads()
    return {"processor": processor, "cores": os.cpu_count(), "threads": threads, **accelerator}


def describe_training(trainer: Any, seconds: float) -> dict[str, Any]:
    """Of a finished training: versions, machine, arguments, seconds and the metrics of each evaluation."""
    return {
        "versions": describe_versions(),
        "machine": describe_machine(),
        "arguments": describe_arguments(trainer.args),
        "seconds": seconds,
        "epochs": collect_epochs(trainer.state.log_history),
    }


def load_sample_texts(split: str = "test", rows: int = 16) -> list[str]:
    """The first rows of each of the package's synthetic samples, of no corpus; every run records predictions of those
    that come by default."""
    files = [SAMPLES / name / f"{split}.jsonl" for name in ("reviews", "tweets")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()[:rows]]
    return [json.loads(line)["text"] for line in lines]


def compute_predictions(classifier: Any, texts: list[str]) -> list[dict[str, Any]]:
    """What a model, as `load_classifier` gives it, says of each text, one at a time.

    Returns:
        `{"text", "logits": (num_labels,), "attentions": (tokens,)}` per text, to six digits.
    """
    rows = []
    for text in texts:
        encoded = classifier.tokenizer(text, truncation=True, return_tensors="pt").to(classifier.model.device)
        with torch.inference_mode():
            output = classifier.model(**encoded, output_attentions=True)
        numbers = {"logits": output.logits[0].tolist(), "attentions": output.attentions[0].tolist()}
        rows.append({"text": text, **{name: [round(x, 6) for x in row] for name, row in numbers.items()}})
    return rows


def load_examples(labels: list[str]) -> list[str]:
    """The report's sentences for a model that has the classes of one of its tasks; none for another."""
    return json.loads((SAMPLES / "examples.json").read_text(encoding="utf-8")).get(", ".join(labels), [])


def record_examples(classifier: Any) -> list[dict[str, Any]]:
    """Label, score and words with attention weights of `load_examples`; none by a baseline."""
    recorded = []
    is_own = isinstance(classifier, LstmAttnPipeline)
    for text in load_examples(list_labels(classifier.model.config)) if is_own else ():
        (row,) = classifier([text], return_attention=True)
        words = [{"word": word["word"], "weight": round(word["weight"], 6)} for word in row["words"]]
        recorded.append({"text": text, "label": row["label"], "score": round(row["score"], 6), "words": words})
    return recorded


def collect_results(trainer: Any) -> dict[str, Any]:
    """The record of a finished training, without the test split, from the trainer and the folder it has saved."""
    args, config, state = trainer.args, trainer.model.config, trainer.state
    classifier = load_classifier(args.output_dir)
    epochs = collect_epochs(state.log_history)
    kept = next((row for row in epochs if row["step"] == (state.best_global_step or state.global_step)), {})
    # Not where it was loaded from: that may be a folder of this machine.
    fields_of_model = {name: value for name, value in config.to_dict().items() if not name.startswith("_")}
    precision = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": describe_versions(),
        "machine": describe_machine(),
        "world_size": args.world_size,
        "dataset": {
            "name": args.dataset_name or Path(args.output_dir).name,
            "hub_id": args.dataset_name if args.dataset_name and "/" in args.dataset_name else None,
            "config": args.dataset_config,
            "language": args.language,
            "synthetic": bool((trainer.dataset_arguments or {}).get("synthetic")),
            "arguments": trainer.dataset_arguments,
            "splits": {name: split for name, split in trainer.splits.items() if split},
        },
        "labels": list_labels(config),
        "license": args.license,
        "problem_type": config.problem_type or "single_label_classification",
        "model": {**fields_of_model, "parameters": trainer.model.num_parameters()},
        "tokenizer": {"model_max_length": trainer.processing_class.model_max_length},
        "training": {
            "recipe": args.recipe,
            "seed": args.seed,
            "precision": precision,
            "arguments": describe_arguments(args),
            "seconds": trainer.record.seconds,
            "origin": trainer.origin,
        },
        "epochs": epochs,
        "best_step": state.best_global_step or state.global_step,
        "metric_for_best_model": args.metric_for_best_model,
        "temperature": config.calibration_temperature,
        "metrics": {name: kept[name] for name in ("train", "validation") if name in kept},
        "predictions": compute_predictions(classifier, load_sample_texts()),
        "examples": record_examples(classifier),
    }


def collect_epochs(log_history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Metrics of each evaluation during training: {"epoch", "step", "train", "validation"}."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in log_history:
        for split, prefix in (("train", "train_"), ("validation", "eval_")):
            if f"{prefix}loss" in entry and "train_runtime" not in entry:
                row = rows.setdefault(entry["step"], {"epoch": entry["epoch"], "step": entry["step"]})
                row[split] = select_metrics(entry, prefix)
    return list(rows.values())


def select_metrics(metrics: dict[str, float], prefix: str) -> dict[str, float]:
    """The metrics with a prefix, without it; no timings, and not what early stopping alone asks for."""
    left_out = ("runtime", "samples_per_second", "steps_per_second", "preparation_time", "predicted_classes")
    kept = [name for name in metrics if name.startswith(prefix) and not name.endswith(left_out)]
    return {name.removeprefix(prefix): metrics[name] for name in kept}


def describe_arguments(args: Any) -> dict[str, Any]:
    """The arguments that differ from transformers' defaults, without where and how the run was shown and stored."""
    from transformers import TrainingArguments

    # Not those of an instance: making one resets the state of the accelerator.
    defaults = {field.name: field.default for field in fields(TrainingArguments)}
    hidden = "output_dir disable_tqdm resume_from report_to project run_name recipe hub_ push_to logging_ accelerator_"
    return {
        name: value
        for name, value in args.to_dict().items()
        if value not in (None, defaults.get(name)) and not name.startswith(tuple(hidden.split()))
    }
