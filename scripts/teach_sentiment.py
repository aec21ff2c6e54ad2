"""Fine-tune MiniLM on the data of `sentiment_data.py`, as teacher of the built-in model `sentiment`, and let it label.

    python scripts/teach_sentiment.py --datasets FOLDER --start MINILM -o runs/minilm-sentiment

MINILM is the folder or Hub id of sentence-transformers/all-MiniLM-L6-v2. The soft labels of all texts that
`train_sentiment.py` learns from are in `taught.parquet`. Fifty minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import SEED, set_up_output
from datasets import concatenate_datasets
from sentiment_data import NAMES, build_sentiment_data, take_labelled
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from hf_lstm_attn import soft_labels

STEPS = 1_000  # between checkpoints: some six minutes
TAUGHT = "taught.parquet"
COMPOSED_SHARE = 0.9  # of a composed sentence's soft label, what its own label is: the composer knows
REVIEW_SHARE = 0.4  # likewise of a film review's sentence, what the label of its review is
MAX_LENGTH = 72  # tokens of MiniLM; hardly a text of the data has more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER", help="data sets in Hub layout")
    parser.add_argument("--start", default="sentence-transformers/all-MiniLM-L6-v2", help="(default: %(default)s)")
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("runs/minilm-sentiment"))
    options = parser.parse_args()
    set_up_output()
    options.output_dir.mkdir(parents=True, exist_ok=True)  # where checkpoints are looked for
    set_seed(SEED)
    data = build_sentiment_data(options.datasets)
    tokenizer = AutoTokenizer.from_pretrained(options.start)
    model = AutoModelForSequenceClassification.from_pretrained(options.start, **NAMES)
    rows = {
        split: part.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
            batched=True,
            remove_columns=["text"],
        )
        for split, part in (("train", take_labelled(data)), ("validation", data["validation"]))
    }
    args = TrainingArguments(
        str(options.output_dir),
        num_train_epochs=2,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        learning_rate=1e-4,
        warmup_steps=300,
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=STEPS,
        save_steps=STEPS,
        save_total_limit=1,
        report_to="none",
        seed=SEED,
    )
    trainer = Trainer(
        model,
        args,
        DataCollatorWithPadding(tokenizer),
        rows["train"],
        rows["validation"],
        tokenizer,
        compute_metrics=lambda scored: {"accuracy": (scored.predictions.argmax(-1) == scored.label_ids).mean()},
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(options.output_dir)))
    trainer.save_model()
    teachers, unlabelled = [str(options.output_dir)], data["unsupervised"]["text"][:]
    taught = soft_labels(data["train"], teachers, tokenizer=tokenizer, unlabelled=unlabelled, match_shares=True)
    others = (
        soft_labels(data[split], teachers, tokenizer=tokenizer, label_share=share)
        for split, share in (("composed", COMPOSED_SHARE), ("reviews", REVIEW_SHARE))
    )
    concatenate_datasets([taught, *others]).to_parquet(options.output_dir / TAUGHT)


if __name__ == "__main__":
    main()
