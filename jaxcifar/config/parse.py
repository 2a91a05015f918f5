"""Command lines, read by tyro; what it refuses becomes the one sentence of a user's slip."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from jaxcifar.errors import UserError

SUGGESTIONS = 3


def parse(kind: Any, argv: Sequence[str], way_out: str, **options: Any) -> Any:
    """Return `tyro.cli(kind, args=argv, **options)`.

    Args:
        kind: the dataclass to fill.
        argv: the arguments.
        way_out: the command that lists what is allowed.
        options: of `tyro.cli`.

    Raises:
        UserError: an argument is unknown, missing or does not parse.
        SystemExit: with 0 after `--help`.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=list(argv), **options)
    except SystemExit as stopped:
        if stopped.code != 2:
            raise
        raise UserError(f"{_reason(said.getvalue())}; `{way_out}` lists what is allowed.") from None


def _reason(box: str) -> str:
    """The first part of tyro's box as one line, and the flags that its second part suggests.

    tyro has a hook for errors, but calls it private and unstable, so its text is read: below a title, parts that are
    separated by rules, in a frame where standard output is UTF-8, otherwise in plain ASCII.
    """
    parts: list[list[str]] = [[]]
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if text and set(text) <= set("─-╰╯"):
            parts.append([])
        elif text:
            parts[-1].append(text)
    first, *others = [part for part in parts if part] or [[]]
    flags = [line.split()[0] for part in others[:1] for line in part if line.startswith("--")]
    meant = any("Perhaps you meant" in line for part in others for line in part)
    reason = " ".join(first).rstrip(".")
    return f"{reason}; perhaps {' or '.join(flags[:SUGGESTIONS])} was meant" if meant and flags else reason
