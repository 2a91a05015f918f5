"""Reading and replacing a value of a config by its dotted path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxcifar.errors import UserError

if TYPE_CHECKING:
    from jaxcifar.config.run import Run


def get_path(config: Any, path: str) -> Any:
    """Return the value at a dotted path, such as `optimizer.learning_rate`."""
    for part in path.split("."):
        if not dataclasses.is_dataclass(config) or not hasattr(config, part):
            raise UserError(f"{path!r} names nothing in {type(config).__name__}: it has no field {part!r}.")
        config = getattr(config, part)
    return config


def set_path(config: Any, path: str, value: Any) -> Any:
    """Return a copy of the config with the value at a dotted path replaced."""
    get_path(config, path)
    head, _, rest = path.partition(".")
    return dataclasses.replace(config, **{head: set_path(getattr(config, head), rest, value) if rest else value})


def apply_changes(run: Run, changes: Mapping[str, Any]) -> Run:
    """Return a copy of the run with several dotted paths replaced, in their order."""
    for path, value in changes.items():
        run = set_path(run, path, value)
    return run
