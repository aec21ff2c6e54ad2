"""A Hub on 127.0.0.1 for tests: model repositories in memory, the requests that `huggingface_hub` sends, and faults.

It proves the client's side, not huggingface.co. Commits are atomic; large files go through git LFS, without xet.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import transformers
from huggingface_hub import constants

WRITER, READER = "hf_loopbackWriterToken", "hf_loopbackReaderToken"
LFS_SUFFIXES = (".safetensors", ".png", ".bin")
API = "/api/models/(?P<id>[^/]+/[^/]+)"
ROUTES = {  # method of Handler -> the requests it answers; the pattern's named groups are its arguments
    "create_repo": "POST /api/repos/create",
    "validate_yaml": "POST /api/validate-yaml",
    "preupload": f"POST {API}/preupload/(?P<revision>[^/]+)",
    "lfs_batch": "POST /(?P<id>[^/]+/[^/]+).git/info/lfs/objects/batch",
    "lfs_upload": r"PUT /storage/(?P<oid>\w+)",
    "commit": f"POST {API}/commit/(?P<revision>[^/]+)",
    "info": f"GET {API}(/revision/(?P<revision>[^/]+))?",
    "tree": f"GET {API}/tree/(?P<revision>[^/]+)(?P<folder>/.+)?",
    "resolve": r"(HEAD|GET) /(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
}


class HubError(Exception):
    """An answer that is an error: status and, for the client to tell kinds apart, X-Error-Code and X-Repo-Commit."""


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {".gitattributes": b""}})
    branches: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})


class LoopbackHub(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}  # SHA-256 -> content
        self.requests: list[str] = []  # kinds, in order of arrival
        self.faults: dict[str, int] = {}  # kind -> status of its next answer; 0 closes the connection without one

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """A branch's files but for `.gitattributes`, which the Hub puts there itself."""
        repository = self.repositories[repo_id]
        return {k: v for k, v in repository.commits[repository.branches[revision]].items() if k != ".gitattributes"}


@pytest.fixture(name="hub")
def serve_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """An empty Hub that this process is logged in to, with an empty cache."""
    hub = LoopbackHub()
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    settings = {"ENDPOINT": hub.url, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_OFFLINE": False}
    settings |= {"HF_HUB_DISABLE_XET": True, "HF_TOKEN_PATH": os.devnull, "HF_HUB_CACHE": str(tmp_path / "cache")}
    for name, value in settings.items():  # which the client reads when it is imported
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # one client of transformers, of the Hub it saw first
    monkeypatch.setenv("HF_TOKEN", WRITER)
    yield hub
    hub.shutdown()
    hub.server_close()


def build_environment(hub: LoopbackHub, home: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that knows this Hub, and nothing of the machine's cache and login."""
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own | variables


class Handler(BaseHTTPRequestHandler):
    server: LoopbackHub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        address = f"{self.command} {self.path.partition('?')[0]}"
        matches = ((name, re.fullmatch(pattern, address)) for name, pattern in ROUTES.items())
        kind, match = next((pair for pair in matches if pair[1]), ("unknown", None))
        self.server.requests.append(kind)
        fault = self.server.faults.pop(kind, None)
        if fault == 0:
            return
        try:
            if self.token not in ("", WRITER, READER) or (self.command == "POST" and not self.token):
                raise HubError(401)
            if fault or match is None or (self.command == "POST" and self.token == READER):
                raise HubError(fault or (404 if match is None else 403))
            answer = getattr(self, kind)(**{key: part and unquote(part) for key, part in match.groupdict().items()})
            status, (headers, content) = 200, answer if isinstance(answer, tuple) else ({}, json.dumps(answer).encode())
        except HubError as error:
            status, code, commit = (*error.args, "", "")[:3]
            headers, content = {"X-Error-Code": code, "X-Repo-Commit": commit}, b'{"error": "refused"}'
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def find(self, id: str, revision: str = "main") -> tuple[Repository, str]:
        """A repository, and the id of the commit that `revision`, a branch or a commit, names."""
        if id not in self.server.repositories:
            raise HubError(404, "RepoNotFound")
        repository = self.server.repositories[id]
        head = repository.branches.get(revision, revision)
        if head not in repository.commits:
            raise HubError(404, "RevisionNotFound")
        return repository, head

    def create_repo(self) -> Any:
        asked = json.loads(self.body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        # The real one answers 409 if there is one already.
        self.server.repositories.setdefault(repo_id, Repository(private=asked.get("visibility") == "private"))
        return {"url": f"{self.server.url}/{repo_id}"}

    def validate_yaml(self) -> Any:
        return {"errors": [], "warnings": []}

    def preupload(self, id: str, revision: str) -> Any:
        asked = json.loads(self.body)["files"]
        modes = {x["path"]: ("regular", "lfs")[x["path"].endswith(LFS_SUFFIXES)] for x in asked}
        return {"files": [{"path": path, "uploadMode": modes[path], "shouldIgnore": False} for path in modes]}

    def lfs_batch(self, id: str) -> Any:
        storage, asked = f"{self.server.url}/storage", json.loads(self.body)["objects"]
        return {"objects": [x | {"actions": {"upload": {"href": f"{storage}/{x['oid']}"}}} for x in asked]}

    def lfs_upload(self, oid: str) -> Any:
        self.server.objects[oid] = self.body
        return {}

    def commit(self, id: str, revision: str) -> Any:
        repository, head = self.find(id, revision)
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        if header["value"].get("parentCommit", head) != head:
            raise HubError(412)
        read: dict[str, Callable[[Any], bytes | None]] = {
            "file": lambda value: base64.b64decode(value["content"]),
            "lfsFile": lambda value: self.server.objects[value["oid"]],
            "deletedFile": lambda value: None,
        }
        changes = {line["value"]["path"]: read[line["key"]](line["value"]) for line in operations}
        files = repository.commits[head] | changes
        made, url = f"{len(repository.commits):040}", f"{self.server.url}/{id}"
        repository.commits[made] = {path: data for path, data in files.items() if data is not None}
        repository.branches["refs/pr/1" if "create_pr=1" in self.path else revision] = made
        return {"commitOid": made, "commitUrl": f"{url}/commit/{made}", "pullRequestUrl": f"{url}/discussions/1"}

    def info(self, id: str, revision: str | None) -> Any:
        repository, head = self.find(id, revision or "main")
        siblings = [{"rfilename": path} for path in repository.commits[head]]
        return {"id": id, "sha": head, "private": repository.private, "tags": [], "siblings": siblings}

    def tree(self, id: str, revision: str, folder: str | None) -> Any:
        repository, head = self.find(id, revision)
        if folder is not None:  # transformers looks for chat templates; the models here are flat
            raise HubError(404, "EntryNotFound", head)
        files = repository.commits[head].items()
        return [{"type": "file", "path": k, "oid": sha1(v).hexdigest(), "size": len(v)} for k, v in files]

    def resolve(self, id: str, revision: str, path: str) -> Any:
        repository, head = self.find(id, revision)
        if path not in repository.commits[head]:
            raise HubError(404, "EntryNotFound", head)
        data = repository.commits[head][path]
        return {"X-Repo-Commit": head, "ETag": f'"{sha1(data).hexdigest()}"'}, data
