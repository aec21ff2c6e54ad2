"""Publish a run's figures: copy them into `model_cards/` and write the README's table from all that lie there.

python scripts/collect_results.py runs/train_imdb lstm-attn-imdb
python scripts/collect_results.py --check      # exits with 1 if the README differs from model_cards/
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from hf_lstm_attn import DATASETS, RunResult
from hf_lstm_attn.results import RESULTS_FILE, save_json

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "model_cards"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: written by scripts/collect_results.py -->\n", "<!-- end of results -->\n"


def copy_figures(run: Path, name: str) -> None:
    RunResult.load(run)  # refuses an unfinished run
    folder = CARDS / name
    folder.mkdir(parents=True, exist_ok=True)
    results = json.loads((run / RESULTS_FILE).read_text(encoding="utf-8"))
    dataset = results["request"]["dataset"]
    dataset["path"] = DATASETS[dataset["name"]].path  # not where a local copy lay
    save_json(results, folder / RESULTS_FILE)
    for figure in run.glob("*.png"):
        shutil.copyfile(figure, folder / figure.name)


def render_table() -> str:
    rows = [_list_cells(path.parent) for path in sorted(CARDS.glob(f"*/{RESULTS_FILE}"))]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rendered = before + BEGIN + render_table() + END + after
    if options.check:
        if rendered != text:
            print("README.md differs from model_cards/. Run scripts/collect_results.py on a run.", file=sys.stderr)
        return int(rendered != text)
    README.write_text(rendered, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
