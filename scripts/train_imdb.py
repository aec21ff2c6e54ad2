"""Train the IMDB model of recipe `default` on the 22,500 labelled reviews of train, and on nothing else.

    python scripts/train_imdb.py                     # runs/lstm-attn-imdb, about 15 minutes on two cores
    python scripts/train_imdb.py --data aclImdb      # the unpacked archive, or a folder in Hub layout

The folder holds model, card, results.json and figures, ready to push. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

from common import train_default

if __name__ == "__main__":
    train_default("imdb", __doc__)
