"""Train the model of which the built-in `sentiment` is made: everyday English, negative, neutral or positive.

    python scripts/train_sentiment.py --datasets FOLDER -o runs/sentiment
    python scripts/make_built_in.py runs/sentiment sentiment

FOLDER is what `sentiment_data.py` reads. The model starts from the built-in encoder `english`. A quarter of an hour on
two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import SEED, build_model, load_finished, set_up_output
from sentiment_data import build_sentiment_data

from hf_lstm_attn import RECIPES, LstmAttnTrainer, LstmAttnTrainingArguments, built_in
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.startup import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER", help="data sets in Hub layout")
    parser.add_argument("--start", default=built_in("english"), help="(default: the built-in encoder)")
    parser.add_argument("--num_train_epochs", type=float, default=4)
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("runs/sentiment"))
    options = parser.parse_args()
    if load_finished(options.output_dir):
        return
    set_up_output()
    keep_freed_memory()
    data = build_sentiment_data(options.datasets, composed=40_000)
    model, tokenizer = build_model(data["train"], RECIPES["default"], SEED, {}, str(options.start))
    args = LstmAttnTrainingArguments(
        str(options.output_dir),
        num_train_epochs=options.num_train_epochs,
        per_device_train_batch_size=32,
        body_learning_rate=1e-3,
        metric_for_best_model="macro_recall",
        balance_classes=True,
        seed=SEED,
        dataset_name="tweet_eval, SST-5, MR, CR and composed sentences",
        license="apache-2.0",
    )
    trainer = LstmAttnTrainer(model, args, None, data["train"], data["validation"], tokenizer)
    trainer.train(resume_from_checkpoint=find_checkpoint(options.output_dir) is not None)
    print(trainer.evaluate())


if __name__ == "__main__":
    main()
