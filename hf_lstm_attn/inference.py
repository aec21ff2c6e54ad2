"""Labels and scores for texts and files, with any text classifier of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TextClassificationPipeline,
)

from .attribution import compute_probabilities, has_independent_classes
from .configuration_lstm_attn import LstmAttnConfig
from .locks import stage
from .modeling_lstm_attn import LstmAttnForSequenceClassification, LstmAttnModel
from .pipeline_lstm_attn import CHUNK, LstmAttnPipeline, iterate_logits

AutoConfig.register("lstm_attn", LstmAttnConfig)
AutoModel.register(LstmAttnConfig, LstmAttnModel)
AutoModelForSequenceClassification.register(LstmAttnConfig, LstmAttnForSequenceClassification)

BUILT_IN = ("sentiment", "imdb", "tweets", "english")


def built_in(name: str) -> Path:
    """The folder of a model that comes with the package.

    Raises:
        ValueError: for another name.
    """
    if name not in BUILT_IN:
        raise ValueError(f"There is no built-in model {name!r}, only {', '.join(BUILT_IN)}.")
    return Path(__file__).parent / "pretrained" / name


def list_labels(config: Any) -> list[str]:
    """The model's classes in the order of its logits."""
    return [config.id2label[index] for index in range(config.num_labels)]


