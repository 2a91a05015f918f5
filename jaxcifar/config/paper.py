"""A paper: several studies in one folder, OUT/<study>/<member>/seed-<n>/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxcifar.config.run import Run
from jaxcifar.config.study import Study, Vectorize
from jaxcifar.errors import UserError
from jaxcifar.records.restart import check_free


@dataclass(frozen=True)
class Paper:
    """Several studies, in the order in which they are trained and shown."""

    name: str
    studies: tuple[Study, ...]

    def __post_init__(self):
        names = [study.name for study in self.studies]
        if not names:
            raise UserError(f"Paper {self.name!r} has no studies; give at least one.")
        for name in names:
            check_free(f"Paper {self.name!r} has the study", name)
        if len(set(names)) < len(names):
            raise UserError(f"Paper {self.name!r} has two studies of one name in {names}; names must differ.")

    def only(self, names: Sequence[str]) -> Paper:
        """Return the paper with the named studies alone, in the paper's order.

        Raises:
            UserError: a name is not a study of this paper.
        """
        known = [study.name for study in self.studies]
        for name in names:
            if name not in known:
                raise UserError(
                    f"--only names {name!r}, which is not a study of {self.name}; it has {', '.join(known)}."
                )
        return Paper(self.name, tuple(study for study in self.studies if study.name in names))


def sized(config: Run | Study | Paper, size: str) -> Study | Paper:
    """Return the config at a size, a paper without the studies that lack it.

    Raises:
        UserError: there is no such size.
    """
    match config:
        case Run():
            raise UserError(f"--size is {size!r}; the run {config.name!r} has no sizes, so change its fields by flags.")
        case Study():
            return config.sized(size)
        case Paper():
            having = tuple(study.sized(size) for study in config.studies if size in study.sizes)
            if not having:
                known = ", ".join(dict.fromkeys(name for study in config.studies for name in study.sizes)) or "none"
                raise UserError(f"--size is {size!r}, which no study of {config.name!r} has; sizes are: {known}.")
            return Paper(config.name, having)


def vectorized(config: Run | Study | Paper, how: Vectorize) -> Run | Study | Paper:
    """Return the config with members trained in this way; a single run has no members to train together."""
    match config:
        case Run():
            return Study(config.name, config, seeds=(config.seed,), vectorize=how)
        case Study():
            return replace(config, vectorize=how)
        case Paper():
            return Paper(config.name, tuple(replace(study, vectorize=how) for study in config.studies))
