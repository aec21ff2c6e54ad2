"""Train the language models that the best classifiers start from: on train and the texts without labels.

    python scripts/pretrain.py imdb        # runs/imdb-lm: 1 to 2 hours on two cores, minutes on a GPU
    python scripts/pretrain.py tweets      # runs/tweets-lm: about 40 minutes on two cores

No text of validation or test is read. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import SEED, build_parser, limit_rows

from hf_lstm_attn import LstmAttnConfig, LstmAttnTrainingArguments, pretrain, train_tokenizer
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.pretraining import DEFAULTS


@dataclass(frozen=True)
class Settings:
    size: int  # of word vectors, and of each direction's hidden state
    epochs: int
    dropout: float


SETTINGS = {
    "imdb": Settings(size=256, epochs=2, dropout=0.1),
    "tweets": Settings(size=128, epochs=10, dropout=0.2),
}
MIN_FREQUENCY = 5
CHECKPOINT_STEPS = 1_000  # some ten minutes on two cores: what an interruption costs at most
MAX_LENGTH = 1024  # tokens that the classifier reads; language models read whole texts


def main(arguments: Sequence[str] | None = None) -> None:
    parser = build_parser(__doc__, "runs/TASK-lm")
    parser.add_argument("task", choices=SETTINGS)
    options = parser.parse_args(arguments)
    settings, data = SETTINGS[options.task], DATASETS[options.task]
    output_dir = Path(str(options.output_dir).replace("TASK", options.task))
    dataset = limit_rows(data.load(options.data), options.limit)
    texts = [*dataset["train"]["text"], *(dataset["unsupervised"]["text"] if "unsupervised" in dataset else [])]
    tokenizer = train_tokenizer(
        texts, normalization=data.normalization, min_frequency=MIN_FREQUENCY, max_length=MAX_LENGTH
    )
    results = pretrain(
        texts,
        output_dir,
        tokenizer=tokenizer,
        config=LstmAttnConfig(
            vocab_size=len(tokenizer),
            embedding_size=settings.size,
            hidden_size=settings.size,
            max_position_embeddings=MAX_LENGTH,
        ),
        args=LstmAttnTrainingArguments(
            str(output_dir),
            **(DEFAULTS | {"num_train_epochs": 1 if options.limit else settings.epochs}),
            eval_strategy="steps",
            eval_steps=CHECKPOINT_STEPS,
            save_strategy="steps",
            save_steps=CHECKPOINT_STEPS,
            seed=SEED,
        ),
        resume_from_checkpoint=find_checkpoint(output_dir),
        dataset_name=options.task,
        dropout=settings.dropout,
    )
    print(f"{output_dir}: perplexity {results['epochs'][-1]['validation']['perplexity']:.1f} on held-out texts")


if __name__ == "__main__":
    main()
