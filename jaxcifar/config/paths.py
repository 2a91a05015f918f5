"""Reading and replacing a value of a config by its dotted path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxcifar.errors import UserError

if TYPE_CHECKING:
    from jaxcifar.config.run import Run


def get_path(config: Any, path: str) -> Any:
    """Return the value at a dotted path, such as `optimizer.learning_rate` or `probes.0.every`."""
    for part in path.split("."):
        config = _get(config, part, path)
    return config


def _get(config: Any, part: str, path: str) -> Any:
    if isinstance(config, tuple):
        if not part.isdigit() or int(part) >= len(config):
            raise UserError(f"{path!r} names nothing: it has {len(config)} entries, counted from 0, not {part!r}.")
        return config[int(part)]
    if not dataclasses.is_dataclass(config) or not hasattr(config, part):
        raise UserError(f"{path!r} names nothing in {type(config).__name__}: it has no field {part!r}.")
    return getattr(config, part)


def set_path(config: Any, path: str, value: Any) -> Any:
    """Return a copy of the config with the value at a dotted path replaced."""
    # Fails with a message about the whole path; the recursion below knows only its rest.
    get_path(config, path)
    head, _, rest = path.partition(".")
    new = set_path(_get(config, head, path), rest, value) if rest else value
    if isinstance(config, tuple):
        return tuple(new if index == int(head) else item for index, item in enumerate(config))
    return dataclasses.replace(config, **{head: new})


def apply_changes(run: Run, changes: Mapping[str, Any]) -> Run:
    """Return a copy of the run with several dotted paths replaced, in their order."""
    for path, value in changes.items():
        run = set_path(run, path, value)
    return run
