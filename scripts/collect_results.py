"""Publish a run's figures: copy them into `model_cards/`; render the cards and the README's table from all that lie
there.

python scripts/collect_results.py runs/train_imdb lstm-attn-imdb
python scripts/collect_results.py --check      # exits with 1 if a card or the README differs from its results.json
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from hf_lstm_attn import RunResult
from hf_lstm_attn.model_card import CARD_FILE, list_figures, render_card
from hf_lstm_attn.packaging import publish
from hf_lstm_attn.plots import save_figure
from hf_lstm_attn.results import RESULTS_FILE, render_markdown_table

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "model_cards"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: written by scripts/collect_results.py -->\n", "<!-- end of results -->\n"


def copy_figures(run: Path, name: str) -> None:
    folder = CARDS / name
    folder.mkdir(parents=True, exist_ok=True)
    result = publish(RunResult.load(run))
    replace(result, repository={"id": f"you/{name}", "dtype": "float32"}).save(folder)
    for figure in run.glob("*.png"):
        shutil.copyfile(figure, folder / figure.name)


def render_cards() -> dict[Path, str]:
    """The card of every folder in `model_cards/`."""
    folders = [path.parent for path in sorted(CARDS.glob(f"*/{RESULTS_FILE}"))]
    return {folder / CARD_FILE: render_card(RunResult.load(folder)) for folder in folders}


def draw_missing_figures() -> None:
    """Those that runs did not draw yet when these were collected."""
    for path in CARDS.glob(f"*/{RESULTS_FILE}"):
        for name, draw in list_figures(RunResult.load(path.parent)).items():
            if not (path.parent / name).exists():
                save_figure(draw(), path.parent / name)


def render_table() -> str:
    rows = [_list_cells(path.parent) for path in sorted(CARDS.glob(f"*/{RESULTS_FILE}"))]
    return render_markdown_table([list(rows[0]), *(list(row.values()) for row in rows)])


def render_readme() -> str:
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + render_table() + END + after


def find_drift(rendered: dict[Path, str]) -> list[str]:
    """What differs from what would be written, and pictures that a card shows and its folder lacks."""
    problems = []
    for path, text in rendered.items():
        name = path.relative_to(ROOT).as_posix()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            problems.append(f"{name} differs from {RESULTS_FILE}")
        pictures = re.findall(r"!\[[^]]*\]\((\w+\.png)\)", text)
        problems += [
            f"{name} shows {picture}: no such file" for picture in pictures if not (path.parent / picture).is_file()
        ]
    return problems


def _list_cells(folder: Path) -> dict[str, str]:
    result = RunResult.load(folder)
    validation = next(row for row in result.epochs if row["epoch"] == result.best_epoch)["validation"]
    return {
        "run": f"[{folder.name}](model_cards/{folder.name}/results.json)",
        "data": result.dataset["name"],
        "protocol": result.request["protocol"],
        "word vectors": result.request["recipe"]["word_vectors"] or "random",
        "validation accuracy": f"{validation['accuracy'] * 100:.2f}",
        "test rows": f"{result.dataset['splits']['test']['rows']:,}",
        "accuracy": f"{result.test['accuracy'] * 100:.2f}",
        "F1": f"{result.test['f1'] * 100:.2f}",
        "macro-recall": f"{result.test['macro_recall'] * 100:.2f}",
        "minutes": f"{result.timings['total'] / 60:.1f}",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="run folder")
    parser.add_argument("name", nargs="?", help="folder in model_cards")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not options.check and options.name is None:
        parser.error("expected a run folder and a name, or --check")
    if not options.check:
        copy_figures(options.run, options.name)
    rendered = {README: render_readme(), **render_cards()}
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
