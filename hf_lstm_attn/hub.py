"""A folder to the Hub, in one commit that replaces what the repository held; the only file that writes to the network.

The Hub applies a commit as a whole or not at all, so an interrupted push leaves the repository as it was. What a push
must not do is overwrite somebody's work: it goes ahead only from a last commit that an earlier push made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .results import PUSHED_FILE, save_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling, SpaceInfo

MAIN = "main"
HUB_FILES = {".gitattributes"}  # the Hub's own: in every repository from its first commit on


class HubError(OSError):
    """The Hub cannot be reached or refuses; the repository is as it was."""


class UnseenCommitError(HubError):
    """The repository's last commit is none that was pushed from here."""


@dataclass(frozen=True)
class PushResult:
    """What a push did. `pull_request` is its address if one was made; `written` and `deleted` are paths."""

    repo_id: str
    revision: str
    url: str
    commit: str
    commit_url: str
    pull_request: str | None
    written: tuple[str, ...]
    deleted: tuple[str, ...]


def list_files(folder: Path) -> dict[str, int]:
    """Path in the repository -> bytes, of every file that `push_folder` would push."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def check_repo_id(repo_id: str) -> None:
    """Raises ValueError for a name that no repository can have."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"Expected a repository NAME/MODEL; found {repo_id!r}. {error}") from None
    if repo_id.count("/") != 1:
        raise ValueError(f"Expected a repository NAME/MODEL; found {repo_id!r}. Put your name on the Hub before it.")


def check_can_push(repo_id: str) -> None:
    """Find out before long work whether a push has a name to go to and a token to go with; asks nothing of the Hub.

    Raises ValueError for a name that no repository can have, HubError without a token.
    """
    from huggingface_hub import get_token

    check_repo_id(repo_id)
    if get_token() is None:
        raise HubError("Expected a token for the Hub; found none. Log in with `hf auth login`, or set HF_TOKEN.")


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    repo_type: str = "model",
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    force: bool = False,
    seen: Path | None = None,
) -> PushResult:
    """Make a repository hold the files of a folder and no others, in one commit.

    The repository is created if there is none. The token is the one that `huggingface_hub` finds: `HF_TOKEN`, or a
    login. Where nothing differs, no commit is made: a push whose answer was lost is completed by the next one.

    Args:
        repo_type: `"model"`, or `"space"` for a Gradio Space.
        private: Create the repository private. A public one that exists is an error.
        revision: An existing branch; `main` if not given.
        create_pr: Open a pull request instead of writing to the branch.
        force: Overwrite a last commit that was not pushed from here.
        seen: Folder in which `pushed.json` remembers the last commit pushed to each repository, to tell whether another
            came after it. Without it, only new repositories and pull requests can be pushed to without `force`.

    Raises:
        ValueError: for a name that no repository can have, or a card that the Hub finds invalid.
        UnseenCommitError: if the last commit was not pushed from here, or another came in between.
        HubError: without a token or the right to write, for an unknown branch, or if the Hub cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    check_can_push(repo_id)
    api = HfApi()
    branch = revision or MAIN
    with _explain_errors(repo_id, branch):
        head = _find_head(api, repo_id, repo_type, branch, private=private)
    if private and not head.private:
        raise HubError(f"Expected a private repository; {repo_id} is public. Make it private in its settings first.")
    remote = {file.rfilename: file for file in head.siblings or [] if file.rfilename not in HUB_FILES}
    local = list(list_files(folder))
    written = [path for path in local if path not in remote or not _is_same(folder / path, remote[path])]
    deleted = [path for path in remote if path not in local]
    page = f"{api.endpoint}/{'' if repo_type == 'model' else f'{repo_type}s/'}{repo_id}"
    key = f"{page}@{branch}"
    if not written and not deleted:
        _remember(seen, key, head.sha)
        url = f"{page}/commit/{head.sha}"
        return PushResult(repo_id, branch, page, str(head.sha), url, None, (), ())
    if remote and not create_pr and not force and _recall(seen, key) != head.sha:
        raise UnseenCommitError(
            f"Expected {repo_id} to be new, or as the last push from here left it; found a commit that was not pushed "
            f"from here: {page}/commit/{head.sha}. Pass force=True (--force) to replace its files, or create_pr=True "
            "(--create-pr) to propose yours."
        )
    with _explain_errors(repo_id, branch):
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(path_in_repo=path, path_or_fileobj=folder / path) for path in written),
                *(CommitOperationDelete(path_in_repo=path) for path in deleted),
            ],
            commit_message=f"Push {repo_type}",
            repo_type=repo_type,
            revision=branch,
            create_pr=create_pr,
            parent_commit=head.sha,
        )
    if not create_pr:
        _remember(seen, key, commit.oid)
    return PushResult(
        repo_id, branch, page, commit.oid, commit.commit_url, commit.pr_url, tuple(written), tuple(deleted)
    )


def _find_head(api: HfApi, repo_id: str, repo_type: str, branch: str, *, private: bool) -> ModelInfo | SpaceInfo:
    """The branch's last commit with its files, in a repository that is created if there is none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    choices: dict[str, Any] = {"repo_type": repo_type, "revision": branch, "files_metadata": True}
    try:
        return api.repo_info(repo_id, **choices)  # type: ignore[return-value]
    except RepositoryNotFoundError:
        if branch != MAIN:
            raise HubError(
                f"Expected a branch {branch!r} of {repo_id}; found no such repository, or none this token may see. "
                "Push to main first: leave out --revision."
            ) from None
    api.create_repo(
        repo_id,
        repo_type=repo_type,
        private=private or None,  # None: as the owner's settings have it
        space_sdk="gradio" if repo_type == "space" else None,
        exist_ok=True,
    )
    return api.repo_info(repo_id, **choices)  # type: ignore[return-value]


