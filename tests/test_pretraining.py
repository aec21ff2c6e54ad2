from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from hf_lstm_attn import LstmAttnConfig, LstmAttnForSequenceClassification, Recipe, RunResult, resolve_spec, train
from hf_lstm_attn.cli import main
from hf_lstm_attn.modeling_language_model import Candidates, LanguageModel, draw_candidates
from hf_lstm_attn.pretraining import pretrain
from hf_lstm_attn.pretraining_loop import PretrainingRecipe, evaluate_language_model
from hf_lstm_attn.pretraining_result import PretrainingResult, load_encoder
from hf_lstm_attn.text_stream import build_streams, choose_parts, hold_out, load_texts

TINY = PretrainingRecipe(
    embedding_size=12, hidden_size=10, batch_size=4, window=8, steps=12, evaluate_every=5, min_frequency=1
)
SENTENCES = ["the cat sat on the mat", "a dog ran after the cat", "birds sing at dawn", "the mat was red"]


@pytest.fixture(scope="module")
def texts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "notes.txt"
    path.write_text("\n".join(SENTENCES * 15) + "\n\n")
    return path


def run(texts: Path, folder: Path, recipe: PretrainingRecipe = TINY, **options: object) -> PretrainingResult:
    return pretrain(resolve_spec(data=texts), folder, recipe=recipe, **{"say": lambda line: None, **options})


