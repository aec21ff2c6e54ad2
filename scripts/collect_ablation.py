"""Log what changes to a recipe did: add runs to the records in `model_cards/ablation/`, render the page and pictures.

python scripts/collect_ablation.py runs/imdb-42 runs/imdb-43 --name "default without n-grams"
python scripts/collect_ablation.py runs/adversarial-* --name "adversarial 0.02" --note "Helps; takes twice as long."
python scripts/collect_ablation.py             # renders anew, say after a record was taken out by hand
python scripts/collect_ablation.py --check     # exits with 1 if the page differs from the records

Runs of one name differ in their seed alone, and are one row; a seed that was logged before is replaced. Whether a
change helped is read off validation, in comparison with the configuration called `default without n-grams`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_lstm_attn import RunResult
from hf_lstm_attn.model_card import METRIC_TITLES, escape
from hf_lstm_attn.plots import plot_ablation, save_figure
from hf_lstm_attn.recipes import describe_differences, list_settings
from hf_lstm_attn.results import render_markdown_table, save_json

FOLDER = Path(__file__).parents[1] / "model_cards" / "ablation"
PAGE = FOLDER / "README.md"
REFERENCE = "default without n-grams"
HEAD = f"""# Ablations

What changes to the recipe did, whether they helped or not; `{REFERENCE}` is what they are compared with. Each row
is a configuration, with mean and sample standard deviation over its seeds, in per cent, at the epoch whose weights
were kept. Settings and epochs are chosen on validation. Test scores stand where runs recorded them and were seen as
the runs ended; where one weighed in a choice, the notes say so. Perplexity is that of the language models which a
configuration starts from, a mean over both directions, on texts held out. Seconds are from raw texts to the trained
model, a mean over the seeds, without pre-training; runs may have shared their machine with others.
`scripts/collect_ablation.py` writes this page from the records beside it.
"""


def load_tasks() -> dict[str, dict[str, Any]]:
    """Name of a data set -> its records: on what they were measured, and `configurations`, each with `note`, `settings`
    of the recipe, and a record per seed as `runs`."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def add_run(tasks: dict[str, dict[str, Any]], folder: Path, name: str, note: str | None) -> None:
    result = RunResult.load(folder)
    metric = result.request["dataset"]["best_metric"]
    splits = result.dataset["splits"]
    measured_on = {
        "task": result.dataset["name"],
        "synthetic": result.dataset["synthetic"],
        "protocol": result.request["protocol"],
        "metric": metric,
        **{
            split: {key: splits[split][key] for key in ("rows", "fingerprint")}
            for split in ("validation", "test")
            if split in splits
        },
    }
    task = tasks.setdefault(result.dataset["name"], {**measured_on, "configurations": {}})
    for key, value in measured_on.items():
        if task.get(key) != value:
            raise ValueError(
                f"Expected runs measured on the same texts; found {key} {value} in {folder} and {task.get(key)} in the "
                f"records of {task['task']}. Leave this run out, or remove those records."
            )
    settings = list_settings(result.request["recipe"])
    configuration = task["configurations"].setdefault(name, {"note": None, "settings": settings, "runs": []})
    if differences := describe_differences(settings, fill(configuration["settings"])):
        raise ValueError(
            f"Expected runs of {name!r} that differ in their seed alone; found {', '.join(differences)} in {folder}. "
            "Choose another name."
        )
    machine = result.machine.get("accelerator", result.machine["processor"])
    record = {
        "seed": result.request["seed"],
        "validation": result.best["validation"][metric],
        "test": result.test.get(metric),
        "epoch": result.best_epoch,
        "perplexity": result.request.get("pretraining", {}).get("perplexity", {}).get("mean"),
        "training_seconds": result.training_seconds,
        "machine": f"{machine}, {result.precision['name']}",
    }
    others = [run for run in configuration["runs"] if run["seed"] != record["seed"]]
    configuration["runs"] = sorted([*others, record], key=lambda run: run["seed"])
    configuration["note"] = note or configuration["note"]


def fill(settings: dict[str, Any]) -> dict[str, Any]:
    """Recorded settings, and defaults of those that recipes did not have yet."""
    return {**list_settings({}), **settings}


