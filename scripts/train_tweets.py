"""Train this project's tweet model: default recipe, word vectors from all of TweetEval's training texts.

Options of `hf-lstm-attn train` may follow, such as --data FOLDER for a local copy of the data, --limit or --resume.
"""

from __future__ import annotations

import sys

from hf_lstm_attn.cli import main

COMMAND = ["train", "tweets", "--output-dir", "runs/train_tweets", "--word-vectors", "unlabelled"]

if __name__ == "__main__":
    sys.exit(main([*COMMAND, *sys.argv[1:]]))
