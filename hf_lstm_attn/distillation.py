"""Distillation of a sentence encoder: an LSTM learns the vectors that a teacher, a transformer mostly, gives to texts.

Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation"; Tang et al.
2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks".
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from huggingface_hub import ModelCardData
from torch import nn
from transformers import PreTrainedTokenizerFast, Trainer, TrainingArguments, set_seed

from .attribution import compute_probabilities
from .callbacks import RunRecord, check_loss, train_alone
from .configuration_lstm_attn import LstmAttnConfig
from .data import fingerprint
from .inference import load_classifier, predict_logits
from .modeling_lstm_attn import LstmAttnForSequenceClassification
from .results import describe_training, save_json, save_text
from .sentence_vectors import compute_vectors, load_teacher, set_word_vectors
from .tokenization import NORMALIZATION_RULES, save_tokenizer, train_tokenizer
from .training_args import LstmAttnTrainingArguments

HELD_OUT = 2_000
TEMPERATURE, SIMILARITY_WEIGHT, LABEL_WEIGHT = 0.05, 0.1, 0.25
# What `LstmAttnTrainingArguments` are for an encoder, and what its configuration is.
DEFAULTS: Any = {
    "num_train_epochs": 4,
    "per_device_train_batch_size": 128,
    "learning_rate": 3e-3,
    "max_length": 64,
    "eval_strategy": "steps",
    "save_strategy": "steps",
    "logging_strategy": "steps",
    "eval_steps": 1_000,
    "save_steps": 1_000,
    "logging_steps": 100,
}
CONFIG: Any = {
    "embedding_size": 256,
    "hidden_size": 256,
    "pooling": "attention+max+mean",
    "word_dropout": 0.1,
    "classifier_dropout": 0.3,
    "initializer_range": 0.3,
}
TOKENIZER: Any = {"vocabulary": "subwords", "vocab_size": 16_000, "normalization": list(NORMALIZATION_RULES)}


class Collator(NamedTuple):
    """Pads the texts of a batch, and looks up what is to be learnt of them.

    Attributes:
        targets: (texts, projection_size + classes) vectors, and probabilities after them.
    """

    tokenizer: PreTrainedTokenizerFast
    targets: np.ndarray

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = self.tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
        return {**batch, "labels": torch.from_numpy(self.targets[[row["row"] for row in rows]])}


class EncoderTrainer(Trainer):
    """The stock Trainer, whose labels are a teacher's vectors, and probabilities of classifiers after them.

    Args:
        classes: Of each classifier, how many.
    """

    def __init__(self, *args: Any, classes: Sequence[int] = (), **kwargs: Any) -> None:
        self.classes = list(classes)
        super().__init__(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As in `Trainer`; a loss that is not finite ends training."""
        return check_loss(super().training_step(*args, **kwargs), self.state)

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """Twice the cosine distance, how the similarities of a batch's texts differ, and cross entropies."""
        size = model.config.projection_size
        targets, *probabilities = inputs.pop("labels").split([size, *self.classes], dim=1)
        encoded = model.lstm_attn(**inputs)
        vectors = encoded.sentence_vector
        loss = 2 * (1 - (vectors * targets).sum(dim=-1).mean())
        if model.training:
            own, wanted = _compare(vectors), _compare(targets)
            loss = loss + SIMILARITY_WEIGHT * nn.functional.kl_div(own, wanted, log_target=True, reduction="batchmean")
            if self.classes:
                logits = model.classify(encoded).float().split(self.classes, dim=1)
                pairs = zip(logits, probabilities, strict=True)
                loss = loss + LABEL_WEIGHT * sum(nn.functional.cross_entropy(*pair) for pair in pairs)
        return (loss, {"vectors": vectors}) if return_outputs else loss


def _compare(vectors: torch.Tensor) -> torch.Tensor:
    """(batch, size) -> (batch, batch) log probabilities of the other texts of the batch, by their similarity."""
    return (vectors @ vectors.T / TEMPERATURE).fill_diagonal_(-1e4).log_softmax(dim=-1)


