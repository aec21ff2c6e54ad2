"""A Hub on 127.0.0.1 for tests: repositories in memory, the HTTP contract that `huggingface_hub` speaks, and faults.

It proves the client's side, not huggingface.co. Every commit is atomic and history is kept; large files go through
git LFS as on the Hub, without xet. The client finds it by `HF_ENDPOINT` and needs `HF_HUB_DISABLE_XET=1`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import close_session, constants
from loopback_contract import (
    LFS_SUFFIXES,
    MAIN,
    ROUTES,
    Answer,
    Blob,
    Commit,
    HubError,
    Repository,
    Request,
    json_answer,
)

WRITER, READER = "hf_loopbackWriterToken", "hf_loopbackReaderToken"
WAIT = 60  # seconds until a request that a test forgot to release goes on


def build_environment(url: str, home: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that knows this Hub, and nothing of the machine's cache and login."""
    ours = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | ours | variables


@contextmanager
def connect(hub: LoopbackHub, *, token: str | None = None) -> Iterator[None]:
    """Let the client in this process use the hub, which it reads its settings for when it is imported."""
    settings = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": os.devnull,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setattr(constants, name, value)
        patch.setenv("HF_TOKEN", token or "")
        close_session()
        yield
        close_session()


@dataclass
class Fault:
    """What befalls the n-th request of a kind (or of any). `held` is set when a request that is to wait has come, it
    goes on when `release` is set, and `done` says that the server has finished with it."""

    kind: str | None
    countdown: int
    status: int | None = None
    drop: bool = False
    after: bool = False  # the request is carried out first
    held: threading.Event | None = None
    release: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class LoopbackHub:
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}  # sha256 -> content uploaded to LFS
        self.requests: list[str] = []  # kinds, in order of arrival
        self.statuses: set[int] = set()  # those answered with
        self.tokens: set[str] = set()  # those that requests came with
        self.errors: list[BaseException] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._server = _Server(self)

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            fault.release.set()
        self._server.shutdown()
        self._server.server_close()
        assert not self.errors, self.errors

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    # Content

    def create(self, repo_id: str, *, type: str = "model", private: bool = False) -> Repository:
        repository = Repository(repo_id, type, private)
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in sorted(LFS_SUFFIXES))
        repository.add(MAIN, "initial commit", {".gitattributes": Blob(attributes.encode(), lfs=False)}, None)
        self.repositories[type, repo_id] = repository
        return repository

    def serve_folder(self, repo_id: str, folder: Path, *, type: str = "dataset") -> Repository:
        """A repository with the files of a folder, which are read when they are asked for."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        files = {path.relative_to(folder).as_posix(): Blob(path, lfs=path.suffix in LFS_SUFFIXES) for path in paths}
        repository = self.create(repo_id, type=type)
        repository.add(MAIN, "add files", files, repository.branches[MAIN])
        return repository

    def files(self, repo_id: str, revision: str = MAIN, *, type: str = "model") -> dict[str, bytes]:
        """A repository's files but for `.gitattributes`, which the Hub puts there itself."""
        files = self.repositories[type, repo_id].find(revision).files
        return {path: blob.read() for path, blob in files.items() if path != ".gitattributes"}

    def history(self, repo_id: str, revision: str = MAIN, *, type: str = "model") -> list[Commit]:
        """Commits from the first to the last."""
        repository = self.repositories[type, repo_id]
        oid: str | None = repository.find(revision).oid
        commits = []
        while oid is not None:
            commits.append(repository.commits[oid])
            oid = commits[-1].parent
        return commits[::-1]

    def state(self) -> dict[str, dict[str, str]]:
        """Every branch of every repository: equal states are equal to the last byte."""
        with self.lock:
            return {f"{type} {id}": dict(repo.branches) for (type, id), repo in self.repositories.items()}

    # Faults

    def fail(self, status: int, kind: str | None = None, *, nth: int = 1) -> None:
        """Answer with an error, and do nothing."""
        self.faults.append(Fault(kind, nth, status=status))

    def drop(self, kind: str | None = None, *, nth: int = 1, after: bool = False) -> None:
        """Close the connection without an answer; with `after`, once the request is carried out."""
        self.faults.append(Fault(kind, nth, drop=True, after=after))

    def hold(self, kind: str | None = None, *, nth: int = 1, after: bool = False) -> Fault:
        """Set `held` when the request has arrived, and go on when `release` is set."""
        self.faults.append(Fault(kind, nth, after=after, held=threading.Event()))
        return self.faults[-1]

    def next_fault(self, kind: str) -> Fault | None:
        with self.lock:
            self.requests.append(kind)
            for fault in self.faults:
                # Unknown: what the client asks for its own purposes, at times of its own.
                if fault.kind == kind or (fault.kind is None and kind != "unknown"):
                    fault.countdown -= 1
                    if fault.countdown == 0:
                        return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: LoopbackHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):  # a client that left is no error here
            self.hub.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        kind, function, found = self._match(address.path)
        fault = self.server.hub.next_fault(kind) or Fault(kind, 0)
        try:
            self._answer(fault, function, found)
        finally:
            fault.done.set()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self, fault: Fault, function: Callable[..., Answer] | None, found: dict[str, str | None]) -> None:
        if not fault.after and self._suffers(fault):
            return
        body = self._read_body()
        try:
            if fault.status is not None:
                raise HubError(fault.status, "injected fault")
            request = self._authorize(parse_qs(urlsplit(self.path).query), body)
            if function is None:
                raise HubError(404, f"No such page: {self.command} {self.path}")
            answer = function(self.server.hub, request, **found)
        except HubError as error:
            answer = json_answer({"error": str(error)}, error.status)
            answer.headers |= error.headers
        if fault.after and self._suffers(fault):
            return
        self._send(answer)

    def _match(self, path: str) -> tuple[str, Callable[..., Answer] | None, dict[str, str | None]]:
        for methods, pattern, kind, function in ROUTES:
            match = pattern.fullmatch(path)
            if match and self.command in methods.split():
                return kind, function, {name: part and unquote(part) for name, part in match.groupdict().items()}
        return "unknown", None, {}

    def _suffers(self, fault: Fault) -> bool:
        if fault.held is not None:
            fault.held.set()
            fault.release.wait(WAIT)
        if fault.drop:
            self.close_connection = True
        return fault.drop

    def _read_body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client left before the end of its request")
        return body

    def _authorize(self, query: dict[str, list[str]], body: bytes) -> Request:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token:
            self.server.hub.tokens.add(token)
        if token not in ("", WRITER, READER):
            raise HubError(401, "Invalid credentials in Authorization header")
        return Request(self.command, query, self.headers, body, token == WRITER, bool(token))

    def _send(self, answer: Answer) -> None:
        self.server.hub.statuses.add(answer.status)
        self.send_response(answer.status)
        for name, value in ({"Content-Length": str(len(answer.content))} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)
