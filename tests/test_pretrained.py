"""The built-in models: small, right, told about, and the same in NumPy as in PyTorch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForSequenceClassification

from hf_lstm_attn import (
    LstmAttnConfig,
    LstmAttnForSequenceClassification,
    LstmAttnPipeline,
    RunResult,
    list_pretrained,
    load_classifier,
    load_pretrained,
    predict,
    render_card,
)
from hf_lstm_attn.cli import main
from hf_lstm_attn.numpy_classifier import NumpyClassifier
from hf_lstm_attn.pretrained_models import (
    FOLDER,
    NGRAM_KEYS,
    WEIGHTS,
    WORD_VECTORS,
    decode_weights,
    encode_weights,
    find_pretrained,
    load_stored,
)

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make_pretrained.py"
NAMES = ["imdb", "tweets"]
PUBLISHED = {"imdb": "lstm-attn-imdb-distilled", "tweets": "lstm-attn-tweets-pretrained"}  # in model_cards
PLAIN = {
    "imdb": {
        "A wonderful film: moving, funny and beautifully acted.": "positive",
        "One of the best pictures I have seen in years.": "positive",
        "Perfect from beginning to end, I loved every minute.": "positive",
        "A dull, boring waste of two hours.": "negative",
        "The worst acting I have ever seen; the plot is awful.": "negative",
        "Terrible script, and I fell asleep halfway. Avoid.": "negative",
    },
    "tweets": {
        "So happy today, best concert ever! Love you all": "positive",
        "Excited for tomorrow, it is going to be amazing": "positive",
        "The meeting is on Monday at 10 in the main hall": "neutral",
        "I hate this so much, worst day ever": "negative",
        "Disgusting. They are a bunch of liars, what a shame": "negative",
    },
}


@pytest.fixture(scope="module")
def made(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, stored as a built-in model is."""
    folder = tmp_path_factory.mktemp("made") / "tiny"
    make(finished_run, folder)
    return folder


def make(run: Path, folder: Path, *options: str) -> str:
    command = [sys.executable, str(SCRIPT), str(run), "tiny", "-o", str(folder), *options]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_they_are_listed() -> None:
    assert list_pretrained() == NAMES
    with pytest.raises(ValueError, match="imdb, tweets; found 'imbd'"):
        load_pretrained("imbd")


@pytest.mark.parametrize("name", NAMES)
def test_they_are_small_and_hold_no_place_of_the_machine_that_made_them(name: str) -> None:
    files = list((FOLDER / name).iterdir())
    assert sum(path.stat().st_size for path in files) <= 5_000_000
    texts = [path.read_text(encoding="utf-8") for path in files if path.name in ("results.json", "README.md")]
    assert not re.search(r"[\"'(\s]/\w|\\\\\w+\\\\", "".join(texts))


@pytest.mark.parametrize("name", NAMES)
def test_plain_sentences_get_their_label(name: str) -> None:
    found = {text: max(scores, key=scores.__getitem__) for text, scores in zip(
        PLAIN[name], NumpyClassifier(FOLDER / name).predict(PLAIN[name]), strict=True)}  # fmt: skip
    assert found == PLAIN[name]


