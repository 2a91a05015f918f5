"""Train the networks of a CIFAR-10 study in JAX and measure what BatchNorm does to their loss landscape."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jaxcifar.config import Module as Module
    from jaxcifar.config import Optax as Optax
    from jaxcifar.config import UserError as UserError
    from jaxcifar.data import arrays as arrays
    from jaxcifar.training import load as load
    from jaxcifar.training import record as record
    from jaxcifar.training import train as train

_PLACES = {
    "Module": "jaxcifar.config",
    "Optax": "jaxcifar.config",
    "UserError": "jaxcifar.config",
    "arrays": "jaxcifar.data",
    "load": "jaxcifar.training",
    "record": "jaxcifar.training",
    "train": "jaxcifar.training",
}


def __getattr__(name: str) -> Any:
    """A public name, imported on first use so that `jaxcifar --help` stays quick."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'jaxcifar' has no attribute {name!r}")