def list_scores(configuration: dict[str, Any], split: str) -> list[float]:
    """In per cent, of the seeds that have one."""
    return [100 * run[split] for run in configuration["runs"] if run[split] is not None]


def sort_configurations(task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The reference, then the others, the best on validation first."""

    def place(name: str) -> tuple[bool, float, str]:
        return name != REFERENCE, -statistics.fmean(list_scores(task["configurations"][name], "validation")), name

    return {name: task["configurations"][name] for name in sorted(task["configurations"], key=place)}


def render_task(task: dict[str, Any]) -> str:
    configurations = sort_configurations(task)
    reference = configurations.get(REFERENCE)
    head = ["configuration", f"differs from `{REFERENCE}`", "seeds", "validation", "gain", "test"]
    rows = [[*head, "perplexity", "training seconds", "machine"]]
    for name, configuration in configurations.items():
        differences, gain = "", ""
        scores = list_scores(configuration, "validation")
        if reference is not None and configuration is not reference:
            described = describe_differences(fill(configuration["settings"]), fill(reference["settings"]))
            differences = ", ".join(described) or "nothing"
            gain = f"{statistics.fmean(scores) - statistics.fmean(list_scores(reference, 'validation')):+.2f}"
        runs = configuration["runs"]
        rows.append(
            [
                escape(name),
                differences,
                str(len(runs)),
                show(scores),
                gain,
                show(list_scores(configuration, "test")),
                ", ".join(sorted({f"{run['perplexity']:.0f}" for run in runs if run["perplexity"]})),
                f"{statistics.fmean(run['training_seconds'] for run in runs):,.0f}",
                "; ".join(sorted({run["machine"] for run in runs})),
            ]
        )
    synthetic = " (synthetic data)" if task["synthetic"] else ""
    metric, texts = METRIC_TITLES[task["metric"]], task["validation"]["rows"]
    parts = [
        f"## {task['task']}{synthetic}",
        f"{metric} on {texts:,} validation texts, protocol {task['protocol']}.",
        render_markdown_table(rows).rstrip(),
    ]
    notes = [f"- {escape(name)}: {escape(item['note'])}" for name, item in configurations.items() if item["note"]]
    if notes:
        parts.append("\n".join(notes))
    parts.append(f"![Validation scores of every seed, and their means]({task['task']}.png)")
    return "\n\n".join(parts) + "\n"


def show(scores: Sequence[float]) -> str:
    if not scores:
        return ""
    return f"{statistics.fmean(scores):.2f}" + (f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else "")


def render_page(tasks: dict[str, dict[str, Any]]) -> str:
    return "\n".join([HEAD, *map(render_task, tasks.values())])


def find_drift(tasks: dict[str, dict[str, Any]]) -> list[str]:
    problems = [f"shows {name}.png: no such file" for name in tasks if not (FOLDER / f"{name}.png").is_file()]
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != render_page(tasks):
        problems.insert(0, "differs from the records it comes from")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="finished run folder")
    parser.add_argument("--name", help="the configuration that these runs share")
    parser.add_argument("--note", help="a sentence on what was concluded; replaces an earlier one")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if bool(options.runs) != bool(options.name) or (options.check and options.runs):
        parser.error("expected runs and their --name, or --check, or nothing")
    tasks = load_tasks()
    if options.check:
        problems = find_drift(tasks)
        for problem in problems:
            print(f"model_cards/ablation/README.md {problem}. Run scripts/collect_ablation.py.", file=sys.stderr)
        return int(bool(problems))
    try:
        for folder in options.runs:
            add_run(tasks, folder, options.name, options.note)
    except (ValueError, OSError) as error:
        sys.exit(f"collect_ablation: {error}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for task_name, task in tasks.items():
        save_json(task, FOLDER / f"{task_name}.json")
        scores = {name: list_scores(runs, "validation") for name, runs in sort_configurations(task).items()}
        score_name = f"{METRIC_TITLES[task['metric']]} on validation, %"
        figure = plot_ablation(scores, reference=REFERENCE, title=task_name, score_name=score_name)
        save_figure(figure, FOLDER / f"{task_name}.png")
    PAGE.write_text(render_page(tasks), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
