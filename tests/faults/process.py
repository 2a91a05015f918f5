"""Commands in forked processes, which a preloaded library kills or denies room at their n-th change of a file system.

A command of a few seconds spends most of them on imports; a fork of a process that has imported everything, but has not
touched a device, has them behind it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("meddle.c")
IMPORTS = (
    "jaxcifar.cli",
    "jaxcifar.runner.execute",
    "jaxcifar.runner.snapshots",
    "jaxcifar.report.curves",
    "orbax.checkpoint",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "scipy.stats",
    "encodings.cp437",
    "psutil",
)
CHANGED = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Its exit code, or minus the signal's number."""
    said: str
    """What it wrote to its standard streams."""
    calls: int
    """Number of changes of the file system that it made, 0 where it was killed."""


def compiler() -> str | None:
    """Return the C compiler, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc")


def main(campaign: Callable[..., list[str]]) -> None:
    """Run a campaign by the words of the command line, SEED TRIALS FOLDER and for some MINUTES; exit by its result."""
    seed, trials, folder, *minutes = sys.argv[1:]
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    restart_with_library(place)
    sys.exit(bool(campaign(int(seed), int(trials), place, *map(float, minutes))))


def restart_with_library(folder: Path) -> None:
    """Start this script again with the library preloaded, and with variables for quick commands."""
    library = folder / "meddle.so"
    if os.environ.get("LD_PRELOAD") != str(library):
        subprocess.run([str(compiler()), "-shared", "-fPIC", "-w", "-o", library, SOURCE, "-ldl"], check=True)
        environment = {**os.environ, **CHANGED, "LD_PRELOAD": str(library)}
        environment.pop("JAXCIFAR_DATA", None)
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    for name in IMPORTS:
        importlib.import_module(name)


def run(work: Callable[[], int], log: Path, *, at: int = 0, error: int = 0, seconds: float | None = None) -> Ended:
    """Run a function in a fork of this process.

    Args:
        work: returns the exit code.
        log: receives what it writes to its standard streams.
        at: the change of the file system from which on the library meddles; 0 for none.
        error: the error number with which changes fail; 0 kills instead.
        seconds: kills after this time.
    """
    sys.stdout.flush()
    made = log.with_suffix(".calls")
    made.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _become(work, log, made, at, error)
    if seconds is not None:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Ended(code, log.read_text(errors="replace"), int(made.read_text()) if made.exists() else 0)


def _become(work: Callable[[], int], log: Path, made: Path, at: int, error: int) -> None:
    library = ctypes.CDLL(None)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    code = 1
    library.meddle(ctypes.c_long(at), ctypes.c_int(error))
    try:
        code = work()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    calls = library.meddled()
    library.meddle(ctypes.c_long(0), ctypes.c_int(0))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    made.write_text(str(calls))
    os._exit(code)


def command(words: Sequence[str | Path]) -> Callable[[], int]:
    """Return a function that runs `jaxcifar WORDS`."""

    def work() -> int:
        from jaxcifar.cli import main

        return main([str(word) for word in words])

    return work
