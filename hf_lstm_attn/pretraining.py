"""Language-model pre-training of embedding and LSTM: from texts to a folder that a classifier starts from."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, Trainer, TrainingArguments, set_seed

from .callbacks import RunRecord, train_alone
from .configuration_lstm_attn import LstmAttnConfig
from .data import fingerprint
from .language_model import LanguageModel, TextStreams
from .modeling_lstm_attn import LstmAttnModel
from .results import describe_training, save_json
from .tokenization import save_tokenizer, train_tokenizer
from .training_args import LstmAttnTrainingArguments
from .word_vectors import initialize_embeddings

HELD_OUT_SHARE, HELD_OUT_CHARACTERS = 0.02, 250_000
# What `LstmAttnTrainingArguments` are for language models: Adam, three epochs.
DEFAULTS: Any = {"num_train_epochs": 3, "weight_decay": 0.0, "logging_strategy": "steps", "logging_steps": 100}


class LanguageModelTrainer(Trainer):
    """The stock Trainer over windows in order: the model's state goes on from each to the next."""

    def get_train_dataloader(self) -> Any:
        return self.accelerator.prepare(self.train_dataset.load())

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        return self.accelerator.prepare((eval_dataset or self.eval_dataset).load())

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, with the perplexity; training goes on from the state that it had."""
        state = self.model.state
        output = super().evaluation_loop(*args, **kwargs)
        self.model.state = state
        output.metrics["eval_perplexity"] = float(np.exp(output.metrics["eval_loss"]))
        return output


def pretrain(
    texts: Iterable[str],
    output_dir: str | Path,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    config: LstmAttnConfig | None = None,
    args: TrainingArguments | None = None,
    resume_from_checkpoint: str | Path | bool | None = None,
    dataset_name: str | None = None,
    word_vectors: str | None = "train",
    dropout: float = 0.1,
) -> dict[str, Any]:
    """Train a forward and a backward language model on texts, and leave a folder that a classifier starts from.

    `LstmAttnForSequenceClassification.from_pretrained(output_dir, num_labels=...)` begins with its embedding and LSTMs.
    The folder also holds the tokenizer, `pretraining.json` and the checkpoints. Pass training texts alone: what a
    classifier is validated or tested on must not be read here. A fiftieth of the texts, 250,000 characters at most,
    is held out to measure the perplexity.

    Args:
        texts: They need no labels, and are read at their full length.
        output_dir: The folder, whatever `args.output_dir` says.
        tokenizer: Default: `train_tokenizer` on the texts.
        config: Of the classifier to come; the language models have its sizes and directions. Default: `LstmAttnConfig`
            with the size of the tokenizer's vocabulary.
        args: Any `TrainingArguments`. Default: `LstmAttnTrainingArguments(output_dir, **DEFAULTS)`.
            `per_device_train_batch_size` is the number of streams of text that are read side by side; in each the
            hidden state goes on from window to window. The best evaluation is that of the lowest perplexity.
        resume_from_checkpoint: A checkpoint, or True for the newest one in `output_dir`. The run ends with the same
            weights as if it had not been interrupted.
        dataset_name: What the texts are called in `pretraining.json`.
        word_vectors: Initial word vectors: "train" (skip-gram on the same texts), a file, or None (random).
        dropout: On word vectors and on hidden states of the language models.

    Returns:
        What `pretraining.json` holds. `perplexity` is that of held-out texts under the full softmax, of both directions
        together.

    Raises:
        ValueError: for texts too few or without words, a vocabulary that does not fit `config`, a checkpoint of other
            texts or none that is whole, several processes, or a loss that is no longer finite.
    """
    texts = list(texts)
    args = copy.copy(args) or LstmAttnTrainingArguments(str(output_dir), **DEFAULTS)
    if args.world_size > 1:
        raise ValueError("Pre-training runs in one process; start it without torchrun.")
    args._n_gpu = min(args.n_gpu, 1)  # a window cannot be scattered over several
    args.output_dir, args.metric_for_best_model, args.greater_is_better = str(output_dir), "perplexity", False
    record = RunRecord(fingerprint(Dataset.from_dict({"text": texts})))
    checkpoint = record.resume(resume_from_checkpoint, output_dir)
    set_seed(args.seed)
    held_out, training = _hold_out(texts, args.seed)
    tokenizer = tokenizer or train_tokenizer(training)
    save_tokenizer(tokenizer, output_dir)
    config = config or LstmAttnConfig(len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    if config.vocab_size < len(tokenizer):
        raise ValueError(f"config.vocab_size is {config.vocab_size}, and the tokenizer has {len(tokenizer)} tokens.")
    streams: Any = args.per_device_train_batch_size
    train, test = (TextStreams(part, tokenizer, streams, args.seed) for part in (training, held_out))
    model = LanguageModel(config, streams=streams, dropout=dropout)
    if word_vectors is not None and checkpoint is None:
        initialize_embeddings(model, word_vectors, training, tokenizer, seed=args.seed)
    trainer = LanguageModelTrainer(model, args, train_dataset=train, eval_dataset=test, callbacks=[record])
    train_alone(trainer, checkpoint)
    encoder = LstmAttnModel(config)  # its pooling is untrained, and left out
    weights = {name: value.cpu() for name, value in model.state_dict().items() if name in encoder.state_dict()}
    encoder.save_pretrained(output_dir, state_dict=weights)
    counts = {"rows": len(texts), "held_out_rows": len(held_out), "tokens": train.tokens}
    result = {
        **describe_training(trainer, record.seconds),
        "dataset": {"name": dataset_name, "fingerprint": record.fingerprint, **counts},
        "settings": {"word_vectors": word_vectors, "dropout": dropout, "window": train.window},
        "perplexity": trainer.evaluate()["eval_perplexity"],  # of the weights that were kept
    }
    save_json(result, Path(output_dir) / "pretraining.json")
    return result


def _hold_out(texts: list[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to measure the perplexity on, and those to train on."""
    order = np.random.default_rng(seed).permutation(len(texts))
    wanted = min(HELD_OUT_SHARE * sum(map(len, texts)), HELD_OUT_CHARACTERS)
    cut = 1 + np.searchsorted(np.cumsum([len(texts[row]) for row in order]), wanted)
    held_out, training = ([texts[row] for row in part] for part in np.split(order, [cut]))
    return held_out, training
