"""Memory that a process keeps between training steps."""

from __future__ import annotations

import ctypes
import platform

# Parameters of glibc's mallopt, from its malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD_BYTES = 256 * 2**20


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next step instead of returning it to the system.

    An LSTM's states over long texts are large tensors, which glibc otherwise maps and unmaps in every step; the page
    faults took up to half of the time of training on a CPU (`make bench` prints the ratio to a plain loop). The process
    then holds its peak memory until it ends. Without effect on systems without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)
