from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, snapshot_download
from loopback_hub import READER, WRITER, LoopbackHub, build_environment, connect

from hf_lstm_attn.cli import main
from hf_lstm_attn.hub import HubError, UnseenCommitError, push_folder
from hf_lstm_attn.packaging import build_repository

REPO = "you/model"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What could be pushed: two files for LFS, and three that are not, one of them in a folder."""
    folder = tmp_path / "folder"
    (folder / "figures").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 16)
    (folder / "figures" / "curves.png").write_bytes(b"\x89PNG" * 100)
    (folder / "config.json").write_text('{"model_type": "lstm_attn"}\n')
    (folder / "empty.txt").write_bytes(b"")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA card.\n")
    return folder


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def read_folder(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def change(folder: Path) -> None:
    """A new version: one file more, one less, and three with other content, one of them in LFS."""
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA better card.\n")
    (folder / "model.safetensors").write_bytes(bytes(range(255, -1, -1)) * 32_000)
    (folder / "figures" / "confusion.png").write_bytes(b"\x89PNG" * 50)
    (folder / "config.json").write_text('{"model_type": "lstm_attn", "hidden_size": 8}\n')
    (folder / "figures" / "curves.png").unlink()


def test_what_was_pushed_downloads_to_the_same_bytes(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    result = push_folder(folder, REPO)
    assert len(hub.history(REPO)) == 2  # the Hub's own first commit, and one
    assert result.commit == hub.history(REPO)[-1].oid
    assert result.commit_url == f"{hub.url}/{REPO}/commit/{result.commit}"
    assert set(result.written) == set(read_folder(folder))
    assert {"lfs_upload", "lfs_verify", "validate_yaml"} <= set(hub.requests)
    copy = Path(snapshot_download(REPO, local_dir=tmp_path / "copy"))
    assert {path: data for path, data in read_folder(copy).items() if path != ".gitattributes"} == read_folder(folder)


def test_a_second_push_is_one_commit_that_also_deletes(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    push_folder(folder, REPO, seen=seen)
    change(folder)
    result = push_folder(folder, REPO, seen=seen)
    assert hub.files(REPO) == read_folder(folder)
    assert len(hub.history(REPO)) == 3
    assert result.deleted == ("figures/curves.png",)
    assert set(result.written) == {"README.md", "config.json", "figures/confusion.png", "model.safetensors"}
    assert ".gitattributes" in hub.history(REPO)[-1].files


def test_nothing_to_push_makes_no_commit(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    first = push_folder(folder, REPO, seen=seen)
    second = push_folder(folder, REPO, seen=seen)
    assert (second.commit, second.written, second.deleted) == (first.commit, (), ())
    assert len(hub.history(REPO)) == 2


def test_private(hub: LoopbackHub, folder: Path) -> None:
    push_folder(folder, REPO, private=True)
    assert hub.repositories["model", REPO].private
    push_folder(folder, "you/public")
    change(folder)
    before = hub.state()
    with pytest.raises(HubError, match="public"):
        push_folder(folder, "you/public", private=True, force=True)
    assert hub.state() == before


def test_revision(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    with pytest.raises(HubError, match="main first"):
        push_folder(folder, REPO, revision="v2")
    assert hub.state() == {}
    push_folder(folder, REPO, seen=seen)
    main_files = hub.files(REPO)
    change(folder)
    with pytest.raises(HubError, match=r"hf repos branch create you/model v2"):
        push_folder(folder, REPO, revision="v2", seen=seen)
    HfApi().create_branch(REPO, branch="v2")
    with pytest.raises(UnseenCommitError):  # what main holds was seen on main only
        push_folder(folder, REPO, revision="v2", seen=seen)
    push_folder(folder, REPO, revision="v2", seen=seen, force=True)
    assert hub.files(REPO, "v2") == read_folder(folder)
    assert hub.files(REPO) == main_files


def test_pull_request_leaves_the_branch_alone(hub: LoopbackHub, folder: Path) -> None:
    push_folder(folder, REPO)
    before = hub.files(REPO)
    change(folder)
    result = push_folder(folder, REPO, create_pr=True)  # of somebody who has not seen the last commit
    assert result.pull_request == f"{hub.url}/{REPO}/discussions/1"
    assert hub.files(REPO) == before
    assert hub.files(REPO, "refs/pr/1") == read_folder(folder)


def test_a_space_is_pushed_like_a_model(hub: LoopbackHub, folder: Path) -> None:
    result = push_folder(folder, REPO, repo_type="space")
    assert result.url == f"{hub.url}/spaces/{REPO}"
    assert hub.files(REPO, type="space") == read_folder(folder)
    assert ("model", REPO) not in hub.repositories


def test_a_commit_from_elsewhere_is_not_overwritten(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    push_folder(folder, REPO, seen=seen)
    HfApi().upload_file(path_or_fileobj=b"By hand.", path_in_repo="notes.md", repo_id=REPO)
    before = hub.state()
    for choices in ({"seen": seen}, {}):
        with pytest.raises(UnseenCommitError, match="--force"):
            push_folder(folder, REPO, **choices)
    assert hub.state() == before
    push_folder(folder, REPO, seen=seen, force=True)
    assert hub.files(REPO) == read_folder(folder)
    change(folder)
    push_folder(folder, REPO, seen=seen)  # its last commit is ours again
    assert hub.files(REPO) == read_folder(folder)


def test_a_commit_during_a_slow_push_is_not_overwritten(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    push_folder(folder, REPO, seen=seen)
    change(folder)
    commit = hub.hold("commit")
    with ThreadPoolExecutor() as pool:
        push = pool.submit(push_folder, folder, REPO, seen=seen, force=True)
        assert commit.held.wait(30)
        assert len(hub.history(REPO)) == 2
        repository = hub.repositories["model", REPO]
        other = repository.add("main", "by hand", {}, repository.branches["main"])
        commit.release.set()
        with pytest.raises(UnseenCommitError, match="in between"):
            push.result()
    assert hub.history(REPO)[-1] is other


FAILURES = [
    (kind, fault)
    for kind in ("info", "create_repo", "validate_yaml", "commit")
    for fault in ("500", "401", "403", "409", "412", "drop")
    if (kind, fault) != ("create_repo", "409")  # which says that the repository exists
]


@pytest.mark.parametrize(("kind", "fault"), FAILURES)
def test_a_failed_push_changes_nothing_and_the_next_one_completes(
    hub: LoopbackHub, folder: Path, seen: Path, kind: str, fault: str
) -> None:
    if kind != "create_repo":
        push_folder(folder, REPO, seen=seen)
        change(folder)
    before = hub.state()
    if fault == "drop":
        hub.drop(kind)
    else:
        hub.fail(int(fault), kind)
    with pytest.raises(HubError, match="Expected") as caught:
        push_folder(folder, REPO, seen=seen)
    assert WRITER not in str(caught.value)
    assert hub.state() == before
    push_folder(folder, REPO, seen=seen)
    assert hub.files(REPO) == read_folder(folder)
    assert len(hub.history(REPO)) == sum(map(len, before.values())) + 2


@pytest.mark.parametrize("fault", ["fails", "drops"])
def test_the_client_sends_a_file_again_that_did_not_arrive(hub: LoopbackHub, folder: Path, fault: str) -> None:
    if fault == "fails":
        hub.fail(500, "lfs_upload")
    else:
        hub.drop("lfs_upload")
    push_folder(folder, REPO)
    assert hub.files(REPO) == read_folder(folder)
    assert hub.requests.count("lfs_upload") == 3


def test_a_file_that_is_refused_stops_the_push(hub: LoopbackHub, folder: Path) -> None:
    hub.fail(403, "lfs_upload", nth=2)
    with pytest.raises(HubError, match="403"):
        push_folder(folder, REPO)
    assert hub.files(REPO) == {}
    push_folder(folder, REPO)
    assert hub.files(REPO) == read_folder(folder)


def test_an_answer_that_is_lost_does_not_lock_the_repository(hub: LoopbackHub, folder: Path, seen: Path) -> None:
    hub.drop("commit", after=True)
    with pytest.raises(HubError, match="connection"):
        push_folder(folder, REPO, seen=seen)
    assert push_folder(folder, REPO, seen=seen).written == ()
    change(folder)
    push_folder(folder, REPO, seen=seen)
    assert hub.files(REPO) == read_folder(folder)
    assert len(hub.history(REPO)) == 3


def test_a_card_that_the_hub_finds_invalid(hub: LoopbackHub, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: nonsense\n---\n")
    with pytest.raises(ValueError, match="license"):
        push_folder(folder, REPO)
    assert hub.files(REPO) == {}


@pytest.mark.parametrize(("token", "words"), [(None, "hf auth login"), ("hf_unknown", "401"), (READER, "403")])
def test_tokens_that_do_not_do(hub: LoopbackHub, folder: Path, token: str | None, words: str) -> None:
    with connect(hub, token=token), pytest.raises(HubError, match=words) as caught:
        push_folder(folder, REPO)
    assert token is None or token not in str(caught.value)
    assert hub.state() == {}
    assert token is not None or hub.requests == []


def test_offline_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        push_folder(folder, REPO)


COMMIT = 9  # the last request of a push, by their order of arrival
MOMENTS = [*range(1, COMMIT + 1), "the answer to the commit"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_push_leaves_nothing_by_halves(
    hub: LoopbackHub, folder: Path, seen: Path, tmp_path: Path, moment: int | str
) -> None:
    push_folder(folder, REPO, seen=seen)
    old, earlier = read_folder(folder), len(hub.requests)
    change(folder)
    fault = hub.hold(nth=moment) if isinstance(moment, int) else hub.hold("commit", after=True)
    code = "import sys; from pathlib import Path; from hf_lstm_attn.hub import push_folder\n"
    code += "push_folder(Path(sys.argv[1]), sys.argv[2], seen=Path(sys.argv[3]))"
    command = [sys.executable, "-c", code, str(folder), REPO, str(seen)]
    environment = build_environment(hub.url, tmp_path / "home", HF_TOKEN=WRITER)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert fault.held.wait(30)
        assert ("commit" in hub.requests[earlier:]) == (moment in MOMENTS[-2:])
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    fault.release.set()
    assert fault.done.wait(30)
    possible = {"the answer to the commit": [read_folder(folder)], COMMIT: [old, read_folder(folder)]}
    assert hub.files(REPO) in possible.get(moment, [old])
    push_folder(folder, REPO, seen=seen)
    assert hub.files(REPO) == read_folder(folder)
    assert len(hub.history(REPO)) == 3


# The commands


TINY = ["--limit", "40", "--epochs", "1", "--hidden-size", "8", "--embedding-size", "8", "--word-vectors", "none"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], str]:
    """A run that `train --push-to-hub` made: its folder, what the repository then held, what was printed."""
    run, printed = tmp_path_factory.mktemp("hub") / "run", StringIO()
    with LoopbackHub() as hub, connect(hub, token=WRITER), redirect_stdout(printed):
        options = ["--push-to-hub", "--repo-id", REPO, "--private", *TINY]
        assert main(["train", "sample-tweets", "-o", str(run), *options]) == 0
        assert len(hub.history(REPO)) == 2
        assert hub.repositories["model", REPO].private
        return run, hub.files(REPO), printed.getvalue()


def package(run: Path, folder: Path) -> dict[str, bytes]:
    build_repository(run, folder, repo_id=REPO)
    return read_folder(folder)


def test_train_pushes_when_it_is_finished(trained: tuple[Path, dict[str, bytes], str], tmp_path: Path) -> None:
    run, files, printed = trained
    assert files == package(run, tmp_path / "folder")
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "modeling_lstm_attn.py"} <= set(files)
    assert "pushed.json" not in files
    lines = printed.splitlines()[-2:]
    assert lines == [
        "from transformers import pipeline",
        f'classifier = pipeline("text-classification", model="{REPO}", trust_remote_code=True)',
    ]


def test_train_looks_for_a_token_before_it_starts(
    hub: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(hub):
        assert main(["train", "sample-tweets", "-o", str(tmp_path), "--push-to-hub", "--repo-id", REPO, *TINY]) == 1
    assert capsys.readouterr().err.startswith("hf-lstm-attn train: Expected a token")
    assert list(tmp_path.iterdir()) == []
    assert main(["train", "sample-tweets", "-o", str(tmp_path), "--push-to-hub", "--repo-id", "a/b/c", *TINY]) == 1
    assert main(["train", "sample-tweets", "-o", str(tmp_path), "--push-to-hub", *TINY]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_pushed_is_kept(
    hub: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fail(500, "commit")
    run = tmp_path / "run"
    assert main(["train", "sample-tweets", "-o", str(run), "--push-to-hub", "--repo-id", REPO, *TINY]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"hf-lstm-attn push {run} --repo-id {REPO}" in message
    assert main(["push", str(run), "--repo-id", REPO]) == 0
    assert hub.files(REPO) == package(run, tmp_path / "first")
    again = ["train", "sample-tweets", "-o", str(run), "--overwrite", "--seed", "1"]
    assert main([*again, "--push-to-hub", "--repo-id", REPO, *TINY]) == 0  # a new run in the folder knows the push
    assert hub.files(REPO) == package(run, tmp_path / "second")
    assert len(hub.history(REPO)) == 3


def test_push_prints_where_the_model_is_and_how_to_load_it(
    hub: LoopbackHub, trained: tuple[Path, dict[str, bytes], str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, files, _ = trained
    command = ["push", str(run), "--repo-id", REPO]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert hub.files(REPO) == files
    assert f"\n{hub.url}/{REPO}\n" in printed.out
    assert printed.err == ""
    repository = hub.repositories["model", REPO]
    repository.add("main", "by hand", {}, repository.branches["main"])
    assert main(command) == 0  # as empty as a new one
    repository.add("main", "by hand", {"x": repository.find("main").files["config.json"]}, repository.branches["main"])
    assert main(command) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--create-pr"]) == 0
    assert f'model="{REPO}", revision="refs/pr/1"' in capsys.readouterr().out
    assert main([*command, "--force", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["commit"] == hub.history(REPO)[-1].oid
    assert report["files"] == {path: len(data) for path, data in files.items()}
    assert hub.files(REPO) == files


def test_dry_run_lists_files_and_asks_the_hub_nothing(
    hub: LoopbackHub, trained: tuple[Path, dict[str, bytes], str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, files, _ = trained
    with connect(hub):  # needs no token
        assert main(["push", str(run), "--repo-id", REPO, "--dry-run"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {row[0]: int(row[1].replace(",", "")) for row in rows[:-1]} == {path: len(files[path]) for path in files}
    assert rows[-1][:2] == [str(len(files)), "files"]
    assert hub.requests == []


def test_the_token_is_neither_printed_nor_stored(
    hub: LoopbackHub, trained: tuple[Path, dict[str, bytes], str], capfd: pytest.CaptureFixture[str]
) -> None:
    run, *_ = trained
    hub.drop("commit")
    assert main(["push", str(run), "--repo-id", "you/other"]) == 1
    assert main(["push", str(run), "--repo-id", "you/other"]) == 0
    assert WRITER in hub.tokens
    printed = capfd.readouterr()
    assert WRITER not in printed.out + printed.err
    written = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert not any(WRITER.encode() in data for data in [*written, *hub.files("you/other").values()])


# Data sets


def test_data_sets_load_over_http(shared: Path, tmp_path: Path) -> None:
    """The library's own way to the Hub, streaming too, in a process that has no other copy of the data."""
    code = """
import json
from datasets import load_dataset
from hf_lstm_attn import load_splits, resolve_spec

stream = load_dataset("stanfordnlp/imdb", split="test", streaming=True)
streamed = [row["text"] for row in stream.take(3)]
whole = load_dataset("stanfordnlp/imdb", split="test")
splits = load_splits(resolve_spec("imdb"), limit=50)
rows = {name: len(part) for name, part in (("train", splits.train), ("test", splits.test))}
print(json.dumps({"streamed": streamed, "texts": whole[:3]["text"], "rows": rows, "labels": splits.label_names}))
"""
    folder = shared / "hub" / "datasets" / "stanfordnlp" / "imdb"
    with LoopbackHub() as hub:
        hub.serve_folder("stanfordnlp/imdb", folder)
        environment = build_environment(hub.url, tmp_path / "home", PYTHONPATH=str(ROOT))
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    expected = pq.read_table(folder / "plain_text" / "test-00000-of-00001.parquet")["text"][:3].to_pylist()
    assert found["streamed"] == found["texts"] == expected
    assert found["rows"] == {"train": 50, "test": 50}
    assert found["labels"] == ["negative", "positive"]
    assert 206 in hub.statuses  # streaming asks for parts of a file
