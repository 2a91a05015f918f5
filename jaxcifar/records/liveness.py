"""Which process holds a lock: its machine, and whether it is still alive there."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Where process numbers mean the same."""

    host: str
    id: str
    """Tells hosts of one name apart, and containers on one host: host, start of the system, table of processes."""

    @classmethod
    def this(cls) -> Machine:
        """Return the machine that this process runs on."""
        host = socket.gethostname()
        parts = [host]
        with suppress(OSError):
            parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
        return cls(host, "/".join(parts))


MACHINE = Machine.this()


def started(process: int) -> str:
    """Return a text that differs for two processes of one number; empty if there is none, or it is only a zombie."""
    try:
        # In ticks since the start of the system, which a change of the clock leaves alone.
        # The program's name, in parentheses, may hold spaces and parentheses itself, so the last one counts.
        # Behind it are state (0) and start time (19), fields 3 and 22 of proc(5).
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        # Where there is a /proc at all, a missing entry means that the process has ended.
        if Path("/proc/self/stat").exists():
            return ""
    except (OSError, IndexError):
        pass
    import psutil  # not where /proc is enough

    with suppress(psutil.Error):
        return str(round(psutil.Process(process).create_time()))
    return ""


def is_alive(process: int, start: str) -> bool:
    """Return whether a process that was started at `start` is still there."""
    return start != "" and started(process) == start
