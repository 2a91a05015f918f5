"""One style for every figure: colours that colour-blind readers tell apart, the same for the same thing everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from jaxcifar.config.words import Color, Dash

# Okabe and Ito's colours, each with a lighter one for dark pages; ink and paper are the page's own.
LIGHT: dict[Color, str] = {
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#b5588c",
    "orange": "#c98800",
    "sky": "#56b4e9",
    "brown": "#8c6d31",
    "grey": "#7a7a7a",
}
DARK: dict[Color, str] = {
    "blue": "#4a9fdc",
    "vermillion": "#f08a4b",
    "green": "#35c79b",
    "purple": "#e29cc6",
    "orange": "#f0b93f",
    "sky": "#a5daf8",
    "brown": "#c2a467",
    "grey": "#9c9c9c",
}
INK, GRID, PAPER = "#1b1f24", "#d9dcdf", "#ffffff"

# Lengths of dashes and gaps, in widths of the line.
DASHES: dict[Dash, tuple[float, ...]] = {
    "solid": (),
    "dashed": (4, 2),
    "dotted": (1, 1.6),
    "dashdot": (6, 2, 1, 2),
}


@dataclass(frozen=True)
class LineStyle:
    """How a member is drawn."""

    label: str
    color: Color
    dash: Dash = "solid"
    strength: float = 1.0
    """Opacity of the line, where members differ in a plain number only."""


def applied() -> AbstractContextManager[Any]:
    """Return a context in which matplotlib has the page's style."""
    import matplotlib

    values: dict[Any, Any] = RC
    return matplotlib.rc_context(values)


NORM_COLORS: dict[str, Color] = {
    "BatchNorm": "blue",
    "GroupNorm": "green",
    "LayerNorm": "purple",
    "InstanceNorm": "orange",
    "l1 norm": "sky",
    "l∞ norm": "brown",
    "": "vermillion",
}
"""By the normalisation's name, empty for none; also the order in which normalisations are shown."""


def seed_lines(count: int) -> dict[str, float]:
    """How the lines of single seeds are drawn: the more there are, the fainter, and below the line of their mean."""
    return {"linewidth": 0.5, "alpha": 0.35 * min(1.0, 5 / count), "zorder": 1.5}


def norm_styles(titles: Iterable[str]) -> dict[str, LineStyle]:
    """Return how networks are drawn that differ in their normalisation only, by its name, empty for none."""
    found = sorted(set(titles), key=list(NORM_COLORS).index)
    normed = [title for title in found if title]
    bare = f"without {normed[0]}" if len(normed) == 1 else "without normalisation"
    return {title: LineStyle(f"with {title}" if title else bare, NORM_COLORS[title]) for title in found}


RC = {
    "font.family": "sans-serif",
    # Comes with matplotlib, so that figures are alike on every machine.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "regular",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    # The page's background shows through, light or dark.
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    # Text stays text, which can be searched, read aloud and set in the page's font.
    "svg.fonttype": "none",
    # Without a salt matplotlib gives random ids, so that equal figures would be different files.
    "svg.hashsalt": "jaxcifar",
    "mathtext.default": "regular",
}
