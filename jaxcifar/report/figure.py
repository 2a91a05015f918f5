"""A figure: panels that lie side by side on a wide page and below one another on a phone, and together in a file."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxcifar.report import style
from jaxcifar.report.style import LineStyle

Draw = Callable[[Any], None]
"""Draws into a matplotlib axis."""


@dataclass(frozen=True)
class Panel:
    """One axis of a figure."""

    title: str
    draw: Draw
    alt: str
    """Alternative text: what a reader who cannot see the panel should know."""
    size: tuple[float, float] = (4.4, 2.9)
    """Width and height in inches."""
    margin: tuple[float, float, float, float] = (0.56, 0.14, 0.44, 0.32)
    """Left, right, below and above the axis, in inches. Fixed: an automatic layout draws three times."""


@dataclass(frozen=True)
class Figure:
    """Panels with a common legend and caption, and the numbers that they show."""

    name: str
    """Name of the files."""
    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[LineStyle, ...] = ()
    note: str = ""
    """Data set, device, versions, seeds."""
    command: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = field(default=())
    """What the panels show, for the CSV."""


def inline(figure: Figure) -> list[str]:
    """Return each panel as an SVG in the page's colours, so that it can be read on light and on dark."""
    return [_inline_panel(panel, f"{figure.name}-{index}") for index, panel in enumerate(figure.panels)]


def save(figure: Figure, folder: Path) -> None:
    """Write NAME.png and NAME.svg, all panels in one picture on white, and NAME.csv where there are numbers."""
    with style.applied():
        drawn = together(figure)
        drawn.savefig(folder / f"{figure.name}.png", dpi=200)
        drawn.savefig(folder / f"{figure.name}.svg", metadata={"Date": None})
    if figure.rows:
        (folder / f"{figure.name}.csv").write_text(to_csv(figure.columns, figure.rows))


def together(figure: Figure) -> Any:
    """Return all panels in one matplotlib figure, two per row, with the title above and the legend below."""
    from matplotlib.figure import Figure as Canvas

    columns = min(2, len(figure.panels))
    cells = [figure.panels[i : i + columns] for i in range(0, len(figure.panels), columns)]
    width = max(sum(panel.size[0] for panel in row) for row in cells)
    heights = [max(panel.size[1] for panel in row) for row in cells]
    beside = _legend_columns(figure.legend, width)
    legend = 0.24 * -(-len(figure.legend) // beside)
    title = textwrap.fill(f"{figure.title} ({figure.note})" if figure.note else figure.title, round(14 * width))
    head = 0.2 + 0.16 * (title.count("\n") + 1)
    canvas = Canvas(figsize=(width, head + sum(heights) + legend))
    canvas.text(0.1 / width, 1 - 0.1 / canvas.get_figheight(), title, va="top", fontsize=9)
    bottom = canvas.get_figheight() - head
    for row, height in zip(cells, heights, strict=True):
        bottom, left = bottom - height, 0.0
        for panel in row:
            _draw(panel, canvas, left, bottom + height - panel.size[1])
            left += panel.size[0]
    if figure.legend:
        canvas.legend(handles=_handles(figure.legend), loc="lower left", ncols=beside, borderaxespad=0.2)
    return canvas


def _legend_columns(legend: Sequence[LineStyle], width: float) -> int:
    """Columns of the legend that fit a width in inches: a label takes about 0.063 inches per character."""
    longest = max((len(look.label) for look in legend), default=0)
    return max(1, min(3, int(width / (0.5 + 0.063 * longest))))


def _draw(panel: Panel, canvas: Any, left: float, bottom: float) -> None:
    """A panel at a place in inches."""
    width, height = canvas.get_size_inches()
    before, after, below, above = panel.margin
    inner = panel.size[0] - before - after, panel.size[1] - below - above
    place = (left + before) / width, (bottom + below) / height, inner[0] / width, inner[1] / height
    axis = canvas.add_axes(place)
    axis.set_title(panel.title)
    panel.draw(axis)


def log_axis(axis: Any) -> None:
    """Make the y axis of what is drawn logarithmic, with ticks of plain text: 10⁻³."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,), numticks=8))
    axis.yaxis.set_major_formatter(FuncFormatter(_power))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _power(value: float, position: int) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    if -3 <= exponent <= 3:
        return f"{value:g}"
    factor = round(value / 10.0**exponent)
    return ("" if factor == 1 else f"{factor}·") + "10" + str(exponent).translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV text with a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def line(look: LineStyle) -> dict[str, Any]:
    """Return matplotlib's arguments for a member's line."""
    dash = style.DASHES[look.dash]
    line_style = (0, dash) if dash else "solid"
    return {"color": style.LIGHT[look.color], "linestyle": line_style, "alpha": look.strength}


def swatch(look: LineStyle) -> str:
    """Return a legend's short line as SVG."""
    dash = " ".join(str(2 * length) for length in style.DASHES[look.dash])
    shape = f"stroke-width: 2.5; stroke-dasharray: {dash or 'none'}; opacity: {look.strength}"
    stroke = f'style="stroke: var(--{look.color}); {shape}"'
    return f'<svg class="swatch" width="26" height="10" aria-hidden="true"><path d="M1 5H25" {stroke}/></svg>'


def _handles(legend: Sequence[LineStyle]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], label=look.label, **line(look)) for look in legend]


def _inline_panel(panel: Panel, name: str) -> str:
    from matplotlib.figure import Figure as Canvas

    with style.applied():
        canvas = Canvas(figsize=panel.size)
        _draw(panel, canvas, 0.0, 0.0)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(buffer.getvalue(), name, panel.alt)


def _for_page(svg: str, name: str, alt: str) -> str:
    """The SVG element alone, with ids of its own, the page's colours and font, and its alternative text."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\g<1>"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)([^")]+)', rf"\g<1>{name}-\g<2>", svg)
    for color, value in style.LIGHT.items():
        svg = svg.replace(value, f"var(--{color})")
    svg = svg.replace(style.INK, "var(--ink)").replace(style.GRID, "var(--grid)")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px; font-family: inherit", svg)
    head, rest = svg.split(">", 1)
    size = re.search(r'viewBox="[^"]+"', head)
    box = size.group(0) if size else ""
    escaped = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    opening = f'<svg class="plot" role="img" aria-label="{escaped}" xmlns:xlink="http://www.w3.org/1999/xlink" {box}>'
    return opening + rest
