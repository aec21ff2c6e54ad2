"""Labels and scores for texts and files, with any text classifier of transformers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TextClassificationPipeline,
)

from .configuration_lstm_attn import LstmAttnConfig
from .modeling_lstm_attn import LstmAttnForSequenceClassification, LstmAttnModel
from .pipeline_lstm_attn import LstmAttnPipeline

AutoConfig.register("lstm_attn", LstmAttnConfig)
AutoModel.register(LstmAttnConfig, LstmAttnModel)
AutoModelForSequenceClassification.register(LstmAttnConfig, LstmAttnForSequenceClassification)

BUILT_IN = ("imdb", "tweets")
CHUNK = 2_048  # texts held in memory, and sorted by length to waste little on padding
FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".parquet": "parquet"}  # as `datasets` calls them
WRITING: dict[str, dict[str, Any]] = {".tsv": {"sep": "\t"}, ".jsonl": {"force_ascii": False, "double_precision": 15}}


def built_in(name: str) -> Path:
    """The folder of a model that comes with the package.

    Raises:
        ValueError: for another name.
    """
    if name not in BUILT_IN:
        raise ValueError(f"There is no built-in model {name!r}, only {' and '.join(BUILT_IN)}.")
    return Path(__file__).parent / "pretrained" / name


def list_labels(config: Any) -> list[str]:
    """The model's classes in the order of its logits."""
    return [config.id2label[index] for index in range(config.num_labels)]


def load_classifier(model: str | Path, *, calibrated: bool = False) -> TextClassificationPipeline:
    """The pipeline of a model folder, a Hub id or a built-in model's name, in float32, on a GPU if there is one.

    Models of this package come as `LstmAttnPipeline`, which gives words and weights on request. Code from a repository
    is never run.

    Args:
        calibrated: Whether to divide logits by the temperature that was fitted on validation.

    Raises:
        FileNotFoundError: if there is no such folder or repository, no model in it, or a config.json that is broken.
        ValueError: for weights without a trained head, such as language models, or that do not fit config.json; if
            `calibrated` and no temperature was fitted.
    """
    place = built_in(str(model)) if str(model) in BUILT_IN and not Path(model).is_dir() else Path(model).expanduser()
    if (place.is_dir() or str(model)[0] in "/.~") and not (place / "config.json").is_file():
        raise FileNotFoundError(f"There is no model in {place}: no config.json. Is it a training that did not end?")
    name, options = str(place if place.is_dir() else model), {"trust_remote_code": False}
    choices = {"dtype": "float32", "ignore_mismatched_sizes": True, "output_loading_info": True, **options}
    choices |= {"apply_calibration": True} if calibrated else {}
    try:
        loaded, info = AutoModelForSequenceClassification.from_pretrained(name, **choices)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    except OSError as error:
        raise FileNotFoundError(f"No model can be loaded from {model}: {error}") from error
    is_own = loaded.config.model_type == "lstm_attn"
    wrong = {*info["missing_keys"], *info["mismatched_keys"], *(info["unexpected_keys"] if is_own else ())}
    if wrong:
        raise ValueError(f"{model} holds no classifier; its missing or unfit weights: {sorted(map(str, wrong))}")
    choices = {"model": loaded, "tokenizer": tokenizer, "task": "text-classification"}
    return LstmAttnPipeline(**choices) if is_own else TextClassificationPipeline(**choices)


def predict_logits(model: Any, tokenizer: Any, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
    """(texts, num_labels) float32 logits, in the order of the texts; each is cut at the tokenizer's length.

    The model computes in evaluation mode, in its own precision.
    """
    model.eval()
    logits = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))  # its memory serves all that follow
    for start in range(0, len(texts), batch_size):
        rows = order[start : start + batch_size]
        batch = tokenizer([texts[row] for row in rows], truncation=True, padding=True, return_tensors="pt")
        with torch.no_grad(), torch.autocast(model.device.type, enabled=False):
            logits[rows] = model(**batch.to(model.device)).logits.float().cpu().numpy()
    return logits


