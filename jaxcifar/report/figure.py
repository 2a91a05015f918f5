"""A figure: panels that lie side by side on a wide page and below one another on a phone, and together in a file."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import html
import io
import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxcifar.report import style
from jaxcifar.report.names import file_name
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
    shows: frozenset[str] = frozenset()
    """The columns and arrays of the records that it shows."""


def inline(figure: Figure) -> list[str]:
    """Return each panel as an SVG in the page's colours, so that it can be read on light and on dark."""
    return [_inline_panel(panel, f"{figure.name}-{index}") for index, panel in enumerate(figure.panels)]


def save(figure: Figure, folder: Path) -> None:
    """Write NAME.png and NAME.svg, all panels in one picture on white, and NAME.csv where there are numbers."""
    with style.applied():
        drawn = together(figure)
        drawn.savefig(folder / f"{figure.name}.png", dpi=200)
        drawn.savefig(folder / f"{figure.name}.svg", metadata={"Date": None})  # Equal figures are equal files
    if figure.rows:
        (folder / f"{figure.name}.csv").write_text(to_csv(figure.columns, figure.rows), encoding="utf-8")


def together(figure: Figure) -> Any:
    """Return all panels in one matplotlib figure, two per row, with the title above and the legend below."""
    from matplotlib.figure import Figure as Canvas

    columns = min(2, len(figure.panels))
    cells = [figure.panels[i : i + columns] for i in range(0, len(figure.panels), columns)]
    width = max(sum(panel.size[0] for panel in row) for row in cells)
    heights = [max(panel.size[1] for panel in row) for row in cells]
    looks = _merged(figure.legend)
    beside = _legend_columns(looks, width)
    legend = 0.24 * -(-len(looks) // beside)  # Rounded up to whole rows
    title = textwrap.fill(f"{figure.title} ({figure.note})" if figure.note else figure.title, round(14 * width))
    head = 0.2 + 0.16 * (title.count("\n") + 1)
    canvas = Canvas(figsize=(width, head + sum(heights) + legend))
    heading = canvas.text(0.1 / width, 1 - 0.1 / canvas.get_figheight(), title, va="top", fontsize=9)
    _take_literally([heading])
    bottom = canvas.get_figheight() - head
    for row, height in zip(cells, heights, strict=True):
        bottom, left = bottom - height, 0.0
        for panel in row:
            _draw(panel, canvas, left, bottom + height - panel.size[1])
            left += panel.size[0]
    if figure.legend:
        handles = _handles(looks)
        shown = canvas.legend(handles=handles, loc="lower left", ncols=beside, borderaxespad=0.2)
        _take_literally(shown.get_texts())
    return canvas


def _merged(legend: Sequence[LineStyle]) -> list[LineStyle]:
    """The legend with one entry for three or more lines that go from faint to full: `VGG-A, rate 0.01 to 0.3`."""
    alike: dict[tuple[str, str], list[LineStyle]] = {}
    for look in legend:
        alike.setdefault((look.color, look.dash), []).append(look)
    found = []
    for looks in alike.values():
        words = [look.label.split(", ") for look in sorted(looks, key=lambda look: look.strength)]
        differing = [index for index, told in enumerate(zip(*words, strict=False)) if len(set(told)) > 1]
        is_row = len({len(told) for told in words}) == len(differing) == 1  # One part differs, such as the rate
        if len({look.strength for look in looks}) < 3 or not is_row:
            found += looks
            continue
        (place,) = differing
        name, _, least = words[0][place].rpartition(" ")
        other, _, most = words[-1][place].rpartition(" ")
        row = f"{name} {least} to {most}" if name == other else f"{words[0][place]} to {words[-1][place]}"
        label = ", ".join([*words[0][:place], f"{row.strip()} (faint to full)", *words[0][place + 1 :]])
        found.append(dataclasses.replace(looks[-1], label=label, strength=1.0))
    return found


def _take_literally(texts: Sequence[Any]) -> None:
    """Names of a record may hold a $, with which matplotlib begins a formula."""
    for text in texts:
        text.set_parse_math(False)


def _legend_columns(legend: Sequence[LineStyle], width: float) -> int:
    """Columns of the legend that fit a width in inches: a label takes about 0.063 inches per character."""
    longest = max((len(look.label) for look in legend), default=0)
    return max(1, min(3, int(width / (0.5 + 0.063 * longest))))


def _draw(panel: Panel, canvas: Any, left: float, bottom: float) -> Any:
    """Draw a panel at a place in inches; return its axis."""
    width, height = canvas.get_size_inches()
    before, after, below, above = panel.margin
    inner = panel.size[0] - before - after, panel.size[1] - below - above
    place = (left + before) / width, (bottom + below) / height, inner[0] / width, inner[1] / height
    axis = canvas.add_axes(place)
    axis.set_title(panel.title, parse_math=False)
    panel.draw(axis)
    _take_literally([axis.xaxis.label, axis.yaxis.label, *axis.texts])
    return axis


def log_axis(axis: Any) -> None:
    """Make the y axis of what is drawn logarithmic, with ticks of plain text: 10⁻³."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    # On less than two decades, powers of ten alone would give one tick or two.
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,), numticks=8))
    axis.yaxis.set_major_formatter(FuncFormatter(_power))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _power(value: float, position: int) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)  # A tick may be slightly below its power of ten
    if -3 <= exponent <= 3:
        return f"{value:g}"
    factor = round(value / 10.0**exponent)
    return ("" if factor == 1 else f"{factor}·") + "10" + str(exponent).translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV text with a heading; a text that a spreadsheet would take for a formula begins with '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_as_text(cell) for cell in row] for row in (columns, *rows))
    return text.getvalue()


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ")  # the module csv does not quote it
    if not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t")) or cell == "-":
        return cell
    number = re.fullmatch(r"[+-]?[\d.,]+(e[+-]?\d+)?%?( ± [\d.e+-]+)?", cell)
    return cell if number else f"'{cell}"  # A number with a sign is no formula


def line(look: LineStyle) -> dict[str, Any]:
    """Return matplotlib's arguments for a member's line."""
    dash = style.DASHES[look.dash]
    line_style = (0, dash) if dash else "solid"
    return {"color": style.LIGHT[look.color], "linestyle": line_style, "alpha": look.strength, "gid": line_id(look)}


def line_id(look: LineStyle) -> str:
    """Return the mark of a member's lines and bands in a picture, by which the page's script finds them."""
    name = file_name(look.label)
    # Two labels that differ in a sign only are two lines.
    digest = "" if name == look.label else "-" + hashlib.sha256(look.label.encode()).hexdigest()[:8]
    return f"of-{name}{digest}"


def swatch(look: LineStyle) -> str:
    """Return a legend's short line as SVG."""
    dash = " ".join(str(2 * length) for length in style.DASHES[look.dash])  # Matplotlib's are in widths of the line
    stroke = f'stroke="var(--{look.color})" stroke-width="2.5" stroke-dasharray="{dash or "none"}"'
    stroke += f' opacity="{look.strength}"'
    return f'<svg class="swatch" width="26" height="10" aria-hidden="true"><path d="M1 5H25" {stroke}/></svg>'


def _handles(legend: Sequence[LineStyle]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], label=look.label, **line(look)) for look in legend]


