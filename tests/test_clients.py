"""Every client that is to work with a saved model, run for real on 60 texts that are longer than the model reads."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import TextClassificationPipeline, pipeline

from hf_lstm_attn.hub import save
from hf_lstm_attn.metrics import ClassificationMetric
from hf_lstm_attn.modeling_lstm_attn import LstmAttnForSequenceClassification as Model
from hf_lstm_attn.pipeline_lstm_attn import LstmAttnPipeline

os.environ["NUMBA_DISABLE_JIT"] = "1"  # for shap; to compile takes longer than to run
DRAW = random.Random(0)
WORDS = "a fine dull film plot acting , not zyzzyva".split()
TEXTS = [" ".join(DRAW.choices(WORDS, k=DRAW.randint(51, 120))) for _ in range(60)]  # the model reads 50 tokens
ORDER = ["negative", "positive"]


def encode(tokenizer: Any, texts: list[str] = TEXTS) -> dict[str, torch.Tensor]:
    return dict(tokenizer(texts, padding=True, return_tensors="pt", verbose=False))


def score(model: Any, tokenizer: Any) -> np.ndarray:
    with torch.inference_mode():
        return model(**encode(tokenizer)).logits.softmax(-1).numpy()


def order(answers: Any) -> list[list[float]]:
    scores = [{entry["label"]: entry["score"] for entry in row} for row in answers]
    return [[row[label] for label in ORDER] for row in scores]


def ask(classifier: Any, texts: Any = TEXTS, **options: Any) -> list[list[float]]:
    return order(classifier(texts, top_k=None, **options))


# The clients: each gives the probabilities of the first texts, or of all.


def run_stock_pipeline(model: Model, tokenizer: Any, folder: Path) -> Any:
    return ask(pipeline("text-classification", str(folder), pipeline_class=TextClassificationPipeline))


def run_stream(model: Model, tokenizer: Any, folder: Path) -> Any:
    rows = Dataset.from_dict({"text": TEXTS}).to_iterable_dataset()
    return ask(pipeline("text-classification", str(folder)), (row["text"] for row in rows), batch_size=8)


def run_threads(model: Model, tokenizer: Any, folder: Path) -> Any:
    classifier = LstmAttnPipeline(model=model, tokenizer=tokenizer, task="text-classification")
    options: list[dict[str, Any]] = [{}, {"truncation": False}, {"max_length": 10}, {"max_length": 30}]
    jobs = [([text], options[number % 4]) for number, text in enumerate(TEXTS * 2)]
    alone = [ask(classifier, texts, **choices) for texts, choices in jobs]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda job: ask(classifier, job[0], **job[1]), jobs))
    assert together == alone
    return ask(classifier)


def run_feature_extraction(model: Model, tokenizer: Any, folder: Path) -> Any:
    extractor = pipeline("feature-extraction", str(folder), tokenize_kwargs={"truncation": True})
    states = torch.tensor(extractor(TEXTS)).squeeze(1)
    with torch.inference_mode():
        pooled, _ = model.lstm_attn.pooling(states, torch.ones(states.shape[:2]))
        return model.classifier(pooled).softmax(-1).numpy()


def run_lora(model: Model, tokenizer: Any, folder: Path) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model

    weights = {"target_modules": ["embeddings"], "target_parameters": ["lstm_attn.encoder.forward_lstm.weight_hh_l0"]}
    config = LoraConfig(task_type="SEQ_CLS", r=2, init_lora_weights=False, **weights)
    tuned = get_peft_model(copy.deepcopy(model), config).eval()
    changed = score(tuned, tokenizer)
    tuned.save_pretrained(folder / "adapter")
    again = PeftModel.from_pretrained(copy.deepcopy(model), folder / "adapter").eval()
    assert score(again, tokenizer) == pytest.approx(changed, abs=1e-6)
    assert score(again.merge_and_unload(), tokenizer) == pytest.approx(changed, abs=1e-6)
    assert abs(changed - score(model, tokenizer)).max() > 1e-3
    with tuned.disable_adapter():
        return score(tuned, tokenizer)


def run_quanto(model: Model, tokenizer: Any, folder: Path) -> Any:
    from optimum.quanto import freeze, qint8, quantize

    quantize(model, weights=qint8)
    freeze(model)
    return score(model, tokenizer)


def run_dynamic_quantization(model: Model, tokenizer: Any, folder: Path) -> Any:
    kinds = {torch.nn.LSTM, torch.nn.Linear}
    return score(torch.ao.quantization.quantize_dynamic(model, kinds, dtype=torch.qint8), tokenizer)


def run_onnx(model: Model, tokenizer: Any, folder: Path, *, dynamo: bool = False) -> Any:
    from onnxruntime import InferenceSession

    example, axes = encode(tokenizer, ["a fine film", "dull"]), {0: "batch", 1: "length"}
    names = {"input_names": [*example], "output_names": ["logits"], "dynamic_axes": dict.fromkeys(example, axes)}
    path = str(folder / "model.onnx")
    torch.onnx.export(model, tuple(example.values()), path, dynamo=dynamo, **names)
    inputs = {name: values.numpy() for name, values in encode(tokenizer).items()}
    (logits,) = InferenceSession(path).run(["logits"], inputs)
    return torch.tensor(logits).softmax(-1).numpy()


def run_captum(model: Model, tokenizer: Any, folder: Path) -> Any:
    from captum.attr import IntegratedGradients

    embeds = model.get_input_embeddings()(encode(tokenizer)["input_ids"][:2, :50])
    method = IntegratedGradients(lambda embeds: model(inputs_embeds=embeds).logits.softmax(-1))
    shares = [method.attribute(embeds, target=target, n_steps=100).sum((1, 2)) for target in (0, 1)]
    return (torch.stack(shares, dim=1) + method.forward_func(torch.zeros_like(embeds))).detach().numpy()


def run_shap(model: Model, tokenizer: Any, folder: Path) -> Any:
    import shap

    classifier = pipeline("text-classification", str(folder), top_k=None)
    said = shap.Explainer(classifier)(TEXTS[:1], max_evals=20, silent=True)
    return said.values.sum(axis=1) + said.base_values


CLIENTS = [
    (run_stock_pipeline, "transformers", 1e-6),
    (lambda model, tokenizer, folder: ask(pipeline("sentiment-analysis", str(folder))), "transformers", 1e-6),
    (run_stream, "transformers", 1e-6),
    (run_threads, "transformers", 1e-6),
    (run_feature_extraction, "transformers", 1e-6),
    (run_lora, "peft", 1e-6),
    (run_quanto, "optimum.quanto", 1e-2),
    (run_dynamic_quantization, "torch", 1e-2),
    (run_onnx, "onnxruntime", 1e-6),
    (partial(run_onnx, dynamo=True), "onnxscript", 1e-6),
    (run_captum, "captum", 1e-3),
    (run_shap, "shap", 1e-6),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("client", "package", "tolerance"), CLIENTS)
def test_a_client_gives_the_models_probabilities(
    client: Any, package: str, tolerance: float, model: Any, tokenizer: Any, model_folder: Path
) -> None:
    pytest.importorskip(package)
    expected = score(model, tokenizer)
    found = np.array(client(model, tokenizer, model_folder))
    assert found == pytest.approx(expected[: len(found)], abs=tolerance)


STRANGER = """
import json, sys
sys.modules["hf_lstm_attn"] = None  # as where it is not installed
from transformers import pipeline
texts, jobs, requests = json.load(sys.stdin)
answers = []
for task, folder in jobs:
    classifier = pipeline(task, folder, trust_remote_code=True)
    answers.append([classifier(texts, top_k=None), type(classifier).__name__])
