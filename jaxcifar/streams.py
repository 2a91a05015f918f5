"""The process of the command: its memory pages, its standard streams and a reader that closes its pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TUNABLES = "GLIBC_TUNABLES"


def huge_pages() -> dict[str, str]:
    """Return the variable that asks for huge pages, or nothing where the user has set it or the system is not Linux."""
    if sys.platform != "linux" or TUNABLES in os.environ:
        return {}
    return {TUNABLES: "glibc.malloc.hugetlb=1"}


def in_huge_pages(script: str) -> None:
    """Replace this process by the same command with large arrays in huge pages, where the system offers them.

    On a CPU every chunk of steps allocates its buffers again; in pages of 4 kB their first touch took a sixth of a
    chunk of one step. The C library reads this setting only when a process starts.

    Args:
        script: the file that Python must have been started with. In any other process (IPython, a debugger or profiler,
            `runpy`, a program that calls this one) nothing happens, because that process would be lost.
    """
    variables = huge_pages()
    # Help needs no large arrays, so that a second start would only cost time.
    asks_for_help = not {"-h", "--help", "--version"}.isdisjoint(sys.argv[1:])
    if variables and sys.executable and not asks_for_help and _is_started_with(script):
        with suppress(OSError):
            # The new process finds the variable set, so it does not start itself once more.
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **variables})


def _is_started_with(script: str) -> bool:
    """Whether the interpreter's own command line is `python SCRIPT ARGUMENTS` or `python -m jaxcifar ARGUMENTS`."""
    # `python -m pdb SCRIPT` and `python -i SCRIPT` differ in the first word; a host's sys.argv differs from its own.
    match sys.orig_argv[1:]:
        case ["-m", "jaxcifar", *arguments]:
            started = Path(__file__).with_name("__main__.py")
        case [first, *arguments]:
            started = Path(first)
        case _:
            return False
    if arguments != sys.argv[1:] or sys.gettrace() is not None or sys.getprofile() is not None:
        return False
    with suppress(OSError):
        return os.path.samefile(started, script)
    return False


def open_streams() -> None:
    """Give a process without standard streams (`2>&-`) the null device in their place.

    Otherwise the next file that is opened takes the stream's number, and every message of a library is written into it.
    """
    # In the order of their numbers: each takes the lowest number that is free, which is its own.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the process ends


@contextmanager
def quiet_when_unread() -> Iterator[None]:
    """End without a traceback where standard output cannot be written.

    With 141 if its reader has gone, as in `--help | head -1`, and with 2 and one sentence for a full disk.
    """
    try:
        try:
            yield
        finally:
            # Output may still be in the buffer, so that a closed pipe shows only now.
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        # 13 is SIGPIPE: the code that a shell reports for a program that this signal has ended.
        raise SystemExit(128 + 13) from None
    except OSError as error:
        if not _is_refused():  # the error is one of another file
            raise
        _discard_output()
        print(f"Error: The output cannot be written ({error.strerror}); send it elsewhere.", file=sys.stderr)
        raise SystemExit(2) from None


def _is_refused() -> bool:
    """Whether standard output takes nothing any more."""
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def _discard_output() -> None:
    # Python flushes once more when it exits; that must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
