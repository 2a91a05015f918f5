"""Command lines, read by tyro; what it refuses becomes the one sentence of a user's slip."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from jaxcifar.errors import UserError

SUGGESTIONS = 3


def parse(kind: Any, argv: Sequence[str], way_out: str, **options: Any) -> Any:
    """`tyro.cli(kind, args=argv, **options)`.

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
    """What tyro's box says in its first part, and the flags that its second part suggests."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines()[1:-1]:
        text = line.strip("│ ")
        if set(text) == {"─"}:
            parts.append([])
        else:
            parts[-1].append(text)
    flags = [line.split()[0] for line in parts[1] if line.startswith("--")] if len(parts) > 1 else []
    meant = any("Perhaps you meant" in line for part in parts for line in part)
    reason = " ".join(parts[0]).rstrip(".")
    return f"{reason}; perhaps {' or '.join(flags[:SUGGESTIONS])} was meant" if meant and flags else reason
