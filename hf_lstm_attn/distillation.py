"""Distillation: training on the class probabilities that other models, the teachers, give to texts.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". Unlabelled texts of the data set, where it has any,
are read as well: what the teachers say of them is all that the student learns about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from .data import Splits
from .prediction import load_classifier, predict
from .tokenization import split_words

NB_SVM = "nb-svm"
LABEL_SHARE = 0.5  # of a labelled text's target that is its label; the rest is what the teachers say


def build_targets(
    splits: Splits,
    unlabelled: Sequence[str],
    teachers: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    cache: Path,
    say: Callable[[str], None],
    *,
    match_shares: bool = False,
) -> np.ndarray:
    """Probabilities (texts, num_labels) to learn: of the training texts, then of the unlabelled ones.

    Args:
        teachers: Folders or Hub ids of `AutoModelForSequenceClassification`s with their tokenizers, built-in models, or
            `"nb-svm"`, which is fitted to the training texts first. Their probabilities are averaged.
        tokenizer: Finds the words of `"nb-svm"`.
        cache: Where the probabilities are kept, an `.npy` file per teacher, so that a resumed run need not ask again.
        match_shares: Whether to bring every teacher to the class shares of training (see `match_class_shares`). A loss
            that adds training's log-prior to the logits expects targets under these shares; a teacher that was itself
            trained with such a loss speaks as if all classes were equally frequent.

    Raises:
        ValueError: if a teacher has other classes.
        FileNotFoundError: if there is no such teacher.
    """
    texts = [*splits.train["text"], *unlabelled]
    labels = np.eye(len(splits.label_names))[splits.train["label"]]
    answers: list[np.ndarray] = []
    for number, teacher in enumerate(teachers):
        path = cache / f"teacher_{number}.npy"
        if not path.is_file():
            say(f"Teacher {teacher} classifies {len(texts):,} texts.")
            probabilities = _ask_nb_svm(splits, tokenizer, texts) if teacher == NB_SVM else _ask(splits, teacher, texts)
            partial = path.with_suffix(".partial.npy")
            np.save(partial, probabilities)
            partial.replace(path)
        answer = np.load(path)
        answers.append(match_class_shares(answer, labels.mean(axis=0), len(labels)) if match_shares else answer)
    targets = np.mean(answers, axis=0)
    targets[: len(labels)] = LABEL_SHARE * labels + (1 - LABEL_SHARE) * targets[: len(labels)]
    return targets


def match_class_shares(probabilities: np.ndarray, shares: np.ndarray, rows: int) -> np.ndarray:
    """The probabilities (texts, num_labels) with every class's odds scaled, so that the first `rows` average `shares`.

    As in Saerens et al. 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", with the new
    shares known.
    """
    scaled = probabilities
    for _ in range(100):  # three classes with shares of 0.1, 0.6, 0.3 settle to 1e-3 in 13
        scaled = scaled * (shares / scaled[:rows].mean(axis=0))
        scaled = scaled / scaled.sum(axis=1, keepdims=True)
    return scaled


def _ask(splits: Splits, teacher: str, texts: Sequence[str]) -> np.ndarray:
    classifier = load_classifier(teacher)
    places = match_labels(classifier.model.config.id2label, splits.label_names, teacher)
    scores = tqdm(predict(classifier, texts), total=len(texts), unit="text", disable=None)
    return np.array([[row[name] for name in places] for row in scores], dtype=np.float32)


def match_labels(id2label: dict[int, str], label_names: Sequence[str], teacher: str) -> list[str]:
    """The teacher's own name of each class: the same but for case, or LABEL_0, LABEL_1, ... in the classes' order.

    Raises:
        ValueError: if a class has no counterpart, or the teacher has more.
    """
    names = {name.lower(): name for name in id2label.values()}
    for wanted in (list(label_names), [f"label_{index}" for index in range(len(label_names))]):
        if sorted(names) == sorted(name.lower() for name in wanted):
            return [names[name.lower()] for name in wanted]
    raise ValueError(
        f"Expected a teacher with the classes {', '.join(label_names)}; found {', '.join(id2label.values())} in "
        f"{teacher}. Choose another teacher, or rename the classes in its config.json (id2label)."
    )


def _ask_nb_svm(splits: Splits, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> np.ndarray:
    from .nb_svm import NbSvm

    words = split_words(texts, tokenizer)
    model = NbSvm().fit(words[: len(splits.train)], splits.train["label"])
    return np.exp(model.compute_log_probabilities(words)).astype(np.float32)
