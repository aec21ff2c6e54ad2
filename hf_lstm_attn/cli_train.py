"""The commands that train or score on data: train, pretrain, evaluate, audit."""

from __future__ import annotations

import difflib
import json
import logging
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix
from transformers import HfArgumentParser, set_seed

from . import distillation, faithfulness, hub, plots, pretraining, results
from .cli import describe_files, pick
from .configuration_lstm_attn import LstmAttnConfig
from .data import fingerprint, list_names, load_data
from .encoding import choose_start, encode_labels, match_labels, start_from
from .inference import BUILT_IN, built_in, list_labels, load_classifier, predict_logits
from .locks import IS_FIRST, drop_replaced, hold, set_aside
from .metrics import METRICS, compute_intervals, compute_metrics, compute_scores, decide
from .modeling_lstm_attn import LstmAttnForSequenceClassification
from .named_data import DATASETS
from .recipes import RECIPES
from .soft_labels import soft_labels
from .text import make_visible
from .tokenization import train_tokenizer
from .trainer import LstmAttnTrainer
from .training_args import LstmAttnTrainingArguments
from .word_rules import choose_rules
from .word_vectors import initialize_embeddings

SIZES = ("embedding_size", "hidden_size", "max_position_embeddings")
WISHES = ("rules", "vocabulary", "min_frequency", "word_vectors")  # that a model from scratch alone can fulfil
AUDIT_TEXTS = 500
logger = logging.getLogger("hf_lstm_attn")


def train(options: Namespace, extra: Sequence[str]) -> None:
    """Data -> tokenizer -> model -> LstmAttnTrainer -> test split -> figures, and the Hub if that was asked for."""
    run, arguments = options.output_dir, describe_data(options)
    args = parse_fields(options, extra, {**RECIPES[options.recipe].training, "recipe": options.recipe})
    splits = load_splits(arguments)
    set_seed(args.seed)
    model, tokenizer = build_model(options, splits["train"], args)
    match_labels(model, splits["train"].features["label"])  # soft labels would not tell the trainer
    if options.unlabelled:
        options.teachers = options.teachers or ["nb-svm"]
        described = {**arguments, "source": options.unlabelled, "label_column": ["none"]}
        splits["unsupervised"] = load_splits(described)["train"]
    rows, origin = splits["train"], pick(options, "model_name_or_path", "teachers")
    if options.teachers:
        unlabelled = splits["unsupervised"]["text"] if "unsupervised" in splits else ()
        choices = {"unlabelled": unlabelled, "match_shares": args.balance_classes}
        rows = soft_labels(rows, options.teachers, tokenizer=tokenizer, **choices)
    data = (rows, splits["validation"], tokenizer)
    published: dict[str, Any] = {"dataset_arguments": name_files(arguments), "origin": name_files(origin) or None}
    trainer = LstmAttnTrainer(model, args, None, *data, **published)
    with begin(options, arguments):
        trainer.train(resume_from_checkpoint=options.resume_from_checkpoint)
        trainer.evaluate(splits["test"], metric_key_prefix="test")
    if trainer.is_world_process_zero():
        print_table(trainer.results["metrics"], "loss", *METRICS)
        print(f"\n{run} holds the model, its card (README.md) and figures (curves.png, confusion.png). What next:")
        print(f'  hf-lstm-attn explain -m {run} "A text." -o page.html\n  hf-lstm-attn audit {run}')
        print(f"  hf-lstm-attn push {run} --repo_id YOU/NAME --license LICENSE")
    if options.push_to_hub and (address := trainer.push_to_hub(license=options.license)):
        print(address)


