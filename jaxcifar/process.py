"""The process that trains: what must be settled before it starts."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

TUNABLES = "GLIBC_TUNABLES"


def huge_pages() -> dict[str, str]:
    """The environment that asks for them, empty where a user has set it already or the C library is another."""
    if sys.platform != "linux" or TUNABLES in os.environ:
        return {}
    return {TUNABLES: "glibc.malloc.hugetlb=1"}


def in_huge_pages() -> None:
    """Starts this process anew, in place, so that large arrays lie in huge pages where the system offers them.

    On a CPU every chunk of steps takes its buffers afresh; in pages of 4 kB their first touch took a sixth of a chunk
    of one step. The C library reads this wish at its start only.
    """
    variables = huge_pages()
    if variables and sys.executable:
        with suppress(OSError):
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **variables})