def distill_encoder(
    texts: Iterable[str],
    teacher: str | Path,
    output_dir: str | Path,
    *,
    classifiers: Sequence[str] = (),
    tokenizer: PreTrainedTokenizerFast | None = None,
    config: LstmAttnConfig | None = None,
    args: TrainingArguments | None = None,
    resume_from_checkpoint: str | Path | bool | None = None,
    dataset_name: str | None = None,
) -> dict[str, Any]:
    """Teach an encoder the sentence vectors of a teacher, and leave a folder that a classifier starts from.

    `LstmAttnForSequenceClassification.from_pretrained(output_dir, num_labels=...)` starts from it; the first output of
    `LstmAttnModel`, `sentence_vector`, is near the teacher's. The folder also holds the teacher's vectors, the
    tokenizer, `distillation.json` and the checkpoints. A tenth of the texts, 2,000 at most, is held out.

    Args:
        texts: They need no labels.
        teacher: Folder or Hub id of a sentence-transformers model, with its own pooling, or of any model that
            `AutoModel` loads, with the mean over its tokens. Its vectors are computed once; an interrupted run goes on
            with the next 8,192 texts.
        output_dir: The folder, whatever `args.output_dir` says.
        classifiers: Folders, Hub ids or built-in names of classifiers, whose probabilities are learnt too.
        tokenizer: Default: `train_tokenizer` on the texts, with 16,000 sub-words.
        config: Default: `LstmAttnConfig` with `CONFIG`. `projection_size` is the teacher's, whatever it says.
        args: Any `TrainingArguments`. Default: `LstmAttnTrainingArguments(output_dir, **DEFAULTS)`.
        resume_from_checkpoint: A checkpoint, or True for the newest one in `output_dir`.
        dataset_name: What the texts are called in `distillation.json` and on the card.

    Returns:
        What `distillation.json` holds. `cosine` is the mean cosine with the teacher's vectors of the held-out texts.

    Raises:
        ImportError: without sentence-transformers.
        OSError: if there is no such teacher.
        ValueError: for fewer than 10 texts, or a checkpoint of other texts or none that is whole.
    """
    texts = list(texts)
    if len(texts) < 10:
        raise ValueError(f"There are {len(texts)} texts; an encoder needs 10 at least, and learns from 100,000.")
    args = copy.copy(args) or LstmAttnTrainingArguments(str(output_dir), **DEFAULTS)
    args.output_dir, args.metric_for_best_model, args.greater_is_better = str(output_dir), "cosine", True
    args.label_names, args.remove_unused_columns = ["labels"], False
    record = RunRecord(fingerprint(Dataset.from_dict({"text": texts})))
    checkpoint = record.resume(resume_from_checkpoint, output_dir)
    set_seed(args.seed)
    source = load_teacher(teacher)
    vectors = compute_vectors(texts, source, output_dir)
    answers = [classify(name, texts) for name in classifiers]
    targets = np.hstack([vectors, *answers]).astype(np.float32)
    tokenizer = tokenizer or train_tokenizer(texts, **TOKENIZER)
    save_tokenizer(tokenizer, output_dir)
    config = copy.deepcopy(config) or LstmAttnConfig(len(tokenizer), pad_token_id=tokenizer.pad_token_id, **CONFIG)
    classes = [answer.shape[1] for answer in answers]
    config.projection_size, config.num_labels = vectors.shape[1], max(sum(classes), 1)
    model = LstmAttnForSequenceClassification(config)
    if checkpoint is None:
        set_word_vectors(model, tokenizer, source)
    length = getattr(args, "max_length", None) or tokenizer.model_max_length
    rows = tokenizer(texts, truncation=True, max_length=length, return_attention_mask=False)["input_ids"]
    held_out = min(HELD_OUT, len(texts) // 10)
    parts = Dataset.from_dict({"input_ids": rows, "row": range(len(texts))}).train_test_split(held_out, seed=args.seed)
    data = (Collator(tokenizer, targets), parts["train"], parts["test"])
    trainer = EncoderTrainer(model, args, *data, classes=classes, compute_metrics=compute_cosine, callbacks=[record])
    train_alone(trainer, checkpoint)
    counts = {"rows": len(texts), "held_out_rows": held_out}
    model.config.num_labels = 2  # as a configuration that has no labels yet
    model.lstm_attn.save_pretrained(output_dir)
    result = {
        **describe_training(trainer, record.seconds),
        "dataset": {"name": dataset_name, "fingerprint": record.fingerprint, **counts},
        "teacher": Path(teacher).name if Path(teacher).exists() else str(teacher),
        "classifiers": list(classifiers),
        "cosine": trainer.evaluate()["eval_cosine"],  # of the weights that were kept
    }
    save_json(result, Path(output_dir) / "distillation.json")
    card = render_card(result, language=getattr(args, "language", None), license=getattr(args, "license", None))
    save_text(card, Path(output_dir) / "README.md")
    return result


def render_card(result: dict[str, Any], *, language: str | None, license: str | None) -> str:
    """The encoder's model card, from what `distillation.json` holds."""
    data, teacher = result["dataset"], result["teacher"]
    metadata = ModelCardData(
        language=language,
        license=license,
        base_model=teacher,
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=["lstm", "sentence-similarity", "hf_lstm_attn"],
    )
    names = ", ".join(result["classifiers"])
    also = f", and the class probabilities of the classifiers {names}" if names else ""
    return f"""---
{metadata.to_yaml()}
---

# A sentence encoder: LSTM with attention, taught by {teacher}

It learnt to give the sentence vectors of {teacher}{also}, from {data["rows"]:,} texts without labels:
{data["name"] or "texts of its maker's own"}. On {data["held_out_rows"]:,} held-out texts the mean cosine with the
teacher's vectors is {result["cosine"]:.3f}.

A classifier of one's own starts from it:

    from hf_lstm_attn import LstmAttnForSequenceClassification
    model = LstmAttnForSequenceClassification.from_pretrained(FOLDER, num_labels=6)

`pipeline("feature-extraction", FOLDER)` gives the sentence vector. It reads words in their order, and was taught by
single sentences: its vectors of long texts are of less use.
"""


def compute_cosine(output: Any) -> dict[str, float]:
    """Mean cosine of vectors and the teacher's, which come first in the labels."""
    targets = output.label_ids[:, : output.predictions.shape[1]]
    return {"cosine": float((output.predictions * targets).sum(axis=1).mean())}


def classify(classifier: str, texts: Sequence[str]) -> np.ndarray:
    """The classifier's probabilities, (texts, classes)."""
    loaded = load_classifier(classifier)
    logits = torch.from_numpy(predict_logits(loaded.model, loaded.tokenizer, texts))
    return compute_probabilities(loaded.model, logits).numpy()
