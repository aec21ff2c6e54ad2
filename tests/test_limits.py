from __future__ import annotations

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from hf_lstm_attn.limits import (
    build_probes,
    compute_accuracy_by,
    compute_accuracy_limits,
    compute_shifts,
    compute_unknown_shares,
    encode_whole,
)


def test_accuracy_by_value_by_hand() -> None:
    rows = compute_accuracy_by([0.0, 0.0, 0.01, 0.02, 0.5], [True, False, True, True, False], (0.0, 0.02, 0.1))
    assert rows == [
        {"lowest": 0.0, "highest": 0.0, "examples": 2, "accuracy": 0.5},
        {"lowest": 0.01, "highest": 0.02, "examples": 2, "accuracy": 1.0},
        {"lowest": 0.5, "highest": 0.5, "examples": 1, "accuracy": 0.0},
    ]


def test_length_bins_hold_about_as_many_texts_each() -> None:
    lengths = list(range(100, 0, -1))
    logits = np.array([[1.0, 0.0]] * 100)
    labels = np.array([1 if length > 80 else 0 for length in lengths])
    limits = compute_accuracy_limits(logits, labels, lengths, [0.0] * 100)
    assert [row["examples"] for row in limits["length"]] == [20] * 5
    assert [row["accuracy"] for row in limits["length"]] == [1, 1, 1, 1, 0]
    assert (limits["length"][0]["lowest"], limits["length"][-1]["highest"]) == (1, 100)


def test_equal_lengths_share_one_bin() -> None:
    limits = compute_accuracy_limits(np.array([[0.0, 1.0]] * 10), np.ones(10), [7] * 10, [0.0] * 10)
    assert limits["length"] == [{"lowest": 7.0, "highest": 7.0, "examples": 10, "accuracy": 1.0}]


def test_groups_of_a_probe_are_parallel() -> None:
    probes = build_probes()
    assert list(probes) == ["names", "dialect"]
    for groups in probes.values():
        assert len({len(sentences) for sentences in groups.values()}) == 1
        assert len({sentence for sentences in groups.values() for sentence in sentences}) == sum(
            map(len, groups.values())
        )
    first, second = probes["names"]["White women"][0], probes["names"]["Black men"][0]
    assert (first, second) == ("Emily liked the film.", "Jamal liked the film.")


def test_shifts_by_hand() -> None:
    shifts = compute_shifts({"one": [0.5, 0.7], "other": [0.1, 0.9]}, {"one": 0.0, "other": 0.25})
    assert shifts["one"] == {"sentences": 2, "mean": pytest.approx(0.6), "shift": 0.0, "largest": 0.0, "unknown": 0.0}
    assert shifts["other"] == {
        "sentences": 2,
        "mean": pytest.approx(0.5),
        "shift": pytest.approx(-0.1),
        "largest": pytest.approx(0.4),
        "unknown": 0.25,
    }


def test_unknown_shares_are_of_whole_texts(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_whole(tokenizer, ["fine " * 60, "a dull zeppelin film", ""])
    assert [len(row) for row in ids] == [60, 4, 0]
    assert compute_unknown_shares(tokenizer, ids) == [0.0, 0.25, 0.0]
