"""Draw the heatmaps of the standing examples: two film reviews and three product reviews, always the same.

python scripts/explain_examples.py runs/train_imdb -o runs/examples

Options of `hf-lstm-attn explain` may follow, such as --method leave_one_out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hf_lstm_attn.cli import main

EXAMPLES = {
    "film_1": "I came for the fights and stayed for a love story that never once rings false.",
    "film_2": "Two hours of gorgeous scenery cannot hide that nobody wrote an ending.",
    "product_1": "The kettle is quiet, quick and handsome, and its lid snapped off within a week.",
    "product_2": "I expected little at this price; three winters later the boots are still dry inside.",
    "product_3": "Support answered within minutes, twice, and twice told me to buy another one.",
}


def draw_examples(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="run folder, model folder or Hub id")
    parser.add_argument("-o", "--output-dir", type=Path, required=True)
    options, rest = parser.parse_known_args(arguments)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    for name, text in EXAMPLES.items():
        picture = options.output_dir / f"{name}.png"
        code = main(["explain", text, "--model", options.model, "--output", str(picture), *rest])
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(draw_examples(sys.argv[1:]))
