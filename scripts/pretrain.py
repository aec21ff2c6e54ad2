"""Train the language models that the best IMDB classifier starts from: on train and the reviews without labels.

    python scripts/pretrain.py        # runs/imdb-lm: 1 to 2 hours on two cores, minutes on a GPU

No text of validation or test is read. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import SEED, build_parser, limit_rows

from hf_lstm_attn import LstmAttnConfig, LstmAttnTrainingArguments, pretrain, train_tokenizer
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.named_data import DATASETS
from hf_lstm_attn.pretraining import DEFAULTS

SIZE = 256  # of word vectors, and of each direction's hidden state
EPOCHS = 2
MIN_FREQUENCY = 5
CHECKPOINT_STEPS = 1_000  # some ten minutes on two cores: what an interruption costs at most
MAX_LENGTH = 1024  # tokens that the classifier reads; language models read whole texts


def main(arguments: Sequence[str] | None = None) -> None:
    options = build_parser(__doc__, "runs/imdb-lm").parse_args(arguments)
    data, output_dir = DATASETS["imdb"], options.output_dir
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
            embedding_size=SIZE,
            hidden_size=SIZE,
            max_position_embeddings=MAX_LENGTH,
        ),
        args=LstmAttnTrainingArguments(
            str(output_dir),
            **(DEFAULTS | {"num_train_epochs": 1 if options.limit else EPOCHS}),
            eval_strategy="steps",
            eval_steps=CHECKPOINT_STEPS,
            save_strategy="steps",
            save_steps=CHECKPOINT_STEPS,
            seed=SEED,
        ),
        resume_from_checkpoint=find_checkpoint(output_dir),
        dataset_name="imdb",
        dropout=0.1,
    )
    print(f"{output_dir}: perplexity {results['epochs'][-1]['validation']['perplexity']:.1f} on held-out texts")


if __name__ == "__main__":
    main()
