"""Configs to JSON and back, equal both ways, and the difference of two."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from jaxcifar.config.data import Data
from jaxcifar.config.model import CNN, VGG, DeepLinear, ResNet, WhitenedCNN
from jaxcifar.config.optimizer import SGD, Adadelta, Adagrad, Adam, AdamW, Muon, Schedule
from jaxcifar.config.run import Average, Checkpoint, Loss, Probe, Run
from jaxcifar.errors import UserError

_MODELS = (CNN, ResNet, VGG, DeepLinear, WhitenedCNN)
_OPTIMIZERS = (SGD, Adagrad, Adadelta, Adam, AdamW, Muon)
_CLASSES = {
    cls.__name__: cls for cls in (Run, Data, *_MODELS, *_OPTIMIZERS, Schedule, Loss, Average, Probe, Checkpoint)
}
_CLASS = "class"
T = TypeVar("T")


def to_json(config: Any) -> Any:
    """A config as plain JSON values; each dataclass becomes an object that names its class."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {_CLASS: type(config).__name__, **fields}
    if isinstance(config, tuple | list):
        return [to_json(item) for item in config]
    return config


def from_json(value: Any) -> Any:
    """The inverse of `to_json`.

    Raises:
        UserError: an unknown class or field, or a value out of its range.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    name = value.get(_CLASS)
    if name not in _CLASSES:
        raise UserError(f"A stored config names the class {name!r}; known are {', '.join(_CLASSES)}.")
    fields = {key: from_json(item) for key, item in value.items() if key != _CLASS}
    try:
        return _CLASSES[name](**fields)
    except TypeError as error:
        raise UserError(f"A stored config does not fit this version's {name}: {error}.") from None


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Lines `path: old -> new` for every value in which two JSON configs differ."""
    if isinstance(old, dict) and isinstance(new, dict) and old.get(_CLASS) == new.get(_CLASS):
        keys = [*old, *(key for key in new if key not in old)]
        found = [differences(old.get(key), new.get(key), f"{path}.{key}" if path else key) for key in keys]
        return [line for lines in found for line in lines]
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get(_CLASS)}(...)"
    return repr(value)