def pretrain(options: Namespace, extra: Sequence[str]) -> None:
    """Texts of train, and those without labels -> language models."""
    run, args = options.output_dir, parse_fields(options, extra, pretraining.DEFAULTS)
    texts, tokenizer = read_texts(options, args.language)
    with begin(options, describe_data(options)):
        result = pretraining.pretrain(
            texts,
            run,
            tokenizer=tokenizer,
            config=LstmAttnConfig(len(tokenizer), **pick(options, *SIZES)),
            args=args,
            resume_from_checkpoint=options.resume_from_checkpoint,
            dataset_name=args.dataset_name,
            word_vectors=None if options.word_vectors == "none" else options.word_vectors or "train",
        )
    print(f"Perplexity on held-out texts: {result['perplexity']:.1f}. What next:")
    print(f"  hf-lstm-attn train {options.source} --model_name_or_path {run}")


def distill(options: Namespace, extra: Sequence[str]) -> None:
    """Texts -> an encoder."""
    if not options.teacher:
        raise ValueError("Name the --teacher, such as sentence-transformers/all-MiniLM-L6-v2.")
    run, args = options.output_dir, parse_fields(options, extra, distillation.DEFAULTS)
    options.label_column = options.label_column or ["none"]
    texts, tokenizer = read_texts(options, args.language, **distillation.TOKENIZER)
    with begin(options, describe_data(options)):
        result = distillation.distill_encoder(
            texts,
            options.teacher,
            run,
            classifiers=options.classifiers or (),
            tokenizer=tokenizer,
            config=LstmAttnConfig(len(tokenizer), **{**distillation.CONFIG, **pick(options, *SIZES)}),
            args=args,
            resume_from_checkpoint=options.resume_from_checkpoint,
            dataset_name=args.dataset_name,
        )
    print(f"Cosine with the teacher's vectors on held-out texts: {result['cosine']:.3f}. What next:")
    print(f"  hf-lstm-attn train --data YOUR.csv --model_name_or_path {run}")


def evaluate(options: Namespace, extra: Sequence[str]) -> None:
    """Figures of a split, with intervals, and of always answering the most frequent class."""
    rows, _ = load_rows(options)
    classifier = load_classifier(options.run)
    names = list_labels(classifier.model.config)
    labels = np.array(encode_labels(rows["label"][:], rows.features["label"], classifier.model.config))
    logits = predict_logits(classifier.model, classifier.tokenizer, rows["text"][:])
    predictions, metrics = decide(logits, labels), compute_metrics(logits, labels)
    shown: Any = {"labels": range(len(names)), "target_names": names, "digits": 4, "zero_division": 0}
    print(make_visible(classification_report(labels, predictions, **shown), keep="\n"))
    low, high = compute_intervals(predictions, labels, len(names))
    majority = np.zeros_like(labels) if labels.ndim == 2 else np.full_like(labels, np.bincount(labels).argmax())
    table = {f"{len(rows):,} rows": metrics, "95 %: from": low, "95 %: to": high}
    print_table(table | {"most frequent class": compute_scores(majority, labels, len(names))}, *metrics)
    present = np.flatnonzero(labels.any(axis=0)) if labels.ndim == 2 else labels
    if absent := [name for number, name in enumerate(names) if number not in present]:
        print(f"No row has the label {make_visible(', '.join(absent))}: it counts as 0 in the means over labels.")
    if options.output and options.output.endswith(".png"):
        confusion = confusion_matrix(labels, predictions, labels=range(len(names)))
        plots.save_figure(plots.plot_confusion(confusion, names, title=Path(options.run).name), options.output)
    elif options.output:
        results.save_json({"rows": len(rows), **metrics, "low": low, "high": high}, Path(options.output))


def audit(options: Namespace, extra: Sequence[str]) -> None:
    """How faithful each method is; for a run on its own data, recorded in the run."""
    rows, record = load_rows(options)
    texts = rows.shuffle(seed=42)[:AUDIT_TEXTS]["text"]
    found = faithfulness.audit(load_classifier(options.run), texts, progress=sys.stderr.isatty())
    scores = ("comprehensiveness", "sufficiency")
    print_table({name: {key: row[key]["mean"] for key in scores} for name, row in found["methods"].items()}, *scores)
    if record and Path(options.run).is_dir():
        hub.save_run({**record, "audit": found}, options.run, {"audit": found})
        print(f"\n{options.run} holds the audit now: see audit.png.")


