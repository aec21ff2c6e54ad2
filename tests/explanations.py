"""Explanations made by hand, for what is done with them afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hf_lstm_attn import Explanation, WordScore


def build_explanation(text: str, scores: Sequence[float], **fields: Any) -> Explanation:
    """Words are what stands between white space; signed, by leave-one-out, unless `fields` says otherwise."""
    words = [
        WordScore(match[0], match.start(), match.end(), score)
        for match, score in zip(re.finditer(r"\S+", text), scores, strict=False)
    ]
    given = {
        "text": text,
        "method": "leave_one_out",
        "label": "positive",
        "predicted": "positive",
        "probabilities": {"negative": 0.25, "positive": 0.75},
        "log_odds": 1.1,
        "words": words,
        "signed": fields.get("method") != "attention",
        "read": (0, len(text)),
    }
    return Explanation(**(given | fields))
