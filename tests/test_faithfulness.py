from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, TextClassificationPipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from hf_lstm_attn import RunResult, build_tokenizer
from hf_lstm_attn.audit import audit_explanations
from hf_lstm_attn.audit_plots import METHOD_STYLES, plot_audit
from hf_lstm_attn.cli import main
from hf_lstm_attn.faithfulness import (
    compute_aopc,
    compute_entropy,
    compute_interval,
    compute_kendall_tau,
    count_words,
    rank_words,
)

VALUES = {"great": 2.0, "fine": 1.0, "dull": -1.0, "a": 0.0, "film": 0.0, "plot": 0.0}
FIGURES = ["comprehensiveness", "sufficiency", "deletion"]


class SumConfig(PretrainedConfig):
    model_type = "sum_of_words"


class SumModel(PreTrainedModel):
    """The log-odds of the second class are the sum of the words' values; attention is highest on the lowest value."""

    config_class = SumConfig

    def __init__(self, config: SumConfig, values: torch.Tensor, has_attention: bool) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding.from_pretrained(values[:, None])
        self.has_attention = has_attention

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> SequenceClassifierOutput:
        values = (self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds).squeeze(-1) * attention_mask
        weights = (-values).masked_fill(attention_mask == 0, -1e9).softmax(-1) if self.has_attention else None
        total = values.sum(dim=1)
        return SequenceClassifierOutput(
            logits=torch.stack([torch.zeros_like(total), total], dim=1),
            attentions=weights if output_attentions else None,
        )


def build_classifier(*, has_attention: bool = True) -> TextClassificationPipeline:
    tokenizer = build_tokenizer([" ".join(VALUES)], min_frequency=1, max_length=50)
    values = torch.zeros(len(tokenizer))
    for word, value in VALUES.items():
        values[tokenizer.convert_tokens_to_ids(word)] = value
    model = SumModel(SumConfig(num_labels=2), values, has_attention)
    return TextClassificationPipeline(model=model.eval(), tokenizer=tokenizer)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def compose_texts(count: int) -> list[str]:
    """Texts of 20 words: two great ones and one dull one, elsewhere in each text, among words that do nothing."""
    texts = []
    for number in range(count):
        words = ["a", "film", "plot", "a"] * 5
        for place, word in zip((3, 8, 14), ("great", "great", "dull"), strict=True):
            words[(number * 7 + place) % 20] = word
        texts.append(" ".join(words))
    return texts


def test_words_are_ranked_by_score_and_equal_ones_as_they_stand() -> None:
    assert rank_words([0.1, -3.0, 2.0, 0.1]) == [2, 0, 3, 1]
    assert rank_words([0.25] * 4) == [0, 1, 2, 3]


def test_a_percentage_of_the_words_is_rounded_up() -> None:
    assert [count_words(10, percentage) for percentage in (1, 5, 10, 20, 50)] == [1, 1, 1, 2, 5]
    assert [count_words(250, percentage) for percentage in (1, 5, 10, 20, 50)] == [3, 13, 25, 50, 125]
    assert count_words(700, 1) == 7


def test_aopc_is_the_mean_fall() -> None:
    assert compute_aopc(0.9, [0.9, 0.8, 0.5, 0.2, 0.1]) == pytest.approx((0 + 0.1 + 0.4 + 0.7 + 0.8) / 5)
    assert compute_aopc(0.5, [0.75, 0.75]) == pytest.approx(-0.25)


def test_interval_is_reproducible_and_holds_the_mean() -> None:
    values = [0.0, 0.2, 0.4, 0.9, 1.0, 0.1, 0.3]
    interval = compute_interval(values, seed=1)
    assert interval == compute_interval(values, seed=1)
    assert interval != compute_interval(values, seed=2)
    assert interval["mean"] == pytest.approx(sum(values) / 7)
    assert interval["low"] < interval["mean"] < interval["high"]
    assert compute_interval([0.0, 1.0], seed=0) == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert compute_interval([0.25] * 3, seed=0) == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_interval_covers_as_wide_as_the_standard_error_says() -> None:
    values = [0.0, 1.0] * 200  # standard error 0.5 / sqrt(400)
    interval = compute_interval(values, seed=3)
    assert interval["low"] == pytest.approx(0.5 - 1.96 * 0.025, abs=0.005)
    assert interval["high"] == pytest.approx(0.5 + 1.96 * 0.025, abs=0.005)


