"""Figures that measures ask for: as JSON and back, and what is refused."""

from __future__ import annotations

import json

import pytest

from jaxcifar.config import UserError
from jaxcifar.measures import SNAPSHOT_MEASURES, STEP_MEASURES, Axis, Display, series
from jaxcifar.measures.display import from_json, to_json

LAYERS = {"conv1": ["conv1"], "linear1": ["linear1"], "output": ["output"]}
SHOWN = [
    *(shown for cls in STEP_MEASURES for shown in cls().displays(LAYERS)),
    *(shown for cls in SNAPSHOT_MEASURES for shown in cls().displays()),
]


@pytest.mark.parametrize("display", SHOWN, ids=lambda display: display.name)
def test_every_figure_of_a_measure_survives_its_json(display: Display):
    stored = json.loads(json.dumps(to_json(display)))
    assert from_json(stored) == display
    assert from_json({**stored, "of_a_later_version": 1}) == display


@pytest.mark.parametrize(
    "value",
    [{}, {"axes": 3}, {**to_json(SHOWN[0]), "kind": "hologram"}, {**to_json(SHOWN[0]), "name": "../../elsewhere"}],
)
def test_what_is_no_figure_is_passed_over(value: dict):
    assert from_json(value) is None


def test_names_of_files_are_made_from_names_of_arrays():
    assert series("a/b_c", "A title").name == "a-b-c"
    assert series("../my norm:", "A title").name == "my-norm"


@pytest.mark.parametrize(
    ("kind", "axes", "says"),
    [
        ("series", (Axis("a", ("a",)), Axis("b", ("b",))), "give one axis with 1 to 1"),
        ("series", (Axis("a", ("a", "b")),), "has axes with [2] arrays"),
        ("range", (Axis("a", ("a", "b", "c")),), "at least one axis with 1 to 2"),
        ("points", (), "has axes with [] arrays"),
        ("bars", (Axis("a", ("a",)),), "allowed are series, range, points"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused(kind, axes, says: str):
    with pytest.raises(UserError) as refused:
        Display("f", "Title", "Caption.", kind, axes)
    assert says in str(refused.value)
