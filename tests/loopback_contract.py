"""The HTTP contract of the Hub, a function a request, over repositories in memory; `loopback_hub.py` serves it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

LFS_SUFFIXES = {".bin", ".gz", ".parquet", ".png", ".safetensors", ".zip"}
LFS_SIZE = 10 * 2**20  # from here on, files of any suffix
MAIN = "main"


class HubError(Exception):
    def __init__(self, status: int, message: str, code: str | None = None, commit: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message}
        self.headers |= {"X-Error-Code": code} if code else {}
        self.headers |= {"X-Repo-Commit": commit} if commit else {}


class Blob:
    """A file's content: bytes, or a file that stays on the disk."""

    def __init__(self, content: bytes | Path, *, lfs: bool) -> None:
        self._content = content
        self.lfs = lfs

    def read(self) -> bytes:
        return self._content.read_bytes() if isinstance(self._content, Path) else self._content

    @cached_property
    def size(self) -> int:
        return self._content.stat().st_size if isinstance(self._content, Path) else len(self._content)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()

    @cached_property
    def oid(self) -> str:
        """As git names it: of the pointer, for a file in LFS."""
        content = self.read()
        if self.lfs:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
            content = pointer.encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    files: dict[str, Blob]


@dataclass
class Repository:
    id: str
    type: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)  # pull requests too: refs/pr/1

    def add(self, branch: str, title: str, files: dict[str, Blob], parent: str | None) -> Commit:
        content = {path: blob.sha256 for path, blob in sorted(files.items())}
        oid = hashlib.sha1(json.dumps([parent, title, len(self.commits), content]).encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, files)
        self.branches[branch] = oid
        return self.commits[oid]

    def find(self, revision: str) -> Commit:
        oid = self.branches.get(revision, revision)
        if oid not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]


@dataclass
class Request:
    method: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes
    may_write: bool
    has_token: bool

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)


ROUTES: list[tuple[str, re.Pattern[str], str, Callable[..., Answer]]] = []
_REPO = r"/api/(?P<type>model|dataset|space)s/(?P<id>[^/]+/[^/]+|[^/]+)"
_PAGE = r"/(?:(?P<type>dataset|space)s/)?(?P<id>[^/]+/[^/]+?|[^/]+?)"


