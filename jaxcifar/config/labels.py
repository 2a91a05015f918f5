"""Names of a study's members for readers, from the differences of their configs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from jaxcifar.config.network import INITIALIZATIONS, activation_title
from jaxcifar.config.own import is_stored
from jaxcifar.config.run import Run


def labels(runs: Mapping[str, Run], overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a label for each member of a study, such as "VGG-A + BatchNorm, rate 0.001", "batch 256" or "SGD".

    Topics (network, activation, optimizer, loss, batch, rate, then the other fields in their order) join the labels one
    after the other, for all members, and only while some members' labels are still equal and the topic tells those
    apart. A study of one member is labelled by its network; members whose configs tell nothing apart by their names.

    Args:
        runs: the config of each member.
        overrides: labels that the study gives itself.
    """
    topics = {member: dict(_topics(run)) for member, run in runs.items()}
    found = dict.fromkeys(runs, "")
    if len(runs) == 1:
        found = {member: run.model.title for member, run in runs.items()}
    for topic in dict.fromkeys(topic for own in topics.values() for topic in own):
        texts = {member: own.get(topic, "") for member, own in topics.items()}
        if _groups({m: (found[m], texts[m]) for m in runs}) > _groups(found):
            found = {m: ", ".join(part for part in (found[m], texts[m]) if part) for m in runs}
    own = {m: label for m, label in (overrides or {}).items() if m in found}
    count = Counter({**found, **own}.values())
    return {m: label if label and count[label] == 1 else m for m, label in found.items()} | own


def _groups(values: Mapping[str, Any]) -> int:
    return len(set(values.values()))


def _topics(run: Run) -> Iterator[tuple[str, str]]:
    """The parts of a label with their fields, the most telling first."""
    yield "model", run.model.title
    activation = getattr(run.model, "activation", None)
    if activation is not None:
        yield "model.activation", activation_title(activation)
    yield "optimizer", run.optimizer.title
    yield "loss", run.loss.title
    yield "batch_size", f"batch {run.batch_size}"
    yield "optimizer.learning_rate", f"rate {run.optimizer.learning_rate:g}"
    initialization = getattr(run.model, "initialization", None)
    if initialization is not None:
        yield "model.initialization", f"{INITIALIZATIONS[initialization]} initialisation"
    said = {
        "model.activation",
        "model.initialization",
        "optimizer.learning_rate",
        "batch_size",
        "name",
        "seed",
        "probes",
        "checkpoint",
        "data.dir",
    }
    yield from _fields(run, "", said)


def _fields(config: Any, prefix: str, said: set[str]) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(config):
        path, value = prefix + field.name, getattr(config, field.name)
        if path in said or not is_stored(field):
            continue
        if dataclasses.is_dataclass(value):
            title = getattr(value, "title", type(value).__name__)
            if path.count("."):
                yield path, f"{title} {_words(field.name)}"
            elif path == "average":
                yield path, title
            yield from _fields(value, f"{path}.", said)
        else:
            yield path, _phrase(_words(field.name), value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _phrase(words: str, value: Any) -> str:
    """A field's value in words: `crop 4`, `without crop`, `nesterov`, `widths 64-128`."""
    match value:
        case True:
            return words
        case None:
            return f"full {words}"
        case False | "none" | 0 | ():
            return f"without {words}"
        case tuple():
            return f"{words} {'-'.join(str(item) for item in value)}"
        case float():
            return f"{words} {value:g}"
        case _:
            return f"{words} {value}"