def _inline_panel(panel: Panel, name: str) -> str:
    from matplotlib.figure import Figure as Canvas

    with style.applied():
        canvas = Canvas(figsize=panel.size)
        axis = _draw(panel, canvas, 0.0, 0.0)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        scales = _scales(axis, panel)
    return _for_page(buffer.getvalue(), name, panel.alt, scales)


def _scales(axis: Any, panel: Panel) -> str:
    """JSON from which the page's script reads values off a picture: limits of x and y, their places, and their kind.

    Places are in the units of the SVG, 72 per inch, with y downwards.
    """
    box, width, height = axis.get_position(), 72 * panel.size[0], 72 * panel.size[1]
    x = [*axis.get_xlim(), box.x0 * width, box.x1 * width, axis.get_xscale()]
    y = [*axis.get_ylim(), (1 - box.y0) * height, (1 - box.y1) * height, axis.get_yscale()]
    return json.dumps({"x": x, "y": y})


def _for_page(svg: str, name: str, alt: str, scales: str) -> str:
    """The SVG element alone, with ids of its own, the page's colours and font, and its alternative text."""
    svg = svg[svg.index("<svg") :]
    # The page's policy would refuse matplotlib's style element; page.css has its rules.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    # A line and its band share this mark, but an id must be unique in a page.
    svg = re.sub(r'\bid="(of-[^"]+)"', r'data-line="\1"', svg)
    # Matplotlib gives equal ids in several pictures. A prefix keeps them apart on one page; references follow.
    svg = re.sub(r'\bid="([^"]+)"', lambda found: f'id="{name}-{found[1]}"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)([^")]+)', lambda found: f"{found[1]}{name}-{found[2]}", svg)
    svg = re.sub(r' style="([^"]*)"', lambda found: _as_attributes(found[1]), svg)
    svg = re.sub(r' d="([^"]*)"', lambda found: f' d="{_shortened(found[1])}"', svg)
    for color, value in style.LIGHT.items():
        svg = svg.replace(value, f"var(--{color})")
    svg = svg.replace(style.INK, "var(--ink)").replace(style.GRID, "var(--grid)")
    head, rest = svg.split(">", 1)
    size = re.search(r'viewBox="[^"]+"', head)
    box = size.group(0) if size else ""
    label = html.escape(alt)  # A label of a record may hold a quote or <
    opening = f'<svg class="plot" role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink" {box} '
    opening += f'data-axis="{html.escape(scales)}">'
    return opening + rest


def _shortened(path: str) -> str:
    """An SVG path with three decimals and each command said once, since paths are most of a page."""
    found, command = [], ""
    for part in path.split():
        if part.isalpha():
            # After M, numbers alone are the points of a line.
            if part == "M" or (part != command and (command, part) != ("M", "L")):
                found.append(part)
            command = part
        else:
            found.append(f"{float(part):.3f}".rstrip("0").rstrip("."))
    return " ".join(found)


def _as_attributes(style: str) -> str:
    """An SVG style as attributes: the page's policy allows no style but the page's own."""
    found = []
    for name, value in re.findall(r"([\w-]+): ?([^;]+)", html.unescape(style)):
        if name == "font":
            # Such as `8.5px 'DejaVu Sans', sans-serif`; the family is the page's.
            name, value = "font-size", value.split(" ")[0]
        found.append(f' {name}="{html.escape(value.strip())}"')
    return "".join(found)
