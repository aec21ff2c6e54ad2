"""Train the tweets model of recipe `default` on the 45,615 labelled tweets of train, and on nothing else.

    python scripts/train_tweets.py                      # runs/lstm-attn-tweets, about 10 minutes on two cores
    python scripts/train_tweets.py --data tweet_eval    # a folder in Hub layout, or of raw SemEval files

The folder holds model, card, results.json and figures, ready to push. An interrupted run goes on where it stopped.
The classes weigh alike in training, since macro-recall, by which SemEval ranks systems, counts them alike.
"""

from __future__ import annotations

from common import train_default

if __name__ == "__main__":
    train_default("tweets", __doc__)
