"""Label texts by an exported model, without PyTorch: pip install onnxruntime tokenizers.

hf-lstm-attn export sentiment -o runs/onnx --int8
python scripts/predict_with_onnx.py runs/onnx/model_int8.onnx "It never drags."
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

path, *texts = sys.argv[1:]
tokenizer = Tokenizer.from_file(str(Path(path).with_name("tokenizer.json")))
labels = json.loads(Path(path).with_name("labels.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(path)
for text in texts:
    ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
    logits, weights = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    print(f"{labels[logits[0].argmax()]}  {text}")
