"""Train this project's IMDB model: default recipe, word vectors from the training and the unlabelled reviews.

Options of `hf-lstm-attn train` may follow, such as --data FOLDER for a local copy of the data, --limit or --resume.
"""

from __future__ import annotations

import sys

from hf_lstm_attn.cli import main

COMMAND = ["train", "imdb", "--output-dir", "runs/train_imdb", "--word-vectors", "unlabelled"]

if __name__ == "__main__":
    sys.exit(main([*COMMAND, *sys.argv[1:]]))
