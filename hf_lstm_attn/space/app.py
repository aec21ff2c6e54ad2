"""A page that labels texts and shows where the model's attention went; runs as a Gradio Space and on a laptop.

It needs gradio, torch and transformers. The model comes from MODEL: a repository on the Hub, or a folder.
"""

from __future__ import annotations

import csv
import io
import tempfile
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import cached_file

MODEL = "{{ model }}"  # filled in when the Space is built
MOST_TEXTS = 1_000  # of a file: a free Space has two slow cores
BATCH_SIZE = 32
COLUMNS = ["label", "probability", "text"]
EXAMPLES = [
    "I expected a gem and got a chore.",
    "Slow to start, but by the end I could not look away.",
    "Not once was I bored, and the last song made my evening.",
]
NOTE = "An attention weight says what the model took in, not why it decided as it did: it is not importance."
CSS = """
[role=tab][aria-selected=true] { color: var(--body-text-color) !important; }
#shaded .text { font-size: 1.1rem; line-height: 1.9; white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }
#shaded .word { border-radius: .2rem; background: rgb(0 158 115 / calc(var(--share) * .6)); }
.dark #shaded .word { background: rgb(0 158 115 / calc(var(--share) * .68)); }
#shaded .unread { opacity: .6; }
#shaded p { margin: .5rem 0; color: var(--body-text-color); }
#labelled [role=alert] { color: var(--error-text-color); overflow-wrap: anywhere; }
#labelled .table { max-height: 70vh; overflow: auto; }
#labelled table { width: 100%; border-collapse: collapse; color: var(--body-text-color); }
#labelled table, #labelled tr { border: 0; }
#labelled th, #labelled td {
  padding: .3rem .75rem .3rem 0; text-align: start; vertical-align: top; white-space: nowrap;
  border: 0; border-bottom: 1px solid var(--border-color-primary);
}
#labelled td:last-child { width: 100%; white-space: pre-wrap; overflow-wrap: anywhere; }
"""

tokenizer: Any = AutoTokenizer.from_pretrained(MODEL, trust_remote_code=True)
model: Any = AutoModelForSequenceClassification.from_pretrained(MODEL, trust_remote_code=True).eval()


# ------------------------------------------------------------------------------------------------------- one text


