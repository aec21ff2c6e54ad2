"""Train fastText and score, in a process of its own: `peers.py` says why, and starts it.

python scripts/run_fasttext.py FOLDER     # train.txt, scored.txt and settings.json -> probabilities.npy
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fasttext
import numpy as np


def main(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    model = fasttext.train_supervised(str(folder / "train.txt"), wordNgrams=2, thread=1, verbose=0, **settings)
    lines = (folder / "scored.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    probabilities = np.zeros((len(lines), len(model.labels)))  # a column per label, in the order of their ids
    for row, line in enumerate(lines):
        labels, values = model.predict(line, k=-1)
        probabilities[row, [int(label.removeprefix("__label__")) for label in labels]] = values
    np.save(folder / "probabilities.npy", probabilities)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
