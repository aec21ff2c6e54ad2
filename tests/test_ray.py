"""Scoring on a Ray cluster: every row once, also when a worker dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import ray

from hf_lstm_attn import ray_data
from hf_lstm_attn.cli import main
from hf_lstm_attn.inference import load_classifier

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Mortal(ray_data.Labeller):
    """The first worker that is at work dies in it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.marker = Path(os.environ["MARKER"])

    def __call__(self, table: pa.Table) -> pa.Table:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(table)


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "MARKER": str(tmp_path_factory.mktemp("ray") / "marker")}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    yield
    ray.shutdown()


def test_every_row_is_labelled_once_though_a_worker_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "Labeller", Mortal)
    monkeypatch.setattr(ray_data, "ROWS", 50)
    monkeypatch.chdir(tmp_path)
    texts = [f"{'a fine' if number % 3 else 'no'} day, number {number}" for number in range(400)]
    for part in range(4):
        rows = pd.DataFrame({"id": range(100 * part, 100 * part + 100), "text": texts[100 * part : 100 * part + 100]})
        rows.to_parquet(tmp_path / f"{part}.parquet")
    words = ["predict", "--engine", "ray", "-i", "*.parquet", "-o", "out", "--workers", "2"]
    assert main(words) == 0
    assert Path(os.environ["MARKER"]).exists()
    found = pd.read_parquet(tmp_path / "out").sort_values("id")
    assert found["id"].tolist() == list(range(400))
    classifier = load_classifier("sentiment")
    assert found["label"].tolist() == [row["label"] for row in classifier(texts)]
    assert main(words) == 1  # the folder is not empty now
    with pytest.raises(ValueError, match=r"No column 'body' in .*\(columns: id, text\)"):
        ray_data.predict_with_ray("sentiment", "*.parquet", tmp_path / "other", text_column="body")


@pytest.mark.parametrize(("pattern", "kind"), [("*.docx", ValueError), ("nothing-*.csv", FileNotFoundError)])
def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path, pattern: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ray_data.predict_with_ray("sentiment", pattern, tmp_path / "out")
