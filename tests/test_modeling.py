from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification, LstmAttnModel
from hf_lstm_attn.modeling_lstm_attn import LstmAttnEncoder, LstmAttnNgrams, LstmAttnPooling, pack_ngrams

LENGTHS = [9, 4, 1, 7]
SEQ_LEN = max(LENGTHS)


def build(**fields: object) -> LstmAttnForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "embedding_size": 8, "hidden_size": 6, "num_labels": 3}
    return LstmAttnForSequenceClassification(LstmAttnConfig(**(sizes | fields))).eval()


def build_batch(seq_len: int = SEQ_LEN, side: str = "right") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.zeros(len(LENGTHS), seq_len, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    for row, length in enumerate(LENGTHS):
        start = 0 if side == "right" else seq_len - length
        input_ids[row, start : start + length] = torch.randint(2, 40, (length,), generator=generator)
        mask[row, start : start + length] = 1
    return {"input_ids": input_ids, "attention_mask": mask}


VARIANTS = [
    {},
    {"bidirectional": False},
    {"num_hidden_layers": 2},
    {"attention_scoring": "tanh"},
    {"pooling": "attention+max+mean"},
]


@pytest.mark.parametrize("fields", VARIANTS)
def test_padding_and_batch_order_change_nothing(fields: dict[str, object]) -> None:
    model = build(**fields)
    with torch.no_grad():
        plain = model(**build_batch(), output_attentions=True)
        longer = model(**build_batch(SEQ_LEN + 5), output_attentions=True)
        left = model(**build_batch(SEQ_LEN + 5, side="left"), output_attentions=True)
        batch = build_batch()
        reversed_batch = model(**{name: tensor.flip(0) for name, tensor in batch.items()})
        alone = [model(input_ids=batch["input_ids"][i : i + 1, :length]).logits[0] for i, length in enumerate(LENGTHS)]
    for other in (longer.logits, left.logits, reversed_batch.logits.flip(0), torch.stack(alone)):
        torch.testing.assert_close(other, plain.logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(longer.attentions[:, :SEQ_LEN], plain.attentions, atol=1e-6, rtol=0)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(left.attentions[row, -length:], plain.attentions[row, :length], atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_hidden_layers", [1, 2])
def test_encoder_equals_packed_lstm(num_hidden_layers: int) -> None:
    config = LstmAttnConfig(embedding_size=8, hidden_size=6, num_hidden_layers=num_hidden_layers)
    encoder = LstmAttnEncoder(config).eval()
    embeds = torch.randn(len(LENGTHS), SEQ_LEN, 8)
    mask = build_batch()["attention_mask"]
    with torch.no_grad():
        states = encoder(embeds, mask) * mask.unsqueeze(-1)
        packed = nn.utils.rnn.pack_padded_sequence(embeds, LENGTHS, batch_first=True, enforce_sorted=False)
        forward, _ = nn.utils.rnn.pad_packed_sequence(encoder.forward_lstm(packed)[0], batch_first=True)
        turned = embeds.clone()
        for row, length in enumerate(LENGTHS):
            turned[row, :length] = embeds[row, :length].flip(0)
        packed = nn.utils.rnn.pack_padded_sequence(turned, LENGTHS, batch_first=True, enforce_sorted=False)
        backward, _ = nn.utils.rnn.pad_packed_sequence(encoder.backward_lstm(packed)[0], batch_first=True)
        for row, length in enumerate(LENGTHS):
            backward[row, :length] = backward[row, :length].flip(0)
    torch.testing.assert_close(states, torch.cat([forward, backward], dim=-1), atol=1e-5, rtol=0)


def test_one_bidirectional_layer_equals_torchs_own() -> None:
    encoder = LstmAttnEncoder(LstmAttnConfig(embedding_size=8, hidden_size=6)).eval()
    reference = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
    weights = encoder.forward_lstm.state_dict()
    weights |= {f"{name}_reverse": value for name, value in encoder.backward_lstm.state_dict().items()}
    reference.load_state_dict(weights)
    embeds = torch.randn(len(LENGTHS), SEQ_LEN, 8)
    mask = build_batch()["attention_mask"]
    packed = nn.utils.rnn.pack_padded_sequence(embeds, LENGTHS, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
        torch.testing.assert_close(encoder(embeds, mask) * mask.unsqueeze(-1), expected, atol=1e-5, rtol=0)


def test_encoder_equals_a_loop_over_cells() -> None:
    encoder = LstmAttnEncoder(LstmAttnConfig(embedding_size=8, hidden_size=6, bidirectional=False)).eval()
    cell = nn.LSTMCell(8, 6)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in encoder.forward_lstm.state_dict().items()})
    embeds = torch.randn(1, 5, 8)
    state, expected = None, []
    with torch.no_grad():
        for step in range(5):
            state = cell(embeds[:, step], state)
            expected.append(state[0])
        states = encoder(embeds, torch.ones(1, 5))
    torch.testing.assert_close(states, torch.stack(expected, dim=1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("fields", VARIANTS)
def test_weights_sum_to_one_and_padding_has_none(fields: dict[str, object]) -> None:
    batch = build_batch(SEQ_LEN + 3)
    weights = build(**fields)(**batch, output_attentions=True).attentions
    assert weights.shape == batch["input_ids"].shape
    torch.testing.assert_close(weights.sum(1), torch.ones(len(LENGTHS)))
    assert (weights[batch["attention_mask"] == 0] == 0).all()
    assert build(**fields)(**batch).attentions is None


@pytest.mark.parametrize("fields", VARIANTS)
def test_empty_and_unknown_texts(fields: dict[str, object]) -> None:
    model = build(**fields)
    empty = model(torch.zeros(2, 0), output_attentions=True)  # what a tokenizer makes of ["", ""]
    assert empty.attentions.shape == (2, 0)
    padded = model(torch.zeros(2, 3, dtype=torch.long), output_attentions=True)
    assert (padded.attentions == 0).all()
    torch.testing.assert_close(empty.logits, padded.logits)
    among_others = model(torch.tensor([[0, 0, 0], [5, 6, 7]])).logits
    torch.testing.assert_close(among_others[0], padded.logits[0])
    assert model(torch.ones(2, 3, dtype=torch.long)).logits.isfinite().all()
    model.train()(torch.tensor([[0, 0], [5, 6]]), labels=torch.tensor([0, 1])).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_linear_and_tanh_scores_by_hand() -> None:
    states = torch.randn(2, 4, 6)
    for scoring in ("linear", "tanh"):
        config = LstmAttnConfig(hidden_size=6, bidirectional=False, attention_scoring=scoring)
        pooling = LstmAttnPooling(config)
        with torch.no_grad():
            pooled, weights = pooling(states, torch.ones(2, 4))
            scored = states if scoring == "linear" else torch.tanh(pooling.projection(states))
            expected = (scored @ pooling.score.weight.squeeze(0)).softmax(-1)
        torch.testing.assert_close(weights, expected)
        torch.testing.assert_close(pooled, (states * expected.unsqueeze(-1)).sum(1))


def test_max_and_mean_leave_padding_out() -> None:
    pooling = LstmAttnPooling(LstmAttnConfig(hidden_size=3, bidirectional=False, pooling="attention+max+mean"))
    states = -torch.rand(1, 4, 3)
    states[0, 2:] = 100.0
    pooled, _ = pooling(states, torch.tensor([[1, 1, 0, 0]]))
    torch.testing.assert_close(pooled[0, 3:6], states[0, :2].amax(0))
    torch.testing.assert_close(pooled[0, 6:9], states[0, :2].mean(0))


def test_two_way_cross_entropy_is_the_reports_sigmoid() -> None:
    model = build(num_labels=2)
    labels = torch.tensor([0, 1, 1, 0])
    output = model(**build_batch(), labels=labels)
    difference = output.logits[:, 1] - output.logits[:, 0]
    torch.testing.assert_close(output.logits.softmax(-1)[:, 1], difference.sigmoid())
    expected = nn.functional.binary_cross_entropy_with_logits(difference, labels.float())
    torch.testing.assert_close(output.loss, expected)


def test_multi_label_loss() -> None:
    model = build(problem_type="multi_label_classification")
    labels = torch.tensor([[0.0, 1, 1]] * len(LENGTHS))
    output = model(**build_batch(), labels=labels)
    torch.testing.assert_close(output.loss, nn.functional.binary_cross_entropy_with_logits(output.logits, labels))


def test_initialisation() -> None:
    model = LstmAttnModel(LstmAttnConfig(vocab_size=500, embedding_size=64, hidden_size=16, initializer_range=0.3))
    for lstm in (model.encoder.forward_lstm, model.encoder.backward_lstm):
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).chunk(4)
        assert [gate.unique().item() for gate in bias] == [0, 1, 0, 0]  # input, forget, cell, output
        gate = lstm.weight_hh_l0[:16]
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    assert (model.embeddings.weight[0] == 0).all()
    assert model.embeddings.weight[1:].std().item() == pytest.approx(0.3, rel=0.05)


def test_word_dropout_makes_words_unknown_in_training_only() -> None:
    model = build(word_dropout=1.0)
    batch = build_batch()
    unknown = batch["input_ids"].masked_fill(batch["attention_mask"].bool(), 1)
    everything = model(unknown, batch["attention_mask"]).logits
    torch.testing.assert_close(model.train()(**batch).logits, everything)
    assert not torch.allclose(model.eval()(**batch).logits, everything)


def test_embedding_dropout_takes_the_same_features_from_every_word() -> None:
    model = build(embedding_dropout=0.5).lstm_attn.train()
    seen: list[torch.Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    model(inputs_embeds=torch.ones(3, 4, 8))
    assert (seen[0] == seen[0][:, :1]).all()
    assert sorted(seen[0].unique().tolist()) == [0, 2]


def test_one_batch_overfits() -> None:
    model = build(pooling="attention+max+mean").train()
    batch, labels = build_batch(), torch.tensor([0, 1, 2, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert model.eval()(**batch).logits.argmax(-1).equal(labels)


def test_saved_and_loaded_model_is_the_same(model_folder: Path, model: LstmAttnForSequenceClassification) -> None:
    batch = {"input_ids": torch.tensor([[2, 3, 4]])}
    loaded = AutoModelForSequenceClassification.from_pretrained(model_folder)
    assert type(loaded) is LstmAttnForSequenceClassification
    torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)
    torch.testing.assert_close(
        AutoModel.from_pretrained(model_folder)(**batch).pooler_output, model.lstm_attn(**batch).pooler_output
    )
    assert AutoConfig.from_pretrained(model_folder).id2label == {0: "negative", 1: "positive"}
    assert {path.suffix for path in model_folder.iterdir()} == {".json", ".safetensors", ".py"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes(model_folder: Path, model: LstmAttnForSequenceClassification, dtype: torch.dtype) -> None:
    loaded = AutoModelForSequenceClassification.from_pretrained(model_folder, dtype=dtype)
    logits = loaded(torch.tensor([[2, 3, 4]])).logits
    assert logits.dtype == dtype
    torch.testing.assert_close(logits.float(), model(torch.tensor([[2, 3, 4]])).logits, atol=0.01, rtol=0)


def test_cpu_autocast(model: LstmAttnForSequenceClassification) -> None:
    batch = {"input_ids": torch.tensor([[2, 3, 4], [5, 0, 0]]), "labels": torch.tensor([0, 1])}
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**batch, output_attentions=True)
    output.loss.backward()
    torch.testing.assert_close(output.logits.float(), model(**batch).logits, atol=0.02, rtol=0)
    assert (output.attentions[1, 1:] == 0).all()


def test_device_map(model_folder: Path, model: LstmAttnForSequenceClassification) -> None:
    loaded = AutoModelForSequenceClassification.from_pretrained(model_folder, device_map="auto")
    ids = torch.tensor([[2, 3, 4]], device=loaded.device)
    torch.testing.assert_close(loaded(ids).logits.cpu(), model(ids.cpu()).logits, atol=1e-5, rtol=0)


def test_resize_token_embeddings(model: LstmAttnForSequenceClassification) -> None:
    before = model(torch.tensor([[2, 3]])).logits
    model.resize_token_embeddings(model.config.vocab_size + 3)
    torch.testing.assert_close(model(torch.tensor([[2, 3]])).logits, before)
    assert model(torch.tensor([[model.config.vocab_size - 1]])).logits.isfinite().all()


def test_inputs_embeds_equal_input_ids(model: LstmAttnForSequenceClassification) -> None:
    ids = torch.tensor([[2, 3, 4], [5, 0, 0]])
    embeds = model.get_input_embeddings()(ids)
    torch.testing.assert_close(model(inputs_embeds=embeds, attention_mask=ids != 0).logits, model(ids).logits)
    with pytest.raises(ValueError, match="exactly one"):
        model(input_ids=ids, inputs_embeds=embeds)


def test_compiled_model_gives_the_same_numbers() -> None:
    model = build(pooling="attention+max+mean")
    compiled = torch.compile(model, backend="aot_eager")
    for batch in (build_batch(), build_batch(SEQ_LEN + 4)):
        torch.testing.assert_close(compiled(**batch).logits, model(**batch).logits)


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attention_scoring.*found 'dot'"):
        LstmAttnConfig(attention_scoring="dot")
    with pytest.raises(ValueError, match=r"pooling.*found 'max'"):
        LstmAttnConfig(pooling="max")
    with pytest.raises(ValueError, match="Expected a temperature to apply"):
        LstmAttnForSequenceClassification(LstmAttnConfig(vocab_size=4, apply_calibration=True))


STRANGER = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_lstm_attn":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline
folder = sys.argv[1]
model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
output = model(**tokenizer(["a fine film", "dull"], padding=True, return_tensors="pt"), output_attentions=True)
pipe = pipeline("text-classification", model=folder, tokenizer=folder, trust_remote_code=True)
print(json.dumps([output.logits.tolist(), output.attentions.tolist(), pipe("dull")]))
"""


def test_loads_as_remote_code_where_the_package_is_missing(
    model_folder: Path, model: LstmAttnForSequenceClassification, tmp_path: Path
) -> None:
    environment = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", STRANGER, str(model_folder)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    logits, attentions, _ = json.loads(run.stdout.splitlines()[-1])
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    expected = model(**tokenizer(["a fine film", "dull"], padding=True, return_tensors="pt"), output_attentions=True)
    torch.testing.assert_close(torch.tensor(logits), expected.logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(attentions), expected.attentions, atol=1e-6, rtol=0)


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gpu_gives_the_cpus_numbers(dtype: torch.dtype) -> None:
    model, batch = build(pooling="attention+max+mean"), build_batch()
    expected = model(**batch).logits
    model.cuda()
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        output = model(
            **{name: tensor.cuda() for name, tensor in batch.items()}, labels=torch.tensor([0, 1, 2, 0]).cuda()
        )
    output_logits = output.logits.float().cpu()
    torch.testing.assert_close(output_logits, expected, atol=1e-4 if dtype == torch.float32 else 0.02, rtol=0)
    model.train()
    model(
        **{name: tensor.cuda() for name, tensor in batch.items()}, labels=torch.tensor([0, 1, 2, 0]).cuda()
    ).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def add_random_ngrams(model: LstmAttnForSequenceClassification, rows: torch.Tensor) -> None:
    """N-grams of the rows, with random weights."""
    known = (rows != model.config.pad_token_id) & (rows != model.config.unk_token_id)
    packed = [pack_ngrams(rows, known, length) for length in (1, 2, 3)]
    keys = torch.cat([keys[are_known] for keys, are_known in packed]).unique()
    model.config.num_ngrams = len(keys)
    model.ngrams = LstmAttnNgrams(model.config)
    model.ngrams.keys.copy_(keys)
    torch.nn.init.normal_(model.ngrams.weight, generator=torch.Generator().manual_seed(2))
    torch.nn.init.normal_(model.ngrams.bias, generator=torch.Generator().manual_seed(3))


def test_ngrams_count_once_and_not_with_an_unknown_word() -> None:
    model = build(num_labels=2)
    add_random_ngrams(model, torch.tensor([[5, 6, 7]]))
    with torch.no_grad():
        five, six, seven, five_six, six_seven, all_three = model.ngrams.weight
        for ids, expected in (
            ([5, 6, 7], five + six + seven + five_six + six_seven + all_three),
            ([5, 6, 5, 6], five + six + five_six),
            ([5, 1, 6, 8], five + six),
            ([], torch.zeros(2)),
        ):
            scores = model.ngrams(torch.tensor([ids]))
            assert scores.shape == (1, len(ids), 2)
            torch.testing.assert_close(scores.sum(dim=1)[0], expected)
        masked = model.ngrams(torch.tensor([[5, 6, 7]]), torch.tensor([[1, 1, 0]]))
        torch.testing.assert_close(masked.sum(dim=1)[0], five + six + five_six)
        shared = model.ngrams(torch.tensor([[5, 6, 5, 6]]))[0]
    torch.testing.assert_close(shared[0], five / 2 + five_six / 4)


def test_ngrams_are_added_to_the_logits_whatever_the_padding() -> None:
    model, batch = build(), build_batch()
    network = model(**batch).logits
    add_random_ngrams(model, batch["input_ids"])
    scores = model.ngrams(**batch)
    expected = network + scores.sum(dim=1) + model.ngrams.bias
    for padded in (batch, build_batch(SEQ_LEN + 5), build_batch(SEQ_LEN + 5, side="left")):
        torch.testing.assert_close(model(**padded).logits, expected)
    embeds = model.get_input_embeddings()(batch["input_ids"])
    read = {"inputs_embeds": embeds, "attention_mask": batch["attention_mask"]}
    torch.testing.assert_close(model(**read, ngram_scores=scores).logits, expected)
    with pytest.raises(ValueError, match="ngram_scores"):
        model(**read)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_ngrams_are_saved_with_the_model(tmp_path: Path, dtype: torch.dtype) -> None:
    model, batch = build(), build_batch()
    add_random_ngrams(model, batch["input_ids"])
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=dtype)
    assert torch.equal(loaded.ngrams.keys, model.ngrams.keys)
    torch.testing.assert_close(loaded(**batch).logits.float(), model(**batch).logits, atol=0.05, rtol=0)


def test_a_new_head_starts_without_the_old_ones_ngrams(tmp_path: Path) -> None:
    model, batch = build(), build_batch()
    add_random_ngrams(model, batch["input_ids"])
    model.save_pretrained(tmp_path)
    other = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=5, ignore_mismatched_sizes=True)
    assert other(**batch).logits.isfinite().all()
    assert (other.ngrams(**batch) == 0).all()