@pytest.mark.parametrize("name", NAMES)
def test_numpy_says_what_the_model_says(name: str) -> None:
    texts = [*PLAIN[name], "", "zyzzyva", "A story of love and war. " * 120 + "I hated it."]
    for calibrated in (False, True):
        classifier = load_pretrained(name, calibrated=calibrated)
        assert isinstance(classifier, LstmAttnPipeline)
        quick = NumpyClassifier(FOLDER / name, calibrated=calibrated).predict(texts)
        for scores, expected in zip(quick, predict(classifier, texts), strict=True):
            assert list(scores) == list(expected)
            assert scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"bidirectional": False},
        {"num_hidden_layers": 2, "attention_scoring": "tanh", "pooling": "attention+max+mean"},
    ],
)
def test_numpy_says_what_any_architecture_says(choices: dict[str, object], made: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    folder = shutil.copytree(made, tmp_path / "other")
    config = LstmAttnConfig.from_pretrained(made)
    config.update(choices)
    model = LstmAttnForSequenceClassification(config)
    model.ngrams.load_state_dict(load_stored(made).model.ngrams.state_dict())
    config.save_pretrained(folder)
    save_file(encode_weights({name: tensor.numpy() for name, tensor in model.state_dict().items()}), folder / WEIGHTS)
    texts = ["a fine film", "", "dull"]
    expected = predict(load_stored(folder), texts)
    for scores, wanted in zip(NumpyClassifier(folder).predict(texts), expected, strict=True):
        assert scores == pytest.approx(wanted, abs=1e-5)


def test_words_beyond_the_vocabulary_become_unknown(finished_run: Path, made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    make(finished_run, folder, "--vocabulary", "30")
    whole, few = load_stored(made), load_stored(folder)
    assert few.model.config.vocab_size == len(few.tokenizer) == 30
    frequent, rare = (whole.tokenizer.convert_ids_to_tokens(id) for id in (29, 30))
    unknown = few.tokenizer.unk_token
    assert few.tokenizer.tokenize(f"{frequent} {rare}") == [frequent, unknown]
    kept = " ".join(few.tokenizer.convert_ids_to_tokens(range(2, 30)))  # with pairs and triples of these
    assert few(kept) == whole(kept)
    assert 0 < few.model.config.num_ngrams < whole.model.config.num_ngrams
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"the 30 most frequent are kept, with {few.model.config.num_ngrams} of its n-grams" in card
    assert "most frequent are kept" not in (made / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_it_was_trained_on_and_comes_from_the_results(name: str) -> None:
    result = RunResult.load(FOLDER / name)
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert card == render_card(result)
    assert result.request["dataset"]["path"] in card
    assert f"{result.dataset['splits']['train']['rows']:,}" in card
    assert f'load_pretrained("{name}")' in card
    assert f"accuracy {100 * result.repository['test']['accuracy']:.2f} %" in card
    assert ".png" not in card


@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_the_published_run(name: str) -> None:
    built_in = asdict(RunResult.load(FOLDER / name))
    published = asdict(RunResult.load(ROOT / "model_cards" / PUBLISHED[name]))
    for field in ("request", "dataset", "model", "epochs", "ngrams", "test", "test_confusion", "limits", "examples"):
        assert built_in[field] == published[field]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_tells_how_many_labelled_texts_it_learnt_from(name: str) -> None:
    rows = RunResult.load(FOLDER / name).dataset["splits"]["train"]["rows"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert re.search(rf"`{name}` (learnt )?from {rows:,} ", readme)


@pytest.mark.parametrize("name", NAMES)
def test_storage_costs_little_accuracy(name: str) -> None:
    result = RunResult.load(FOLDER / name)
    assert result.repository["test"]["accuracy"] == pytest.approx(result.test["accuracy"], abs=0.002)


def test_rounding_moves_no_number_by_more_than_half_a_step() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    vectors[0], vectors[1] = 0, 0
    vectors[1, 3] = 1e-30  # a row that is hardly there
    head = np.float32([[0.5, -1.25]])
    encoded = encode_weights({WORD_VECTORS: vectors, "classifier.weight": head})
    assert encoded[WORD_VECTORS].dtype == np.int8
    decoded = decode_weights(encoded)
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    assert (np.abs(decoded[WORD_VECTORS] - vectors) <= step / 2 * (1 + 1e-5)).all()
    assert not decoded[WORD_VECTORS][0].any()
    assert (decoded["classifier.weight"] == head).all()


def test_keys_of_ngrams_are_stored_exactly() -> None:
    keys = np.array([1, 2**62 + 1])
    decoded = decode_weights(encode_weights({WORD_VECTORS: np.ones((1, 2), np.float32), NGRAM_KEYS: keys}))
    assert decoded[NGRAM_KEYS].tolist() == keys.tolist()


def test_the_script_repeats_itself_and_scores_what_it_stored(finished_run: Path, made: Path, tmp_path: Path) -> None:
    samples = ROOT / "hf_lstm_attn" / "samples" / "reviews"
    printed = make(finished_run, tmp_path / "again", "--data", str(samples))
    assert "accuracy: " in printed
    for path in made.iterdir():
        if path.name not in ("results.json", "README.md"):  # those two hold the score
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    stored = json.loads((tmp_path / "again" / "results.json").read_text(encoding="utf-8"))["repository"]["test"]
    assert stored == pytest.approx(RunResult.load(finished_run).test, abs=0.05)


def test_the_stored_model_is_nearly_the_run(finished_run: Path, made: Path) -> None:
    texts = ["A fine film.", "dull", ""]
    run, stored = (list(predict(load_classifier(folder), texts)) for folder in (finished_run, made))
    for scores, expected in zip(stored, run, strict=True):
        assert scores == pytest.approx(expected, abs=0.01)


def test_its_weights_are_not_mistaken_for_a_models(made: Path) -> None:
    with pytest.raises(OSError, match=r"model\.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(made)


def test_a_built_in_model_can_be_saved_as_any_other(tmp_path: Path) -> None:
    classifier = load_pretrained("tweets")
    classifier.save_pretrained(tmp_path / "mine")
    text = ["Lovely, just lovely"]
    assert list(predict(load_classifier(tmp_path / "mine"), text)) == list(predict(classifier, text))


def test_a_folder_of_the_name_comes_first(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_pretrained("imdb") == FOLDER / "imdb"
    (tmp_path / "imdb").mkdir()
    assert find_pretrained("imdb") is None
    assert main(["predict", "-m", "imdb", "text"]) == 1
    assert main(["predict", "text"]) == 0


def test_command_line_says_which_model_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "A wonderful film.", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["label"] == "positive"
    assert len(printed.err.splitlines()) == 1
    for words in ("imdb", "stanfordnlp/imdb", "--model"):
        assert words in printed.err
    assert main(["predict", "-m", "tweets", "I hate mondays", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["label"] == "negative"
    assert printed.err == ""
    assert main(["explain", "A wonderful film.", "--json"]) == 0
    assert "stanfordnlp/imdb" in capsys.readouterr().err


def test_a_file_of_texts_gets_the_same_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(PLAIN["imdb"]) + "\n", encoding="utf-8")
    assert main(["predict", "-i", str(tmp_path / "texts.txt"), "--json"]) == 0
    from_file = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["predict", *PLAIN["imdb"], "--json"]) == 0
    from_arguments = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for one, other in zip(from_file, from_arguments, strict=True):
        assert (one["text"], one["label"]) == (other["text"], other["label"])
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_evaluate_takes_the_name_and_knows_the_data(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(shared / "hub" / "datasets" / "cardiffnlp" / "tweet_eval")
    assert main(["evaluate", "tweets", "tweets", "--data", data, "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    stored = RunResult.load(FOLDER / "tweets").repository["test"]
    assert {name: metrics[name] for name in stored} == pytest.approx(stored, abs=1e-3)
