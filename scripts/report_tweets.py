"""Repeat the report's LSTM with attention on SemEval tweets: its recipe, its splits, its table beside ours.

Options of `hf-lstm-attn train` may follow, such as --data FOLDER for a local copy of the data, --limit or --resume.
"""

from __future__ import annotations

import sys

from hf_lstm_attn.cli import main

COMMAND = ["train", "tweets", "--output-dir", "runs/report_tweets", "--recipe", "report", "--protocol", "report"]

if __name__ == "__main__":
    sys.exit(main([*COMMAND, *sys.argv[1:]]))
