"""The folder that goes to the Hub: what a stranger needs to load a run's model, its card, and checksums of it all."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .data import DATASETS
from .model_card import CARD_FILE, render_card
from .results import RunResult

PACKAGE = "package"  # folder in a run's, unless another is chosen
DTYPES = {"float32": torch.float32, "float16": torch.float16}
CODE = ("configuration_lstm_attn.py", "modeling_lstm_attn.py", "pipeline_lstm_attn.py", "handler.py")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
WEIGHTS, CONFIG, CHECKSUMS = "model.safetensors", "config.json", "SHA256SUMS"
PIPELINE = {
    "text-classification": {
        "impl": "pipeline_lstm_attn.LstmAttnPipeline",
        "pt": ["AutoModelForSequenceClassification"],
        "tf": [],
        "type": "text",
    }
}


def build_repository(run: Path, folder: Path, *, dtype: str = "float32", repo_id: str | None = None) -> list[Path]:
    """Assemble a finished run's repository in a new or empty folder. The same run gives the same bytes.

    Args:
        dtype: Of the stored weights. `"float16"` halves the size; the model still computes in float32.
        repo_id: Where it will live on the Hub; the card's examples name it.

    Returns:
        The files, sorted by name.

    Raises:
        FileNotFoundError: for a run that is not finished.
        FileExistsError: if `folder` holds something.
        ValueError: for an unknown dtype, or a run whose card cannot be written (see `render_card`).
    """
    if dtype not in DTYPES:
        raise ValueError(f"Expected a dtype of {', '.join(DTYPES)}; found {dtype!r}.")
    result = RunResult.load(run)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"Expected a new or empty folder; found something at {folder}. Choose another one.")
    result = replace(publish(result), repository={"id": repo_id, "dtype": dtype})
    card = render_card(result)
    folder.mkdir(parents=True, exist_ok=True)

    tensors = {
        name: (tensor.to(DTYPES[dtype]) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in load_file(run / WEIGHTS).items()
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    # transformers 4 loads a pipeline's tokenizer only if it knows the configuration, or this names a class.
    config |= {"custom_pipelines": PIPELINE, "tokenizer_class": "PreTrainedTokenizerFast"}
    _write_text(folder / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
    for name in CODE:
        shutil.copyfile(Path(__file__).parent / name, folder / name)
    for path in (*(run / name for name in TOKENIZER), *run.glob("*.png")):
        shutil.copyfile(path, folder / path.name)
    result.save(folder)
    _write_text(folder / CARD_FILE, card)
    _write_text(folder / CHECKSUMS, format_checksums({path.name: compute_checksum(path) for path in folder.iterdir()}))
    return sorted(folder.iterdir())


def publish(result: RunResult) -> RunResult:
    """The result with what the registry now says of its data set, and not where a local file or folder lay."""
    dataset = result.request["dataset"]
    known = DATASETS.get(dataset["name"])
    if known is not None and known.description == dataset["description"]:
        said = {
            name: getattr(known, name) for name in ("path", "license", "homepage", "reported", "reported_baselines")
        }
    else:
        said = {"path": _name_place(dataset["path"])}
    recipe = dict(result.request["recipe"])
    recipe |= {name: _name_place(recipe[name]) for name in ("word_vectors", "init_from") if recipe.get(name)}
    if recipe.get("teachers"):
        recipe["teachers"] = [_name_place(teacher) for teacher in recipe["teachers"]]
    return replace(result, request={**result.request, "dataset": {**dataset, **said}, "recipe": recipe})


def _name_place(place: str) -> str:
    """A Hub id as it is, the name alone of a file or folder."""
    path = Path(place)
    return path.name if path.is_absolute() or path.exists() else place


def compute_checksum(path: Path) -> str:
    """SHA-256, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def format_checksums(checksums: dict[str, str]) -> str:
    """What `sha256sum --check` reads, and a last line with the checksum of the lines above it."""
    lines = "".join(f"{checksum}  {name}\n" for name, checksum in sorted(checksums.items()))
    return f"{lines}# {hashlib.sha256(lines.encode()).hexdigest()}\n"


def parse_checksums(text: str) -> dict[str, str] | None:
    """File name -> checksum; None if the text is not what `format_checksums` wrote."""
    rows = [line.partition("  ") for line in text.splitlines() if not line.startswith("#")]
    checksums = {name: checksum for checksum, _, name in rows}
    return checksums if text == format_checksums(checksums) else None


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
