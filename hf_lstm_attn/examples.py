"""Examples that every run records, so that its model can be checked anywhere: what it says of 32 synthetic texts.

The texts come with the package: replaying them needs no data set, and a model's page holds no text of any corpus.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from .data import DATASETS, load_split

SOURCES = ("sample-reviews", "sample-tweets")
TEXTS_PER_SOURCE = 16
DIGITS = 6


def load_example_texts() -> dict[str, str]:
    """Example id, such as `sample-reviews/test/7`, -> text."""
    return {
        f"{name}/test/{row}": text
        for name in SOURCES
        for row, text in enumerate(islice(load_split(DATASETS[name], "test")["text"], TEXTS_PER_SOURCE))
    }


def record_examples(folder: Path) -> list[dict[str, Any]]:
    """What the saved model in `folder` says of each example, computed on the CPU one text at a time.

    Returns:
        `{"id", "logits": (num_labels,), "attentions": (words,)}` per example.
    """
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    examples = []
    for name, text in load_example_texts().items():
        with torch.inference_mode():
            output = model(**tokenizer(text, truncation=True, return_tensors="pt"), output_attentions=True)
        numbers = {"logits": output.logits[0].tolist(), "attentions": output.attentions[0].tolist()}
        examples.append({"id": name, **{key: [round(x, DIGITS) for x in row] for key, row in numbers.items()}})
    return examples
