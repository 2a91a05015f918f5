"""From a study to the list of its runs, and those of equal shape grouped into one program."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.config import SGD, Run, Study, UserError, Variant, Vectorize, apply_changes


@dataclass(frozen=True)
class Planned:
    """One run of a study."""

    member: str
    run: Run
    folder: Path
    """Below the study's folder: `<member>/seed-<seed>`."""


def as_study(config: Run | Study, seeds: int | None) -> Study:
    """A run as a study of one member, and a study with `seeds` seeds from the base's on, where that is given."""
    if isinstance(config, Run):
        config = Study(config.name, config, (Variant(config.name),), seeds=(config.seed,))
    if seeds is None:
        return config
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}; it must be a whole number at least 1.")
    first = config.base.seed
    return dataclasses.replace(config, seeds=tuple(range(first, first + seeds)))


def expand(study: Study) -> list[Planned]:
    """Every run of a study: variants x swept values x seeds."""
    planned = []
    names, values = list(study.sweep), list(study.sweep.values())
    for variant, chosen, seed in itertools.product(study.variants, itertools.product(*values), study.seeds):
        swept = dict(zip(names, chosen, strict=True))
        run = apply_changes(study.base, {**variant.changes, **swept, "seed": seed})
        suffix = "".join(f"-{name.split('.')[-1].replace('_', '-')}-{value:g}" for name, value in swept.items())
        member = variant.name + suffix
        planned.append(Planned(member, dataclasses.replace(run, name=member), Path(member) / f"seed-{seed}"))
    return planned


def shape_of(run: Run) -> Run:
    """The run with its plain numbers set to fixed values: runs of equal shape train as one program."""
    optimizer = dataclasses.replace(run.optimizer, learning_rate=1.0, weight_decay=0.0)
    if isinstance(optimizer, SGD) and optimizer.momentum:
        optimizer = dataclasses.replace(optimizer, momentum=0.5)
    loss = dataclasses.replace(run.loss, label_smoothing=0.0)
    return dataclasses.replace(run, name="", seed=0, optimizer=optimizer, loss=loss)


def group(planned: Sequence[Planned], study: Study) -> list[list[Planned]]:
    """Runs of equal shape side by side, in the study's order; each alone where seconds are compared."""
    if study.alone or study.vectorize == "off":
        return [[item] for item in planned]
    groups: dict[Run, list[Planned]] = {}
    for item in planned:
        groups.setdefault(shape_of(item.run), []).append(item)
    return list(groups.values())


def choose_vectorize(wanted: Vectorize, run: Run, members: int) -> Vectorize:
    """How a group of members trains: what the user forces, else the rule that the benchmark justifies."""
    if members == 1:
        return "off"
    return "map" if wanted == "auto" else wanted
