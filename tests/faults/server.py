"""Runs commands of hf-lstm-attn in children of a process that has torch loaded, and kills them at a file operation.

A line of JSON on standard input is a command, `{"words": [...], "folder": ..., "kill_at": n, "truncate": bool}`; one of
JSON on standard output the answer, `{"code": ..., "operations": n, "errors": ...}`; the code is -9 after a kill.

Operations are those that change files below the folder: what Python reports by audit events, and what safetensors and
torch write past Python, before and after. With `truncate` the file that was written last loses its second half first.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}

import sentence_transformers  # noqa: F401
import torch
import transformers.modeling_utils

import hf_lstm_attn.callbacks
import hf_lstm_attn.cli_train
import hf_lstm_attn.plots
from hf_lstm_attn.cli import main

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
WRITERS = (
    (torch, "save", 1),
    (transformers.modeling_utils, "safe_save_file", 1),
    (hf_lstm_attn.callbacks, "save_file", 1),
)  # module, function, place of the path among its arguments


class Killer:
    """Counts operations, and ends this process at one of them.

    Args:
        folder: What lies below it counts.
        kill_at: The number of the operation before which the process ends; 0 for none.
        truncate: Whether half of the file that was written last is lost.
    """

    def __init__(self, folder: str, kill_at: int, truncate: bool) -> None:
        self.folder, self.kill_at, self.truncate = folder, kill_at, truncate
        self.operations, self.last = 0, ""
        sys.addaudithook(self.watch)
        for module, name, place in WRITERS:
            setattr(module, name, self.wrap(getattr(module, name), place))

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and path.startswith(self.folder) and (flags or 0) & (os.O_WRONLY | os.O_RDWR):
                self.count(path)
        elif event in CHANGES:
            path = str(arguments[0])
            if path.startswith(self.folder) or not Path(path).is_absolute():  # of a folder that is open, as in rmtree
                self.count("")

    def wrap(self, write: Callable[..., Any], place: int) -> Callable[..., Any]:
        def written(*arguments: Any, **options: Any) -> Any:
            path = str(arguments[place])
            self.count("")
            result = write(*arguments, **options)
            self.count(path)
            return result

        return written

    def count(self, path: str) -> None:
        self.operations += 1
        if self.operations == self.kill_at:
            if self.truncate and self.last and Path(self.last).is_file():
                os.truncate(self.last, Path(self.last).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.last = path


def run_child(order: dict[str, Any], errors: Path, counted: Path) -> None:
    """Run the command, and leave its count of operations."""
    log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    killer = Killer(order["folder"], order.get("kill_at", 0), order.get("truncate", False))
    code = main(order["words"])
    counted.write_text(str(killer.operations))
    sys.stderr.flush()
    os._exit(code)


def serve(scratch: Path) -> None:
    errors, counted = scratch / "errors.txt", scratch / "operations.txt"
    for line in sys.stdin:
        counted.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            try:
                run_child(json.loads(line), errors, counted)
            finally:
                os._exit(99)
        _, status = os.waitpid(child, 0)
        operations = int(counted.read_text()) if counted.is_file() else 0
        text = errors.read_text(encoding="utf-8", errors="replace")
        answer = {"code": os.waitstatus_to_exitcode(status), "operations": operations, "errors": text[-2_000:]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
