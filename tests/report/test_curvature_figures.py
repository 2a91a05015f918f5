"""Figures of the curvature from arrays that are not as whole as one would like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import Member, study

from jaxcifar.config import VGG, Run, Words
from jaxcifar.records import snapshots, write_arrays
from jaxcifar.records.study import StudyResults
from jaxcifar.report import curvature
from jaxcifar.report.figure import Figure, save
from jaxcifar.report.line_styles import line_styles


@pytest.fixture
def three_seeds(tmp_path: Path) -> StudyResults:
    return study(tmp_path, "curvature", {"vgg-a": Member(run=Run(model=VGG()), spread=(0.0, 0.0, 0.0))})


def drawn(found: StudyResults, folder: Path) -> dict[str, Figure]:
    figures = curvature.figures(found, line_styles(found, Words(found.name)), {"note": "a note"})
    for figure in figures:
        save(figure, folder)
    return {figure.name: figure for figure in figures}


def test_seeds_with_different_snapshots_are_drawn_where_all_have_one(three_seeds: StudyResults, tmp_path: Path):
    for run, steps in zip(three_seeds.runs, ([0, 10, 20], [0, 20], [0, 20, 30]), strict=True):
        grid = np.tile(np.linspace(-1, 10, 50), (len(steps), 1))
        shared = {"steps": np.array(steps), "images": np.array(512)}
        write_arrays(snapshots.path(run.folder, "density"), {"grid": grid, "density": np.exp(-grid), **shared})
        write_arrays(snapshots.path(run.folder, "sharpness"), {"sharpness": np.outer(steps, [1.0, 2.0]) + 1, **shared})
    found = drawn(three_seeds, tmp_path)
    rows = [row[:2] + row[3:5] for row in found["sharpness"].rows if row[1] < 2]
    assert rows[:3] == [["vgg-a", 0, 0, 1.0], ["vgg-a", 0, 10, 21.0], ["vgg-a", 0, 20, 41.0]]
    assert [look.label for look in found["sharpness"].legend] == ["vgg-a"]
    for figure in found.values():
        assert figure.note == "a note, measured on 512 images"
        assert "Measured on 512 images." in figure.caption


def test_a_plane_with_points_that_are_not_finite(three_seeds: StudyResults, tmp_path: Path):
    axis = np.linspace(-1, 1, 5)
    for run, value in zip(three_seeds.runs, (1.0, np.inf, np.nan), strict=True):
        losses = 1 + axis[:, None] ** 2 + axis**2
        losses[0, 0] = value
        arrays = {"x": axis, "y": axis, "losses": losses, "steps": np.array([3])}
        write_arrays(snapshots.path(run.folder, "plane"), arrays)
    plane = drawn(three_seeds, tmp_path)["plane"]
    assert all("from 1 to 3" in panel.alt for panel in plane.panels)
    assert (tmp_path / "plane.png").stat().st_size > 5000


def test_a_dollar_in_a_name_begins_no_formula(tmp_path: Path):
    found = study(tmp_path, "curvature", {r"x$\frac$": Member(run=Run(model=VGG()), spread=(0.0,))})
    axis = np.linspace(-1, 1, 5)
    losses = 1 + axis[:, None] ** 2 + axis**2
    write_arrays(
        snapshots.path(found.runs[0].folder, "plane"), {"x": axis, "y": axis, "losses": losses, "steps": np.array([3])}
    )
    assert drawn(found, tmp_path)["plane"].panels[0].title.startswith(r"x$\frac$")


def test_a_plane_without_a_finite_point_is_no_figure(three_seeds: StudyResults, tmp_path: Path):
    axis = np.linspace(-1, 1, 3)
    arrays = {"x": axis, "y": axis, "losses": np.full((3, 3), np.nan), "steps": np.array([3])}
    write_arrays(snapshots.path(three_seeds.runs[0].folder, "plane"), arrays)
    assert drawn(three_seeds, tmp_path) == {}