def print_table(rows: Mapping[str, Mapping[str, float]], *columns: str) -> None:
    """Rows of numbers, with four digits."""
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    print(table.to_string(float_format="{:.4f}".format, na_rep=""))


# ------------------------------------------------------------------------------------------------- settings and model


def parse_fields(options: Namespace, extra: Sequence[str], defaults: Mapping[str, Any]) -> Any:
    """LstmAttnTrainingArguments of what the user says; else of the defaults; else of what is known of the data."""
    known: dict[str, Any] = {"dataset_name": Path(options.source).resolve().stem, "dataset_config": options.config_name}
    if data := DATASETS.get(options.dataset):
        known = {"metric_for_best_model": data.metric, "balance_classes": data.metric == "macro_recall"}
        known |= {"dataset_name": options.dataset if data.synthetic else data.path, "dataset_config": data.config_name}
    name = f"hf-lstm-attn {options.command}"
    parser = HfArgumentParser(LstmAttnTrainingArguments, prog=name, usage=f"{name} [DATASET] [OPTIONS]")
    for action in parser._actions:
        if action.type in (int, float):

            def number(value: str, kind: Any = action.type) -> Any:  # "invalid number value", says argparse
                return None if value == "none" else kind(value)

            action.type = number
    own = {"disable_tqdm": not sys.stderr.isatty(), **pick(options, "output_dir", "hub_model_id", "license")}
    parser.set_defaults(**{**known, **defaults, **own})
    args, rest = parser.parse_args_into_dataclasses(list(extra), return_remaining_strings=True)
    if rest:
        near = difflib.get_close_matches(rest[0], parser._option_string_actions, 1)
        parser.error(f"unknown: {' '.join(rest)}.{f' Did you mean {near[0]}?' if near else ''}")
    return args


def build_tokenizer(options: Namespace, texts: Sequence[str], language: str, **choices: Any) -> Any:
    """A tokenizer of these texts: by the options, else the recipe, else `choices`, as suits language and data set."""
    data, length = DATASETS.get(options.dataset), options.max_position_embeddings
    choices |= {"normalization": data.normalization} if data else {}
    choices |= {"rules": choose_rules(language)}
    choices |= RECIPES[getattr(options, "recipe", "default")].tokenizer
    choices |= pick(options, "rules", "vocabulary", "min_frequency")
    return train_tokenizer(texts, **choices, **({"max_length": length} if length else {}))


def build_model(options: Namespace, rows: Any, args: Any) -> tuple[Any, Any]:
    """A classifier for these rows and its tokenizer: anew, or from another model."""
    recipe, start = RECIPES[options.recipe], options.model_name_or_path
    fields = {**recipe.model, "num_labels": len(list_names(rows.features["label"]))}
    if start == "none":
        options.model_name_or_path = start = None
    elif start is None and options.recipe == "default" and not pick(options, *SIZES, *WISHES):
        options.model_name_or_path = start = choose_start(args.language, len(rows))
        if start is not None:
            logger.info("Starting from the built-in encoder english; --model_name_or_path none starts from scratch.")
    if start is not None:
        is_encoder = (Path(start) / "pretraining.json").is_file()  # with sizes, but without pooling and dropout
        fields = {name: value for name, value in fields.items() if is_encoder and name not in (*SIZES, "bidirectional")}
        return start_from(start, rows["text"][:], **fields)
    tokenizer = build_tokenizer(options, rows["text"], args.language)
    model = LstmAttnForSequenceClassification(LstmAttnConfig(len(tokenizer), **{**fields, **pick(options, *SIZES)}))
    vectors = options.word_vectors or recipe.word_vectors or "none"
    if vectors != "none" and not options.resume_from_checkpoint:
        initialize_embeddings(model, vectors, rows["text"], tokenizer, seed=args.seed)
    return model, tokenizer


