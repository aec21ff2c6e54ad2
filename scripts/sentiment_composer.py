"""Compose sentences that negate, soften, contrast and compare, from the frames and words of `sentiment_bank.toml`, and
everyday ones, from the lines of `everyday_bank.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from random import Random
from typing import Any

BANK, EVERYDAY = (Path(__file__).with_name(f"{name}_bank.toml") for name in ("sentiment", "everyday"))
EMOJIS = {"negative": "😡 😒 👎 😞 🙄", "neutral": "📅 📍 🤔", "positive": "😀 😍 👍 ❤️ 🙌"}
SIDES = ((1, "good", "pleases", "works", "like"), (-1, "bad", "displeases", "fails", "hate"))  # names in the bank
OBJECTS = {"she": "her", "he": "him"}
Rows = list[tuple[str, str]]  # (text, label name)


def read_lexicon() -> dict[str, float]:
    """VADER's words with their sentiment, -4 to 4, from the installed package (Hutto & Gilbert 2014, MIT)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer().lexicon


class Composer:
    """Fill the frames with words of the lexicon; a seed gives the same sentences again."""

    def __init__(self, seed: int) -> None:
        self.rng, self.lexicon = Random(seed), read_lexicon()
        self.bank: dict[str, Any] = tomllib.loads(BANK.read_text(encoding="utf-8"))

    def compose(self, count: int) -> Rows:
        """About so many distinct sentences, of each frame as many as of the others if it has as many."""
        kinds = self.bank["frames"].values()
        frames = [(frame, label) for kind in kinds for label, lines in kind.items() for frame in lines.split("\n")]
        found: dict[str, str] = {}  # text -> label
        for frame, label in frames:
            wanted = len(found) + round(count / len(frames))
            for _ in range(count // 10):
                if len(found) < wanted:
                    found.setdefault(self._decorate(self._fill(frame), label), label)
        return list(found.items())

    def compose_everyday(self, variants: int) -> Rows:
        """Of each line at most so many distinct sentences."""
        found: dict[str, str] = {}  # text -> label
        for label, topics in tomllib.loads(EVERYDAY.read_text(encoding="utf-8")).items():
            for line in "".join(topics.values()).splitlines() * variants:
                text = re.sub(r"\[([^]]*)\]", lambda match: self.rng.choice(match[1].split("|")), line)
                found.setdefault(self._finish(re.sub(r" +(?=[ ,.?!]|$)", "", text), label), label)
        return list(found.items())

    def _draw(self, words: str, sign: int = 0, number: int = 1) -> list[str]:
        """So many different entries of a list; with a sign, of those that hold a word of this sign in the lexicon."""
        entries = re.split(", " if "," in words else " ", " ".join(words.split()))
        if sign:
            entries = [entry for entry in entries if any(self.lexicon.get(w, 0) * sign > 0 for w in entry.split())]
        return self.rng.sample(entries, number)

    def _fill(self, frame: str) -> str:
        """The frame with all slots filled, without capital and full stop."""
        rng, bank, domains = self.rng, self.bank, self.bank["domains"]
        domain = domains[rng.choice([name for name in domains if frame[0] != "*" or name != "person"])]
        article, thing, it = (self._draw(domain[name])[0] for name in ("articles", "things", "pronoun"))
        slots = {name: self._draw(bank[name])[0] for name in ("anyone", "everyone")}
        slots |= {"thing": thing, "this": f"{article} {thing}", "it": it, "it2": OBJECTS.get(it, it)}
        for name, prefix, part in zip(("part", "other"), ("", "other"), self._draw(domain["parts"], 0, 2), strict=True):
            subject, verb = part.rsplit(" ", 1)
            slots |= {name: f"the {subject}", f"{name}name": subject, f"{prefix}be": verb}
            slots[f"{prefix}was"] = {"is": "was", "are": "were"}[verb]
        for sign, good, pleases, works, like in SIDES:
            words = (bank if rng.random() < 0.4 else domain)[good]
            slots[good], slots[f"{good}b"] = self._draw(words, sign, 2)
            slots[f"{good}thing"] = self._draw(bank[f"{good}_thing"], sign)[0]
            slots[f"{good}stuff"], slots[f"{good}stuff2"] = self._draw(bank[f"{good}_stuff"], sign, 2)
            slots[like], slots[f"{like}d"] = self._draw(bank[like], sign)[0].split()
            feel = self._draw(bank[pleases], sign)[0].split()
            own = [form.replace("_", " ") for form in self._draw(domain[works])[0].split()]
            do = own if rng.random() < 0.5 else [f"{form} {slots['everyone']}" for form in feel]
            slots[pleases], slots[pleases[:-1]], slots[f"{pleases[:-1]}d"] = feel
            slots[works], slots[works[:-1]], slots[f"{works[:-1]}ed"] = do
        text = frame.lstrip("*").format_map(slots)
        return re.sub(r"\ba\(n\) (?=(\w))", lambda match: "an " if match[1] in "aeio" else "a ", text)

    def _decorate(self, text: str, label: str) -> str:
        """Contractions, openings and settings as people write them, then what `_finish` adds."""
        rng = self.rng
        if rng.random() < 0.6:
            text = re.sub(r"\b(is|are|was|were|did|does|do|could|would|has|had) not\b", r"\1n't", text)
            text = text.replace("I am ", "I'm ").replace("I have never", "I've never")
        if rng.random() < 0.12:
            opener = rng.choice(self.bank["openers"])
            text = f"{opener} {text}"
        text = text[0].upper() + text[1:]
        if rng.random() < 0.1:
            text = f"{rng.choice(self.bank['settings'])} {text}"
        return self._finish(text, label)

    def _finish(self, text: str, label: str) -> str:
        """Marks, emojis and lower case."""
        rng = self.rng
        if text[-1] not in ".?!":
            text += rng.choices([".", "!", "", "..."], [70, 12, 15, 3])[0]
        if rng.random() < 0.06:
            text += f" {rng.choice(EMOJIS[label].split())}"
        if rng.random() < 0.12:
            text = text.lower()
        return f"@user {text}" if rng.random() < 0.04 else text
