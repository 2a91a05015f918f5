"""Train the networks of a CIFAR-10 study in JAX and measure what BatchNorm does to their loss landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jaxcifar.training import train as train


def __getattr__(name: str) -> Any:
    """`jaxcifar.train`, imported on first use so that `jaxcifar --help` stays quick."""
    if name == "train":
        from jaxcifar.training import train

        return train
    raise AttributeError(f"module 'jaxcifar' has no attribute {name!r}")
