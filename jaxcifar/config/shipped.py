"""The configs that come with the program: where they are, their names, and the studies among them."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.config.load import load, read_file
from jaxcifar.config.paper import Paper
from jaxcifar.config.run import Run
from jaxcifar.config.study import Study
from jaxcifar.errors import UserError


@functools.cache
def folder() -> Path:
    """Return the folder of the shipped configs: in an installed package, or next to the package in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Return the names of the shipped configs, sorted."""
    return sorted(path.stem for path in folder().glob("[!_]*.py"))


def path(name: str) -> Path:
    """Return the file of a shipped config.

    Raises:
        UserError: there is none of that name.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5)
        meant = f"; perhaps {' or '.join(near)} was meant" if near else ""
        raise UserError(f"There is no shipped config {name!r}{meant}; `jaxcifar list` shows all.")
    return folder() / f"{name}.py"


@dataclass(frozen=True)
class Description:
    """A shipped config as `jaxcifar list` shows it."""

    name: str
    summary: str
    """First line of its docstring."""
    runs: int
    """Number of runs with the seeds of the file; of a paper, before duplicates are removed."""
    cost: str
    """What its docstring says about the cost."""


def describe(name: str) -> Description:
    """Return what the file of a shipped config says about itself."""
    config, docstring = read_file(path(name))
    match config:
        case Run():
            runs = 1
        case Study():
            runs = _runs(config)
        case Paper():
            runs = sum(_runs(study) for study in config.studies)
    summary = docstring.partition("\n")[0]
    _, _, cost = docstring.partition("\nCost:")
    return Description(name, summary, runs, " ".join(cost.partition("\nExpect:")[0].split()))


def _runs(study: Study) -> int:
    return len(study.members()) * len(study.seeds)


def holds(config: Path) -> bool:
    """Return whether a config file is one of the shipped ones."""
    return config.resolve().parent == folder().resolve()


def find(name: str) -> Study | None:
    """Return the shipped study of that name, None where there is none."""
    found: Run | Study | Paper | None = load(path(name)) if name in names() else None
    return found if isinstance(found, Study) else None


def study(name: str) -> Study:
    """Return the shipped study of that name, for another config that repeats it or takes it as a part.

    Raises:
        UserError: no study has that name.
    """
    found = load(path(name))
    if not isinstance(found, Study):
        raise UserError(f"The shipped config {name!r} is no study.")
    return found


def sections(but: str) -> list[Study]:
    """Return the studies that belong to a section of the text, in its order.

    Args:
        but: the name of the config that asks, which would load itself.
    """
    found = [study for name in names() if name != but and (study := find(name)) and study.section]
    # A study may have a second name, a file that only repeats it.
    return sorted({study.name: study for study in found}.values(), key=lambda study: study.words.order)