def test_kendall_tau_counts_pairs_in_the_same_order() -> None:
    assert compute_kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)  # two pairs alike, one not
    assert compute_kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert math.isnan(compute_kendall_tau([1, 2, 3], [1, 1, 1]))
    assert compute_kendall_tau([1, 2], [1, 2]) == 1
    assert math.isnan(compute_kendall_tau([1], [1]))


def test_entropy_is_a_share_of_the_highest() -> None:
    assert compute_entropy([0.25] * 4) == pytest.approx(1)
    assert compute_entropy([0.0, 1.0, 0.0]) == 0
    assert compute_entropy([0.5, 0.5, 0.0, 0.0]) == pytest.approx(0.5)
    assert math.isnan(compute_entropy([1.0]))


def test_audit_of_one_text_gives_the_numbers_worked_out_by_hand() -> None:
    audit = audit_explanations(build_classifier(), ["dull a great fine a a a a a a"])
    whole = sigmoid(2)  # 2 + 1 - 1
    # 1, 5 and 10 % of ten words are one word, 20 % two, 50 % five.
    by_value = [sigmoid(0)] * 3 + [sigmoid(-1)] * 2  # without great; without great and fine
    alone = [sigmoid(2)] * 3 + [sigmoid(3)] * 2
    for method in ("gradient_x_input", "integrated_gradients", "leave_one_out"):
        measured = audit["methods"][method]
        assert measured["comprehensiveness"]["mean"] == pytest.approx(whole - sum(by_value) / 5)
        assert measured["sufficiency"]["mean"] == pytest.approx(whole - sum(alone) / 5)
        assert measured["deletion"] == pytest.approx([whole, *by_value, 0.5])
        assert measured["seconds_per_text"] > 0
    attention = audit["methods"]["attention"]  # dull first, then the words of no value
    assert attention["comprehensiveness"]["mean"] == pytest.approx(sigmoid(2) - sigmoid(3))
    assert attention["sufficiency"]["mean"] == pytest.approx(sigmoid(2) - sigmoid(-1))
    uniform = audit["methods"]["uniform"]  # dull; dull, a; dull, a, great, fine, a
    assert uniform["deletion"] == pytest.approx([whole] + [sigmoid(3)] * 4 + [0.5] * 2)
    tau = audit["kendall_tau"]
    assert tau["leave_one_out"]["integrated_gradients"] == pytest.approx(1)
    assert tau["leave_one_out"]["attention"] == tau["attention"]["leave_one_out"] == pytest.approx(-1)
    assert "uniform" not in tau
    weights = torch.tensor([1.0, -2.0, -1.0, *[0.0] * 7]).softmax(0)
    entropy = -(weights * weights.log()).sum().item() / math.log(10)
    assert audit["attention_entropy"]["mean"] == pytest.approx(entropy)
    assert sum(audit["attention_entropy"]["counts"]) == 1


def test_probabilities_are_those_of_the_predicted_class() -> None:
    audit = audit_explanations(build_classifier(), ["dull dull a a"])
    measured = audit["methods"]["leave_one_out"]  # for the first class, dull counts +1
    assert measured["deletion"] == pytest.approx([sigmoid(2)] + [sigmoid(1)] * 4 + [0.5] * 2)


def test_the_true_ranking_is_best_and_random_ones_lie_below() -> None:
    audit = audit_explanations(build_classifier(), compose_texts(40))
    methods = audit["methods"]
    best = methods["leave_one_out"]
    for name in ("attention", "random", "permuted_attention", "uniform"):
        assert methods[name]["comprehensiveness"]["high"] < best["comprehensiveness"]["low"]
        assert methods[name]["sufficiency"]["low"] > best["sufficiency"]["high"]
    assert methods["random"]["deletion"] != methods["permuted_attention"]["deletion"]
    assert abs(audit["kendall_tau"]["random"]["leave_one_out"]) < 0.1


def test_texts_without_words_are_skipped_and_counted() -> None:
    texts = ["great film", "", "  \n", "dull plot a"]
    audit = audit_explanations(build_classifier(), texts)
    assert (audit["examples"], audit["skipped"]) == (2, 2)
    with pytest.raises(ValueError, match="found none among 1"):
        audit_explanations(build_classifier(), [" "])


def select_numbers(audit: dict[str, object]) -> list[object]:
    return [{name: measured[name] for name in FIGURES} for measured in audit["methods"].values()]