@contextmanager
def explain_loading(model: str | Path) -> Iterator[None]:
    """Raises FileNotFoundError or ValueError, which name the model, for what transformers cannot load."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        kind = ValueError if isinstance(error, ValueError) else FileNotFoundError
        raise kind(f"No model can be loaded from {model}: {error}") from error


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
    with explain_loading(model):
        loaded, info = AutoModelForSequenceClassification.from_pretrained(name, **choices)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    is_own = loaded.config.model_type == "lstm_attn"
    wrong = {*info["missing_keys"], *info["mismatched_keys"], *(info["unexpected_keys"] if is_own else ())}
    if wrong:
        raise ValueError(f"{model} holds no classifier; its missing or unfit weights: {sorted(map(str, wrong))}")
    choices = {"model": loaded, "tokenizer": tokenizer, "task": "text-classification"}
    return LstmAttnPipeline(**choices) if is_own else TextClassificationPipeline(**choices)


def predict_logits(model: Any, tokenizer: Any, texts: Iterable[str], *, batch_size: int | None = None) -> np.ndarray:
    """(texts, num_labels) float32 logits, in the order of the texts; each is cut at the tokenizer's length.

    The model computes in evaluation mode, in its own precision. Raises ValueError for scores that are not finite.
    """
    found = [logits.numpy() for logits in _iterate_finite(model, tokenizer, texts, batch_size)]
    return np.concatenate([np.zeros((0, model.config.num_labels), dtype=np.float32), *found])


def _iterate_finite(model: Any, tokenizer: Any, texts: Iterable[str], batch_size: int | None) -> Iterator[torch.Tensor]:
    for logits in iterate_logits(model, tokenizer, texts, batch_size=batch_size):
        if not logits.isfinite().all():
            raise ValueError("The model gives scores that are not finite; its weights are broken.")
        yield logits


def predict(classifier: Any, texts: Iterable[str], *, batch_size: int | None = None) -> Iterator[dict[str, float]]:
    """Each text's scores, label -> probability, highest first, in the order of the texts, which may be a stream.

    Probabilities sum to 1 over the labels, unless the model gives a text several labels at once.
    """
    model, labels = classifier.model, list_labels(classifier.model.config)
    for logits in _iterate_finite(model, classifier.tokenizer, texts, batch_size):
        for row in compute_probabilities(model, logits.double()).tolist():
            yield dict(sorted(zip(labels, row, strict=True), key=lambda entry: -entry[1]))


def choose_labels(classifier: Any, scores: dict[str, float], threshold: float) -> list[str]:
    """The labels that a text is given by scores of `predict`: the best one, or where a text may have several labels,
    all with at least `threshold`."""
    if has_independent_classes(classifier.model.config):
        return [name for name, score in scores.items() if score >= threshold]
    return list(scores)[:1]


def label_columns(
    classifier: Any,
    columns: Sequence[Sequence[Any]],
    taken: Sequence[str],
    notes: Sequence[str | None] = (),
    *,
    all_scores: bool = False,
    threshold: float = 0.5,
    label_delimiter: str = ",",
) -> dict[str, list[Any]]:
    """The columns that `predict_file` adds to rows.

    Args:
        columns: Of texts; those of a row are joined.
        taken: Names that the rows have already.
        notes: Of the rows, where there is something to note.
    """
    from .data import join_texts  # here, for `datasets` comes with it

    texts = [join_texts(*row) for row in zip(*columns, strict=True)]
    found = predict(classifier, (text for text in texts if text.strip()))
    scores = [next(found) if text.strip() else {} for text in texts]
    names = list_labels(classifier.model.config) if all_scores else []
    noted = zip(notes or [None] * len(texts), scores, strict=True)
    added: dict[str, list[Any]] = {
        "label": [label_delimiter.join(choose_labels(classifier, row, threshold)) for row in scores],
        "score": [max(row.values(), default=float("nan")) for row in scores],
        **{f"score_{name}": [row.get(name, float("nan")) for row in scores] for name in names},
        "note": [note or ("" if row else "no text") for note, row in noted],
    }
    prefix = "predicted_" if {"label", "score", "note"} & {*taken} else ""
    return {prefix + name: values for name, values in added.items()}


def predict_file(
    classifier: Any,
    path: Any,
    output: Any,
    *,
    text_column: str | Sequence[str] = "text",
    all_scores: bool = False,
    threshold: float = 0.5,
    label_delimiter: str = ",",
    spreadsheet_safe: bool = False,
    overwrite: bool = False,
    **file_options: Any,
) -> dict[str, int]:
    """Label every row of a file, a chunk at a time. Rows and columns keep their order; new columns follow.

    They are `label`, `score`, with `all_scores` a `score_LABEL` per class, and `note`, which says why a row has no
    label: it has no text, or cannot be read. All are called `predicted_...` if the file has a column of such a name.
    Values of tables stay the strings that they are. The output takes its name when it is whole.

    Args:
        path: A file as `load_data` takes it; of a .txt file every line is a text, in the column "text".
        output: The .csv, .tsv, .jsonl or .parquet file to write.
        text_column: Several are joined by a space.
        threshold: In a multi-label task, the lowest score of a label that is given.
        label_delimiter: Between the labels that are given, then.
        spreadsheet_safe: Whether to put an apostrophe before what a spreadsheet would run as a formula.
        overwrite: Whether an output that exists may be replaced; it is, when the new one is whole.
        file_options: `format`, `delimiter`, `header`, `columns`, `encoding`, `quoting`, see `reading.FileOptions`.

    Returns:
        {"rows": all rows, "without_text": those among them that have no text or cannot be read}

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that cannot be read or has no such column, an output of another format, that exists, or
            that another process is writing.
    """
    from .data import as_list, check_columns  # here, for `datasets` comes with them
    from .reading import FileOptions, read_file, read_leniently

    output, options, wanted = Path(output), FileOptions(**file_options), as_list(text_column)
    if output.suffix not in WRITERS:
        raise ValueError(f"{output.name} has no format that is known; its name must end in {', '.join(WRITERS)}.")
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if output.exists() and not overwrite:
        raise ValueError(f"{output} exists; overwrite (--overwrite) replaces it.")
    with stage(output) as folder:
        problems: dict[int, str] = {}
        try:
            rows, _ = read_file(path, options, str(folder))
        except ValueError as error:
            rows, problems = read_leniently(path, options)
            if not problems:
                raise error from None
        check_columns(Path(path).name, rows, "text_column", wanted)
        scoring: Any = {"all_scores": all_scores, "threshold": threshold, "label_delimiter": label_delimiter}

        def label(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
            notes = [problems.get(number) for number in numbers]
            return label_columns(classifier, [batch[name] for name in wanted], [*batch], notes, **scoring)

        choices: Any = {"with_indices": True, "batched": True, "batch_size": CHUNK, "new_fingerprint": "labelled"}
        rows = rows.map(label, desc="predicting", **choices)
        if spreadsheet_safe:
            rows = rows.map(lambda row: {name: _quote_formula(value) for name, value in row.items()})
        part = folder / output.name
        WRITERS[output.suffix](rows, part)
        part.replace(output)
        return {"rows": len(rows), "without_text": sum(map(bool, rows[rows.column_names[-1]]))}


def _quote_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


WRITERS: dict[str, Callable[..., Any]] = {
    ".csv": lambda rows, path: rows.to_csv(path),
    ".tsv": lambda rows, path: rows.to_csv(path, sep="\t"),
    ".jsonl": lambda rows, path: rows.to_json(path, force_ascii=False, double_precision=15),
    ".parquet": lambda rows, path: rows.to_parquet(path),
}
