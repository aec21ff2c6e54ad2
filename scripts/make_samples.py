"""Write the synthetic sample data sets of the package: `python scripts/make_samples.py`, or `--check` to compare only.

The phrases are in `sample_banks/*.toml`; this file only combines them. A group is what is composed at once and stays in
one split. A swap group is one sequence of frames filled twice, with the positive and the negative phrase changing
places: two texts of the same words with opposite labels, so that no bag of words can tell them apart.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path
from random import Random
from string import Template
from typing import Any

SEED = 2017
BANKS = Path(__file__).parent / "sample_banks"
OUTPUT = Path(__file__).parents[1] / "hf_lstm_attn" / "samples"
SPLITS = ("train", "test")
FIRST_PERSON = {"I", "my", "me", "us"}  # "Can someone tell me if I passed?" is no question for others

Rows = list[tuple[str, str]]  # (text, label name)


class Slots(dict[str, str]):
    """For `format_map`: fill what is known and leave the other `{slots}` of a frame as they are."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


class GroupComposer:
    """Compose one group from a bank of phrases: its topic is drawn at the start, and no matter is taken up twice."""

    def __init__(self, bank: dict[str, Any], rng: Random) -> None:
        self.bank = bank
        self.rng = rng
        self.topic: dict[str, Any] = rng.choice(list(bank["topics"].values())) if "topics" in bank else bank
        self.slots: dict[str, str] = {}
        if "things" in self.topic:
            thing, be, was, pronoun = rng.choice(self.topic["things"])
            self.slots = {"thing": thing, "be": be, "Be": be.capitalize(), "was": was, "pronoun": pronoun}
        self.matters = self._shuffle_matters()

    def compose(self, kind: str) -> Rows:
        """Compose the group as one of the kinds named in the bank's `counts`."""
        emoji = self.topic.get("emoji", [])
        if kind == "swap":
            rows = self._compose_swap()
        elif kind == "question":
            rows = [(self._compose_question(), "neutral")]
        elif kind == "fact":
            rows = [(self._draw(self.topic["facts"]), "neutral")]
        else:
            label = kind.removeprefix("plain_")
            emoji = self.bank["plain"][label].get("emoji", [])
            rows = [(self._compose_plain(label), label)]
        rows = [(capitalize_sentences(text), label) for text, label in rows]
        return self._decorate(rows, emoji) if "decoration" in self.bank else rows

    def _shuffle_matters(self) -> list[tuple[str, str, str]]:
        """One positive and one negative statement for each matter, as (name, positive, negative), in random order."""
        if "matters" in self.topic:
            matters = [("", positive, negative) for positive, negative in self.topic["matters"]]
        else:
            matters = [
                (name, self.rng.choice(clauses["positive"]), self.rng.choice(clauses["negative"]))
                for name, clauses in self.bank["clauses"].items()
            ]
        self.rng.shuffle(matters)
        return matters

    def _draw(self, frames: list[str]) -> str:
        """Draw a frame and fill the slots that have nothing to do with the opinion."""
        frame = self.rng.choice(frames)
        drawn = {name: self.rng.choice(words) for name, words in self.bank["slots"].items()}
        return frame.format_map(Slots(drawn | self.slots))

    def _compose_swap(self) -> Rows:
        parts = [self._compose_swap_part(kind) for kind in self.rng.choice(self.bank["layouts"])]
        positive, negative = (join_sentences(texts) for texts in zip(*parts, strict=True))
        return [(positive, "positive"), (negative, "negative")]

    def _compose_swap_part(self, kind: str) -> tuple[str, str]:
        """One part of a swap group, as it stands in the positive and in the negative text."""
        bank, rng = self.bank, self.rng
        if kind in bank.get("settings", {}):
            setting = self._draw(bank["settings"][kind])
            return setting, setting
        if kind == "verdict":
            positive, negative = rng.choice(bank["verdicts"])
            return positive, negative
        frame = self._draw(bank["frames"][kind])
        if kind == "clause":
            (_, good, _), (_, _, bad) = self.matters.pop(), self.matters.pop()
        elif kind == "side":
            name = next(name for name, _, _ in self.matters if name in bank["sides"])
            self.matters = [matter for matter in self.matters if matter[0] != name]
            side = bank["sides"][name]
            good, bad = rng.choice(side["positive"]), rng.choice(side["negative"])
            frame = frame.format_map(Slots({key: side[key] for key in ("subject", "be", "pronoun")}))
        else:
            good, bad = rng.choice(bank["pairs"][kind])
        return frame.format(X=bad, Y=good), frame.format(X=good, Y=bad)

    def _compose_plain(self, label: str) -> str:
        """One opinion throughout; at most a concession ({O}) speaks for the other side."""
        plain = self.bank["plain"][label]
        column = 1 if label == "positive" else 2
        statements = {slot: self.matters.pop()[column] for slot in "ABC"}
        statements["O"] = self.matters.pop()[3 - column]
        pairs = self.bank["pairs"]["adjective"]
        statements["word"] = self.rng.choice(pairs)[column - 1]
        statements["close"] = self.rng.choice(plain["closes"])
        return self._draw(plain["frames"]).format_map(statements)

    def _compose_question(self) -> str:
        """A neutral text that names both opinions, in either order, and takes no side."""
        askable = [matter[1:] for matter in self.matters if not FIRST_PERSON & set(" ".join(matter).split())]
        words, statements = list(self.rng.choice(self.bank["pairs"]["adjective"])), list(self.rng.choice(askable))
        self.rng.shuffle(words)
        self.rng.shuffle(statements)
        frame = self._draw(self.bank["neutral"]["question"])
        return frame.format(X=words[0], Y=words[1], A=statements[0], B=statements[1])

    def _decorate(self, rows: Rows, emoji: list[str]) -> Rows:
        """Add mention, hashtag and emoji as tweets have them: the same to every text of a group."""
        chosen = {name for name, percent in self.bank["decoration"].items() if self.rng.random() * 100 < percent}
        ending = [self.rng.choice(emoji)] if "emoji" in chosen else []
        ending += [self.rng.choice(self.topic["tags"])] if "tag" in chosen else []
        decorated = []
        for text, label in rows:
            text = text.lower() if "lowercase" in chosen else text
            mention = ["@user"] if "mention" in chosen and "@user" not in text else []
            decorated.append((" ".join([*mention, text, *ending]), label))
        return decorated