def route(methods: str, pattern: str, kind: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        ROUTES.append((methods, re.compile(pattern), kind, function))
        return function

    return register


def find_repository(hub: LoopbackHub, request: Request, type: str | None, id: str) -> Repository:
    repository = hub.repositories.get((type or "model", id))
    if repository is None or (repository.private and not request.has_token):
        raise HubError(404 if request.has_token else 401, "Repository not found", "RepoNotFound")
    if request.method in ("POST", "PUT") and not request.may_write:
        raise HubError(403 if request.has_token else 401, "You have no right to write here")
    return repository


@route("GET", r"/api/whoami-v2", "whoami")
def whoami(hub: LoopbackHub, request: Request) -> Answer:
    if not request.has_token:
        raise HubError(401, "Invalid username or password.")
    return json_answer({"type": "user", "name": "you", "fullname": "You", "orgs": [], "auth": {}})


@route("POST", r"/api/repos/create", "create_repo")
def create_repo(hub: LoopbackHub, request: Request) -> Answer:
    if not request.may_write:
        raise HubError(403 if request.has_token else 401, "You have no right to create a repository here")
    asked = request.json()
    repo_id = f"{asked.get('organization') or 'you'}/{asked['name']}"
    type = asked.get("type") or "model"
    url = f"{hub.url}/{'' if type == 'model' else type + 's/'}{repo_id}"
    with hub.lock:
        if (type, repo_id) in hub.repositories:
            return json_answer({"error": "You already created this repo", "url": url}, 409)
        hub.create(repo_id, type=type, private=asked.get("visibility") == "private" or bool(asked.get("private")))
    return json_answer({"url": url, "name": repo_id})


@route("POST", r"/api/validate-yaml", "validate_yaml")
def validate_yaml(hub: LoopbackHub, request: Request) -> Answer:
    errors = []
    if request.json()["content"].startswith("---\nlicense: nonsense"):
        errors.append({"message": '"license" must be one of [apache-2.0, mit, other]'})
    return json_answer({"errors": errors, "warnings": []}, 400 if errors else 200)


@route("POST", _REPO + r"/preupload/(?P<revision>[^/]+)", "preupload")
def preupload(hub: LoopbackHub, request: Request, type: str, id: str, revision: str) -> Answer:
    known = find_repository(hub, request, type, id).find(revision).files
    files = []
    for file in request.json()["files"]:
        path = file["path"]
        lfs = PurePosixPath(path).suffix in LFS_SUFFIXES or file["size"] >= LFS_SIZE
        entry = {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
        if path in known:
            entry["oid"] = known[path].sha256 if lfs else known[path].oid
        files.append(entry)
    return json_answer({"files": files})


@route("POST", _PAGE + r"\.git/info/lfs/objects/batch", "lfs_batch")
def lfs_batch(hub: LoopbackHub, request: Request, type: str | None, id: str) -> Answer:
    find_repository(hub, request, type, id)
    objects = []
    for asked in request.json()["objects"]:
        entry = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in hub.objects:
            actions = {
                "upload": f"{hub.url}/storage/{asked['oid']}",
                "verify": f"{hub.url}/storage/{asked['oid']}/verify",
            }
            entry["actions"] = {name: {"href": href} for name, href in actions.items()}
        objects.append(entry)
    return json_answer({"transfer": "basic", "objects": objects})


@route("PUT", r"/storage/(?P<oid>\w+)", "lfs_upload")
def lfs_upload(hub: LoopbackHub, request: Request, oid: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise HubError(400, "The content does not match its name")
    hub.objects[oid] = request.body
    return Answer()


@route("POST", r"/storage/(?P<oid>\w+)/verify", "lfs_verify")
def lfs_verify(hub: LoopbackHub, request: Request, oid: str) -> Answer:
    if len(hub.objects.get(oid, b"")) != request.json()["size"]:
        raise HubError(404, "Object not found")
    return json_answer({})


@route("POST", _REPO + r"/commit/(?P<revision>[^/]+)", "commit")
def commit(hub: LoopbackHub, request: Request, type: str, id: str, revision: str) -> Answer:
    lines = [json.loads(line) for line in request.body.splitlines()]
    header = lines[0]["value"]
    with hub.lock:
        repository = find_repository(hub, request, type, id)
        as_pull_request = request.query.get("create_pr") == ["1"]
        if not as_pull_request and revision not in repository.branches:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        head = repository.find(revision)
        base = header.get("parentCommit")
        if base is not None and not head.oid.startswith(base) and not as_pull_request:
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = apply_operations(hub, head.files, lines[1:])
        number = sum(name.startswith("refs/pr/") for name in repository.branches) + 1
        branch = f"refs/pr/{number}" if as_pull_request else revision
        made = repository.add(branch, header["summary"], files, head.oid)
    page = f"{hub.url}/{'' if type == 'model' else type + 's/'}{id}"
    answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}", "hookOutput": ""}
    if as_pull_request:
        answer["pullRequestUrl"] = f"{page}/discussions/{number}"
    return json_answer(answer)


def apply_operations(hub: LoopbackHub, files: dict[str, Blob], lines: list[dict[str, Any]]) -> dict[str, Blob]:
    """The files after a commit, or an error and nothing done."""
    files = dict(files)
    for line in lines:
        value, path = line["value"], line["value"]["path"]
        if line["key"] == "file":
            files[path] = Blob(base64.b64decode(value["content"]), lfs=False)
        elif line["key"] == "lfsFile":
            if value["oid"] not in hub.objects:
                raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = Blob(hub.objects[value["oid"]], lfs=True)
        elif line["key"] == "deletedFile":
            if path not in files:
                raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            del files[path]
        elif line["key"] == "deletedFolder":
            files = {name: blob for name, blob in files.items() if not name.startswith(path.rstrip("/") + "/")}
        else:
            raise HubError(400, f"Unknown operation {line['key']}")
    return files


@route("POST", _REPO + r"/branch/(?P<branch>[^/]+)", "create_branch")
def create_branch(hub: LoopbackHub, request: Request, type: str, id: str, branch: str) -> Answer:
    with hub.lock:
        repository = find_repository(hub, request, type, id)
        if branch in repository.branches:
            raise HubError(409, f"Reference already exists: {branch}")
        start = request.json().get("startingPoint", MAIN) if request.body else MAIN
        repository.branches[branch] = repository.find(start).oid
    return json_answer({})


@route("GET", _REPO + r"/refs", "refs")
def refs(hub: LoopbackHub, request: Request, type: str, id: str) -> Answer:
    repository = find_repository(hub, request, type, id)
    entries = [
        {"name": name, "ref": name if name.startswith("refs/") else f"refs/heads/{name}", "targetCommit": oid}
        for name, oid in repository.branches.items()
    ]
    pulls = [entry for entry in entries if entry["name"].startswith("refs/pr/")]
    return json_answer(
        {"branches": [e for e in entries if e not in pulls], "tags": [], "converts": [], "pullRequests": pulls}
    )


@route("GET", _REPO + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", "tree")
def tree(hub: LoopbackHub, request: Request, type: str, id: str, revision: str, folder: str | None) -> Answer:
    found = find_repository(hub, request, type, id).find(revision)
    prefix = f"{folder}/" if folder else ""
    inside = {path: blob for path, blob in found.files.items() if path.startswith(prefix)}
    if prefix and not inside:
        raise HubError(404, f"{folder} does not exist on {revision}", "EntryNotFound", found.oid)
    recursive = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    folders = {str(parent) for path in inside for parent in PurePosixPath(path).parents if str(parent) != "."}
    folders = {path for path in folders if path.startswith(prefix)}
    entries = [describe_folder(path) for path in folders] + [describe_file(path, blob) for path, blob in inside.items()]
    shown = [entry for entry in entries if recursive or "/" not in entry["path"].removeprefix(prefix)]
    return json_answer(sorted(shown, key=lambda entry: entry["path"]))


@route("POST", _REPO + r"/paths-info/(?P<revision>[^/]+)", "paths_info")
def paths_info(hub: LoopbackHub, request: Request, type: str, id: str, revision: str) -> Answer:
    reading = Request("GET", request.query, request.headers, b"", request.may_write, request.has_token)
    files = find_repository(hub, reading, type, id).find(revision).files
    paths = parse_qs(request.body.decode()).get("paths", [])
    entries = [describe_file(path, files[path]) for path in paths if path in files]
    entries += [describe_folder(path) for path in paths if any(name.startswith(f"{path}/") for name in files)]
    return json_answer(entries)


def describe_file(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": blob.oid, "size": blob.size}
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
    return entry


def describe_folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}


@route("GET", _REPO + r"(?:/revision/(?P<revision>[^/]+))?", "info")
def info(hub: LoopbackHub, request: Request, type: str, id: str, revision: str | None) -> Answer:
    repository = find_repository(hub, request, type, id)
    found = repository.find(revision or MAIN)
    siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(found.files)]
    if "blobs" in request.query:
        for sibling in siblings:
            blob = found.files[sibling["rfilename"]]
            sibling |= {"size": blob.size, "blobId": blob.oid}
            if blob.lfs:
                sibling["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 134}
    return json_answer(
        {"id": id, "sha": found.oid, "private": repository.private, "tags": [], "downloads": 0, "siblings": siblings}
    )


@route("HEAD GET", _PAGE + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve")
def resolve(hub: LoopbackHub, request: Request, type: str | None, id: str, revision: str, path: str) -> Answer:
    found = find_repository(hub, request, type, id).find(revision)
    if path not in found.files:
        raise HubError(404, "Entry not found", "EntryNotFound", found.oid)
    blob = found.files[path]
    etag = f'"{blob.sha256 if blob.lfs else blob.oid}"'
    headers = {"X-Repo-Commit": found.oid, "ETag": etag, "Accept-Ranges": "bytes"}
    if blob.lfs:
        headers |= {"X-Linked-ETag": etag, "X-Linked-Size": str(blob.size)}
    if request.method == "HEAD":
        return Answer(b"", headers | {"Content-Length": str(blob.size)})
    content = blob.read()
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if wanted is None:
        return Answer(content, headers)
    start = int(wanted[1]) if wanted[1] else blob.size - int(wanted[2])
    end = min(int(wanted[2]) + 1 if wanted[1] and wanted[2] else blob.size, blob.size)
    if start >= blob.size:
        return Answer(b"", {"Content-Range": f"bytes */{blob.size}"}, 416)
    return Answer(content[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{blob.size}"}, 206)
