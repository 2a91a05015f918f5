"""Configs to JSON and back, equal both ways, and the difference of two."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

from jaxcifar.config.own import is_stored, source_sha256
from jaxcifar.config.run import Run
from jaxcifar.config.upgrade import upgrade
from jaxcifar.errors import UserError
from jaxcifar.measures import SHIPPED, Measure, UnknownMeasure
from jaxcifar.records import forms

CLASS = "class"
"""The key under which a JSON object names its class."""


def to_json(config: Any) -> Any:
    """Return a config as plain JSON values; each dataclass becomes an object that names its class."""
    if isinstance(config, UnknownMeasure):
        # A measure that this version does not know is written as it was read, so the record stays equal.
        return json.loads(config.stored)
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config) if is_stored(f)}
        if isinstance(config, Measure) and type(config).__name__ not in SHIPPED:
            # What a user's own measure computes is in its code alone.
            fields["source_sha256"] = source_sha256(type(config))
        return {CLASS: type(config).__name__, **fields}
    if isinstance(config, tuple | list):
        return [to_json(item) for item in config]
    return config


def from_json(value: Any, root: type = Run) -> Any:
    """Return the config of JSON values: the inverse of `to_json`, for records of older versions too.

    Args:
        value: what `to_json` returned, in this version or an older one.
        root: the class whose fields' types say which classes are known.

    Raises:
        UserError: an unknown class or field, or a value out of its range.
    """
    try:
        config = _decode(value, {**classes(root), **SHIPPED})
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise UserError(f"The stored config is damaged ({type(error).__name__}: {error}).") from None
    if not isinstance(config, root):
        raise UserError(f"The stored config is of {type(config).__name__}; it must be of {root.__name__}.")
    return config


@functools.cache
def classes(root: type) -> Mapping[str, type]:
    """Return every config class that a field of the root may hold, at any depth, by name; unions give all members."""
    found: dict[str, type] = {}

    def visit(hint: Any) -> None:
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and hint.__name__ not in found:
            found[hint.__name__] = hint
            hints = get_type_hints(hint)
            for field in dataclasses.fields(hint):
                visit(hints[field.name])
        for part in get_args(hint):
            visit(part)

    visit(root)
    return found


def _decode(value: Any, known: Mapping[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, known) for item in value)
    if not isinstance(value, dict):
        return value
    # First, because an older version may have used another name for the class.
    value = upgrade(value)
    name = value.get(CLASS)
    if name not in known:
        raise UserError(f"The stored config has the class {name!r}, which this version does not know.")
    names = {field.name for field in dataclasses.fields(known[name]) if is_stored(field)}
    fields = {key: _decode(item, known) for key, item in value.items() if key not in (CLASS, "probes")}
    if isinstance(value.get("probes"), list):
        fields["probes"] = tuple(_measure(item, known) for item in value["probes"])
    for field in fields:
        if field not in names:
            raise UserError(f"The stored config has the field {field!r} of {name}, which this version does not know.")
    config = known[name](**fields)
    # Dataclasses do not check types, and a stored value may have any.
    forms.check(config)
    return config


def _measure(value: Any, known: Mapping[str, type]) -> Any:
    """A measure of a stored run; one whose class is not here is kept as it is, because a record never names code."""
    name = upgrade(value).get(CLASS) if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise UserError(f"The stored config has the measure {value!r}; a measure is an object that names its class.")
    return _decode(value, known) if name in known else UnknownMeasure(json.dumps(value))


def differences(old: Any, new: Any) -> list[str]:
    """Return lines `path: old -> new` for every value in which two JSON configs differ."""
    return [f"{path or 'config'}: {_short(before)} -> {_short(after)}" for path, before, after in changes(old, new)]


def changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield `(dotted path, old value, new value)` where two JSON configs differ, whole objects where classes differ."""
    if isinstance(old, dict) and isinstance(new, dict) and old.get(CLASS) == new.get(CLASS):
        for key in dict.fromkeys((*old, *new)):
            yield from changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif _are_objects(old) and _are_objects(new) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from changes(*pair, f"{path}.{index}")
    elif old != new:
        yield path, old, new


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get(CLASS)}(...)"
    return repr(value)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
