"""The forms that JSON of a record must have; a value of another form is left out and named, never computed with."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Numbers = dict[str, float | None]

SUMMARY: dict[str, Any] = {
    "status": Literal["finished", "diverged", "interrupted"],
    "same_as": str,
    "epochs": int,
    "steps": int,
    "diverged_step": int,
    "parameters": int,
    "members_in_program": int,
    "processes_beside": int,
    "peak_memory": Numbers,
    "best": Numbers,
    "last": Numbers,
    **dict.fromkeys(
        ("seconds_per_epoch", "training_seconds", "compile_seconds", "total_seconds", "flops"),
        float | None,
    ),
}
ENVIRONMENT: dict[str, Any] = {
    "versions": dict[str, str | None],
    "device": dict[str, Any],
    "git_commit": str | None,
    "data": dict[str, Any] | None,
    "history": list[dict[str, Any]],
}
MANIFEST: dict[str, Any] = {
    "study": str,
    "command": str,
    "changed": list[str],
    "scale": float,
    "size": str,
    "alone": bool,
    "configs": str,
    "runs": list[dict[str, Any]],
}
ROW: dict[str, Any] = {
    "member": str,
    "seed": int,
    "folder": str,
    "network": str | None,
    "epochs": int | None,
    "steps": int | None,
    "flops": float | None,
    "same_as": str | None,
}
"""Of a run in the manifest."""
LONGEST_NAME = 255
"""Bytes of a file's name, as file systems have it."""
GRADIENTS: dict[str, Any] = {"batch": int, "norms": dict[str, Numbers], "roles": dict[str, str]}

# Tab and line feed stay. U+2028 and U+2029 end a line for str.splitlines; UTF-8 cannot hold lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def parse(text: str | bytes) -> Any:
    """Return a JSON value, in its strings U+FFFD for characters that a terminal obeys or a file cannot hold.

    Raises:
        ValueError: the text is not JSON, or nested deeper than Python can follow.
    """
    try:
        return _printable(json.loads(text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def printable(text: str) -> str:
    """Return a text with U+FFFD for its control characters and lone surrogates."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _printable(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(item) for item in value]
        case dict():
            return {printable(key): _printable(item) for key, item in value.items()}
        case _:
            return value


def fits(value: Any, hint: Any) -> bool:
    """Return whether a JSON value has the form of a type annotation; an integer is a float too, a boolean neither."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        # In Python True equals 1 and 1 equals 1.0, so the types must agree as well.
        return any(type(value) is type(allowed) and value == allowed for allowed in arguments)
    if origin in (list, tuple, Sequence) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return isinstance(value, list | tuple) and all(fits(item, arguments[0]) for item in value)
    # Only the values are checked: in JSON every key is a string.
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if origin is not None:
        return True
    if hint in (int, float):
        known = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
        # JSON has integers of any size, NumPy only those of 64 bits.
        return known and (isinstance(value, float) or abs(value) < 2**63)
    return value is None if hint in (None, type(None)) else isinstance(value, hint)


def kept(value: Mapping[str, Any], form: Mapping[str, Any], path: Path, problems: list[str] | None) -> dict[str, Any]:
    """Return an object without the known fields that have another form; each becomes a problem."""
    found = {}
    for key, item in value.items():
        if key not in form or fits(item, form[key]):
            found[key] = item
        elif problems is not None:
            problems.append(f"{path}: {key!r} is {_short(item)}, which is of another form, and was left out.")
    return found


def is_row(row: Any) -> bool:
    """Return whether a row of a manifest names a run below the study's folder."""
    if not all(fits(row.get(key), kind) for key, kind in ROW.items()):
        return False
    # The system raises an error for every access to a path with a longer name.
    if any(len(part.encode()) > LONGEST_NAME for part in (*Path(row["folder"]).parts, row["member"])):
        return False
    place = Path(row["folder"])
    return not place.is_absolute() and ".." not in place.parts and abs(row["seed"]) < 2**31


def check(instance: Any) -> None:
    """Raise TypeError if a field of a dataclass that was made from JSON has another form than its annotation."""
    for name, hint in get_type_hints(type(instance)).items():
        value = getattr(instance, name)
        if not fits(value, hint):
            raise TypeError(f"{name} is {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
