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
    lines = [
        "| run | data | protocol | word vectors | validation accuracy | test rows | accuracy | F1 | macro-recall | minutes |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(CARDS.glob(f"*/{RESULTS_FILE}")):
        result = RunResult.load(path.parent)
        vectors = result.request["recipe"]["word_vectors"] or "random"
        rows = result.dataset["splits"]["test"]["rows"]
        validation = next(row for row in result.epochs if row["epoch"] == result.best_epoch)["validation"]["accuracy"]
        scores = " | ".join(f"{result.test[name] * 100:.2f}" for name in ("accuracy", "f1", "macro_recall"))
        minutes = result.timings["total"] / 60
        name = f"[{path.parent.name}](model_cards/{path.parent.name}/results.json)"
        cells = f"{name} | {result.dataset['name']} | {result.request['protocol']} | {vectors} | {validation * 100:.2f} | {rows:,}"
        lines.append(f"| {cells} | {scores} | {minutes:.1f} |")
    return "\n".join(lines) + "\n"


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
