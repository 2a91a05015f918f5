"""How a measure is shown: the figures that it asks for, as data that a run folder keeps."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxcifar.errors import UserError, check_choice, check_name
from jaxcifar.records import forms

Kind = Literal["series", "range", "points", "profile", "spectrum", "plane", "path"]
"""`series`: one array over steps, with and without BatchNorm in one picture. `range`: from the first to the second
array over steps, a panel per network. `points`: a value at every snapshot. `profile`: an array [snapshots, positions]
along the layers or another axis, drawn at the first snapshot. `spectrum`: arrays `grid` and `density`
[snapshots, points]. `plane`: `x`, `y`, `losses`. `path`: `coordinates`, `explained`, `true_losses` on a plane."""
Scale = Literal["linear", "log"]
ARRAYS: dict[Kind, tuple[int, int]] = {"series": (1, 1), "range": (1, 2), "points": (1, 1), "profile": (1, 1)}
"""Least and greatest number of arrays on an axis of a kind; the others say by their names what they draw."""
WANTED: dict[Kind, tuple[str, ...]] = {
    "spectrum": ("grid", "density"),
    "plane": ("x", "y", "losses"),
    "path": ("x", "y", "losses", "coordinates", "explained", "off_plane", "true_losses"),
}
"""Arrays that a kind draws by their names."""


@dataclass(frozen=True)
class Axis:
    """One axis of a measure's figure."""

    title: str
    """Short: "β", "Gradient distance"; it also names the array in tables."""
    arrays: tuple[str, ...]
    """Name of the array that is drawn, or of the least and the greatest values."""
    unit: str = ""
    scale: Scale = "linear"
    floor: str = ""
    """Array of the noise floor, drawn dotted where it was measured."""
    curvature: bool = False
    """Whether it is a curvature, so that it is also told times the learning rate, beside the stability line
    2(1+μ)/η of SGD (`series` only)."""
    running_maximum: bool = False
    """Whether the largest value so far is drawn too, dashed."""
    error: str = ""
    """Array of the errors, drawn as bars (`points` only)."""
    threshold: str = ""
    """Array of a bound, drawn dashed (`points` only)."""
    largest: bool = False
    """Draw the largest entry of each snapshot's row, else the first (`points` only)."""
    across: str = ""
    """Label of the horizontal axis, which goes from 0 to 1 (`profile` only)."""

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Display:
    """One figure of a measure."""

    name: str
    """Name of the figure's files."""
    title: str
    caption: str
    """What is measured, in whole sentences; how it is drawn is added by the report."""
    kind: Kind
    axes: tuple[Axis, ...] = ()
    others: tuple[str, ...] = ()
    """Arrays that only the figure's CSV holds."""

    def __post_init__(self):
        check_choice(f"The kind of the figure {self.name!r}", self.kind, Kind)
        check_name("A figure has the name", self.name)
        least, most = ARRAYS.get(self.kind, (0, 100))
        counts = [len(axis.arrays) for axis in self.axes]
        if not counts or (self.kind == "series" and len(counts) > 1) or not all(least <= n <= most for n in counts):
            raise UserError(
                f"The figure {self.name!r} of the kind {self.kind!r} has axes with {counts} arrays; give "
                f"{'one axis' if self.kind == 'series' else 'at least one axis'} with {least} to {most}."
            )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays of the figure, each once."""
        return tuple(dict.fromkeys([*(name for axis in self.axes for name in axis.arrays), *self.others]))


def series(
    name: str, title: str, *, short: str = "", unit: str = "", scale: Scale = "linear", caption: str = "", **axis: Any
) -> Display:
    """Return the figure of one array over steps.

    Args:
        name: of the array in steps.npz.
        title: of the figure.
        short: of the axis and in tables; the title by default.
        unit: of the values.
        scale: of the vertical axis.
        caption: what is measured; the title by default.
        axis: further fields of `Axis`.
    """
    panel = Axis(short or title, (name,), unit=unit, scale=scale, **axis)
    # The name of an array has slashes, and a user's own may have any character.
    file = re.sub(r"[^\w.+]+|_+", "-", name).strip("-.+") or "measure"
    return Display(file, title, caption or f"{title}.", "series", (panel,))


def to_json(display: Display) -> dict[str, Any]:
    """Return a figure as plain JSON values."""
    return dataclasses.asdict(display)


def from_json(value: Mapping[str, Any]) -> Display | None:
    """Return the figure that `to_json` wrote, None for a value that is not one; unknown fields are left out."""
    try:
        axes = tuple(Axis(**{**_known(Axis, axis), "arrays": tuple(axis["arrays"])}) for axis in value["axes"])
        display = Display(**{**_known(Display, value), "axes": axes, "others": tuple(value.get("others", ()))})
        # A dataclass does not check the types of its fields.
        for made in (display, *axes):
            forms.check(made)
        return display
    except (TypeError, KeyError, AttributeError, UserError):
        return None


def _known(cls: type, value: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: value[field.name] for field in dataclasses.fields(cls) if field.name in value}
