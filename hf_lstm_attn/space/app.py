"""A page that labels a text and shows what each word did; runs as a Gradio Space and on a laptop.

The classes of the installed hf_lstm_attn read MODEL, a repository on the Hub at the commit REVISION, or a folder. No
code of the repository is run.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from transformers import pipeline

import hf_lstm_attn
from hf_lstm_attn.attribution import METHODS

MODEL, REVISION = "{{ model }}", "{{ revision }}"  # filled in when the Space is built
classifier: Any = pipeline("text-classification", MODEL, revision=REVISION or None, trust_remote_code=False)


def explain(text: str, method: str) -> tuple[dict[str, float], list[tuple[str, float | None]], str]:
    """Each label's probability, the text in pieces with scores from -1 to 1, and the strongest words."""
    explanation = hf_lstm_attn.explain(classifier, text, method=method)
    if not explanation.words:
        raise gr.Error("There are no words to read. Write a text first.")
    largest = abs(explanation.strongest[0].score) or 1.0
    pieces: list[tuple[str, float | None]] = []
    end = 0
    for word in explanation.words:
        pieces += [(text[end : word.start], None), (word.word, word.score / largest)]
        end = word.end
    pieces.append((text[end:], None))
    strongest = ", ".join(f"“{word.word}” {word.score:+.2f}" for word in explanation.strongest[:3])
    unread = "" if explanation.read == (0, len(text)) else " The model takes no longer text; the rest was not read."
    return explanation.probabilities, pieces, f"Scores: {explanation.meaning}. The strongest: {strongest}.{unread}"


with gr.Blocks(title="{{ title }}") as page:
    gr.Markdown("# {{ title }}\nEmbedding → LSTM → attention → head: a small text classifier to look into.")
    box = gr.Textbox(label="Text", lines=4)
    choice = gr.Dropdown(list(METHODS), value="leave_one_out", label="Method")
    button = gr.Button("Classify", variant="primary")
    gr.Examples(["I expected a gem and got a chore.", "Slow to start, but I could not look away."], box)
    outputs = [gr.Label(label="Label"), gr.HighlightedText(label="Words", show_legend=True), gr.Textbox(label="Scores")]
    button.click(explain, [box, choice], outputs, api_name="explain")

if __name__ == "__main__":
    page.launch()
