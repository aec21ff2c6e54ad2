from __future__ import annotations

import copy
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results

from hf_lstm_attn import Recipe, RunResult, render_card, train
from hf_lstm_attn.data import DATASETS, find_hub_id, resolve_spec
from hf_lstm_attn.model_card import escape, find_stored_split
from hf_lstm_attn.packaging import build_repository

CARDS = Path(__file__).parents[1] / "model_cards"
RECIPE = Recipe(model={"embedding_size": 8, "hidden_size": 8}, max_epochs=2, min_frequency=1, word_vectors=None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "card_run"
    train("sample-reviews", folder, recipe=RECIPE, limit=60, say=lambda line: None)
    return folder


@pytest.fixture
def result(finished: Path) -> RunResult:
    return RunResult.load(finished)


def test_metadata_is_what_the_hub_reads(result: RunResult, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        render_card(replace(result, repository={"id": "you/film-mood"})), encoding="utf-8"
    )
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata == ModelCardData(**copy.deepcopy(metadata)).to_dict()
    assert metadata["license"] == "apache-2.0"
    assert (metadata["language"], metadata["library_name"]) == ("en", "transformers")
    assert metadata["pipeline_tag"] == "text-classification"
    assert "synthetic-data" in metadata["tags"]
    assert "datasets" not in metadata  # the samples are not on the Hub
    assert metadata["widget"] == [{"text": row["text"], "output": row["output"]} for row in result.widget]
    assert len(metadata["widget"]) == 4


def test_model_index_has_the_test_metrics(result: RunResult) -> None:
    data = ModelCard(render_card(replace(result, repository={"id": "you/film-mood"}))).data
    name, results = model_index_to_eval_results(data.to_dict()["model-index"])
    assert name == "film-mood"
    found = {row.metric_name: row.metric_value for row in results}
    assert found == {
        "Accuracy": result.test["accuracy"],
        "F1": result.test["f1"],
        "Precision": result.test["precision"],
        "Recall": result.test["recall"],
        "Macro-recall": result.test["macro_recall"],
    }
    assert {row.dataset_split for row in results} == {"test"}


def test_every_figure_shown_was_written_by_the_run(finished: Path, result: RunResult) -> None:
    shown = set(re.findall(r"\]\((\w+\.png)\)", render_card(result)))
    assert shown == {path.name for path in finished.glob("*.png")}
    assert {"architecture.png", "curves.png", "confusion.png", "reliability.png", "heatmap_1.png"} <= shown


def test_synthetic_data_and_trial_runs_are_called_so(result: RunResult) -> None:
    card = render_card(result)
    assert "**Trained on synthetic data.**" in card
    assert "at most 60 rows" in card


def test_figures_of_the_body_are_those_of_the_results(result: RunResult) -> None:
    card = render_card(result)
    assert f"| test | 60 | {result.test['loss']:.4f} | {100 * result.test['accuracy']:.2f} |" in card
    shift = result.limits["probes"]["dialect"]["African-American English"]["shift"]
    assert f"| {shift:+.3f} |" in card
    error = result.test_reliability["calibrated"]["expected_calibration_error"]
    assert f"to {100 * error:.2f} %" in card
    assert result.dataset["splits"]["train"]["fingerprint"][:16] in card


def test_comparison_and_audit_come_in_when_they_were_recorded(result: RunResult) -> None:
    plain = render_card(result)
    assert "Models compared" not in plain
    assert "comprehensiveness" not in plain
    result.comparison = {"models": {"FFNN": {"test": {"accuracy": 0.8125}}, "a|b": {"test": {"loss": 0.5}}}}
    interval = {"mean": 0.25, "low": 0.125, "high": 0.375}
    figures = {"comprehensiveness": interval, "sufficiency": interval, "seconds_per_text": 0.0125}
    result.audit = {"examples": 200, "methods": {"leave_one_out": figures}}
    card = render_card(result)
    assert "| FFNN |  | 81.25 |" in card
    assert "| a&#124;b | 0.5000 |" in card
    assert "measured on 200 test texts" in card
    assert "| 0.250 (0.125 to 0.375) | 0.250 (0.125 to 0.375) | 0.0125 |" in card


def test_python_of_the_card_runs_without_the_package(finished: Path, tmp_path: Path) -> None:
    build_repository(finished, tmp_path / "card_repository", repo_id="./card_repository")
    blocks = re.findall(
        r"```python\n(.*?)```", (tmp_path / "card_repository" / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) == 2
    code = "import sys; sys.modules['hf_lstm_attn'] = None\n" + "\n".join(blocks)
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": ""}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "'label':" in run.stdout
    assert "'word':" in run.stdout


@pytest.mark.parametrize("license_name", ["unknown", ""])
def test_an_unknown_licence_is_an_error(result: RunResult, license_name: str) -> None:
    result.request["dataset"]["license"] = license_name
    with pytest.raises(ValueError, match=r"Expected the licence .* --license"):
        render_card(result)


def test_every_data_set_of_the_registry_has_a_licence() -> None:
    assert "unknown" not in {spec.license for spec in DATASETS.values()}


def test_licence_of_own_data_is_told_to_train(tmp_path: Path) -> None:
    assert resolve_spec(data=tmp_path / "mine.csv").license == "unknown"
    assert resolve_spec(data=tmp_path / "mine.csv", license="mit").license == "mit"


def test_data_set_is_named_as_on_the_hub_only_where_it_is_there(tmp_path: Path) -> None:
    assert find_hub_id(resolve_spec("imdb", data=tmp_path)) == "stanfordnlp/imdb"
    assert find_hub_id(resolve_spec(data="someone/reviews")) == "someone/reviews"
    assert find_hub_id(resolve_spec(data=tmp_path / "imdb.csv")) is None
    assert find_hub_id(resolve_spec("sample-reviews")) is None


def test_strange_label_names_stay_in_their_cells(result: RunResult) -> None:
    strange = ["a|b <script>alert(1)</script>", "[x](http://y) `c` *d*\n# e"]
    before = render_card(result)
    renamed = asdict(result)
    for split in renamed["dataset"]["splits"].values():
        split["labels"] = dict(zip(strange, split["labels"].values(), strict=True))
    renamed |= {"label_names": strange, "widget": []}
    card = render_card(RunResult(**renamed))
    body = card.partition("\n---\n")[2]
    assert "<script>" not in body
    assert "](http://y)" not in body
    tables = [[line.count("|") for line in text.splitlines() if line.startswith("| train")] for text in (before, body)]
    assert tables[0] == tables[1]
    assert ModelCard(card).data.license == "apache-2.0"


def test_escaped_text_is_one_literal_line() -> None:
    assert escape("a|b\n<i> & `c`") == "a&#124;b &#60;i&#62; &#38; &#96;c&#96;"


def test_published_cards_parse_and_name_splits_that_exist() -> None:
    stored = {"report-lstm-attn-imdb": "train"}
    for folder in sorted(path.parent for path in CARDS.glob("*/results.json")):
        result = RunResult.load(folder)
        data = ModelCard.load(folder / "README.md").data
        assert data.datasets == [DATASETS[result.dataset["name"]].path]
        assert find_stored_split(result, "test") == stored.get(folder.name, "test")
        assert {row.dataset_split for row in data.eval_results} == {stored.get(folder.name, "test")}
