"""A block of a network as boxes and arrows, from the nodes that its module's calls gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxcifar.report.style import INK, LIGHT

COLORS = {"conv": LIGHT["blue"], "norm": LIGHT["grey"], "activation": LIGHT["green"], "add": LIGHT["vermillion"]}
WIDTH, HEIGHT, RADIUS, SIDE = 2.2, 0.62, 0.26, 2.6
HALF = {"input": 0.22, "add": RADIUS}
"""Half the height of what is no box."""

Place = tuple[float, float]


def drawer(nodes: Sequence[dict[str, Any]]) -> Callable[[Any], None]:
    """Return a drawer of nodes from top to bottom: main path, projections at its side, skip connections around it."""
    places = _places(nodes)

    def draw(axis: Any) -> None:
        axis.set_axis_off()
        # The left side has the shapes of the maps, the right side the lines around the block or projections.
        axis.set_xlim(-3.4, 3.4 if all(x == 0 for x, _ in places) else 4.4)
        axis.set_ylim(min(y for _, y in places) - 0.5, 0.4)
        for index, node in enumerate(nodes):
            for source in node["inputs"]:
                _connect(axis, nodes[source], places[source], node, places[index])
            _node(axis, node, places[index])

    return draw


def _places(nodes: Sequence[dict[str, Any]]) -> list[Place]:
    """The main path has a line for each node; a projection is at the side of the nodes before it."""
    main = {len(nodes) - 1}
    # Back from the last node along each node's first input, which is on the main path.
    for index in reversed(range(len(nodes))):
        if index in main and nodes[index]["inputs"]:
            main.add(nodes[index]["inputs"][0])
    places, line = [], 0.0
    for index in range(len(nodes)):
        if index in main:
            places.append((0.0, line))
            line -= 1.0
        else:
            # `line` is that of the next node on the main path. A projection of two nodes begins two lines above it.
            aside = sum(other not in main for other in range(index, len(nodes)) if other - index < 2)
            places.append((SIDE, line + aside))
    return places


def _node(axis: Any, node: dict[str, Any], place: Place) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    x, y = place
    if node["kind"] == "input":
        axis.text(x, y, f"input {_shape(node)}", ha="center", va="center", fontsize=8)
        return
    look = {"facecolor": "none", "edgecolor": COLORS[node["kind"]], "linewidth": 1.3}
    if node["kind"] == "add":
        axis.add_patch(Circle(place, RADIUS, **look))
    else:
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        axis.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.12", **look))
    axis.text(x, y, node["label"], ha="center", va="center", fontsize=8)
    if node["kind"] == "conv" and x == 0:
        axis.text(-WIDTH / 2 - 0.15, y, _shape(node), ha="right", va="center", fontsize=7, color=LIGHT["grey"])


def _connect(axis: Any, source: dict[str, Any], start: Place, target: dict[str, Any], end: Place) -> None:
    """A straight arrow to the next node, a line around the block for everything else."""
    below = start[1] - HALF.get(source["kind"], HEIGHT / 2)
    above = end[1] + HALF.get(target["kind"], HEIGHT / 2)
    if start[0] == end[0] and start[1] - end[1] == 1.0:
        _arrow(axis, (start[0], below), (end[0], above), INK)
        return
    color, half_way = COLORS["add"], start[1] - 0.5
    points = [(start[0], half_way), (SIDE, half_way)] if start[0] == 0 else [(SIDE, below)]
    last = (SIDE, end[1]) if end[0] == 0 else (SIDE, half_way)
    tip = (end[0] + RADIUS, end[1]) if end[0] == 0 else (SIDE, above)
    axis.plot(*zip(*points, last, strict=True), color=color, linewidth=1.0)
    _arrow(axis, last, tip, color)


def _arrow(axis: Any, start: Place, tip: Place, color: str) -> None:
    style = {"arrowstyle": "-|>,head_length=0.3,head_width=0.15", "color": color, "linewidth": 1.0}
    axis.annotate("", tip, start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})


def _shape(node: dict[str, Any]) -> str:
    return "×".join(str(size) for size in node["shape"])
