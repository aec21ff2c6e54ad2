"""Bad input on the command line: one line that names what is wrong, an exit code, no traceback, and nothing lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_lstm_attn.cli import main
from hf_lstm_attn.inference import built_in

ROWS = "text,label\n" + "".join(f"a thing number {number},{'ab'[number % 2]}\n" for number in range(40))
FILES: dict[str, str | bytes] = {
    "rows.csv": ROWS,
    "one_label.csv": ROWS.replace(",b\n", ",a\n"),
    "no_label.csv": "text\nfine\n",
    "no_header.csv": ROWS.partition("\n")[2],
    "header_only.csv": "text,label\n",
    "empty.csv": "",
    "empty_texts.csv": "text,label\n,a\n ,b\n",
    "latin.csv": ROWS.replace("thing", "thíng").encode("latin-1"),
    "wide.csv": ROWS + "a,b,c,d\n",
    "tabs.tsv": ROWS.replace(",", "\t") + "\t" * 20_000 + "\n",
    "many_labels.csv": ROWS + 'all,"a,b"\n' * 9,
    "nulls.csv": b"text,label\n" + b"\0" * 2_000,
    "array.json": "[1, 2, 3]",
    "torn.json": '[{"text": "a", "label": "b"}, {"te',
    "torn.jsonl": '{"text": "a", "label": "b"}\n{"te',
    "nested.jsonl": '{"text": ' + "[" * 2_000 + "]" * 2_000 + ', "label": "a"}\n',
    "numbers.jsonl": '{"text": 1, "label": {"a": 1}}\n' * 20,
    "bad.parquet": b"PAR1 is how it begins",
    "bad.arrow": b"ARROW1",
    "bad.csv.gz": b"\x1f\x8b is how it begins",
    "noise.xyz": b"\x00\xff\xfe",
    "text.txt": "fine\nbad\n",
    "vectors.txt": "a 1.0 2.0\nthing nan 2.0\n",
    "file": "",
}
CASES: list[tuple[str, int, str]] = [  # words, exit code, what the message must hold
    ("", 2, "COMMAND"),
    ("dance", 2, "dance"),
    ("train --data rows.csv --lerning_rate 1", 2, "learning_rate"),
    ("train", 2, "--data"),
    ("train imbd", 2, "imdb"),
    ("train --data rows.csv --recipe defualt", 2, "default"),
    ("train --data rows.csv --learning_rate nan", 1, "learning_rate"),
    ("train --data rows.csv --weight_decay inf", 1, "weight_decay"),
    ("train --data rows.csv --learning_rate fast", 2, "number"),
    ("train --data rows.csv --bf16 maybe", 2, "bf16"),
    ("train --data rows.csv --hub_token hf_secret", 2, "command line"),
    ("train --data rows.csv --push_to_hub --license mit", 2, "NAME/MODEL"),
    ("train --data rows.csv --push_to_hub --hub_model_id you/name --license MITT", 2, "mit"),
    ("train --data rows.csv --output_dir full", 2, "not empty"),
    ("train --data rows.csv --output_dir file", 1, "file"),
    ("train --data nowhere.csv", 1, "nowhere.csv"),
    ("train --data one_label.csv", 1, "labels"),
    ("train --data no_label.csv", 1, "label"),
    ("train --data no_header.csv", 1, " no_header.csv"),
    ("train --data header_only.csv", 1, "row"),
    ("train --data empty.csv", 1, "empty.csv"),
    ("train --data empty_texts.csv", 1, "text"),
    ("train --data latin.csv", 1, "--encoding"),
    ("train --data latin.csv --encoding utf-99", 1, "utf-99"),
    ("train --data wide.csv", 1, "fields"),
    ("train --data tabs.tsv", 1, "fields"),
    ("train --data many_labels.csv", 1, "label_delimiter"),
    ("train --data nulls.csv", 1, "nulls.csv"),
    ("train --data array.json", 1, "array.json"),
    ("train --data torn.json", 1, "torn.json"),
    ("train --data torn.jsonl", 1, "torn.jsonl"),
    ("train --data nested.jsonl", 1, "nested.jsonl"),
    ("train --data bad.parquet", 1, "bad.parquet"),
    ("train --data bad.arrow", 1, "bad.arrow"),
    ("train --data bad.csv.gz", 1, "bad.csv.gz"),
    ("train --data noise.xyz", 1, "--format"),
    ("train --data rows.csv --format docx", 1, "docx"),
    ("train --data rows.csv --quoting both", 1, "quoting"),
    ("train --data rows.csv --no_header", 1, "--columns"),
    ("train --data rows.csv --text_column body", 1, "body"),
    ("train --data rows.csv --positive_label c", 1, "'c'"),
    ("train --data rows.csv --model_name_or_path nowhere/at_all", 1, "nowhere/at_all"),
    ("train --data rows.csv --model_name_or_path full", 1, "full"),
    ("train --data rows.csv --teachers nowhere", 1, "nowhere"),
    ("train --data rows.csv --unlabelled nowhere.csv", 1, "nowhere.csv"),
    ("train --data rows.csv --word_vectors vectors.txt --embedding_size 2 --model_name_or_path none", 1, "finite"),
    ("train --data rows.csv --hidden_size 0 --model_name_or_path none", 1, "hidden_size"),
    ("train --data rows.csv --metric_for_best_model beauty --max_steps 1", 1, "beauty"),
    ("train --data rows.csv --resume_from_checkpoint true", 1, "checkpoint"),
    ("train --data rows.csv --language english --rules chinese --model_name_or_path none", 1, "chinese"),
    ("distill --data text.txt", 1, "--teacher"),
    ("pretrain --data empty.csv --label_column none", 1, "empty.csv"),
    ("predict -m nowhere fine", 1, "nowhere"),
    ("predict -m full fine", 1, "config.json"),
    ("predict -m broken_config fine", 1, "config.json"),
    ("predict -m no_weights fine", 1, "safetensors"),
    ("predict -m torn_weights fine", 1, "torn_weights"),
    ("predict -m other_weights fine", 1, "weights"),
    ("predict -m nan_weights fine", 1, "finite"),
    ("predict -m no_tokenizer fine", 1, "no_tokenizer"),
    ("predict -m english fine", 1, "weights"),
    ("predict fine -i text.txt -o out.csv", 2, "--input"),
    ("predict -i text.txt", 2, "--output"),
    ("predict -i nowhere.csv -o out.csv", 1, "nowhere.csv"),
    ("predict -i text.txt -o out.docx", 1, ".csv"),
    ("predict -i text.txt -o full/old.csv", 1, "--overwrite"),
    ("predict -i text.txt -o nowhere/out.csv", 1, "nowhere"),
    ("predict -i text.txt -o file/out.csv", 1, "file"),
    ("predict -i bad.parquet -o out.csv", 1, "bad.parquet"),
    ("predict -i rows.csv -o out.csv --text_column body", 1, "body"),
    ("explain", 2, "TEXT"),
    ("explain fine --method magic", 2, "leave_one_out"),
    ("explain fine --label happy", 1, "positive"),
    ("explain fine -o out.docx", 2, ".png"),
    ("explain fine -o nowhere/out.png", 1, "nowhere"),
    ("evaluate full", 1, "full"),
    ("evaluate sentiment --data rows.csv", 1, "label"),
    ("evaluate imdb", 1, "stanfordnlp/imdb"),
    ("evaluate nan_results", 1, "results.json"),
    ("audit full", 1, "full"),
    ("push full --repo_id name --license mit", 2, "NAME/MODEL"),
    ("push full --repo_id you/name --license mit", 2, "token"),
    ("verify full", 1, "full"),
    ("verify nan_results", 1, "results.json"),
    ("space nowhere -o app", 1, "nowhere"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "full").mkdir()
    (folder / "full" / "old.csv").write_text("kept")
    models = "broken_config no_weights torn_weights other_weights nan_weights no_tokenizer nan_results".split()
    for name in models:
        shutil.copytree(built_in("tweets"), folder / name)
    (folder / "broken_config" / "config.json").write_text('{"model_type": ')
    (folder / "no_weights" / "model.safetensors").unlink()
    os.truncate(folder / "torn_weights" / "model.safetensors", 5_000)
    shutil.copy(built_in("english") / "model.safetensors", folder / "other_weights")
    weights = load_file(folder / "nan_weights" / "model.safetensors")
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], torch.nan)
    save_file(weights, folder / "nan_weights" / "model.safetensors", {"format": "pt"})
    (folder / "no_tokenizer" / "tokenizer.json").unlink()
    (folder / "nan_results" / "results.json").write_text("NaN")
    return folder


@pytest.mark.parametrize(("words", "code", "noun"), CASES, ids=[words or "nothing" for words, *_ in CASES])
def test_bad_input_is_one_line_and_an_exit_code(
    words: str, code: int, noun: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    given = words.split()
    if given[:1] == ["train"] and "--output_dir" not in given:
        given += ["--output_dir", "run"]
    assert main(given) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (last,) = said.strip().splitlines()[-1:]
    assert noun in last, said
    assert all(path.read_bytes() == content for path, content in before.items())
    shutil.rmtree(folder / "run", ignore_errors=True)
