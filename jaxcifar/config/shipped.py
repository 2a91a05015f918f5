"""The configs that come with the program: where they are, their names, and the studies among them."""

from __future__ import annotations

import functools
from pathlib import Path

from jaxcifar.config.load import load
from jaxcifar.config.paper import Paper
from jaxcifar.config.run import Run
from jaxcifar.config.study import Study


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
    """Return the file of a shipped config."""
    return folder() / f"{name}.py"


def holds(config: Path) -> bool:
    """Return whether a config file is one of the shipped ones."""
    return config.resolve().parent == folder().resolve()


def find(name: str) -> Study | None:
    """Return the shipped study of that name, None where there is none."""
    found: Run | Study | Paper | None = load(path(name)) if name in names() else None
    return found if isinstance(found, Study) else None


def sections(but: str) -> list[Study]:
    """Return the studies that belong to a section of the text, in its order.

    Args:
        but: the name of the config that asks, which would load itself.
    """
    found = [study for name in names() if name != but and (study := find(name)) and study.section]
    return sorted(found, key=lambda study: study.words.order)
