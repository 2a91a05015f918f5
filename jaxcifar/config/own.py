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
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
from tyro.conf import Suppress

from jaxcifar.errors import UserError

Hidden = Annotated[Any, Suppress]
"""An object that is not a flag."""


Description = Annotated[str, Suppress]
"""What a record says of an object; made from it, so no flag changes it."""
Digest = Annotated[str | None, Suppress]

NOT_STORED = {"stored": False}
"""Metadata of a field for an object that is neither stored nor compared: fields next to it describe the object."""


def is_stored(one: Any) -> bool:
    """Return whether a dataclass's field belongs to the config's JSON."""
    return one.metadata.get("stored", True)


def name_of(code: Any) -> str:
    """Return the name of a class, a function or an object's class, without its module."""
    if isinstance(code, functools.partial):
        return name_of(code.func)
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
    if callable(value) and not is_dataclass(value) and type(value).__repr__ is object.__repr__:
        return f"{name_of(value)} {(source_sha256(value) or '')[:12]}".rstrip()
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
    """Return the SHA-256 of the source of code, with the classes and functions that it names and what it holds.

    Of the names only those of the same folder count: a record's versions stand for installed packages. It holds the
    variables of the function around it, the arguments of a `partial` and, an object that is called, its attributes.

    Returns:
        64 hexadecimal digits; None for code of an installed package, or where Python cannot find the source, that holds
        nothing.
    """
    try:
        return _digests[code]
    except (KeyError, TypeError):  # not seen yet, or of a kind that has no weak references
        digest = _digest(code)
    with suppress(TypeError):
        _digests[code] = digest
    return digest


_digests: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()
"""By code: the digest when it was first seen, as later its module may be gone and its file edited."""


def _digest(code: Any) -> str | None:
    found: dict[str, str] = {}
    _collect(code, _folder(code), found)
    # Sorted, because the order in which sources are found depends on the order of a set.
    parts = [found[name] for name in sorted(found)]
    if held := _held(code):
        parts.append(held)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None


_looked_at: set[int] = set()
"""Code whose variables are being described: a function may hold itself."""


def _held(code: Any) -> str:
    """Return the values that code uses besides its source, as text; empty if there are none."""
    if id(code) in _looked_at:
        return ""
    _looked_at.add(id(code))
    try:
        return ", ".join(f"{name}={_told(value)}" for name, value in sorted(_variables(code).items()))
    finally:
        _looked_at.discard(id(code))


def _variables(code: Any) -> dict[str, Any]:
    if isinstance(code, functools.partial):
        return {"func": code.func, "args": code.args, **code.keywords}
    if inspect.isclass(code):
        # Only a class that a function makes can hold its variables; flax wraps its methods.
        methods = vars(code).items() if "<locals>" in code.__qualname__ else ()
        own = [(name, inspect.unwrap(one)) for name, one in methods if inspect.isfunction(one)]
        return {f"{name}.{key}": value for name, one in own for key, value in _variables(one).items()}
    if hasattr(code, "__name__"):
        code = inspect.unwrap(code)
        names = getattr(getattr(code, "__code__", None), "co_freevars", ())
        cells = zip(names, getattr(code, "__closure__", None) or (), strict=False)
        found = {name: cell.cell_contents for name, cell in cells if name != "__class__" and _is_filled(cell)}
        defaults = (getattr(code, "__defaults__", None), getattr(code, "__kwdefaults__", None))
        # Defaults of other functions stand in their source.
        return found | ({"defaults": defaults} if "<locals>" in name_of(code) and any(defaults) else {})
    return {"class": type(code), **getattr(code, "__dict__", {})}


def _is_filled(cell: Any) -> bool:
    try:
        return bool([cell.cell_contents])
    except ValueError:  # a variable that has no value yet
        return False


def _told(value: Any) -> str:
    try:
        return in_words(value, "")
    except UserError:  # its text would be another in each process
        return name_of(value)


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
    module = sys.modules.get(code.__module__)
    known = getattr(code, "__globals__", None) or (vars(module) if module else {})
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
