"""Whether a model folder is what it says: its files, its examples, its card and, on request, its test figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .data import DatasetSpec, load_splits
from .examples import load_example_texts
from .model_card import CARD_FILE, render_card
from .packaging import CHECKSUMS, compute_checksum, parse_checksums
from .results import RESULTS_FILE, RunResult
from .trainer import evaluate_model

# Written by the Hub, by its client and by git; no part of the model.
NOT_OURS = {".gitattributes", ".cache", ".git", ".huggingface"}
# Of a recorded logit or attention weight. Kernels differ between processors; rounding to float16 changes weights by
# up to 0.05 %.
TOLERANCES = {"float32": 1e-4, "float16": 2e-2}
SCORE_TOLERANCE = 2e-3  # of a metric, when a split is scored again


def find_differences(folder: Path, *, rescore: DatasetSpec | None = None) -> list[str]:
    """Every difference between the folder and what it says of itself, as sentences that begin with a file's name.

    The folder's code runs only if all checksums are right, in a process of its own.

    Args:
        folder: What `build_repository` wrote, or a copy of it from the Hub.
        rescore: Where to find the data the model was tested on, to score it again.
    """
    differences = list(_compare_files(folder))
    if differences:
        return differences
    result = RunResult.load(folder)
    differences += _compare_card(folder, result)
    differences += _replay_examples(folder, result)
    if rescore is not None:
        differences += _compare_scores(folder, result, rescore)
    return differences


def _compare_files(folder: Path) -> Iterator[str]:
    if not (folder / CHECKSUMS).is_file():
        yield f"{CHECKSUMS}: expected in {folder}; found none"
        return
    checksums = parse_checksums((folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace"))
    if checksums is None:
        yield f"{CHECKSUMS}: its last line is not the checksum of the others"
        return
    found = {path.name: path for path in folder.iterdir() if path.name not in {*NOT_OURS, CHECKSUMS}}
    for name in sorted({*checksums, *found}):
        if name not in found:
            yield f"{name}: listed in {CHECKSUMS} and missing"
        elif name not in checksums:
            yield f"{name}: not listed in {CHECKSUMS}"
        elif not found[name].is_file() or compute_checksum(found[name]) != checksums[name]:
            yield f"{name}: its checksum differs from that in {CHECKSUMS}"


def _compare_card(folder: Path, result: RunResult) -> Iterator[str]:
    if (folder / CARD_FILE).read_text(encoding="utf-8") != render_card(result):
        yield f"{CARD_FILE}: differs from the card that {RESULTS_FILE} gives"


def _replay_examples(folder: Path, result: RunResult) -> Iterator[str]:
    texts = load_example_texts()
    unknown = [example["id"] for example in result.examples if example["id"] not in texts]
    if unknown or not result.examples:
        yield f"{RESULTS_FILE}: expected examples of this version; found {', '.join(unknown) or 'none'}"
        return
    replayed = run_as_stranger(folder, [texts[example["id"]] for example in result.examples])
    if isinstance(replayed, str):
        yield f"the model does not load: {replayed}"
        return
    yield from replayed["problems"]
    tolerance = TOLERANCES[result.repository["dtype"]]
    for number, example in enumerate(result.examples):
        for name in ("logits", "attentions"):
            expected, found = example[name], replayed[name][number]
            if len(expected) != len(found):
                yield f"{example['id']}: expected {len(expected)} {name}; found {len(found)}"
                continue
            difference = max((abs(x - y) for x, y in zip(expected, found, strict=True)), default=0.0)
            if not difference <= tolerance:  # NaN differs too
                yield f"{example['id']}: {name} differ by {difference:.2g}; {tolerance:.0e} is allowed"


def run_as_stranger(folder: Path, texts: Sequence[str], *, environment: dict[str, str] | None = None) -> Any:
    """What `stranger.py` answers: logits, attentions and problems; or, where it failed, the last line of its error."""
    run = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).with_name("stranger.py"))],
        input=json.dumps({"folder": str(folder.resolve()), "texts": list(texts)}),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if run.returncode:
        return run.stderr.strip().rpartition("\n")[2]
    return json.loads(run.stdout.splitlines()[-1])


def _compare_scores(folder: Path, result: RunResult, spec: DatasetSpec) -> Iterator[str]:
    from .prediction import load_classifier

    said = result.dataset["splits"]["test"]
    splits = load_splits(spec, protocol=result.request["protocol"], limit=result.request["limit"])
    found = splits.summary["splits"]["test"]
    if found["fingerprint"] != said["fingerprint"]:
        yield f"test: expected the {said['rows']:,} rows the model was tested on; found {found['rows']:,}, or others"
        return
    classifier = load_classifier(folder)
    metrics = evaluate_model(classifier.model, classifier.tokenizer, splits.test)
    for name, value in result.test.items():
        if not abs(metrics[name] - value) <= SCORE_TOLERANCE:
            yield f"test: {RESULTS_FILE} says {name} {value:.4f}; found {metrics[name]:.4f}"
