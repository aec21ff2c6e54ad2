"""Chromium without a window, driven over its debugging pipe: what a page does is asked of a real browser."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One tab. `events` collects what the browser reports: dialogs, console messages, requests."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = os.fdopen(write, "wb"), os.fdopen(read, "rb")
        self._count = 0
        self._buffer = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count  # closing a dialog meanwhile counts on
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def open(self, page: Path | str, *, width: int = 1280, dark: bool = False, javascript: bool = True) -> None:
        """Load a file, or an address, and wait until its scripts have run."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not javascript)
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri() if isinstance(page, Path) else page)
        self.wait_for_event("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; runs beside the page's content security policy, not under it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str, *, seconds: int = 60) -> None:
        """Return when a JavaScript expression is true, looked at every 20 ms."""
        poll = (
            "new Promise((resolve) => { const end = Date.now() + %d; const look = () => { const met = !!(%s);"
            " met || Date.now() > end ? resolve(met) : setTimeout(look, 20); }; look(); })"
        )
        result = self.call(
            "Runtime.evaluate", expression=poll % (seconds * 1000, expression), returnByValue=True, awaitPromise=True
        )
        met = result["result"].get("value")
        assert met is True, f"not so after {seconds} s: {expression}; shown: {self.evaluate('document.body.innerText')}"

    def wait_for_event(self, method: str, **params: Any) -> None:
        """Return when the browser has reported an event with these parameters."""
        while not any(e["method"] == method and params.items() <= e["params"].items() for e in self.events):
            self._note(self._receive())

    def type_into(self, selector: str, text: str) -> None:
        """Replace what a text field holds, as by keyboard."""
        self.evaluate(
            f"(field => {{ field.focus(); field.select(); }})(document.querySelector({json.dumps(selector)}))"
        )
        self.call("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Give a file to an `<input type="file">`."""
        field = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")["result"]
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=field["objectId"])

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS.get(key, 0))

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG, for looking at."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read.fileno(), 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if event.get("method") == "Page.javascriptDialogOpening":  # a dialog would stop the page
            self._count += 1
            close = {"id": self._count, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            self._write.write(json.dumps(close | {"sessionId": self._session}).encode() + b"\0")
            self._write.flush()


# Chromium reads from file descriptor 3 and writes to 4.
_RUN_WITH_PIPES = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Chromium with a profile of its own, for the length of the block."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN_WITH_PIPES, str(to_read), str(from_write), *command],
        pass_fds=(to_read, from_write),
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Browser(to_write, from_read)
    finally:
        process.terminate()
        process.wait(timeout=20)
