"""A user's own code in a config: the record keeps its name, its arguments and a hash of its source, never the code."""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import Suppress

from jaxcifar.errors import UserError

Hidden = Annotated[Any, Suppress]
"""An object that is not a flag."""


NOT_STORED = {"stored": False}
"""Metadata of a field for an object that is neither stored nor compared: fields next to it describe the object."""


def is_stored(one: Any) -> bool:
    """Return whether a dataclass's field belongs to the config's JSON."""
    return one.metadata.get("stored", True)


def name_of(code: Any) -> str:
    """Return the name of a class, a function or an object's class, without its module."""
    return getattr(code, "__qualname__", None) or getattr(code, "__name__", None) or type(code).__qualname__


def in_words(value: Any, where: str) -> str:
    """Return a value as a text that is equal in every process.

    Args:
        value: a plain value, array, function, class, dataclass, or a container of these.
        where: names the value in messages.

    Raises:
        UserError: the value's text holds its address in memory, so that no two processes agree on it.
    """
    match value:
        case list() | tuple():
            return f"({', '.join(in_words(item, where) for item in value)})"
        case Mapping():
            return f"{{{', '.join(f'{key}: {in_words(item, where)}' for key, item in value.items())}}}"
        case functools.partial():
            parts = (name_of(value.func), *(in_words(item, where) for item in value.args), named(value.keywords, where))
            return f"partial({', '.join(filter(None, parts))})"
        case np.ndarray():
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"array({value.dtype}, {value.shape}, {digest[:12]})"
    if hasattr(value, "__array__") and hasattr(value, "shape") and not isinstance(value, type):
        return in_words(np.asarray(value), where)
    if callable(value) and hasattr(value, "__name__"):
        digest = source_sha256(value)
        return f"{name_of(value)} {digest[:12]}" if digest else name_of(value)
    if is_dataclass(value):
        return f"{name_of(value)}({named(settings(value), where)})"
    text = repr(value)
    if re.search(r" at 0x[0-9a-f]+", text):
        raise UserError(
            f"{where} has the argument {text}, whose text is another in each process, so a record cannot keep it; "
            "give a plain value, a function, an array or a dataclass."
        )
    return text


def settings(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields by name, without the two that Flax adds to its modules."""
    return {one.name: getattr(value, one.name) for one in fields(value) if one.name not in ("parent", "name")}


def named(arguments: Mapping[str, Any], where: str) -> str:
    """Return keyword arguments as a text, such as `width=32, depth=2`; raises as `in_words`."""
    return ", ".join(f"{name}={in_words(value, where)}" for name, value in arguments.items())


def source_sha256(code: Any) -> str | None:
    """Return the SHA-256 of the source of a class or function, with the classes and functions that it names.

    Of the names only those of the same folder count: a record's versions stand for installed packages.

    Returns:
        64 hexadecimal digits; None for code of an installed package or where Python cannot find the source.
    """
    found: dict[str, str] = {}
    _collect(code, _folder(code), found)
    # Sorted, because the order in which sources are found depends on the order of a set.
    return hashlib.sha256("\n".join(found[name] for name in sorted(found)).encode()).hexdigest() if found else None


def _collect(code: Any, folder: Path | None, found: dict[str, str]) -> None:
    """Add the source of some code to `found`, then that of the code of its folder which it names or inherits."""
    name = f"{getattr(code, '__module__', '')}.{name_of(code)}"
    if name in found or folder is None or _folder(code) != folder:
        return
    try:
        # A file may have been edited since its lines were read, and `inspect` would return the old ones.
        linecache.checkcache()
        text = found[name] = textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):
        return
    known = vars(sys.modules[code.__module__])
    for other in (*getattr(code, "__mro__", ()), *(known.get(word) for word in set(re.findall(r"\w+", text)))):
        if inspect.isclass(other) or inspect.isfunction(other):
            _collect(other, folder, found)


def _folder(code: Any) -> Path | None:
    """The folder of the file that defines some code; None for code of an installed package, or without a file."""
    try:
        path = Path(inspect.getfile(inspect.unwrap(code)))
    except (TypeError, OSError, ValueError):
        return None
    return None if {"site-packages", "dist-packages"} & set(path.parts) else path.parent