def classify(text: str) -> tuple[dict[str, float] | None, str]:
    """Each class's probability, and the text as HTML, its words shaded by attention weight."""
    text = clean(text)
    if not text.strip():
        return None, "<p>Expected a text; found none. Write one, or choose an example.</p>"
    encoded = encode([text], return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        output = model(**encoded, output_attentions=True)
    words = [
        (start, end, weight)
        for (start, end), weight in zip(offsets, output.attentions[0].tolist(), strict=True)
        if start < end
    ]
    return name_scores(output.logits)[0], shade(text, words)


def shade(text: str, words: list[tuple[int, int, float]]) -> str:
    """HTML of a text; `words` are (start, end, weight) in its order. What stands outside them was not read."""
    if not words:
        return f'<p class="text">{escape(text)}</p><p>No word of it was read.</p>'
    heaviest = max(weight for _, _, weight in words) or 1.0
    first, last = words[0][0], words[-1][1]
    parts = [mark_unread(text[:first])]
    place = first
    for start, end, weight in words:
        parts.append(escape(text[place:start]))
        share = weight / heaviest
        parts.append(
            f'<span class="word" style="--share: {share:.2f}" title="{weight:.1%}">{escape(text[start:end])}</span>'
        )
        place = end
    parts.append(mark_unread(text[last:]))
    most = sorted(words, key=lambda word: -word[2])[:3]
    told = ", ".join(f"“{escape(text[start:end])}” {weight:.0%}" for start, end, weight in most)
    cut = ""
    if text[:first].strip() or text[last:].strip():
        cut = f"<p>The model reads {tokenizer.model_max_length:,} words; it did not read the grey part.</p>"
    return f'<p class="text" dir="auto">{"".join(parts)}</p><p>Most attention: <bdi>{told}</bdi></p>{cut}<p>{NOTE}</p>'


def mark_unread(part: str) -> str:
    return f'<span class="unread">{escape(part)}</span>' if part.strip() else escape(part)


# ------------------------------------------------------------------------------------------------------ many texts


def classify_file(path: str | None) -> tuple[str, Any]:
    """The labels as an HTML table, and the same as a CSV file to download; or what is wrong with the file."""
    try:
        texts = read_texts(path)
    except ValueError as error:
        return f'<p role="alert">{escape(str(error))}</p>', gr.update(value=None, visible=False)
    rows = []
    for begin in range(0, len(texts), BATCH_SIZE):
        batch = texts[begin : begin + BATCH_SIZE]
        with torch.inference_mode():
            scores = name_scores(model(**encode(batch)).logits)
        for text, named in zip(batch, scores, strict=True):
            label = max(named, key=named.__getitem__)
            rows.append([label, f"{named[label]:.3f}", text])
    output = Path(tempfile.mkdtemp()) / "labels.csv"
    with output.open("w", encoding="utf-8-sig", newline="") as file:  # with the mark by which Excel knows UTF-8
        csv.writer(file).writerows([COLUMNS, *rows])
    return build_table(rows), gr.update(value=str(output), visible=True)


def build_table(rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def read_texts(path: str | None) -> list[str]:
    """The texts of a CSV file with a column `text`, or of a file with a text a line.

    Raises ValueError, for the reader of the page, if there are none or too many.
    """
    if path is None:
        raise ValueError("Expected a file; found none. Choose one first.")
    data = Path(path).read_bytes()
    try:
        content = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        content = "\0"
    if "\0" in content:
        raise ValueError("Expected text in UTF-8; found something else. Save the file as “CSV UTF-8” or plain text.")
    texts = read_column(content) if path.lower().endswith(".csv") else content.splitlines()
    texts = [clean(text) for text in texts if text and text.strip()]
    if not texts:
        raise ValueError("Expected a text a line; found none. Is the file empty?")
    if len(texts) > MOST_TEXTS:
        raise ValueError(f"Expected at most {MOST_TEXTS:,} texts; found {len(texts):,}. Split the file.")
    return texts


def read_column(content: str) -> list[str]:
    header = content.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(content, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        names = list(rows.fieldnames or [])
        if "text" not in names:
            found = ", ".join(names)[:200] or "nothing"
            raise ValueError(f"Expected a first line that names a column text; found {found}. Rename the column.")
        return [row["text"] for row in rows]
    except csv.Error as error:
        raise ValueError(f"Expected a CSV file; found a fault after line {rows.line_num}: {error}. Mend it.") from None


# --------------------------------------------------------------------------------------------------- model and page


def clean(text: str | None) -> str:
    """Half characters, which a browser can send and no text holds, become question marks."""
    return (text or "").encode("utf-8", "replace").decode("utf-8")


def encode(texts: list[str], **choices: Any) -> Any:
    return tokenizer(texts, padding=True, truncation=True, return_tensors="pt", **choices)


def name_scores(logits: torch.Tensor) -> list[dict[str, float]]:
    """(batch, num_labels) -> class name -> probability, per text."""
    several = model.config.problem_type == "multi_label_classification"
    scores = logits.float().sigmoid() if several else logits.float().softmax(-1)
    return [{model.config.id2label[i]: score for i, score in enumerate(row)} for row in scores.tolist()]


def load_examples() -> list[str]:
    """The examples on the model's card, which are of the kind it was trained on."""
    try:
        card = ModelCard.load(str(cached_file(MODEL, "README.md")))
    except OSError:  # there is no card
        return EXAMPLES
    return [entry["text"] for entry in card.data.get("widget", [])] or EXAMPLES


def build_page() -> gr.Blocks:
    name = Path(MODEL).name
    with gr.Blocks(title=name, delete_cache=(3600, 3600)) as page:
        link = "" if Path(MODEL).is_dir() else f" [Model card](https://huggingface.co/{MODEL})"
        gr.Markdown(f"# {name}\nEmbedding → LSTM → attention → head: a small text classifier to look into.{link}")
        results = [
            gr.Label(label="Label", elem_id="label", render=False),
            gr.HTML(label="Attention", show_label=True, elem_id="shaded", container=True, padding=True, render=False),
        ]
        with gr.Tab("One text"), gr.Row():
            with gr.Column():
                text = gr.Textbox(label="Text", lines=4, max_lines=12, elem_id="text")
                button = gr.Button("Classify", variant="primary", elem_id="classify")
                gr.on([button.click, text.submit], classify, text, results)
                gr.Examples(
                    load_examples(),
                    text,
                    results,
                    classify,
                    run_on_click=True,
                    cache_examples=False,
                    elem_id="examples",
                )
            with gr.Column():
                for result in results:
                    result.render()
        with gr.Tab("A file"):
            gr.Markdown(
                f"A CSV file with a column `text`, or a .txt file with a text a line; at most {MOST_TEXTS:,} texts."
            )
            file = gr.File(label="File", file_types=[".csv", ".txt"], elem_id="file")
            download = gr.DownloadButton("Download labels.csv", visible=False, elem_id="download")
            labelled = gr.HTML(elem_id="labelled")
            file.upload(classify_file, file, [labelled, download])
    return page


if __name__ == "__main__":
    theme = gr.themes.Default(
        primary_hue="emerald"
    ).set(  # white letters on the usual shade of a button are hard to read
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )
    build_page().launch(theme=theme, css=CSS, max_file_size="5mb", ssr_mode=False)
