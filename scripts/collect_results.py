"""Write the results tables of README.md and model_cards/README.md from the files that hold the figures.

    python scripts/collect_results.py                          # render the tables anew; seconds
    python scripts/collect_results.py runs/lstm-attn-imdb      # copy a run's record, card and pictures first
    python scripts/collect_results.py --check                  # exit with 1 if a table differs from its figures

Figures come from model_cards/**/results.json (of this version's schema; others are left out), from the built-in models,
from baselines.json, suite.json, suite_typos.json and tweet_eval.json (of benchmark_suite.py) and speed.json (of
benchmark_speed.py) in model_cards.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from common import render_table
from suite_results import TWEETS, render_tweets

from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.results import RESULTS_FILE, SCHEMA_VERSION, load_results

ROOT = Path(__file__).parents[1]
TASKS = {"imdb": "accuracy", "tweets": "macro_recall"}  # what is quoted on each
# Rows of the README: name -> (task -> run); runs of other seeds have the seed behind the name.
OURS = {
    "this package, recipe `default`": {task: f"lstm-attn-{task}" for task in TASKS},
    "this package, pre-trained and taught": {task: f"lstm-attn-{task}-pretrained" for task in TASKS},
}
BASELINES = ("TF-IDF + logistic regression", "NB-SVM", "fastText")
# Published, on the whole test splits: Sanh et al. 2019 (DistilBERT), Barbieri et al. 2020 (TweetEval).
PUBLISHED: dict[str, dict[str, float]] = {
    "fastText, as published": {"tweets": 62.9},
    "DistilBERT, as published": {"imdb": 92.8},
    "RoBERTa-base, as published": {"tweets": 71.3},
}
NONE = "–"
CORE_HOUR = 0.05  # dollars; what a cloud asks for one of its processors, roughly
SUITE = {  # names in model_cards/suite.json -> in the README
    "lstm-attn (default)": "this package, recipe `default` (from `english`)",
    "tfidf": "TF-IDF + logistic regression",
    "words-chars": "TF-IDF of words and characters, SVM",
    "minilm": "MiniLM's vectors + logistic regression",
    "majority": "most frequent label",
}


def load_runs(root: Path) -> dict[str, dict[str, Any]]:
    """Name of the folder below model_cards -> results, of this version's schema."""
    cards = root / "model_cards"
    paths = sorted(cards.rglob(RESULTS_FILE))
    found = {path.parent.relative_to(cards).as_posix(): load_results(path.parent) for path in paths}
    return {name: results for name, results in found.items() if results.get("schema_version") == SCHEMA_VERSION}


def find_task(results: dict[str, Any]) -> str:
    """The name in `DATASETS`, or what the run calls its data."""
    dataset = results["dataset"]
    named = {data.path: task for task, data in DATASETS.items()}
    return named.get(dataset.get("hub_id") or dataset["name"], dataset["name"])


def show(values: Sequence[float]) -> str:
    """Mean of shares in per cent, with the sample standard deviation where there are several."""
    if not values:
        return NONE
    spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.2f}{spread}"


def render_summary(root: Path) -> str:
    """The README's table: systems against tasks."""
    runs, baselines = load_runs(root), load_figures(root, "baselines.json").get("datasets", {})
    rows = [["system", "IMDB: accuracy", "tweets: macro-recall"]]
    for name, folders in OURS.items():
        cells = []
        for task, metric in TASKS.items():
            same = [r for folder, r in runs.items() if re.fullmatch(rf"{folders[task]}(-\d+)?", folder)]
            cells.append(show([r["metrics"]["test"][metric] for r in same if "test" in r["metrics"]]))
        rows.append([name, *cells])
    built_in = {task: load_built_in(root, task) for task in TASKS}
    stored = [[built_in[task]["metrics"]["test"][m]] if built_in[task] else [] for task, m in TASKS.items()]
    rows.append(["this package, built-in models (at most 10 MB)", *map(show, stored)])
    for name in BASELINES:
        found = [baselines.get(task, {}).get("baselines", {}).get(name) for task in TASKS]
        cells = [show([f["metrics"]["test"][m]] if f else []) for f, m in zip(found, TASKS.values(), strict=True)]
        if any(cell != NONE for cell in cells):
            rows.append([name, *cells])
    rows += [[name, *(str(figures.get(task, NONE)) for task in TASKS)] for name, figures in PUBLISHED.items()]
    return render_table(rows)


def render_small_tasks(root: Path) -> str:
    """Means over the small tasks, of means over seeds: systems against numbers of labels."""
    found = []
    for name, kind in {"suite.json": "", "suite_typos.json": ", typos"}.items():
        for cell in load_figures(root, name).get("cells", {}).values():
            number = f"{int(cell['n']):,}" if cell["n"].isdigit() else cell["n"]
            found.append({**cell, "column": f"{number} labels{kind}"})
    if not found:
        return ""
    cells = pd.DataFrame(found)
    of_tasks = 100 * cells.groupby(["system", "column", "task"])[["accuracy", "macro_f1"]].mean()
    means = of_tasks.groupby(["system", "column"]).mean()
    columns = cells["column"].unique()
    rows = [["small English tasks: accuracy / macro-F1", *columns]]
    for system in cells["system"].unique():
        shown = [" / ".join(f"{mean:.1f}" for mean in means.loc[(system, column)]) for column in columns]
        rows.append([SUITE.get(system, system), *shown])
    return "\n" + render_table(rows)


