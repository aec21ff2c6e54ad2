"""Loads a model as someone does who has never heard of this package; `verify` runs this file as a process of its own.

Standard input: JSON {"folder": ..., "texts": [...]}. Standard output, last line: JSON
{"logits": [[...], ...], "attentions": [[...], ...], "problems": [...]}.
"""

from __future__ import annotations

import importlib.abc
import json
import sys
from typing import Any


class RefusePackage(importlib.abc.MetaPathFinder):
    """Makes `import hf_lstm_attn` fail, even where it is installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] == "hf_lstm_attn":
            raise ModuleNotFoundError(f"No module named {fullname!r}")


def main() -> None:
    sys.meta_path.insert(0, RefusePackage())
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

    request = json.load(sys.stdin)
    folder, texts = request["folder"], request["texts"]
    AutoConfig.from_pretrained(folder, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
    logits, attentions = [], []
    for text in texts:
        with torch.inference_mode():
            output = model(**tokenizer(text, truncation=True, return_tensors="pt"), output_attentions=True)
        logits.append(output.logits[0].tolist())
        attentions.append(output.attentions[0].tolist())
    pipe = pipeline("text-classification", model=folder, trust_remote_code=True)
    problems = []
    for text, row, result in zip(texts, logits, pipe(list(texts), return_attention=True), strict=True):
        label = model.config.id2label[max(range(len(row)), key=row.__getitem__)]
        if result["label"] != label or any(text[w["start"] : w["end"]] != w["word"] for w in result["words"]):
            problems.append(f"the pipeline says {result['label']} of {text!r}, the model {label}")
    print(json.dumps({"logits": logits, "attentions": attentions, "problems": problems}))


if __name__ == "__main__":
    main()
