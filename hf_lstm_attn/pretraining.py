"""Language-model pre-training of embedding and LSTM: from texts to a folder that `train` starts from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast, set_seed

from .callbacks import say as say_on_stderr
from .configuration_lstm_attn import LstmAttnConfig
from .data import DatasetSpec, resolve_spec
from .modeling_language_model import LanguageModel
from .modeling_lstm_attn import LstmAttnModel
from .pretraining_loop import PretrainingLoop, PretrainingRecipe
from .pretraining_result import PRETRAINING_FILE, PretrainingResult
from .results import describe_machine, describe_versions, save_json
from .run_folder import CHECKPOINTS, INITIAL_MODEL, Clock, begin_folder, find_state
from .text_stream import (
    choose_parts,
    compute_fingerprint,
    encode_texts,
    hold_out,
    load_texts,
)
from .tokenization import build_tokenizer, save_tokenizer
from .trainer import choose_precision
from .word_vectors import initialize_embedding

CHECKPOINT_FILE = "language_model.safetensors"


def pretrain(
    dataset: str | DatasetSpec,
    output_dir: str | Path,
    *,
    recipe: PretrainingRecipe | None = None,
    split: str | None = None,
    protocol: str = "official",
    seed: int = 42,
    limit: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = say_on_stderr,
) -> PretrainingResult:
    """Train a forward and a backward language model on texts, and leave a folder for `Recipe.init_from`.

    The folder holds the embedding and the LSTMs under the classifier's own names, the tokenizer and
    `pretraining.json`. No validation or test text under `protocol` is read. A fiftieth of the texts is held out to
    measure perplexity.

    Args:
        dataset: A name in `DATASETS`, or a spec from `resolve_spec`; its texts need no labels.
        output_dir: A new or empty folder, or an unfinished one with `resume`.
        split: `"train"`, `"unlabelled"` or `"train+unlabelled"`; None: all that the data has.
        limit: Texts per part at most, to try things out.
        resume, overwrite, say: As in `train`.

    Raises:
        ValueError: for unknown names, unusable data, or a resumed run that was started differently.
        FileExistsError: if `output_dir` holds something and neither `resume` nor `overwrite` is given.
    """
    spec = resolve_spec(dataset) if isinstance(dataset, str) else dataset
    recipe = recipe or PretrainingRecipe()
    parts = choose_parts(spec, split)
    output_dir = Path(output_dir).resolve()
    checkpoints = output_dir / CHECKPOINTS
    request: dict[str, Any] = {
        "dataset": asdict(spec),
        "parts": parts,
        "recipe": asdict(recipe),
        "protocol": protocol,
        "seed": seed,
        "limit": limit,
    }
    request = json.loads(json.dumps(request))  # as a resumed run will read it
    state_of_run = find_state(output_dir, PRETRAINING_FILE, request, resume=resume, overwrite=overwrite)
    if state_of_run == "finished":
        say(f"{output_dir} is finished; nothing to resume.")
        return PretrainingResult.load(output_dir)

    clock = Clock(checkpoints)
    texts = load_texts(spec, parts, protocol=protocol, limit=limit)
    training, held_out = hold_out(texts, seed)
    say(f"{spec.name}, {' and '.join(parts)}: {len(training):,} texts, {len(held_out):,} more held out.")
    clock.lap("data")
    precision = choose_precision(recipe.low_precision)
    say(f"Computing in {precision.name}: {precision.reason}.")
    set_seed(seed)
    if state_of_run == "begun":
        clock.resume()
        model = LanguageModel.from_pretrained(checkpoints / INITIAL_MODEL)
        tokenizer = AutoTokenizer.from_pretrained(checkpoints / INITIAL_MODEL)
    else:
        model, tokenizer = _build_model(training, spec, recipe, seed, say)
        begin_folder(output_dir, request, model, tokenizer)
    clock.save("vocabulary_and_word_vectors")
    encoded, encoded_held_out = encode_texts(training, tokenizer), encode_texts(held_out, tokenizer)
    if not encoded or not encoded_held_out:
        raise ValueError("Expected texts with words to pre-train on; found none. Pass other texts.")
    clock.lap("encoding")

    loop = PretrainingLoop(model, recipe, precision, seed, encoded, encoded_held_out)
    if state_of_run == "begun" and (checkpoints / CHECKPOINT_FILE).is_file():
        loop.load(checkpoints / CHECKPOINT_FILE)
        say(f"Resuming after step {loop.step:,}.")
    words = sum(map(len, encoded))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    say(f"Training {parameters:,} parameters on {words:,} words in both directions for {loop.total:,} steps.")
    words_per_second = loop.run(checkpoints / CHECKPOINT_FILE, say, clock)
    clock.lap("training")

    save_tokenizer(tokenizer, output_dir)
    config = _save_encoder(model, output_dir)
    result = PretrainingResult(
        request=request,
        dataset={
            "name": spec.name,
            "synthetic": spec.synthetic,
            "parts": list(parts),
            "texts": len(training),
            "words": words,
            "unknown_words": sum(int((ids == tokenizer.unk_token_id).sum()) for ids in encoded),
            "held_out_texts": len(held_out),
            "held_out_words": sum(map(len, encoded_held_out)),
            "fingerprint": compute_fingerprint(texts),
        },
        model={**config.to_diff_dict(), "parameters": parameters},
        precision=precision._asdict(),
        machine=describe_machine(),
        versions=describe_versions(),
        evaluations=loop.evaluations,
        timings={**clock.seconds, "total": clock.total(), "words_per_second": words_per_second},
    )
    save_json(asdict(result), output_dir / PRETRAINING_FILE)
    shutil.rmtree(checkpoints)
    return result


def _build_model(
    texts: Sequence[str], spec: DatasetSpec, recipe: PretrainingRecipe, seed: int, say: Callable[[str], None]
) -> tuple[LanguageModel, PreTrainedTokenizerFast]:
    # `train` sets the length of its own texts; 400 words stand in until then.
    tokenizer = build_tokenizer(texts, rules=spec.rules, min_frequency=recipe.min_frequency, max_length=400)
    config = LstmAttnConfig(
        vocab_size=len(tokenizer),
        embedding_size=recipe.embedding_size,
        hidden_size=recipe.hidden_size,
        embedding_dropout=recipe.dropout,
        classifier_dropout=recipe.dropout,
        pad_token_id=tokenizer.pad_token_id,
        unk_token_id=tokenizer.unk_token_id,
    )
    model = LanguageModel(config)
    say(f"Vocabulary of {len(tokenizer):,} words.")
    if recipe.word_vectors is not None:
        initialize_embedding(model.embeddings, recipe.word_vectors, texts, tokenizer, seed=seed, say=say)
    return model, tokenizer


def _save_encoder(model: LanguageModel, folder: Path) -> LstmAttnConfig:
    sizes = ("vocab_size", "embedding_size", "hidden_size", "pad_token_id", "unk_token_id")
    config = LstmAttnConfig(**{name: getattr(model.config, name) for name in sizes})
    encoder = LstmAttnModel(config)
    weights = {name: value for name, value in model.cpu().state_dict().items() if name in encoder.state_dict()}
    encoder.save_pretrained(folder, state_dict=weights)  # without the pooling, which is untrained
    return config
