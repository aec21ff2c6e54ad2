"""The Space in a real browser: what its page shows, on a desktop and on a phone."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, open_browser
from huggingface_hub import HfApi, ModelCard
from loopback_hub import LoopbackHub

from hf_lstm_attn.cli import main
from hf_lstm_attn.space_folder import TEMPLATE, build_space

ROOT = Path(__file__).parents[1]
TINY = ["--limit", "64", "--epochs", "1", "--hidden-size", "8", "--embedding-size", "8", "--max-length", "12"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the Space of a run folder answers: a process of its own, without network."""
    if find_spec("gradio") is None:
        pytest.skip("needs gradio")
    folder = tmp_path_factory.mktemp("space")
    assert main(["train", "sample-reviews", "-o", str(folder / "run"), "--word-vectors", "none", *TINY]) == 0
    (folder / "run" / "README.md").write_text("---\nwidget:\n- text: The card says a gem.\n---\n")
    assert main(["space", str(folder / "run"), "-o", str(folder / "space")]) == 0
    settings = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    homes = {"HF_HOME": str(folder / "home"), "GRADIO_TEMP_DIR": str(folder / "files"), "TMPDIR": str(folder)}
    with (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=folder / "space",
            env=os.environ | settings | homes,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        found = next((re.search(r"http://127\S+", line) for line in process.stdout if "http://127" in line), None)
        assert found is not None, (folder / "errors.txt").read_text()
        yield found.group()
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def open_page(browser: Browser, address: str, *, width: int = 1280, dark: bool = False) -> None:
    browser.open(address, width=width, dark=dark)
    browser.wait_for("document.querySelector('#text textarea')")


def click(browser: Browser, selector: str, text: str) -> None:
    """On what bears this text, once it is shown."""
    found = (
        f"[...document.querySelectorAll({json.dumps(selector)})].find(e => e.textContent.trim() == {json.dumps(text)})"
    )
    browser.wait_for(f"{found}?.checkVisibility()")
    browser.evaluate(f"{found}.click()")


def classify(browser: Browser, text: str) -> None:
    browser.type_into("#text textarea", text)
    click(browser, "#classify", "Classify")
    browser.wait_for("document.querySelector('#shaded .word')")


def upload(browser: Browser, path: Path) -> None:
    click(browser, "[role=tab]", "A file")
    browser.wait_for("document.querySelector('#file input[type=file]')")
    browser.choose_file("#file input[type=file]", path)
    browser.wait_for("document.querySelector('#labelled [role=alert], #labelled table')")


def read_text(browser: Browser, selector: str) -> str:
    return browser.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_review_gets_a_label_and_shaded_words(width: int, dark: bool, browser: Browser, address: str) -> None:
    open_page(browser, address, width=width, dark=dark)
    review = "A gem of a film, and not dull at all."
    classify(browser, review)
    label = read_text(browser, "#label")
    assert re.search(r"\b(positive|negative)\b", label)
    assert sum(int(share) for share in re.findall(r"(\d+)%", label)) in (99, 100, 101)
    assert read_text(browser, "#shaded .text") == review
    words = browser.evaluate("JSON.stringify([...document.querySelectorAll('#shaded .word')].map("
                             "w => [w.textContent, w.title, getComputedStyle(w).backgroundColor]))")  # fmt: skip
    words = json.loads(words)
    assert [word for word, _, _ in words] == re.findall(r"\w+|[,.]", review)
    weights = [float(title.rstrip("%")) for _, title, _ in words]
    assert sum(weights) == pytest.approx(100, abs=1)
    shades = [float(re.findall(r"[\d.]+", colour)[3]) for _, _, colour in words]
    assert weights[shades.index(max(shades))] == pytest.approx(max(weights), abs=0.15)
    assert "not importance" in read_text(browser, "#shaded")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_what_was_not_read_is_told(browser: Browser, address: str) -> None:
    open_page(browser, address)
    classify(browser, "one two three four five six seven eight nine ten eleven twelve thirteen fourteen")
    unread = read_text(browser, "#shaded .unread").split()
    assert unread in (["one", "two"], ["thirteen", "fourteen"])
    assert "reads 12 words" in read_text(browser, "#shaded")


def test_an_example_is_classified_by_a_click(browser: Browser, address: str) -> None:
    open_page(browser, address)
    click(browser, "#examples button", "The card says a gem.")
    browser.wait_for("document.querySelector('#shaded .word')")
    assert read_text(browser, "#shaded .text") == "The card says a gem."


def test_nothing_of_a_text_is_executed_and_nothing_fetched(browser: Browser, address: str, tmp_path: Path) -> None:
    text = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)> ${alert(3)} {{alert(4)}} \ud800 &lt;b&gt;"
    shown = text.replace("\ud800", "�")
    open_page(browser, address)
    classify(browser, text)
    path = tmp_path / "<img src=x onerror=alert(5)>.txt"
    path.write_text(shown, encoding="utf-8")
    assert read_text(browser, "#shaded .text") in (shown, text.replace("\ud800", "?"))
    upload(browser, path)
    assert read_text(browser, "#labelled td:last-child") == shown
    methods = [event["method"] for event in browser.events]
    assert "Page.javascriptDialogOpening" not in methods
    assert "Runtime.exceptionThrown" not in methods
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert [url[:60] for url in requests if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_file_becomes_a_table_and_a_csv(width: int, browser: Browser, address: str, tmp_path: Path) -> None:
    texts = ["A gem, truly", "<b>dull</b>", "Grüße\nfrom a long night" + " and a day" * 50, "=1+1"]
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["id", "text"], *([str(i), text] for i, text in enumerate(texts))])
    open_page(browser, address, width=width)
    upload(browser, path)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    cells = (
        "JSON.stringify([...document.querySelectorAll('#labelled tr')].map(r => [...r.cells].map(c => c.textContent)))"
    )
    shown = json.loads(browser.evaluate(cells))
    assert [row[-1] for row in shown[1:]] == texts
    assert all(row[0] in ("positive", "negative") and 0.5 <= float(row[1]) <= 1 for row in shown[1:])
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    click(browser, "#download", "Download labels.csv")
    browser.wait_for_event("Browser.downloadProgress", state="completed")
    with (tmp_path / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == shown


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"id,<b>review</b>\n1,x\n", "names a column text; found id, <b>review</b>."),
        ("a.csv", b"text\n\"never closed\n", "found a fault after line 1: unexpected end of data"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00", "Expected text in UTF-8"),
        ("a.txt", b" \n\n", "Expected a text a line; found none."),
        ("a.txt", b"fine\n" * 1001, "Expected at most 1,000 texts; found 1,001."),
    ],
)  # fmt: skip
def test_a_bad_file_is_told(
    name: str, data: bytes, message: str, browser: Browser, address: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    open_page(browser, address, width=390)
    upload(browser, tmp_path / name)
    assert message in read_text(browser, "#labelled [role=alert]")
    assert browser.evaluate("document.querySelector('#download')?.checkVisibility() ?? false") is False


def test_the_app_needs_what_a_space_installs() -> None:
    imports = [node for node in ast.walk(ast.parse((TEMPLATE / "app.py").read_text())) if isinstance(node, ast.Import)]
    froms = [
        node for node in ast.walk(ast.parse((TEMPLATE / "app.py").read_text())) if isinstance(node, ast.ImportFrom)
    ]
    names = {alias.name.split(".")[0] for node in imports for alias in node.names}
    names |= {str(node.module).split(".")[0] for node in froms}
    assert names - set(sys.stdlib_module_names) == {"gradio", "torch", "transformers", "huggingface_hub"}


def test_the_space_runs_what_was_tested(tmp_path: Path) -> None:
    build_space("you/lstm-attn-imdb", tmp_path / "space")
    pins = set((ROOT / "constraints.txt").read_text().splitlines())
    required = (tmp_path / "space" / "requirements.txt").read_text().splitlines()
    assert {line for line in required if line.startswith(("torch", "transformers"))} <= pins
    assert sum("==" in line for line in required) == 2
    card = ModelCard.load(tmp_path / "space" / "README.md")
    settings = card.data.to_dict()
    assert (settings["sdk"], settings["app_file"]) == ("gradio", "app.py")
    assert settings["models"] == ["you/lstm-attn-imdb"]
    assert f"gradio=={settings['sdk_version']}" in card.text
    assert len(settings["short_description"]) <= 60
    if find_spec("gradio") is not None:
        assert version("gradio") == settings["sdk_version"]


def test_the_space_names_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", "you/lstm-attn-imdb", "-o", str(tmp_path / "space")]) == 0
    printed = capsys.readouterr().out
    for path in (tmp_path / "space").iterdir():
        assert re.search(rf"{re.escape(path.name)} +{path.stat().st_size:,}\n", printed)
        assert "{{" not in path.read_text(encoding="utf-8")
    assert 'MODEL = "you/lstm-attn-imdb"' in (tmp_path / "space" / "app.py").read_text(encoding="utf-8")


def test_the_readme_of_a_local_space_names_no_folder(model_folder: Path, tmp_path: Path) -> None:
    build_space(str(model_folder), tmp_path / "space")
    readme = (tmp_path / "space" / "README.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in readme
    assert "models" not in ModelCard(readme).data.to_dict()


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "space"
    assert main(["space", "you/model", "-o", str(folder), "--repo-id", "you/demo", "--dry-run"]) == 0
    assert "app.py" in capsys.readouterr().out
    assert not folder.exists()


def test_a_push_is_one_commit_to_a_space(hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", "you/model", "--repo-id", "you/demo", "--private"]) == 0
    assert f"{hub.url}/spaces/you/demo" in capsys.readouterr().out.splitlines()
    assert len(hub.history("you/demo", type="space")) == 2  # the Hub's own first commit, and one
    space = HfApi().space_info("you/demo")
    assert space.private
    files = [file.rfilename for file in space.siblings or []]
    assert sorted({*files} - {".gitattributes"}) == ["README.md", "app.py", "requirements.txt"]
    assert main(["space", "you/other", "--repo-id", "you/demo"]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["space", "you/other", "--repo-id", "you/demo", "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["you/model"], 2, "Expected -o FOLDER or --repo-id"),
        (["you/model", "-o", "new", "--private"], 2, "Expected --repo-id"),
        (["FOLDER", "--repo-id", "you/demo"], 2, "Expected a model on the Hub"),
        (["model", "-o", "new"], 1, "Expected a repository NAME/MODEL"),
        (["you/mo del", "-o", "new"], 1, "Expected a repository NAME/MODEL"),
        (["you/model", "-o", "FOLDER"], 1, "Expected no files in"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    (folder / "inside").mkdir(parents=True)
    folder.rename(tmp_path / "FOLDER")
    assert main(["space", *arguments]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