def test_the_same_seed_gives_the_same_audit_on_any_number_of_cores() -> None:
    classifier, texts, threads = build_classifier(), compose_texts(20), torch.get_num_threads()
    try:
        audits = []
        for cores, seed in ((1, 5), (3, 5), (3, 6)):
            torch.set_num_threads(cores)
            audits.append(audit_explanations(classifier, texts, seed=seed))
            assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(threads)
    assert select_numbers(audits[0]) == select_numbers(audits[1])
    assert select_numbers(audits[0]) != select_numbers(audits[2])


def test_a_model_without_attention_pooling_is_audited_without_it() -> None:
    audit = audit_explanations(build_classifier(has_attention=False), compose_texts(3))
    assert set(audit["left_out"]) == {"attention"}
    assert "pools its words by attention" in audit["left_out"]["attention"]
    assert {"attention", "permuted_attention"}.isdisjoint(audit["methods"])
    assert "attention_entropy" not in audit
    assert isinstance(plot_audit(audit, title="reviews"), Figure)


def find_line(axis: object, label: str) -> Sequence[float]:
    return next(list(line.get_ydata()) for line in axis.lines if line.get_label() == label)


def test_picture_shows_curves_intervals_agreement_entropy_and_the_caption() -> None:
    audit = audit_explanations(build_classifier(), compose_texts(6))
    figure = plot_audit(audit, title="reviews")
    deletion, comprehensiveness, sufficiency, tau = figure.axes[:4]
    for method, measured in audit["methods"].items():
        assert find_line(deletion, METHOD_STYLES[method]["label"]) == measured["deletion"]
    for axis, score in ((comprehensiveness, "comprehensiveness"), (sufficiency, "sufficiency")):
        drawn = [list(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2]
        for measured in audit["methods"].values():
            assert [measured[score]["low"], measured[score]["high"]] in drawn
    assert len(tau.texts) == 36
    written = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    for citation in (
        "not importance",
        "Jain & Wallace 2019",
        "Wiegreffe & Pinter 2019",
        "DeYoung et al. 2020",
        "gamed",
    ):
        assert citation in written
        assert citation in audit["caption"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "run"
    sizes = ["--limit", "64", "--epochs", "1", "--hidden-size", "8", "--embedding-size", "8", "--word-vectors", "none"]
    assert main(["train", "sample-tweets", "-o", str(folder), *sizes]) == 0
    return folder


def test_audit_command_prints_a_table_and_records_it_with_the_run(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = RunResult.load(run_folder)
    assert main(["audit", str(run_folder), "--n", "12"]) == 0
    printed = capsys.readouterr()
    audit = json.loads((run_folder / "audit.json").read_text())
    assert (run_folder / "audit.png").read_bytes().startswith(b"\x89PNG")
    assert (audit["dataset"], audit["split"], audit["examples"], audit["seed"]) == ("sample-tweets", "test", 12, 42)
    after = RunResult.load(run_folder)
    assert after.audit == audit
    assert (after.test, after.request) == (before.test, before.request)
    assert "sample-tweets (synthetic data), test, 12 texts" in printed.out
    rows = {line.split()[0]: line.split() for line in reversed(printed.out.splitlines()) if line.split()}
    for method, measured in audit["methods"].items():
        for cell, score in ((1, "comprehensiveness"), (5, "sufficiency")):
            assert rows[method][cell] == f"{measured[score]['mean']:.3f}"
    assert audit["caption"].split()[:6] == "An attention weight is not importance".split()
    assert "An attention weight is not importance" in printed.out
    assert "audit.json" in printed.err
    assert "\r" not in printed.err  # no progress bar where nobody watches


def test_audit_command_writes_elsewhere_and_prints_json(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "mine.csv"
    rows.write_text("text,label\nlate again,negative\na lovely day,positive\n")
    folder = tmp_path / "audits" / "mine"
    arguments = ["audit", str(run_folder), "--data", str(rows), "--split", "train", "-o", str(folder), "--json"]
    assert main(arguments) == 0
    audit = json.loads(capsys.readouterr().out)
    assert audit == json.loads((folder / "audit.json").read_text())
    assert audit["dataset"] == "mine"
    assert (audit["examples"], audit["skipped"]) == (2, 0)


def test_audit_command_names_what_is_missing(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "someone/model"]) == 2
    assert "-o FOLDER" in capsys.readouterr().err
    assert main(["audit", str(run_folder), "--split", "polish"]) == 1
    assert "polish" in capsys.readouterr().err.splitlines()[-1]