def _is_same(path: Path, remote: RepoSibling) -> bool:
    content = path.read_bytes()
    if remote.lfs is not None:
        return hashlib.sha256(content).hexdigest() == remote.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == remote.blob_id  # git's name for it


def _recall(seen: Path | None, key: str) -> str | None:
    if seen is None or not (seen / PUSHED_FILE).is_file():
        return None
    commit: str | None = json.loads((seen / PUSHED_FILE).read_text(encoding="utf-8")).get(key)
    return commit


def _remember(seen: Path | None, key: str, commit: str | None) -> None:
    if seen is not None:
        path = seen / PUSHED_FILE
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        save_json(known | {key: commit}, path)


@contextmanager
def _explain_errors(repo_id: str, branch: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise HubError("Expected to reach the Hub; HF_HUB_OFFLINE forbids it. Unset it to push.") from None
    except (HTTPError, RuntimeError) as error:  # RuntimeError: the client's, around what befell the upload of a file
        cause: Any = error if isinstance(error, HTTPError) else error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _explain_refusal(cause, repo_id, branch) from None
        if isinstance(cause, (HTTPError, OSError)):
            raise HubError(
                f"Expected to reach the Hub; the connection failed ({str(cause) or type(cause).__name__}). A push "
                "arrives as a whole or not at all: push again."
            ) from None
        raise


def _explain_refusal(error: Any, repo_id: str, branch: str) -> HubError:
    from huggingface_hub.errors import RevisionNotFoundError

    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        remedy = f"Create it with `hf repos branch create {repo_id} {branch}`"
        return HubError(
            f"Expected a branch of {repo_id}; found none named {branch!r}. {remedy}, or leave out --revision."
        )
    if status == 401:
        return HubError(
            "Expected a token that the Hub knows; it refused this one (401). Log in again with `hf auth login`, or set "
            "HF_TOKEN anew."
        )
    if status == 403:
        return HubError(
            f"Expected a token with the right to write to {repo_id}; this one has none (403). Choose a token with the "
            "role write, or a repository under your own name."
        )
    if status in (409, 412):
        return UnseenCommitError(
            f"Expected {repo_id} to stay as it was during the push; another commit came in between ({status}). Look at "
            "it, then push again."
        )
    answer = error.server_message or "no reason given"
    return HubError(
        f"Expected the Hub to accept the push; it answered {status} ({answer}). {repo_id} is as it was; push again."
    )