def predict(classifier: Any, texts: Iterable[str], *, batch_size: int = 64) -> Iterator[dict[str, float]]:
    """Each text's scores, label -> probability, highest first, in the order of the texts, which may be a stream.

    Probabilities sum to 1 over the labels, unless the model gives a text several labels at once.
    """
    model, texts = classifier.model, iter(texts)
    labels = list_labels(model.config)
    is_multi = model.config.problem_type == "multi_label_classification" or len(labels) == 1
    while chunk := list(islice(texts, CHUNK)):
        logits = torch.from_numpy(predict_logits(model, classifier.tokenizer, chunk, batch_size=batch_size)).double()
        for row in (logits.sigmoid() if is_multi else logits.softmax(dim=-1)).tolist():
            yield dict(sorted(zip(labels, row, strict=True), key=lambda entry: -entry[1]))


def predict_file(
    classifier: Any, path: Any, output: Any, *, text_column: str = "text", delimiter: str = "", all_scores: bool = False
) -> dict[str, int]:
    """Label every row of a file, a chunk at a time. Rows and columns keep their order; new columns follow.

    They are `label`, `score`, with `all_scores` a `score_LABEL` per class, and `note`, which says why a row has no
    label; all are called `predicted_...` if the file has a column of such a name. Values of CSV and TSV files stay the
    strings that they are. The output takes its name when it is whole.

    Args:
        path: A .csv, .tsv, .jsonl or .parquet file, or any other for a text per line, whose column is
            "text".
        output: The .csv, .tsv, .jsonl or .parquet file to write.
        delimiter: Of the fields in a .csv or .tsv file; by default a comma, or a tab.

    Returns:
        {"rows": all rows, "without_text": those among them that have no text}

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that cannot be read or has no such column, or an output of another format.
    """
    output = Path(output)
    if output.suffix not in FORMATS:
        raise ValueError(f"{output.name} has no format that is known; its name must end in {', '.join(FORMATS)}.")
    with TemporaryDirectory(suffix=".part", prefix=output.name, dir=output.parent) as folder:
        rows = _open_rows(Path(path), folder, delimiter)
        if text_column not in rows.column_names:
            raise ValueError(f"{path} has the columns {rows.column_names}; choose one of them with text_column.")
        rows = _label_rows(classifier, rows, text_column, all_scores)
        part = Path(folder) / output.name
        getattr(rows, f"to_{FORMATS[output.suffix]}")(part, **WRITING.get(output.suffix, {}))
        part.replace(output)
        return {"rows": len(rows), "without_text": sum(map(bool, rows[rows.column_names[-1]]))}


def _open_rows(path: Path, folder: str, delimiter: str) -> Any:
    """The rows of a file as a Dataset, which lies in the folder."""
    import datasets
    from pandas import errors, read_csv

    suffix, options = path.suffix.lower(), dict[str, Any]()
    builder, separator = FORMATS.get(suffix, "text"), delimiter or ("\t" if suffix == ".tsv" else ",")
    try:
        if builder == "csv":  # 3 is csv.QUOTE_NONE, which data.py takes for tabs too
            options |= {"encoding": "utf-8-sig", "sep": separator, "quoting": 3 if separator == "\t" else 0}
            fields = dict.fromkeys(read_csv(path, nrows=0, **options).columns, datasets.Value("string"))
            options |= {"keep_default_na": False, "skip_blank_lines": False, "index_col": False}
            options["features"] = datasets.Features(fields)
        with warnings.catch_warnings(action="error", category=errors.ParserWarning):  # a row with too many fields
            return datasets.load_dataset(builder, data_files=str(path), split="train", cache_dir=folder, **options)
    except (ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise ValueError(f"{path} cannot be read: {error.__cause__ or error}") from error


def _label_rows(classifier: Any, rows: Any, text_column: str, all_scores: bool) -> Any:
    labels = [name for _, name in sorted(classifier.model.config.id2label.items()) if all_scores]
    prefix = "predicted_" if {"label", "score", "note"} & {*rows.column_names} else ""

    def label(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        texts = [text if isinstance(text, str) and text.strip() else None for text in batch[text_column]]
        found = predict(classifier, filter(None, texts))
        scores = [next(found) if text else {} for text in texts]
        values: dict[str, list[Any]] = {
            "label": [next(iter(row), "") for row in scores],
            "score": [next(iter(row.values()), float("nan")) for row in scores],
            **{f"score_{name}": [row.get(name, float("nan")) for row in scores] for name in labels},
            "note": ["" if row else "no text" for row in scores],
        }
        return {prefix + name: column for name, column in values.items()}

    return rows.map(label, batched=True, batch_size=CHUNK, new_fingerprint="labelled", desc="predicting")