def render_tweet_eval(root: Path) -> str:
    """TweetEval's six tasks, by its own metrics."""
    if not (record := load_figures(root, "tweet_eval.json")):
        return ""
    systems = dict.fromkeys(cell["system"] for cell in record["cells"].values())
    return "\n" + render_tweets(record, TWEETS, "all", list(systems))


def render_rate(root: Path) -> str:
    """How long 100 million texts take, and what they cost."""
    if not (record := load_figures(root, "speed.json")):
        return ""
    rates, cores = record["texts_per_second"]["reviews"], record["machine"]["threads"]
    rate, hours = rates["predict"], 1e8 / rates["predict"] * cores / 3_600
    return (
        f"\n`predict` labels {rate:,.0f} of IMDB's reviews a second on {cores} cores, "
        f"{rate / rates['DistilBERT, pipeline(list)']:.0f} times DistilBERT's pipeline:\n100 million reviews take "
        f"{hours:.0f} core-hours, {hours * CORE_HOUR:.0f} dollars at {100 * CORE_HOUR:.0f} cents a core-hour "
        "([record](model_cards/speed.json)).\n"
    )


def render_speed(root: Path) -> str:
    """Texts a second, and as ratios to DistilBERT."""
    if not (record := load_figures(root, "speed.json")):
        return ""
    head = f"IMDB reviews, {record['machine']['threads']} cores"
    tables = []
    for kind, rates in record["texts_per_second"].items():
        distilbert = next(rate for name, rate in rates.items() if name.startswith("DistilBERT"))
        rows = [[f"{head}: {kind}", "texts a second", "times DistilBERT"]]
        rows += [[name, f"{rate:,.1f}", f"{rate / distilbert:,.1f}"] for name, rate in rates.items()]
        tables.append(render_table(rows))
    return "\n" + "\n".join(tables)


def load_figures(root: Path, name: str) -> dict[str, Any]:
    """What a file in model_cards holds; empty without it."""
    path = root / "model_cards" / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def load_built_in(root: Path, task: str) -> dict[str, Any]:
    folder = root / "hf_lstm_attn" / "pretrained" / task
    return load_results(folder).get("built_in", {}) if (folder / RESULTS_FILE).is_file() else {}


def render_index(root: Path) -> str:
    """The long table: a row per run, then the baselines."""
    head = ["run", "data", "recipe", "starts from, taught by", "seed", "test rows", "accuracy", "F1", "macro-recall"]
    rows = [[*head, "minutes"]]
    for name, results in load_runs(root).items():
        training, test = results["training"], results["dataset"]["splits"].get("test", {})
        origin = training.get("origin") or {}
        start = [origin.get("model_name_or_path"), *origin.get("teachers", [])]
        rows.append(
            [
                f"[{name}]({name}/README.md)" if (root / "model_cards" / name / "README.md").is_file() else name,
                find_task(results),
                training.get("recipe") or NONE,
                ", ".join(filter(None, start)) or NONE,
                str(training["seed"]),
                f"{test.get('rows', 0):,}",
                *list_metrics(results["metrics"].get("test", {})),
                f"{training['seconds'] / 60:.1f}",
            ]
        )
    for task, measured in load_figures(root, "baselines.json").get("datasets", {}).items():
        for name, found in measured["baselines"].items():
            cells = [NONE, NONE, NONE, f"{measured['test']['rows']:,}", *list_metrics(found["metrics"]["test"])]
            rows.append([name, task, *cells, f"{found['seconds'] / 60:.1f}"])
    return render_table(rows)


def list_metrics(metrics: dict[str, float]) -> list[str]:
    return [show([metrics[name]] if name in metrics else []) for name in ("accuracy", "f1", "macro_recall")]


TABLES: dict[str, Callable[[Path], str]] = {
    "README.md": lambda root: render_summary(root) + render_small_tasks(root) + render_rate(root),
    "model_cards/README.md": lambda root: render_index(root) + render_tweet_eval(root) + render_speed(root),
}


def render_document(root: Path, name: str) -> str:
    """The document with its table as it ought to be."""
    begin, end = "<!-- results: written by scripts/collect_results.py -->\n", "<!-- end of results -->\n"
    before, _, rest = (root / name).read_text(encoding="utf-8").partition(begin)
    return before + begin + TABLES[name](root) + end + rest.partition(end)[2]


def copy_run(run: Path, cards: Path) -> None:
    """Records, cards and pictures of a run, or of a folder of runs; no weights, no checkpoints."""
    shutil.rmtree(cards / run.name, ignore_errors=True)
    for path in sorted(run.rglob("*")):
        is_wanted = path.name == RESULTS_FILE or path.suffix in (".png", ".md")
        if is_wanted and "checkpoint" not in path.relative_to(run).as_posix():
            target = cards / run.name / path.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="folders to copy into model_cards")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a document differs")
    options = parser.parse_args(arguments)
    if not options.check:
        for run in options.runs:
            copy_run(run.resolve(), options.root / "model_cards")
    differing = []
    for name in TABLES:
        path, text = options.root / name, render_document(options.root, name)
        if path.read_text(encoding="utf-8") != text:
            differing.append(name)
            if not options.check:
                path.write_text(text, encoding="utf-8")
    if options.check and differing:
        print(f"{', '.join(differing)}: run scripts/collect_results.py.", file=sys.stderr)
    return int(options.check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
