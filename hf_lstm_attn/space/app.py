"""A page that labels a text and shows what each word did; runs as a Gradio Space and on a laptop.

It needs gradio, torch and transformers. Code and weights are those of MODEL, a repository on the Hub, at the commit
REVISION, or those of a folder.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import torch
from transformers import pipeline

MODEL, REVISION = "{{ model }}", "{{ revision }}"  # filled in when the Space is built
STEPS, BATCH_SIZE = 32, 64
EXAMPLES = [
    "I expected a gem and got a chore.",
    "Slow to start, but by the end I could not look away.",
    "Not once was I bored, and the last song made my evening.",
]

classifier: Any = pipeline("text-classification", MODEL, revision=REVISION or None, trust_remote_code=True)
model, tokenizer = classifier.model, classifier.tokenizer
labels = [model.config.id2label[index] for index in range(model.config.num_labels)]


def compute_log_odds(logits: torch.Tensor, target: int) -> torch.Tensor:
    """log p / (1 - p) of a class: (texts, num_labels) -> (texts,)."""
    if model.config.problem_type == "multi_label_classification" or len(labels) == 1:
        return logits[:, target]
    others = [index for index in range(len(labels)) if index != target]
    return logits[:, target] - logits[:, others].logsumexp(dim=1)


def leave_one_out(ids: torch.Tensor, target: int) -> torch.Tensor:
    variants = ids.repeat(ids.shape[1] + 1, 1)  # the text, and the text without each of its words
    variants[1:].fill_diagonal_(tokenizer.unk_token_id)
    with torch.inference_mode():
        logits = torch.cat([model(part).logits for part in variants.split(BATCH_SIZE)])
    log_odds = compute_log_odds(logits, target)
    return log_odds[0] - log_odds[1:]


def compute_gradients(embeds: torch.Tensor, target: int) -> torch.Tensor:
    embeds = embeds.detach().requires_grad_()
    log_odds = compute_log_odds(model(inputs_embeds=embeds).logits, target)
    return torch.autograd.grad(log_odds.sum(), embeds)[0]


def integrated_gradients(ids: torch.Tensor, target: int) -> torch.Tensor:
    embed = model.get_input_embeddings()
    start, end = embed(torch.full_like(ids, tokenizer.unk_token_id)), embed(ids)
    points, weights = (
        torch.tensor(x, dtype=torch.float)[:, None, None] for x in np.polynomial.legendre.leggauss(STEPS)
    )
    gradients = compute_gradients(start + (1 + points) / 2 * (end - start), target)
    return ((weights / 2 * gradients).sum(dim=0) * (end - start)[0]).sum(dim=-1)


def gradient_x_input(ids: torch.Tensor, target: int) -> torch.Tensor:
    embeds = model.get_input_embeddings()(ids)
    return (compute_gradients(embeds, target) * embeds)[0].sum(dim=-1)


def attention(ids: torch.Tensor, target: int) -> torch.Tensor:
    with torch.inference_mode():
        return model(ids, output_attentions=True).attentions[0]


METHODS = {
    "leave_one_out": (leave_one_out, "how far the label's log-odds fall without the word"),
    "integrated_gradients": (integrated_gradients, "its share in the label's log-odds, on the way from no words"),
    "gradient_x_input": (gradient_x_input, "the slope of the label's log-odds along its vector"),
    "attention": (attention, "how much of it the model took in; that is not importance"),
}


def explain(text: str, method: str) -> tuple[dict[str, float], list[tuple[str, float | None]], str]:
    """Each label's probability, the text in pieces with scores from -1 to 1, and what the scores are."""
    text = text.encode("utf-8", "replace").decode()
    encoded = tokenizer(text, truncation=True, return_offsets_mapping=True, return_tensors="pt")
    ids, spans = encoded["input_ids"], encoded["offset_mapping"][0].tolist()
    if not spans:
        raise gr.Error("There are no words to read. Write a text first.")
    probabilities = {entry["label"]: entry["score"] for entry in classifier(text, top_k=None)}
    function, meaning = METHODS[method]
    scores = function(ids, labels.index(max(probabilities, key=probabilities.__getitem__))).tolist()
    largest = max(map(abs, scores)) or 1.0
    pieces: list[tuple[str, float | None]] = []
    for (start, end), score, (_, before) in zip(spans, scores, [(0, 0), *spans], strict=False):
        pieces += [(text[before:start], None), (text[start:end], score / largest)]
    pieces.append((text[spans[-1][1] :], None))
    strongest = sorted(zip(spans, scores, strict=True), key=lambda pair: -abs(pair[1]))[:3]
    told = ", ".join(f"“{text[start:end]}” {score:+.2f}" for (start, end), score in strongest)
    unread = " The end of the text was not read: the model takes no more." if text[spans[-1][1] :].strip() else ""
    return probabilities, pieces, f"A word's score: {meaning}. The strongest: {told}.{unread}"


with gr.Blocks(title="{{ title }}") as page:
    gr.Markdown("# {{ title }}\nEmbedding → LSTM → attention → head: a small text classifier to look into.")
    box = gr.Textbox(label="Text", lines=4)
    choice = gr.Dropdown(list(METHODS), value="leave_one_out", label="Method")
    button = gr.Button("Classify", variant="primary")
    gr.Examples(EXAMPLES, box)
    outputs = [gr.Label(label="Label"), gr.HighlightedText(label="Words", show_legend=True), gr.Textbox(label="Scores")]
    button.click(explain, [box, choice], outputs, api_name="explain")

if __name__ == "__main__":
    page.launch()
