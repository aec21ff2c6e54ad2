"""Train the model of which the built-in `sentiment` is made: everyday English, negative, neutral or positive.

    python scripts/teach_sentiment.py --datasets FOLDER
    python scripts/train_sentiment.py --datasets FOLDER -o runs/sentiment
    python scripts/make_built_in.py runs/sentiment sentiment

FOLDER is what `sentiment_data.py` reads. The model starts from the built-in encoder `english`; a teacher says a part of
each label, and all of a further text's. Twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import SEED, load_finished, set_up_output
from datasets import Dataset
from sentiment_data import NAMES, build_sentiment_data, take_labelled
from teach_sentiment import TAUGHT
from tokenizers.models import Unigram
from transformers import AutoTokenizer, set_seed

from hf_lstm_attn import (
    LstmAttnForSequenceClassification,
    LstmAttnTrainer,
    LstmAttnTrainingArguments,
    built_in,
)
from hf_lstm_attn.callbacks import find_checkpoint

PIECES = 11_500  # so many that the built-in model has fewer than 10 MB


def shrink_vocabulary(model: Any, tokenizer: Any, texts: Sequence[str], size: int = PIECES) -> Any:
    """A tokenizer of the sub-words that occur most often in the texts, and of all single characters; the model's word
    vectors become theirs."""
    counts = Counter(id for ids in tokenizer(texts)["input_ids"] for id in ids)
    # Pieces with their scores, in the order of ids; the first two are special.
    pieces = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"]
    order = sorted(range(2, len(pieces)), key=lambda id: (len(pieces[id][0]) > 1, -counts[id]))
    kept = [0, 1, *sorted(order[: size - 2])]
    smaller = copy.deepcopy(tokenizer)
    smaller.backend_tokenizer.model = Unigram([tuple(pieces[id]) for id in kept], unk_id=1)
    vectors = model.get_input_embeddings().weight.data[kept].clone()
    model.resize_token_embeddings(size).weight.data.copy_(vectors)
    return smaller


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER", help="data sets in Hub layout")
    parser.add_argument("--teacher", type=Path, default=Path("runs/minilm-sentiment"), help="of teach_sentiment.py")
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("runs/sentiment"))
    options = parser.parse_args()
    if load_finished(options.output_dir):
        return
    set_up_output()
    data = build_sentiment_data(options.datasets)
    set_seed(SEED)
    encoder = built_in("english")
    # No word may be missed in training: a "not" changes the label.
    model = LstmAttnForSequenceClassification.from_pretrained(encoder, word_dropout=0.0, **NAMES)
    texts = take_labelled(data)["text"][:]
    tokenizer = shrink_vocabulary(model, AutoTokenizer.from_pretrained(encoder), texts)
    taught = Dataset.from_parquet(str(options.teacher / TAUGHT))
    args = LstmAttnTrainingArguments(
        str(options.output_dir),
        num_train_epochs=3,
        per_device_train_batch_size=64,
        body_learning_rate=1e-3,
        metric_for_best_model="macro_recall",
        balance_classes=True,
        seed=SEED,
        dataset_name="tweet_eval, SST-5, MR, CR, IMDB's sentences and composed ones",
        license="apache-2.0",
    )
    origin = {"model_name_or_path": encoder.name, "teachers": [options.teacher.name]}
    trainer = LstmAttnTrainer(model, args, None, taught, data["validation"], tokenizer, origin=origin)
    trainer.train(resume_from_checkpoint=find_checkpoint(options.output_dir) is not None)
    print(f"Validation: {trainer.results['metrics']['validation']}")


if __name__ == "__main__":
    main()
