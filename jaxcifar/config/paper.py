"""A paper: several studies in one folder, OUT/<study>/<member>/seed-<n>/."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxcifar.config.run import Run
from jaxcifar.config.study import Study, Variant
from jaxcifar.errors import UserError


@dataclass(frozen=True)
class Paper:
    """Several studies, in the order in which they are trained and shown."""

    name: str
    studies: tuple[Study, ...]

    def __post_init__(self):
        names = [study.name for study in self.studies]
        if not names:
            raise UserError(f"Paper {self.name!r} has no studies; give at least one.")
        if len(set(names)) < len(names):
            raise UserError(f"Paper {self.name!r} has two studies of one name in {names}; names must differ.")

    @classmethod
    def of(cls, name: str, configs: Mapping[str, Run | Study | Paper]) -> Paper:
        """A paper of runs and studies by name; a run becomes a study of one member."""
        return cls(name, tuple(as_study(config, study) for study, config in configs.items()))

    def only(self, names: Sequence[str]) -> Paper:
        """The paper with the named studies alone, in the paper's order.

        Raises:
            UserError: a name is no study of this paper.
        """
        known = [study.name for study in self.studies]
        for name in names:
            if name not in known:
                raise UserError(f"--only names {name!r}, which is no study of {self.name}; it has {', '.join(known)}.")
        return Paper(self.name, tuple(study for study in self.studies if study.name in names))


def as_study(config: Run | Study | Paper, name: str) -> Study:
    """A run as a study of one member, or a study, under the given name.

    Raises:
        UserError: it is a paper.
    """
    match config:
        case Study():
            return dataclasses.replace(config, name=name)
        case Run():
            return Study(name, config, (Variant(config.name),), seeds=(config.seed,))
        case Paper():
            raise UserError(f"{name!r} is a paper itself; a paper is made of runs and studies.")
