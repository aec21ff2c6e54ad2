"""Publish a run's or a comparison's figures: copy them into `model_cards/`; render the cards, the comparisons and the
README's tables from all that lie there.

python scripts/collect_results.py runs/train_imdb lstm-attn-imdb
python scripts/collect_results.py runs/compare-imdb comparison-imdb
python scripts/collect_results.py              # renders anew, say after a recipe was described in other words
python scripts/collect_results.py --check      # exits with 1 if a document differs from the figures it comes from
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hf_lstm_attn import RunResult
from hf_lstm_attn.comparison import COMPARISON_FILE, Comparison, render_markdown
from hf_lstm_attn.data import DATASETS
from hf_lstm_attn.model_card import CARD_FILE, METRIC_TITLES, list_figures, render_audit, render_card
from hf_lstm_attn.packaging import publish
from hf_lstm_attn.plots import plot_comparison, save_figure
from hf_lstm_attn.recipes import RECIPE_DESCRIPTIONS, RECIPES, describe_differences, find_recipe, list_settings
from hf_lstm_attn.results import RESULTS_FILE, render_markdown_table

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "model_cards"
README = ROOT / "README.md"


def copy_figures(source: Path, name: str) -> None:
    folder = CARDS / name
    folder.mkdir(parents=True, exist_ok=True)
    if (source / COMPARISON_FILE).is_file():
        shutil.copyfile(source / COMPARISON_FILE, folder / COMPARISON_FILE)
        save_figure(plot_comparison(asdict(load_comparison(folder))), folder / "comparison.png")
        return
    result = publish(RunResult.load(source))
    replace(result, repository={"id": f"you/{name}", "dtype": "float32"}).save(folder)
    for figure in source.glob("*.png"):
        shutil.copyfile(figure, folder / figure.name)


def load_comparison(folder: Path) -> Comparison:
    return Comparison(**json.loads((folder / COMPARISON_FILE).read_text(encoding="utf-8")))


def find_folders(file_name: str) -> list[Path]:
    return [path.parent for path in sorted(CARDS.glob(f"*/{file_name}"))]


def render_documents() -> dict[Path, str]:
    """Every document that is made from figures, as it ought to be."""
    cards = {folder / CARD_FILE: render_card(RunResult.load(folder)) for folder in find_folders(RESULTS_FILE)}
    comparisons = {
        folder / CARD_FILE: render_markdown(load_comparison(folder)) + "\n![The same as a picture](comparison.png)\n"
        for folder in find_folders(COMPARISON_FILE)
    }
    return {README: render_readme(), **cards, **comparisons}


def render_readme() -> str:
    text = README.read_text(encoding="utf-8")
    for name, render in BLOCKS.items():
        begin, end = f"<!-- {name}: written by scripts/collect_results.py -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        text = before + begin + render() + end + rest.partition(end)[2]
    return text


def draw_missing_figures() -> None:
    """Those that runs did not draw yet when these were collected."""
    for folder in find_folders(RESULTS_FILE):
        for name, draw in list_figures(RunResult.load(folder)).items():
            if not (folder / name).exists():
                save_figure(draw(), folder / name)


def render_runs() -> str:
    rows = [_list_cells(folder) for folder in find_folders(RESULTS_FILE)]
    return render_markdown_table([list(rows[0]), *(list(row.values()) for row in rows)])


def render_comparisons() -> str:
    head = ["comparison", "model", "validation accuracy", "test accuracy", "test F1", "report's accuracy"]
    rows = [[*head, "training seconds", "MB", "texts per second"]]
    for folder in find_folders(COMPARISON_FILE):
        comparison = load_comparison(folder)
        for name, model in comparison.models.items():
            figures = comparison.reported.get(name, {})
            reported = [f"{100 * metrics['accuracy']:.2f} ({split})" for split, metrics in figures.items()]
            rows.append(
                [
                    f"[{folder.name}](model_cards/{folder.name}/README.md)",
                    name,
                    *(f"{100 * model[split]['accuracy']:.2f}" for split in ("validation", "test")),
                    f"{100 * model['test']['f1']:.2f}",
                    ", ".join(reported),
                    f"{model['training_seconds']:,.0f}",
                    f"{model['bytes'] / 1e6:.1f}",
                    f"{model['texts_per_second']:,.0f}",
                ]
            )
    return render_markdown_table(rows)


def render_audits() -> str:
    return "\n".join(_render_audits())


def _render_audits() -> Iterator[str]:
    for folder in find_folders(RESULTS_FILE):
        if audit := RunResult.load(folder).audit:
            yield f"[{folder.name}](model_cards/{folder.name}/README.md), {audit['examples']:,} texts:\n"
            yield render_audit(audit)


def render_transfer() -> str:
    """What scripts/transfer_imdb.py measured."""
    parts = []
    for path in sorted(CARDS.glob("*/transfer.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        models, pretraining, measured = result["models"], result["pretraining"], result["dataset"]
        draws = len(next(iter(models.values()))["draws"])
        rows = [["model", "accuracy", "lowest", "highest", "seconds"]]
        for name, model in models.items():
            accuracies = [100 * draw["accuracy"] for draw in model["draws"]]
            cells = (100 * model["mean"]["accuracy"], min(accuracies), max(accuracies))
            rows.append([name, *(f"{cell:.2f}" for cell in cells), f"{model['mean']['seconds']:.0f}"])
        parts.append(
            f"{result['examples']} labelled reviews, mean of {draws} draws, measured on {measured['rows']:,} texts of "
            f"{measured['split']}; language models from {pretraining['texts']:,} texts, their perplexity "
            f"{pretraining['perplexity']['mean']:.0f} ([figures](model_cards/{path.parent.name}/transfer.json)):\n\n"
            + render_markdown_table(rows)
        )
    return "\n".join(parts)


def render_recipes() -> str:
    """A row per named recipe; what its published runs scored on each task, and how long they trained."""
    tasks = {name: spec.best_metric for name, spec in DATASETS.items() if not spec.synthetic}
    runs: dict[tuple[str | None, str], list[str]] = {}
    for folder in find_folders(RESULTS_FILE):
        result = RunResult.load(folder)
        task, recipe = result.dataset["name"], find_recipe(result.request["recipe"])
        if recipe is not None and task in tasks and result.request["limit"] is None:
            score = f"[{100 * result.test[tasks[task]]:.2f}](model_cards/{folder.name}/results.json)"
            protocol = result.request["protocol"]
            remarks = [] if protocol == "official" else [f"protocol {protocol}"]
            remarks += describe_differences(
                list_settings(result.request["recipe"]), list_settings(asdict(RECIPES[recipe]))
            )
            cell = f"{score} in {result.training_seconds / 60:.1f} minutes"
            runs.setdefault((recipe, task), []).append(f"{cell} ({', '.join(remarks)})" if remarks else cell)
    rows = [["recipe", "what it is", *(f"{task}: {METRIC_TITLES[metric]}" for task, metric in tasks.items())]]
    for name in RECIPES:
        cells = ["<br>".join(runs.get((name, task), ["—"])) for task in tasks]
        rows.append([f"`{name}`", RECIPE_DESCRIPTIONS[name], *cells])
    return render_markdown_table(rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "transfer": render_transfer,
    "recipes": render_recipes,
    "results": render_runs,
    "comparisons": render_comparisons,
    "audits": render_audits,
}


def find_drift(rendered: dict[Path, str]) -> list[str]:
    """What differs from what would be written, and pictures that a card shows and its folder lacks."""
    problems = []
    for path, text in rendered.items():
        name = path.relative_to(ROOT).as_posix()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            problems.append(f"{name} differs from the figures it comes from")
        pictures = re.findall(r"!\[[^]]*\]\((\w+\.png)\)", text)
        problems += [
            f"{name} shows {picture}: no such file" for picture in pictures if not (path.parent / picture).is_file()
        ]
    return problems


def _list_cells(folder: Path) -> dict[str, str]:
    result = RunResult.load(folder)
    return {
        "run": f"[{folder.name}](model_cards/{folder.name}/results.json)",
        "data": result.dataset["name"],
        "protocol": result.request["protocol"],
        "starts from": _describe_start(result.request),
        "validation accuracy": f"{result.best['validation']['accuracy'] * 100:.2f}",
        "test rows": f"{result.dataset['splits']['test']['rows']:,}",
        "accuracy": f"{result.test['accuracy'] * 100:.2f}",
        "F1": f"{result.test['f1'] * 100:.2f}",
        "macro-recall": f"{result.test['macro_recall'] * 100:.2f}",
        "accuracy without n-grams": f"{result.ngrams['network_alone']['accuracy'] * 100:.2f}" if result.ngrams else "",
        "minutes": f"{result.timings['total'] / 60:.1f}",
    }


def _describe_start(request: dict[str, Any]) -> str:
    recipe = request["recipe"]
    if origin := request.get("pretraining"):
        parts = origin.get("parts")  # another run has none
        start = f"language models of {' and '.join(parts)}" if parts else "another run"
    elif recipe["word_vectors"]:
        start = f"vectors of {recipe['word_vectors']}"
    else:
        start = "nothing"
    return f"{start}, with teachers" if recipe.get("teachers") else start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="folder of a run or a comparison")
    parser.add_argument("name", nargs="?", help="folder in model_cards")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.run is not None and options.name is None:
        parser.error("expected a folder and a name; found the folder alone")
    if options.run is not None:
        copy_figures(options.run, options.name)
    rendered = render_documents()
    if options.check:
        problems = find_drift(rendered)
        for problem in problems:
            print(f"{problem}. Run scripts/collect_results.py on a run.", file=sys.stderr)
        return int(bool(problems))
    draw_missing_figures()
    for path, text in rendered.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