@pytest.fixture(scope="module")
def pretrained(texts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder; not to be changed."""
    folder = tmp_path_factory.mktemp("pretrained") / "notes-pretrained"
    run(texts_file, folder)
    return folder


def build_model(vocab_size: int = 30, **sizes: int) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(LstmAttnConfig(vocab_size=vocab_size, embedding_size=8, hidden_size=6, **sizes))


def test_states_of_the_classifier_are_those_of_the_language_models() -> None:
    model = build_model().eval()
    classifier = LstmAttnForSequenceClassification(model.config).eval()
    classifier.lstm_attn.load_state_dict(model.state_dict(), strict=False)
    ids = torch.randint(1, 30, (3, 11))
    expected = classifier.lstm_attn(input_ids=ids).last_hidden_state  # (3, 11, 12)
    # read in two windows: the second goes on from where the first ended
    streams = torch.stack([ids, ids.flip(1)])
    first, states = model.read(streams[:, :, :5])
    second, _ = model.read(streams[:, :, 5:], states)
    forward, backward = torch.cat([first, second], dim=2)
    torch.testing.assert_close(torch.cat([forward, backward.flip(1)], dim=-1), expected, atol=1e-6, rtol=0)


def test_streams_lose_no_word_and_backward_is_reversed() -> None:
    texts = [np.arange(first, first + 4 + first % 3, dtype=np.int32) for first in (1, 20, 40, 60)]
    streams = build_streams(texts, batch_size=3, boundary=0)
    for direction, step in ((0, 1), (1, -1)):
        read = streams.targets[direction].flatten().tolist()
        expected = [word for text in texts for word in text.tolist()][::step]
        assert [word for word in read if word] == expected
        # what is read before a word is the word before it, also across the ends of rows
        assert streams.inputs[direction].flatten().tolist() == [0, *read[:-1]]
    joined = streams.targets[0].flatten().tolist()
    assert all(joined[joined.index(int(text[-1])) + 1] == 0 for text in texts)  # texts stay apart


def test_sampled_softmax_over_all_words_is_the_full_softmax() -> None:
    model = build_model().eval()
    inputs, targets = torch.randint(0, 30, (2, 2, 3, 7))
    everything = draw_candidates(model.config, 1_000)
    sampled, _ = model(inputs, targets, everything)
    full, _ = model.compute_losses(inputs, targets)
    words = int((targets != 0).sum())
    assert sampled.item() == pytest.approx(full.sum().item() / words, abs=1e-5)
    # and by hand, for one position
    states, _ = model.read(inputs)
    logits = model.project(states)[1, 0, 0] @ model.embeddings.weight.T + model.output_bias.weight[:, 0]
    alone = torch.zeros_like(targets)
    alone[1, 0, 0] = 9
    expected = nn.functional.cross_entropy(logits[None, 1:], torch.tensor([8])).item()
    assert model(inputs, alone, everything)[0].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("target", "others"), [(9, [2, 5]), (5, [2])])
def test_sampled_softmax_by_hand(target: int, others: list[int]) -> None:
    model = build_model().eval()
    candidates = Candidates(torch.tensor([2, 5]), torch.linspace(-3, 0, 30))
    inputs, targets = torch.randint(1, 30, (2, 1, 1)), torch.tensor([[[target]], [[0]]])
    states, _ = model.read(inputs)
    logits = model.project(states)[0, 0, 0] @ model.embeddings.weight.T + model.output_bias.weight[:, 0]
    corrected = logits - candidates.log_chances
    expected = (
        corrected[[target, *others]].logsumexp(0) - corrected[target]
    )  # a target among the candidates counts once
    assert model(inputs, targets, candidates)[0].item() == pytest.approx(expected.item(), abs=1e-5)


def test_candidates_come_as_often_as_their_chances_say() -> None:
    config = LstmAttnConfig(vocab_size=21)
    torch.manual_seed(0)
    drawn, chances = np.zeros(21), np.zeros(21)
    for _ in range(2_000):
        candidates = draw_candidates(config, 6)
        assert len(set(candidates.ids.tolist())) == 6
        drawn[candidates.ids.numpy()] += 1 / 2_000
        # a word drawn with chance p weighs 1 / p: the sum over drawn words estimates the sum over all
        chances[candidates.ids.numpy()] += candidates.log_chances[candidates.ids].neg().exp().numpy() / 2_000
    assert drawn[0] == 0  # padding
    assert drawn[1] > drawn[5] > drawn[20]
    assert chances[1:] == pytest.approx(np.ones(20), abs=0.2)


def test_loss_falls_on_texts_that_repeat(texts_file: Path, tmp_path: Path) -> None:
    recipe = replace(
        TINY, steps=250, learning_rate=0.03, dropout=0.0, candidates=8, evaluate_every=250, word_vectors=None
    )
    perplexity = run(texts_file, tmp_path / "lm", recipe).evaluations[-1]["perplexity"]
    # One of four sentences is ln 4 nats, over five words: a perplexity of 1.32 where all else is known.
    assert 1.3 < perplexity["forward"] < 1.6
    assert 1.3 < perplexity["backward"] < 1.6


def test_folder_holds_what_a_classifier_loads(pretrained: Path, texts_file: Path) -> None:
    assert {path.suffix for path in pretrained.iterdir()} == {".json", ".safetensors", ".py"}
    weights = load_file(pretrained / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"embeddings", "encoder"}
    assert not weights["embeddings.weight"][0].any()  # padding
    for auto_class in (AutoModel, AutoModelForSequenceClassification):
        loaded = auto_class.from_pretrained(pretrained).base_model.state_dict()
        assert all(loaded[name].equal(value) for name, value in weights.items())
    assert "mat" in AutoTokenizer.from_pretrained(pretrained).get_vocab()
    result = PretrainingResult.load(pretrained)
    assert [row["step"] for row in result.evaluations] == [5, 10, 12]
    assert result.dataset["texts"] + result.dataset["held_out_texts"] == 60
    assert result.request["parts"] == ["unlabelled"]


def test_recorded_perplexity_is_that_of_the_plain_definition(texts_file: Path) -> None:
    model = build_model().eval()
    texts = [np.array([3, 4, 5], dtype=np.int32)]
    losses, words = evaluate_language_model(model, texts, batch_size=1, window=2)
    assert words == 3
    states, _ = model.read(torch.tensor([[[0, 3, 4]], [[0, 5, 4]]]))
    logits = model.project(states) @ model.embeddings.weight.T + model.output_bias.weight[:, 0]
    logits[..., 0] = -torch.inf
    expected = [
        nn.functional.cross_entropy(part[0], torch.tensor(goal), reduction="sum").item()
        for part, goal in zip(logits, ([3, 4, 5], [5, 4, 3]), strict=True)
    ]
    assert losses.tolist() == pytest.approx(expected, abs=1e-5)


def interrupt_at(words: str) -> Callable[[str], None]:
    def say(line: str) -> None:
        if words in line:
            raise KeyboardInterrupt

    return say


@pytest.mark.parametrize("words", ["Vocabulary of", "parameters on", "step 5 of", "step 10 of", "step 12 of"])
def test_interrupted_and_resumed_is_uninterrupted(
    pretrained: Path, texts_file: Path, tmp_path: Path, words: str
) -> None:
    folder = tmp_path / "lm"
    with pytest.raises(KeyboardInterrupt):
        run(texts_file, folder, say=interrupt_at(words))
    assert not (folder / "pretraining.json").exists()
    has_finished_a_stage = words != "Vocabulary of"
    clock = folder / "checkpoints" / "clock.json"
    assert clock.is_file() == has_finished_a_stage
    if has_finished_a_stage:
        clock.write_text(json.dumps({"training": 10_000}))
    resumed = run(texts_file, folder, resume=True)
    assert (resumed.timings["total"] > 10_000) == has_finished_a_stage
    assert resumed.evaluations == PretrainingResult.load(pretrained).evaluations
    for name, value in load_file(pretrained / "model.safetensors").items():
        assert value.equal(load_file(folder / "model.safetensors")[name]), name
    assert not (folder / "checkpoints").exists()
    assert asdict(run(texts_file, folder, resume=True)) == asdict(resumed)  # finished


def test_another_seed_gives_others_and_other_settings_do_not_resume(
    pretrained: Path, texts_file: Path, tmp_path: Path
) -> None:
    other = run(texts_file, tmp_path / "lm", seed=7)
    assert other.evaluations != PretrainingResult.load(pretrained).evaluations
    with pytest.raises(ValueError, match="found another recipe"):
        run(texts_file, tmp_path / "lm", replace(TINY, dropout=0.5), resume=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        run(texts_file, tmp_path / "lm")


def test_no_text_to_validate_or_test_on_is_read(tmp_path: Path) -> None:
    rows = [(f"text number {number} of many", "ab"[number % 2]) for number in range(100)]
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    spec = resolve_spec(data=tmp_path / "mine.csv")
    assert choose_parts(spec, None) == ("train",)
    read = load_texts(spec, ("train",), protocol="official", limit=None)
    from hf_lstm_attn import load_splits

    splits = load_splits(spec)
    assert sorted(read) == sorted(splits.train["text"])
    assert not set(read) & {*splits.validation["text"], *splits.test["text"]}
    with pytest.raises(ValueError, match="found mine"):
        load_texts(spec, ("unlabelled",), protocol="official", limit=None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", "one text\nanother\tone\n\nthe last\n"),
        ("table.csv", "review,stars\none text,1\nanother\tone,2\nthe last,3\n"),
        ("lines.jsonl", '{"review": "one text"}\n{"review": "another\\tone"}\n{"review": "the last"}\n'),
    ],
)
def test_texts_need_no_labels(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    spec = resolve_spec(data=tmp_path / name, text_column=None if name == "plain.txt" else "review")
    parts = choose_parts(spec, None)
    assert parts == ("unlabelled",)
    assert load_texts(spec, parts, protocol="official", limit=None) == ["one text", "another\tone", "the last"]


def test_held_out_texts_are_a_share_and_both_sides_have_some() -> None:
    texts = [f"text {number:03}" for number in range(200)]
    training, held_out = hold_out(texts, seed=1)
    assert sorted(training + held_out) == texts
    assert len(held_out) == 4
    assert [len(part) for part in hold_out(texts[:2], seed=1)] == [1, 1]
    with pytest.raises(ValueError, match="at least 2 texts"):
        hold_out(["alone"], seed=1)


CLASSIFIER = Recipe(arguments={"per_device_train_batch_size": 16}, max_epochs=1, max_length=20, truncation_side="left")


def start(
    folder: Path, origin: Path, recipe: Recipe = CLASSIFIER, dataset: str = "sample-reviews", **options: object
) -> RunResult:
    recipe = replace(recipe, init_from=str(origin))
    return train(dataset, folder, recipe=recipe, limit=60, **{"say": lambda line: None, **options})


def test_training_starts_from_the_pretrained_weights(pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", pretrained, say=interrupt_at("parameters on"))
    initial = load_file(tmp_path / "run" / "checkpoints" / "initial" / "model.safetensors")
    for name, value in load_file(pretrained / "model.safetensors").items():
        assert initial[f"lstm_attn.{name}"].equal(value), name
    result = start(tmp_path / "run", pretrained, resume=True)
    own, other = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path / "run", pretrained))
    assert own.get_vocab() == other.get_vocab()
    assert (own.model_max_length, own.truncation_side) == (20, "left")
    assert (result.model["embedding_size"], result.model["hidden_size"]) == (12, 10)
    fingerprint = PretrainingResult.load(pretrained).dataset["fingerprint"]
    assert result.request["pretraining"]["fingerprint"] == fingerprint
    from hf_lstm_attn import render_card

    assert fingerprint[:16] in render_card(replace(result, dataset=result.dataset | {"license": "mit"}))


@pytest.fixture(scope="module")
def started(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that started from the pre-trained folder; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "started"
    start(folder, pretrained)
    return folder


def test_training_starts_from_a_run_with_a_new_head(started: Path, pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", started, dataset="sample-tweets", say=interrupt_at("parameters on"))
    initial = load_file(tmp_path / "run" / "checkpoints" / "initial" / "model.safetensors")
    trained = load_file(started / "model.safetensors")
    head = {"classifier.weight", "classifier.bias"}
    assert {name for name in trained if not trained[name].equal(initial[name])} == head
    assert initial["classifier.weight"].shape == (3, 20)
    result = start(tmp_path / "run", started, dataset="sample-tweets", resume=True)
    assert result.label_names == ["negative", "neutral", "positive"]
    own, other = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path / "run", pretrained))
    assert own.get_vocab() == other.get_vocab()
    origin = result.request["pretraining"]
    assert (origin["name"], origin["labels"], origin["texts"]) == ("sample-reviews", 2, 60)
    from hf_lstm_attn import render_card

    card = render_card(result)
    for fingerprint in (
        RunResult.load(started).dataset["splits"]["train"]["fingerprint"],
        PretrainingResult.load(pretrained).dataset["fingerprint"],
    ):
        assert fingerprint[:16] in card


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedding_size": 16}, "--embedding-size 12"),
        ({"bidirectional": False}, "bidirectional=True"),
        ({"attention_scoring": "tanh"}, "attention_scoring='linear'"),
    ],
)
def test_a_run_of_another_shape_is_refused(
    started: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        start(tmp_path / "run", started, replace(CLASSIFIER, model=changes), dataset="sample-tweets")
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_architecture_is_refused(tmp_path: Path) -> None:
    recipe = replace(CLASSIFIER, architecture="lstm_attn_ffnn", model={"hidden_size": 8}, word_vectors=None)
    train("sample-reviews", tmp_path / "ffnn", recipe=recipe, limit=60, say=lambda line: None)
    with pytest.raises(ValueError, match="found lstm_attn_ffnn"):
        start(tmp_path / "run", tmp_path / "ffnn")


def test_one_direction_takes_the_forward_model(pretrained: Path) -> None:
    config = LstmAttnConfig.from_pretrained(pretrained, bidirectional=False)
    model = LstmAttnForSequenceClassification(config)
    load_encoder(model, pretrained)
    expected = load_file(pretrained / "model.safetensors")["encoder.forward_lstm.weight_hh_l0"]
    assert model.lstm_attn.encoder.forward_lstm.weight_hh_l0.equal(expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"hidden_size": 16}}, "--hidden-size 10"),
        ({"model": {"num_hidden_layers": 2}}, "num_hidden_layers 2"),
        ({"architecture": "lstm_attn_ffnn"}, "found lstm_attn_ffnn"),
    ],
)
def test_a_classifier_of_another_shape_is_refused(
    pretrained: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        start(tmp_path / "run", pretrained, replace(CLASSIFIER, **changes))
    assert not (tmp_path / "run").exists()


def test_pretraining_under_another_protocol_is_refused(tmp_path: Path) -> None:
    """It may have read what this protocol tests on, and so may a run that started from it."""
    folder = tmp_path / "lm"
    pretrain("sample-reviews", folder, recipe=replace(TINY, word_vectors=None), limit=60, say=lambda line: None)
    with pytest.raises(ValueError, match="--protocol"):
        start(tmp_path / "run", folder, protocol="report")
    # nor by way of a run on other data
    start(tmp_path / "between", folder, dataset="sample-tweets", protocol="report")
    with pytest.raises(ValueError, match="--protocol"):
        start(tmp_path / "run", tmp_path / "between", protocol="report")


def test_command_line_from_texts_to_classifier(
    texts_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lm"
    sizes = ["--embedding-size", "12", "--hidden-size", "10", "--batch-size", "4", "--steps", "3"]
    pretrain_command = ["pretrain", "--data", str(texts_file), "-o", str(folder), *sizes]
    assert main(pretrain_command) == 0
    printed = capsys.readouterr()
    perplexity = PretrainingResult.load(folder).evaluations[-1]["perplexity"]
    row = printed.out.split("backward\n")[1].splitlines()[0].split()
    assert row[-2:] == [f"{perplexity['forward']:.1f}", f"{perplexity['backward']:.1f}"]
    assert "perplexity on held-out texts" in printed.err
    assert "\r" not in printed.err  # no progress bar where nobody watches
    assert main([*pretrain_command, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "pretraining.json").read_text())
    run_folder = tmp_path / "run"
    options = ["--limit", "40", "--epochs", "1", "-o", str(run_folder)]
    assert main(["train", "sample-reviews", "--init-from", str(folder), *options]) == 0
    assert RunResult.load(run_folder).model["hidden_size"] == 10


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pretrain", "imdb", "--epochs", "1", "--steps", "1"], 2, "--steps"),
        (["train", "imdb", "--init-from", "lm", "--word-vectors", "train"], 2, "--init-from or --word-vectors"),
        (["train", "sample-reviews", "--init-from", "missing"], 1, "missing"),
        (["train", "sample-reviews", "--recipe", "small", "--init-from", "{}"], 1, "--embedding-size 12"),
        (["pretrain", "sample-reviews", "--split", "test"], 1, "train+unlabelled"),
        (["pretrain", "sample-reviews", "--split", "unlabelled"], 1, "Use the training texts"),
        (["pretrain", "--data", "missing.txt"], 1, "missing.txt"),
        (["pretrain", "sample-reviews", "-o", "{}"], 1, "--overwrite"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str],
    code: int,
    words: str,
    pretrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([argument.format(pretrained) for argument in arguments]) == code
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"hf-lstm-attn {arguments[0]}: Expected")
    assert words in message
