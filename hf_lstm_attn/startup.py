"""How a process of the command line starts: quiet libraries, memory that is kept, imports without optional packages."""

from __future__ import annotations

import ctypes
import functools
import gc
import logging
import os
import platform
import sys
import warnings
from argparse import Namespace

from .locks import IS_FIRST
from .text import make_visible

# What libraries read when they are imported; long waits of OpenMP's threads slow training where others take a core.
SETTINGS = "TRANSFORMERS_VERBOSITY=error DATASETS_VERBOSITY=error HF_HUB_DISABLE_PROGRESS_BARS=1 GOMP_SPINCOUNT=1000"
OPTIONAL = ("accelerate", "jinja2", "peft", "scipy", "sklearn", "torchao")  # packages that labelling a text can spare


class VisibleFormatter(logging.Formatter):
    """Messages hold names and labels out of files; nothing of them acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return make_visible(super().format(record), keep="\n")


def prepare(options: Namespace) -> None:
    """Settings that libraries read when they are imported, and a place for what they log."""
    if not options.debug:
        settings = f"{SETTINGS} HF_DATASETS_DISABLE_PROGRESS_BARS={int(not sys.stderr.isatty())}"
        os.environ |= dict(pair.split("=") for pair in settings.split()) | os.environ
        warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.ERROR)
    logging.getLogger("hf_lstm_attn").setLevel(logging.INFO if IS_FIRST else logging.ERROR)
    if options.command in ("train", "pretrain", "distill", "predict"):
        keep_freed_memory()
    if options.command == "predict" and not options.input and "transformers" not in sys.modules:
        import_quickly()


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next step instead of returning it to the system.

    An LSTM's states over long texts are large tensors, which it otherwise maps and unmaps in every step; the page
    faults took up to half of the time of training on a CPU. The process then holds its peak memory until it ends.
    """
    if platform.libc_ver()[0] == "glibc":
        for parameter, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**28)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            ctypes.CDLL(None).mallopt(parameter, value)


def import_quickly() -> None:
    """Import the model without optional packages, and with caches that hold: a third less time.

    transformers looks through its 549 folders of models twice, for it remembers the last 128.
    """
    gc.disable()  # imports leave little garbage, and much to look through
    sys.modules.update(dict.fromkeys(OPTIONAL))  # type: ignore[arg-type]  # None: importing it fails
    bounded = functools.lru_cache
    functools.lru_cache = lambda *a, **k: (functools.cache if a and callable(a[0]) else bounded)(*a, **k)
    import transformers  # noqa: F401

    functools.lru_cache = bounded
    from . import inference  # noqa: F401

    for name in OPTIONAL:
        del sys.modules[name]
    gc.enable()
