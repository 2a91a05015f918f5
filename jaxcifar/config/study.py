"""A study: a base run, its variants and swept numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxcifar.config.paths import apply_changes
from jaxcifar.config.run import Run
from jaxcifar.errors import UserError, check_choice


@dataclass(frozen=True)
class Variant:
    """A member of a study: its name, and what it changes in the base run, by dotted path."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)


Vectorize = Literal["auto", "vmap", "map", "off"]
View = Literal["samples", "architecture", "gradients", "features", "curvature"]


@dataclass(frozen=True)
class Study:
    """A base run, its variants, and plain numbers that are swept in one program."""

    name: str
    base: Run
    variants: tuple[Variant, ...]
    varies: tuple[str, ...] = ()
    """The quantities that the study compares; a flag for one of them is refused."""
    sweep: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Dotted path of a plain number to its values; every variant trains all of them as one program."""
    seeds: tuple[int, ...] = (0,)
    vectorize: Vectorize = "auto"
    alone: bool = False
    """Members are compared by seconds, so each trains alone."""
    views: tuple[View, ...] = ()
    """Pictures of data and networks, computed once the members have trained: `samples` of each class, the
    `architecture` as a table and drawings, `gradients` by layer and depth, first filters and `features` of an image,
    the `curvature` at the snapshots."""

    def __post_init__(self):
        for name in ("variants", "seeds", "views", "varies"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_choice("vectorize", self.vectorize, Vectorize)
        for name, values in {"seeds": self.seeds, **self.sweep}.items():
            if not values or len({f"{value:g}" for value in values}) < len(values):
                raise UserError(
                    f"Study {self.name!r} has {name} {values}; give at least one, and each once in six digits, since "
                    "folders are named by them."
                )
        for view in self.views:
            check_choice("views", view, View)
        if not self.variants:
            raise UserError(f"Study {self.name!r} has no variants; give at least one.")
        names = [variant.name for variant in self.variants]
        for name in names:
            if not re.fullmatch(r"\w[\w.+-]*", name):
                raise UserError(
                    f"Study {self.name!r} has a variant {name!r}; a name is a folder's, of letters, digits and . + - _."
                )
        if len(set(names)) < len(names):
            raise UserError(f"Study {self.name!r} has two variants of one name in {names}; names must differ.")
        for variant in self.variants:
            apply_changes(self.base, variant.changes)
