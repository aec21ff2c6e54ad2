from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hf_lstm_attn import DATASETS
from hf_lstm_attn.cli import main
from hf_lstm_attn.packaging import compute_checksum, format_checksums
from hf_lstm_attn.verification import find_differences


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository, tmp_path / f"copy_{tmp_path.name}"))


def renew_checksums(folder: Path) -> None:
    """As somebody would who wants to hide a change."""
    (folder / "SHA256SUMS").unlink()
    sums = {path.name: compute_checksum(path) for path in folder.iterdir()}
    (folder / "SHA256SUMS").write_text(format_checksums(sums))


def change(path: Path, edit: object) -> None:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    renew_checksums(path.parent)


def test_unchanged_folder_passes_with_its_test_figures(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(repository), "--rescore", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": str(repository), "differences": []}


def test_a_changed_byte_in_any_file_is_found_by_name(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(copy.iterdir()):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert main(["verify", str(copy)]) == 1
        lines = capsys.readouterr().err.splitlines()[1:]
        assert [line.split(":")[0].strip() for line in lines] == [path.name]
        path.write_bytes(content)


def test_missing_and_added_files_are_found(copy: Path) -> None:
    (copy / "curves.png").unlink()
    (copy / "extra.bin").touch()
    (copy / ".gitattributes").touch()  # the Hub's own
    assert [line.split(":")[0] for line in find_differences(copy)] == ["curves.png", "extra.bin"]


def test_code_does_not_run_while_a_checksum_differs(copy: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = copy / "modeling_lstm_attn.py"
    code.write_text(code.read_text() + f"\nopen({str(mark)!r}, 'w')\n")
    assert [line.split(":")[0] for line in find_differences(copy)] == ["modeling_lstm_attn.py"]
    assert not mark.exists()
    renew_checksums(copy)
    find_differences(copy)
    assert mark.exists()  # the change would have acted


def test_hidden_changes_are_found_by_what_they_do(copy: Path) -> None:
    results = copy / "results.json"

    def edit(value: dict) -> None:
        value["examples"][3]["logits"][0] += 0.01
        value["examples"][5]["attentions"][0] += 0.01
        value["test"]["accuracy"] += 0.1

    change(results, edit)
    differences = find_differences(copy, rescore=DATASETS["sample-reviews"])
    places = [line.split(":")[0] for line in differences]
    assert [place for place in places if place != "README.md"] == [
        "sample-reviews/test/3",
        "sample-reviews/test/5",
        "test",
    ]
    (copy / "README.md").write_text("# another card\n")
    renew_checksums(copy)
    assert any(line.startswith("README.md: differs") for line in find_differences(copy))


def test_rescoring_on_other_data_is_refused(copy: Path) -> None:
    def edit(value: dict) -> None:
        value["dataset"]["splits"]["test"]["fingerprint"] = "0" * 64

    change(copy / "results.json", edit)
    assert any("or others" in line for line in find_differences(copy, rescore=DATASETS["sample-reviews"]))


def test_unknown_model_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "nobody/nothing"]) == 1
    assert "'nobody/nothing'" in capsys.readouterr().err
