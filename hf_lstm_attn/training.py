"""A training run: from a data set's name to a run folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    TextClassificationPipeline,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from .adversarial import UNLABELLED, describe_collapse
from .calibration import compute_reliability, fit_temperature
from .callbacks import RAW_WEIGHTS_FILE, EarlyStopping, EmaCallback, EpochReport, OnSave
from .callbacks import say as say_on_stderr
from .data import DatasetSpec, Splits, find_hub_id, load_splits, load_unlabelled, load_unlabelled_beside, resolve_spec
from .distillation import build_targets
from .examples import record_examples
from .fine_tuning import FreezeEncoder
from .limits import measure_limits, score_widget_texts
from .metrics import compute_metrics, confusion_matrix
from .model_card import save_figures
from .ngrams import add_ngrams, compute_network_logits
from .pretraining_result import choose_model_fields, load_encoder, load_origin, load_pretraining
from .recipes import RECIPES, Recipe, compute_epochs
from .results import RESULTS_FILE, RunResult, describe_machine, describe_versions
from .run_folder import CHECKPOINTS, INITIAL_MODEL, Clock, begin_folder, find_state
from .tokenization import build_tokenizer, save_tokenizer, set_length
from .trainer import (
    build_arguments,
    build_balanced_loss,
    build_trainer,
    choose_precision,
    compute_labelled_loss,
    encode,
    predict_logits,
    select_metrics,
)
from .word_vectors import initialize_embedding

TRAIN_ROWS_EVALUATED = 2_500


def train(
    dataset: str | DatasetSpec,
    output_dir: str | Path,
    *,
    recipe: str | Recipe = "default",
    protocol: str = "official",
    seed: int = 42,
    limit: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = say_on_stderr,
) -> RunResult:
    """Build the vocabulary and the model, train, evaluate once on test, and leave a run folder.

    The folder holds the model, the tokenizer, `results.json` and figures, and loads with `from_pretrained`.
    While training, `checkpoints/` in it holds what `resume=True` continues from; a resumed run ends with the numbers
    of an uninterrupted one.

    Args:
        dataset: A name in `DATASETS`, or a spec from `resolve_spec`.
        output_dir: A new or empty folder, or an unfinished run's with `resume`.
        recipe: A name in `RECIPES`, or a recipe.
        protocol: `"official"` or `"report"`; see `load_splits`.
        seed: Of everything random but the splits, which are the same for every seed.
        limit: Rows per split at most, and unlabelled texts, to try things out.
        overwrite: Replace the run in `output_dir`.
        say: Receives status lines.

    Raises:
        ValueError: for unknown names, unusable data, or a resumed run that was started differently.
        FileExistsError: if `output_dir` holds something and neither `resume` nor `overwrite` is given.
    """
    spec = resolve_spec(dataset) if isinstance(dataset, str) else dataset
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"Expected a recipe of {', '.join(RECIPES)}; found {recipe!r}.")
        recipe = RECIPES[recipe]
    output_dir = Path(output_dir).resolve()
    request: dict[str, Any] = {
        "dataset": asdict(spec),
        "recipe": asdict(recipe),
        "protocol": protocol,
        "seed": seed,
        "limit": limit,
    }
    if recipe.init_from is not None:
        origin = load_pretraining(recipe.init_from, dataset=spec.name, protocol=protocol)
        choose_model_fields(origin, recipe)  # raises before anything is overwritten
        request["pretraining"] = origin.summarize()
    request = json.loads(json.dumps(request))  # as a resumed run will read it
    state_of_run = find_state(output_dir, RESULTS_FILE, request, resume=resume, overwrite=overwrite)
    if state_of_run == "finished":
        say(f"{output_dir} is finished; nothing to resume.")
        return RunResult.load(output_dir)
    checkpoints = output_dir / CHECKPOINTS

    clock = Clock(checkpoints)
    splits = load_splits(spec, protocol=protocol, limit=limit)
    say(_describe_splits(splits))
    clock.lap("data")
    precision = choose_precision(recipe.low_precision)
    say(f"Computing in {precision.name}: {precision.reason}.")
    set_seed(seed)
    if state_of_run == "begun":
        clock.resume()
        model = AutoModelForSequenceClassification.from_pretrained(checkpoints / INITIAL_MODEL)
        tokenizer = AutoTokenizer.from_pretrained(checkpoints / INITIAL_MODEL)
    else:
        model, tokenizer = build_model(splits, recipe, seed, say)
        begin_folder(output_dir, request, model, tokenizer)
    clock.save("vocabulary_and_word_vectors")

    train_rows = labelled_rows = encode(splits.train, tokenizer)
    evaluated = {
        "train": train_rows.select(range(min(len(train_rows), TRAIN_ROWS_EVALUATED))),
        "validation": encode(splits.validation, tokenizer),
    }
    epochs_at_most = compute_epochs(recipe, sum(map(len, train_rows["input_ids"])))
    balanced = recipe.balance_classes and spec.best_metric == "macro_recall"
    loss = build_balanced_loss(train_rows["labels"], len(splits.label_names)) if balanced else None
    if recipe.teachers or recipe.reads_unlabelled:
        loss = loss or compute_labelled_loss
        unlabelled = load_unlabelled_beside(splits)
        train_rows = _add_unlabelled(train_rows, unlabelled, tokenizer)
        if recipe.teachers:
            targets = build_targets(
                splits, unlabelled, recipe.teachers, tokenizer, checkpoints, say, match_shares=balanced
            )
            train_rows = train_rows.remove_columns("labels").add_column("labels", targets.tolist())
    checkpoint = _find_checkpoint(checkpoints, with_raw_weights=recipe.ema_decay is not None)
    arguments = build_arguments(
        checkpoints,
        precision,
        seed,
        num_train_epochs=epochs_at_most,
        optim="adamw_torch_fused",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_validation_{spec.best_metric}",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        **recipe.arguments,
    )
    callbacks: list[TrainerCallback] = [
        EpochReport(spec.best_metric, say),
        OnSave(partial(clock.save, "training")),
    ]
    if recipe.ema_decay is not None:
        callbacks.append(EmaCallback(recipe.ema_decay, resume_from=checkpoint))
    if recipe.early_stopping_patience is not None:
        callbacks.append(EarlyStopping(recipe.early_stopping_patience))
    if recipe.frozen_epochs:
        callbacks.append(FreezeEncoder(recipe.frozen_epochs))
    trainer = build_trainer(
        model,
        tokenizer,
        arguments,
        train_dataset=train_rows,
        eval_dataset=evaluated,
        callbacks=callbacks,
        loss=loss,
        adversarial_radius=recipe.adversarial_radius,
        virtual_adversarial_radius=recipe.virtual_adversarial_radius,
        entropy_weight=recipe.entropy_weight,
        encoder_learning_rate=recipe.encoder_learning_rate,
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rows = f"{len(splits.train):,} examples"
    if added := len(train_rows) - len(splits.train):
        rows += f" and {added:,} unlabelled texts"
    say(f"Training {parameters:,} parameters on {rows} for {arguments.num_train_epochs} epochs.")
    clock.lap("encoding")
    if checkpoint is None or not _has_stopped_early(checkpoint, recipe):
        if checkpoint is not None:
            say(f"Resuming after step {checkpoint.name.rpartition('-')[2]}.")
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        state = trainer.state
    else:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    clock.lap("training")
    examples_per_second = round((state.epoch or 0) * len(train_rows) / clock.seconds["training"], 3)

    best = checkpoints / f"{PREFIX_CHECKPOINT_DIR}-{state.best_global_step}"
    model.load_state_dict(load_file(best / "model.safetensors"))
    validation_logits, validation_labels, before = predict_logits(trainer, evaluated["validation"], "validation")
    if recipe.entropy_weight and added:
        sampled = np.linspace(len(splits.train), len(train_rows) - 1, min(added, TRAIN_ROWS_EVALUATED), dtype=int)
        unlabelled_logits = trainer.predict(train_rows.select(sampled).remove_columns("labels")).predictions
        if warning := describe_collapse(unlabelled_logits, validation_logits, splits.label_names):
            say(warning)
    ngrams: dict[str, Any] = {}
    if recipe.ngrams:
        say("Fitting n-grams.")
        ratio = add_ngrams(model, labelled_rows, evaluated["validation"], validation_logits, balanced=balanced)
        if ratio:
            _, _, train_metrics = predict_logits(trainer, evaluated["train"], "train")
            validation_logits, _, after = predict_logits(trainer, evaluated["validation"], "validation")
            number = model.config.num_ngrams
            ngrams = {"number": number, "ratio": ratio, "train": train_metrics, "validation": after}
            say(
                f"{number:,} n-grams count {ratio:g} where the network counts 1: {spec.best_metric} on validation "
                f"{before[spec.best_metric]:.4f} without them, {after[spec.best_metric]:.4f} with."
            )
        else:
            say("They do not help on validation, and are left out.")
        clock.lap("ngrams")
    model.config.calibration_temperature = fit_temperature(validation_logits, validation_labels)
    test_rows = encode(splits.test, tokenizer)
    test_logits, test_labels, test_metrics = predict_logits(trainer, test_rows, "test")
    if ngrams:
        network_logits = compute_network_logits(model, ngrams["ratio"], test_rows["input_ids"], test_logits)
        ngrams["network_alone"] = compute_metrics(network_logits, test_labels)
    clock.lap("test")
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # without autocast, as a user will load it
    classifier = TextClassificationPipeline(model=model, tokenizer=tokenizer, device=model.device)
    limits = measure_limits(classifier, list(splits.test["text"]), test_logits, test_labels)
    widget = score_widget_texts(classifier)
    clock.lap("limits")

    epochs = _collect_epochs(state)
    best_epoch = next(row["epoch"] for row in epochs if row["step"] == state.best_global_step)
    model.save_pretrained(output_dir)
    save_tokenizer(tokenizer, output_dir)
    result = RunResult(
        request=request,
        dataset={
            "name": spec.name,
            "synthetic": spec.synthetic,
            "hub_id": find_hub_id(spec),
            **splits.summary,
        },
        label_names=list(splits.label_names),
        model={**model.config.to_diff_dict(), "parameters": parameters},
        arguments=_changed_arguments(arguments),
        precision=precision._asdict(),
        machine=describe_machine(),
        versions=describe_versions(),
        train_rows_evaluated=len(evaluated["train"]),
        epochs=epochs,
        best_epoch=best_epoch,
        ngrams=ngrams,
        test=test_metrics,
        test_confusion=confusion_matrix(test_logits.argmax(-1), test_labels, len(splits.label_names)).tolist(),
        test_reliability={
            "as trained": compute_reliability(test_logits, test_labels),
            "calibrated": compute_reliability(test_logits, test_labels, model.config.calibration_temperature),
        },
        limits=limits,
        widget=widget,
        timings={**clock.seconds, "total": clock.total(), "train_examples_per_second": examples_per_second},
        examples=record_examples(output_dir),
    )
    save_figures(result, output_dir)
    result.save(output_dir)
    shutil.rmtree(checkpoints)
    return result


def _describe_splits(splits: Splits) -> str:
    synthetic = " (synthetic)" if splits.spec.synthetic else ""
    sizes = ", ".join(f"{row['rows']:,} {split}" for split, row in splits.summary["splits"].items())
    parts = [f"{splits.spec.name}{synthetic}, protocol {splits.protocol}: {sizes} examples"]
    duplicates = [f"{count} {pair}" for pair, count in splits.summary["duplicates"].items() if count]
    if duplicates:
        parts.append(f"texts in two splits: {', '.join(duplicates)}")
    malformed = splits.summary["malformed"]
    if malformed["count"]:
        parts.append(f"{malformed['count']} malformed rows skipped, first at {', '.join(malformed['first_lines'])}")
    return "; ".join([*parts, *splits.summary["notes"]]) + "."


def build_model(
    splits: Splits, recipe: Recipe, seed: int, say: Callable[[str], None]
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model that training starts with, and its tokenizer."""
    texts = list(splits.train["text"])
    if recipe.init_from is None:
        if recipe.word_vectors == "unlabelled":
            texts += load_unlabelled(splits.spec, exclude=splits.test["text"])
        tokenizer = build_tokenizer(
            texts,
            rules=splits.spec.rules,
            min_frequency=recipe.min_frequency,
            max_length=recipe.max_length,
            truncation_side=recipe.truncation_side,
        )
        fields = recipe.model
    else:
        fields = choose_model_fields(load_origin(recipe.init_from), recipe)
        tokenizer = AutoTokenizer.from_pretrained(recipe.init_from)
        set_length(tokenizer, texts, recipe.max_length, recipe.truncation_side)
    names = splits.label_names
    config = AutoConfig.for_model(
        recipe.architecture,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        unk_token_id=tokenizer.unk_token_id,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        problem_type="single_label_classification",
        **fields,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    say(f"Vocabulary of {len(tokenizer):,} words; texts cut at {tokenizer.model_max_length} words.")
    if recipe.init_from is not None:
        load_encoder(model, recipe.init_from)
        say(f"Starting from {recipe.init_from}.")
    elif recipe.word_vectors is not None:
        embedding = model.get_input_embeddings()
        initialize_embedding(embedding, recipe.word_vectors, texts, tokenizer, seed=seed, say=say)
    return model, tokenizer


def _add_unlabelled(train_rows: Dataset, texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> Dataset:
    """The encoded rows, then the texts with the label `UNLABELLED`."""
    if not texts:
        return train_rows
    unlabelled = Dataset.from_dict({"text": texts, "label": [UNLABELLED] * len(texts)})
    return concatenate_datasets([train_rows, encode(unlabelled, tokenizer)])


def _find_checkpoint(checkpoints: Path, *, with_raw_weights: bool) -> Path | None:
    """The newest checkpoint that was written to its end."""
    folders = sorted(
        checkpoints.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True
    )
    for folder in folders:
        try:
            TrainerState.load_from_json(str(folder / "trainer_state.json"))
        except (OSError, ValueError, TypeError):
            continue  # cut off before its last file
        if not with_raw_weights or (folder / RAW_WEIGHTS_FILE).is_file():
            return folder
    return None


def _has_stopped_early(checkpoint: Path, recipe: Recipe) -> bool:
    if recipe.early_stopping_patience is None:
        return False
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    counter = state.stateful_callbacks["EarlyStopping"]["attributes"]["early_stopping_patience_counter"]
    return bool(counter >= recipe.early_stopping_patience)


def _collect_epochs(state: TrainerState) -> list[dict[str, Any]]:
    epochs: dict[int, dict[str, Any]] = {}
    for entry in state.log_history:
        step = int(entry["step"])
        for split in ("train", "validation"):
            if f"eval_{split}_loss" in entry:
                row = epochs.setdefault(step, {"epoch": round(entry["epoch"]), "step": step})
                row[split] = select_metrics(entry, f"eval_{split}")
    return list(epochs.values())


def _changed_arguments(arguments: TrainingArguments) -> dict[str, Any]:
    defaults = TrainingArguments(output_dir=arguments.output_dir, use_cpu=arguments.use_cpu).to_dict()
    skipped = {"output_dir", "disable_tqdm"}  # where and how it was shown, not what was computed
    return {
        name: value for name, value in arguments.to_dict().items() if name not in skipped and value != defaults[name]
    }
