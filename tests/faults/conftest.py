"""Rows to train on."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 60 rows with two labels."""
    path = tmp_path_factory.mktemp("data") / "rows.csv"
    lines = [f"{('bad poor', 'good fine')[number % 2]} thing {number % 7},{'ab'[number % 2]}" for number in range(60)]
    path.write_text("\n".join(["text,label", *lines, ""]))
    return path