@contextmanager
def begin(options: Namespace, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Hold the run's folder, and keep in it how it was begun; what it replaces is set aside until it is whole."""
    folder = Path(options.output_dir)
    with hold(folder):
        if IS_FIRST and not options.resume_from_checkpoint:
            set_aside(folder, hub.WRITTEN)
            results.save_json({"words": options.words, "data": arguments}, folder / hub.COMMAND_FILE)
        yield
        if IS_FIRST:
            drop_replaced(folder)


# --------------------------------------------------------------------------------------------------------------- data


def describe_data(options: Namespace) -> dict[str, Any]:
    """What the options say of the data, for `load_splits`; results.json keeps it, so that others get the same rows."""
    files = {name: path for name in ("train", "validation", "test") if (path := getattr(options, f"{name}_file", None))}
    described = {"name": options.dataset, "source": files or options.data, **pick(options, "limit", "fractions")}
    if options.dataset:
        return {**described, "synthetic": DATASETS[options.dataset].synthetic}
    names = ("text_column", "label_column", "config_name", "label_delimiter", "positive_label")
    drop = {"drop_duplicates": True} if options.drop_duplicates else {}
    return described | pick(options, *names) | drop | describe_files(options)


def name_files(value: Any) -> Any:
    """The same with files and folders of this machine by their names alone, for what is published."""
    if isinstance(value, dict):
        return {key: name_files(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [name_files(part) for part in value]
    return Path(value).name if isinstance(value, str) and Path(value).exists() else value


def load_splits(described: Mapping[str, Any]) -> Any:
    """The data that `describe_data` describes, as a DatasetDict."""
    given = dict(described)
    name, source, limit, _ = (given.pop(key, None) for key in ("name", "source", "limit", "synthetic"))
    if name:
        splits = DATASETS[name].load(source, **given)
    else:
        shares = zip(("validation_fraction", "test_fraction"), given.pop("fractions", [])[1:], strict=False)
        given |= {"label_column": None} if given.get("label_column") == ["none"] else {}
        splits = load_data(source, **given, **dict(shares))
    for split, rows in splits.items() if limit else ():
        splits[split] = rows.shuffle(seed=42).select(range(min(limit, len(rows))))
    return splits


def read_texts(options: Namespace, language: str, **choices: Any) -> tuple[list[str], Any]:
    """The texts to learn from without labels, and a tokenizer of them."""
    splits = load_splits(describe_data(options))
    texts = [text for name in ("train", "unsupervised") if name in splits for text in splits[name]["text"]]
    return texts, build_tokenizer(options, texts, language, **choices)


def load_rows(options: Namespace) -> tuple[Any, dict[str, Any]]:
    """The rows to score, of the data that is named or of the run's own; in the latter case the run's results too."""
    folder = built_in(options.run) if options.run in BUILT_IN else Path(options.run)
    record = results.load_results(folder) if (folder / results.RESULTS_FILE).is_file() else {}
    described = record.get("dataset", {}).get("arguments")
    if (folder / hub.COMMAND_FILE).is_file():  # on the machine where it was trained, with the paths of its data
        described = json.loads((folder / hub.COMMAND_FILE).read_text(encoding="utf-8"))["data"]
    if options.dataset or options.data or options.test_file:
        described, record = describe_data(options), {}
        if options.split is None and Path(options.data or "").is_file():  # all of its rows
            described["source"] = {"test": options.data}
    if not described:
        raise ValueError(f"{options.run} does not tell which data it held out: name a data set, or pass --data.")
    splits, split = load_splits({**described, **pick(options, "limit")}), options.split or "test"
    if split not in splits:
        raise ValueError(f"There is no split {split!r} (--split), only {', '.join(splits)}.")
    stored = record.get("dataset", {}).get("splits", {}).get(split)
    if stored and not options.limit and fingerprint(splits[split]) != stored["fingerprint"]:
        logger.warning(f"These rows ({split}) are not those of the run: its data has changed since.")
    return splits[split], record