sys.path.insert(0, folder)
from handler import EndpointHandler
handler = EndpointHandler(folder)
def serve(request):
    try:
        return handler(request)
    except ValueError as error:
        return str(error)
print(json.dumps([answers, [serve(request) for request in requests]]))
"""
REQUESTS: list[Any] = [  # and what is no request
    {"inputs": "a dull film"},
    {"inputs": ["a dull film", {"text": "a dull film"}], "parameters": None},
    {"inputs": []},
    {"inputs": [{"text": "a dull film", "text_pair": "fine"}], "parameters": {"top_k": None}},
    {"inputs": ["a dull film", "not fine at all"], "parameters": {"max_length": 2, "batch_size": 2}},
    {"inputs": "a dull film", "parameters": {"truncation": True, "max_length": 2, "return_attention": True}},
    {"inputs": "fine \ud83d"},
    *([], {}, {"inputs": None}, {"inputs": ["fine", 3]}, {"inputs": {"label": "x"}}),
    *({"inputs": "fine", "parameters": wrong} for wrong in ([1], {"device": "cuda"}, {"top_k": "all"})),
    *({"inputs": "fine", "parameters": {wrong: "x"}} for wrong in ("function_to_apply", "max_length", "batch_size")),
]


def test_strangers_and_endpoints_get_the_same(model: Any, tokenizer: Any, model_folder: Path) -> None:
    again = f"{model_folder}_again"
    save(model_folder)
    pipeline("text-classification", str(model_folder)).save_pretrained(again)  # as a user of the package
    jobs = [["sentiment-analysis", again], ["text-classification", again], ["text-classification", str(model_folder)]]
    given = json.dumps([TEXTS, jobs, REQUESTS])
    environment = {**os.environ, "HF_HOME": f"{model_folder}_home"}
    command = [sys.executable, "-P", "-c", STRANGER]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, served = json.loads(done.stdout.splitlines()[-1])
    for found, _ in answers:
        assert np.array(order(found)) == pytest.approx(score(model, tokenizer), abs=1e-6)
    assert [kind for _, kind in answers[1:]] == ["LstmAttnPipeline"] * 2  # an alias gets the stock class
    (one,), two, none, (both,), cut, (words,), _, *refusals = served
    assert set(one) == {"label", "score"}
    assert (two, none) == ([one, one], [])
    assert {entry["label"] for entry in both} == set(ORDER)
    assert cut[0] != one
    assert [word["word"] for word in words["words"]] == ["a", "dull"]
    assert [type(refusal) for refusal in refusals] == [str] * 11, refusals


def test_predictions_go_into_the_metric_of_evaluate(model: Any, tokenizer: Any) -> None:
    classifier = LstmAttnPipeline(model=model, tokenizer=tokenizer, task="text-classification")
    predictions = [model.config.label2id[row["label"]] for row in classifier(TEXTS)]
    metric, references = ClassificationMetric(num_labels=2), score(model, tokenizer).argmax(-1)
    assert metric.compute(predictions=predictions, references=references)["accuracy"] == 1
