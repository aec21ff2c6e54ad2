"""Stand-in."""

from __future__ import annotations

from .results import RunResult


def render_card(result: RunResult) -> str:
    return f"---\nlibrary_name: transformers\npipeline_tag: text-classification\n---\n# {result.repository.get('id')}\n"