def capitalize_sentences(text: str) -> str:
    """Phrases stand in lower case in the banks: raise the first letter of each sentence."""
    return re.sub(r"(?:^|[.!?] )[a-z]", lambda match: match[0].upper(), text)


def join_sentences(texts: tuple[str, ...]) -> str:
    """Join sentences, ending each but the last with a full stop where it has no mark of its own."""
    return " ".join([text if text[-1] in ".!?" else text + "." for text in texts[:-1]] + [texts[-1]])


def compose_splits(bank: dict[str, Any], rng: Random) -> dict[str, Rows]:
    """Compose as many groups as the bank's `counts` ask for, every text once, its length within `words`."""
    shortest, longest = bank["words"]
    seen: set[str] = set()
    splits: dict[str, Rows] = {}
    for index, split in enumerate(SPLITS):
        rows: Rows = []
        for kind, counts in bank["counts"].items():
            wanted = counts[index]
            while wanted:
                group = GroupComposer(bank, rng).compose(kind)
                keys = {text.lower() for text, _ in group}
                if keys & seen or not all(shortest <= len(text.split()) <= longest for text, _ in group):
                    continue
                seen |= keys
                rows += group
                wanted -= 1
        splits[split] = rows
    return splits


def render_card(name: str, bank: dict[str, Any], splits: dict[str, Rows]) -> str:
    """Fill the dataset card; its example is the first swap group of train."""
    labels: list[str] = bank["labels"]
    counts = {split: [sum(row[1] == label for row in rows) for label in labels] for split, rows in splits.items()}
    (first, first_label), (second, second_label) = splits["train"][:2]
    return Template((BANKS / "card.md").read_text(encoding="utf-8")).substitute(
        pretty_name=bank["pretty_name"],
        what=bank["what"],
        remaining=bank["remaining"],
        class_names="\n".join(f"          '{index}': {label}" for index, label in enumerate(labels)),
        header=" | ".join(labels),
        rule="---:|" * (len(labels) + 1),
        table="\n".join(f"| {s} | {' | '.join(map(str, c))} | {sum(c)} |" for s, c in counts.items()),
        seed=SEED,
        bank=f"{name}.toml",
        first=first,
        first_label=first_label,
        second=second,
        second_label=second_label,
    )


def build_files() -> dict[str, str]:
    """All sample files as {path below the output folder: content}."""
    files: dict[str, str] = {}
    for path in sorted(BANKS.glob("*.toml")):
        bank = tomllib.loads(path.read_text(encoding="utf-8"))
        rng = Random(SEED)
        splits = compose_splits(bank, rng)
        files[f"{path.stem}/README.md"] = render_card(path.stem, bank, splits)
        for split, rows in splits.items():
            rng.shuffle(rows)
            lines = [{"text": text, "label": bank["labels"].index(label)} for text, label in rows]
            files[f"{path.stem}/{split}.jsonl"] = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the synthetic sample data sets of the package.")
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, help="folder of the sample data sets (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file differs")
    arguments = parser.parse_args()
    files = {arguments.output / path: content.encode() for path, content in build_files().items()}
    if arguments.check:
        differing = [path for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
        if differing:
            names = ", ".join(map(str, differing))
            sys.exit(f"The banks give other bytes than {names}. Run without --check.")
        return
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(path)


if __name__ == "__main__":
    main()
