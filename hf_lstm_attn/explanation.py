"""Explanations: a prediction, and what each word of the text did for a class; on a page, in a terminal, as a picture.

The text comes from anywhere, so everything from it is escaped, and the page's content security policy forbids all but
styles within it. There is no script.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment
from rich.console import Console
from rich.text import Text
from transformers import TextClassificationPipeline

from .attribution import METHODS, compute_log_odds, compute_logits, compute_probabilities, encode_text
from .inference import list_labels, load_classifier
from .text import make_visible

STRONGEST = 10
# Of xterm's 256 colours, the faint first: blue, orange, green, legible under black letters. No two of the three look
# alike to any kind of colour vision.
SHADES = {"for": (195, 153, 117, 75, 33), "against": (223, 216, 215, 208, 202), "weight": (194, 157, 120, 77, 35)}


class WordScore(NamedTuple):
    """A word, where it stands in the original text (characters `start` to `end`, exclusive), and its score."""

    word: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Explanation:
    """One method's account of one text; `print` shows it.

    Attributes:
        text: The original text.
        method: A name in `METHODS`.
        label: The class explained; for attention, which knows no classes, the predicted one.
        predicted: The class with the highest probability.
        probabilities: Class name -> probability. They sum to 1 unless a text may have several classes at once.
        log_odds: log p / (1 - p) of `label`, in nats, which the signed scores are about.
        words: The words the model read, in order; none for a text without words.
        signed: Whether a negative score speaks against `label`. Attention weights are not signed and sum to 1.
        read: The characters the model read, first and last (end exclusive): all of the text, unless it was too long.
        model_name: The Hub id, or the name of the folder, that the model was loaded from; else the model's class.
    """

    text: str
    method: str
    label: str
    predicted: str
    probabilities: dict[str, float]
    log_odds: float
    words: list[WordScore]
    signed: bool
    read: tuple[int, int]
    model_name: str

    @property
    def title(self) -> str:
        """ "Predicted label: positive (97 %)"; control characters in the label are made visible."""
        return f"Predicted label: {make_visible(self.predicted)} ({100 * self.probabilities[self.predicted]:.0f} %)"

    @cached_property
    def strongest(self) -> list[WordScore]:
        """The ten words whose scores are farthest from zero, the strongest first."""
        return sorted(self.words, key=lambda word: -abs(word.score))[:STRONGEST]

    @property
    def meaning(self) -> str:
        """What the scores are."""
        return f"log-odds of {self.label}" if self.signed else "share of the weight, not importance"

    def format_score(self, score: float) -> str:
        """ "+1.25" log-odds, or "12.5 %" of the attention."""
        return f"{score:+.2f}".replace("-", "−") if self.signed else f"{100 * score:.1f} %"

    def choose_shade(self, score: float, levels: int = 10) -> tuple[str, int]:
        """A key of `SHADES`, and the level: 0 for no shade, `levels` for the strongest word of the text.

        The page's style sheet has 10 levels.
        """
        largest = abs(self.strongest[0].score) or 1.0
        kind = "weight" if not self.signed else "for" if score > 0 else "against"
        return kind, round(abs(score) / largest * levels)

    def to_html(self, path: str | Path) -> None:
        """Write a page that needs no other file and no network."""
        Path(path).write_text(build_page(self), encoding="utf-8")

    def plot(self, path: str | Path) -> None:
        """Draw the words in their order, each coloured by its score; the path's ending is the picture's format."""
        from .plots import plot_heatmap, save_figure

        words, scores = [word.word for word in self.words], [word.score for word in self.words]
        title = self.title if self.label == self.predicted else f"{self.title}, explained: {self.label}"
        save_figure(plot_heatmap(words, scores, signed=self.signed, title=title), path)

    def __str__(self) -> str:
        """What `print` prints: in colour where standard output is a terminal that has some."""
        console = Console()
        with console.capture() as capture:
            console.print(build_terminal_text(self))
        return capture.get().rstrip("\n")


def build_page(explanation: Explanation) -> str:
    """A self-contained HTML page."""
    environment = Environment(
        autoescape=True, finalize=lambda value: make_visible(value, keep="\n") if isinstance(value, str) else value
    )
    template = Path(__file__).with_name("explanation_page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(one=explanation)


def build_terminal_text(explanation: Explanation) -> Text:
    """What was read of the text with its words shaded, then the strongest words; nothing of it acts on a terminal."""

    def choose_style(score: float) -> str:
        kind, level = explanation.choose_shade(score, len(SHADES["for"]))
        return f"black on color({SHADES[kind][level - 1]})" if level else ""

    shaded, strongest = Text(make_visible(explanation.text, keep="\n")), Text()
    for word in explanation.words:
        shaded.stylize(choose_style(word.score), word.start, word.end)
    for word in explanation.strongest:
        strongest.append(f"\n{explanation.format_score(word.score):>8}  ")
        strongest.append(make_visible(word.word), choose_style(word.score))
    if explanation.read != (0, len(explanation.text)):
        strongest.append("\n\nThe text is longer than the model takes; what is not shown was not read.")
    heading = f"{explanation.title}\n{explanation.method}: {make_visible(explanation.meaning)}\n\n"
    return Text.assemble((heading, "bold"), shaded[slice(*explanation.read)], "\n", strongest)


def explain(
    classifier: TextClassificationPipeline | str | Path,
    text: str,
    *,
    method: str = "leave_one_out",
    label: str | None = None,
) -> Explanation:
    """Explain one prediction.

    Args:
        classifier: Any text-classification pipeline of transformers, or what `load_classifier` takes: the name or the
            folder of a model.
        text: What to classify. Tokens beyond the model's limit are not read.
        method: A name in `METHODS`.
        label: The class to explain; the predicted one by default. Attention knows no classes.

    Raises:
        ValueError: for an unknown method or class, or a class for attention; MethodError for a method that the model
            does not allow.
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; choose among {', '.join(METHODS)}.")
    if isinstance(classifier, str | Path):
        classifier = load_classifier(classifier)
    model = classifier.model.eval()  # a model in training drops words
    names = list_labels(model.config)
    if model.config.problem_type == "regression":
        raise ValueError("The model predicts a number; only a classifier can be explained.")
    if label is not None and label not in names:
        raise ValueError(f"The model has no label {label!r}; choose among {', '.join(names)}.")
    if label is not None and method == "attention":
        raise ValueError("Attention weights are the same for all labels: leave it out, or choose another method.")
    encoded = encode_text(model, classifier.tokenizer, text)
    logits = compute_logits(model, encoded.ids)
    predicted = int(logits[0].argmax())
    target = predicted if label is None else names.index(label)
    scores = METHODS[method](model, encoded, target) if encoded.spans else []
    scored = zip(encoded.spans, scores, strict=True)
    source = model.config.name_or_path or type(model).__name__
    return Explanation(
        text=text,
        method=method,
        label=names[target],
        predicted=names[predicted],
        probabilities=dict(zip(names, compute_probabilities(model, logits)[0].tolist(), strict=True)),
        log_odds=compute_log_odds(model, logits, target).item(),
        words=[WordScore(text[start:end], start, end, score) for (start, end), score in scored],
        signed=method != "attention",
        read=encoded.read,
        model_name=Path(source).name if Path(source).is_dir() else source,
    )
