"""The student's report, repeated: its three networks on its splits, its tables beside ours, on one page with pictures.

`report_imdb.py` and `report_tweets.py` are its two experiments.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import matplotlib
from common import SEED, build_parser, limit_rows, load_finished, render_table, train_and_test
from datasets import Dataset, DatasetDict
from matplotlib.figure import Figure
from networks import FfnnConfig, FfnnForSequenceClassification, RnnConfig, RnnForSequenceClassification
from transformers import PreTrainedTokenizerFast, set_seed

from hf_lstm_attn import (
    RECIPES,
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    explain,
    load_classifier,
    train_tokenizer,
)
from hf_lstm_attn.data import summarize_split
from hf_lstm_attn.inference import list_labels
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.plots import RC, VERMILION, save_figure
from hf_lstm_attn.results import RESULTS_FILE, load_examples, save_json
from hf_lstm_attn.text import make_visible

Reported = dict[str, dict[str, tuple[float, float, float]]]  # split -> metric -> a figure per network
NETWORKS: dict[str, tuple[str, Any, Any]] = {
    "FFNN": ("ffnn", FfnnConfig, FfnnForSequenceClassification),
    "RNN": ("rnn", RnnConfig, RnnForSequenceClassification),
    "LSTM + attention": ("lstm-attn", LstmAttnConfig, LstmAttnForSequenceClassification),
}
RECIPE = RECIPES["report"]
METRICS = ("loss", "accuracy", "precision", "recall", "f1")
ROWS_SHOWN = 5
MARKS = "▲ best, ● middle, ▼ worst of the three networks. Loss in nats, all else in per cent."
logger = logging.getLogger("hf_lstm_attn")


class BaselineTrainer(LstmAttnTrainer):
    """Leaves the model and results.json: a baseline is measured, not published."""

    def _write_results(self, new: Any = None) -> None:
        save_json(self.results, Path(self.args.output_dir) / RESULTS_FILE)


def run_report(
    task: str, reported: Reported, note: str, *, doc: str | None, arguments: Sequence[str] | None = None
) -> None:
    """Train what is not trained yet, and write README.md and figures into the output folder.

    Args:
        task: A name in `DATASETS`.
        reported: The report's own figures.
        note: What to know about them.
    """
    data = DATASETS[task]
    parser = build_parser(doc, f"runs/report-{task}")
    parser.add_argument("--fractions", type=float, nargs="+", default=data.report_fractions, help="parts of train")
    options = parser.parse_args(arguments)
    output_dir: Path = options.output_dir
    dataset = limit_rows(data.load(options.data, fractions=options.fractions), options.limit)
    tokenizer = train_tokenizer(dataset["train"]["text"][:], normalization=data.normalization, **RECIPE.tokenizer)
    runs = {}
    for name, (folder, config_class, model_class) in NETWORKS.items():
        runs[name] = load_finished(output_dir / folder)
        if runs[name] is None:
            print(f"\n{name}")
            set_seed(SEED)
            config = config_class(
                vocab_size=len(tokenizer), num_labels=dataset["train"].features["label"].num_classes, **RECIPE.model
            )
            trainer_class = LstmAttnTrainer if config_class is LstmAttnConfig else BaselineTrainer
            args = LstmAttnTrainingArguments(
                str(output_dir / folder),
                **{**RECIPE.training, **({"num_train_epochs": 1} if options.limit else {})},
                seed=SEED,
                dataset_name=data.path,
                dataset_config=data.config_name,
                license=data.license,
                recipe="report",
            )
            trainer = trainer_class(
                model=model_class(config),
                args=args,
                train_dataset=dataset["train"],
                eval_dataset=dataset["validation"],
                processing_class=tokenizer,
                dataset_arguments={"name": task, "fractions": list(options.fractions), "limit": options.limit},
            )
            runs[name] = train_and_test(trainer, dataset["test"])
    draw_comparison(task, runs, reported, output_dir)
    heatmaps = draw_heatmaps(output_dir / "lstm-attn", output_dir, "heatmap", "this network")
    heatmaps |= draw_heatmaps(task, output_dir, "heatmap_built_in", "the built-in model")
    page = render_page(task, dataset, tokenizer, runs, reported, note, heatmaps)
    (output_dir / "README.md").write_text(page, encoding="utf-8")
    print(f"\nThe page: {output_dir / 'README.md'}")


# ----------------------------------------------------------------------------------------------------------- the page


def render_page(
    task: str,
    dataset: DatasetDict,
    tokenizer: PreTrainedTokenizerFast,
    runs: dict[str, Any],
    reported: Reported,
    note: str,
    heatmaps: dict[str, str],
) -> str:
    """The page in Markdown.

    Args:
        heatmaps: File name -> what it shows.
    """
    lstm = runs["LSTM + attention"]
    splits = [name for name in ("train", "validation", "test") if name in dataset]
    parts = [
        f"# The report's experiment on {task}, repeated",
        render_table([["split", "rows", "labels"], *(describe_split(name, dataset[name]) for name in splits)]),
        f"The vocabulary has {len(tokenizer):,} words. The mean length of a training text, to which all texts are cut "
        f"and padded, is {tokenizer.model_max_length} words. What padding stands for is masked: it changes no figure.",
        "## Words and padded words of five training texts",
        *describe_rows(dataset["train"], tokenizer),
        "## The LSTM with attention, epoch by epoch",
        render_epochs(lstm["epochs"]),
        "![Loss, accuracy, precision, recall and F1 per epoch](lstm-attn/curves.png)",
        "![Confusion matrix of the test split](lstm-attn/confusion.png)",
        "## What it attends to",
        "Each word stands on the colour of its attention weight, which says what the network took in, not why it "
        "decided as it did. First the network above, then the built-in model.",
        *(f"![{title}]({name})" for name, title in heatmaps.items()),
        "## The three networks",
        render_comparison(runs, reported),
        f"{MARKS} Ours are the weights of the best epoch on validation, and their training rows a sample of 2,500; the "
        f"seed is {SEED}. {note}",
        *(f"![The {split} rows as a picture](comparison_{split}.png)" for split in ("validation", "test")),
    ]
    return "\n\n".join(map(str.rstrip, parts)) + "\n"


def describe_split(name: str, split: Dataset) -> list[str]:
    labels = summarize_split(split)["labels"]
    return [name, f"{len(split):,}", ", ".join(f"{rows:,} {label}" for label, rows in labels.items())]


def describe_rows(split: Dataset, tokenizer: PreTrainedTokenizerFast) -> Iterable[str]:
    """An indented block per row, as tokens and as the padded ids that the network reads."""
    for row in split.select(range(min(ROWS_SHOWN, len(split)))):
        encoded = tokenizer(row["text"], truncation=True, padding="max_length")
        tokens = [
            make_visible(token) for token, mask in zip(encoded.tokens(), encoded["attention_mask"], strict=True) if mask
        ]
        yield "\n".join(
            [
                f"    {split.features['label'].int2str(row['label'])}",
                f"    {len(tokens)} tokens: {shorten(tokens)}",
                f"    padded to {len(encoded['input_ids'])}: {shorten(map(str, encoded['input_ids']))}",
            ]
        )


def shorten(parts: Iterable[str], head: int = 10, tail: int = 6) -> str:
    parts = list(parts)
    return " ".join(parts if len(parts) <= head + tail else [*parts[:head], "…", *parts[-tail:]])


def render_epochs(epochs: Sequence[dict[str, Any]]) -> str:
    columns = [(split, metric) for split in ("train", "validation") for metric in METRICS]
    rows = [[f"{row['epoch']:g}", *(show(row[split][metric], metric) for split, metric in columns)] for row in epochs]
    return render_table([["epoch", *(f"{split} {metric}" for split, metric in columns)], *rows])


def render_comparison(runs: dict[str, Any], reported: Reported) -> str:
    """A row per split and metric: each network's figure beside the report's."""
    rows = [["split", "metric", *(cell for name in NETWORKS for cell in (name, "the report's"))]]
    for split, figures in reported.items():
        for metric in METRICS:
            ours = [runs[name]["metrics"][split][metric] for name in NETWORKS]
            theirs = figures.get(metric, ())
            pairs = zip_longest(show_marked(ours, metric), show_marked(theirs, metric), fillvalue="–")
            rows.append([split, metric, *(cell for pair in pairs for cell in pair)])
    return render_table(rows)


def show_marked(values: Sequence[float], metric: str) -> Iterable[str]:
    """The values with ▲ for the best, ▼ for the worst and ● between; equals are marked alike."""
    best, worst = (min, max) if metric == "loss" else (max, min)
    for value in values:
        mark = "▲" if value == best(values) else "▼" if value == worst(values) else "●"
        yield f"{show(value, metric)} {mark}"


def show(value: float, metric: str) -> str:
    """A loss in nats, all else in per cent; without digits that were not given."""
    return f"{value:.4g}" if metric == "loss" else f"{100 * value:.4g}"


# ------------------------------------------------------------------------------------------------------- the pictures


def draw_comparison(task: str, runs: dict[str, Any], reported: Reported, output_dir: Path) -> None:
    for split in ("validation", "test"):
        rows = [
            {
                "model": name,
                **{metric: runs[name]["metrics"][split][metric] for metric in METRICS},
                "reported": {metric: figures[place] for metric, figures in reported[split].items()},
            }
            for place, name in enumerate(NETWORKS)
        ]
        save_figure(plot_comparison(rows, title=f"{task}, {split}"), output_dir / f"comparison_{split}.png")


@matplotlib.rc_context(RC | {"axes.grid": False})
def plot_comparison(rows: Sequence[dict[str, Any]], *, title: str) -> Figure:
    """A panel per metric with a bar for each model and a diamond for the report's figure; per cent, loss in nats.

    Args:
        rows: `{"model": name, "accuracy": 0.91, ..., "reported": {"accuracy": 0.86, ...}}` each, with all of `METRICS`;
            the report may lack some.
    """
    figure = Figure(figsize=(2 + 2.4 * len(METRICS), 1.2 + 0.4 * len(rows)), layout="constrained")
    for axis, metric in zip(figure.subplots(1, len(METRICS), sharey=True), METRICS, strict=True):
        unit, digits = (1, 3) if metric == "loss" else (100, 1)
        for place, row in enumerate(rows):
            values = [unit * figures[metric] for figures in (row, row["reported"]) if metric in figures]
            axis.barh(place, values[0], color="#9CCBE8")
            axis.plot(values[1:], [place] * len(values[1:]), "D", color=VERMILION)
            text = " (".join(f"{value:.{digits}f}" for value in values) + ")" * (len(values) > 1)
            axis.text(max(values), place, f"  {text}", va="center")
        axis.set_yticks(range(len(rows)), [row["model"] for row in rows])
        axis.set(title=metric.capitalize(), xticks=[], ylim=(len(rows) - 0.5, -0.5))
        axis.margins(x=1.0)
    figure.suptitle(f"{title} (◆ and in brackets: reported)", fontsize=13)
    return figure


def draw_heatmaps(model: str | Path, output_dir: Path, name: str, title: str) -> dict[str, str]:
    """Attention weights over each of the report's sentences, in NAME_1.png, NAME_2.png, ...

    Returns:
        File name -> what it shows; nothing for a model that cannot be loaded.
    """
    try:
        classifier = load_classifier(model)
    except (OSError, ValueError) as error:
        logger.warning(f"No heatmaps of {title}: {error}")
        return {}
    config = classifier.model.config
    texts = load_examples(list_labels(config))
    drawn = {f"{name}_{number}.png": text for number, text in enumerate(texts, start=1)}
    for file, text in drawn.items():
        explain(classifier, text, method="attention").plot(output_dir / file)
    return {file: f"By {title}: {text}" for file, text in drawn.items()}
