"""A report replaces and deletes its own files only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxcifar.errors import UserError
from jaxcifar.records import report


def writing(**files: str) -> Callable[[Path], None]:
    """A report of a page and of figures with these texts."""

    def write(folder: Path) -> None:
        (folder / "index.html").write_text("a page")
        for name, text in files.items():
            (folder / "figures" / f"{name}.png").write_text(text)

    return write


def test_what_a_user_put_there_stays_and_what_a_report_wrote_goes(tmp_path: Path):
    page = report.replace(tmp_path, writing(a="1", b="1"))
    mine = page.parent / "figures" / "mine.png"
    mine.write_text("mine")
    (page.parent / "notes.txt").write_text("notes")
    report.replace(tmp_path, writing(b="2", c="2"))
    figures = {path.name: path.read_text() for path in mine.parent.iterdir()}
    assert figures == {"mine.png": "mine", "b.png": "2", "c.png": "2"}
    assert (page.parent / "notes.txt").read_text() == "notes"
    assert not [path for path in tmp_path.iterdir() if path.name != "report"]


@pytest.mark.parametrize("name", ["index.html", "figures/a.png"])
def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path, name: str):
    path = tmp_path / "report" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(UserError, match="was not written by a report; move it away"):
        report.replace(tmp_path, writing(a="1"))
    assert [found for found in (tmp_path / "report").rglob("*") if found.is_file()] == [path]
    assert path.read_text() == "mine"


@pytest.mark.parametrize("place", ["report", "report/figures"])
def test_no_link_is_followed(tmp_path: Path, place: str):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out" / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / place).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is not a folder of its own, and the report follows no link"):
        report.replace(tmp_path / "out", writing(a="1"))
    assert list(elsewhere.iterdir()) == []


def test_an_edited_list_deletes_nothing_else(tmp_path: Path):
    page = report.replace(tmp_path, writing(a="1"))
    outside, link = tmp_path / "config.json", page.parent / "figures" / "link.png"
    outside.write_text("{}")
    link.symlink_to(outside)
    names = ["../config.json", str(outside), "figures/../../config.json", "figures/link.png", "notes.txt", 3]
    (page.parent / report.FILES).write_text(json.dumps({"files": ["index.html", "figures/a.png", *names]}))
    report.replace(tmp_path, writing(b="2"))
    assert outside.read_text() == "{}"
    assert link.is_symlink()


def test_a_report_of_the_first_version_is_replaced(tmp_path: Path):
    page = tmp_path / "report" / "index.html"
    (page.parent / "figures").mkdir(parents=True)
    page.write_bytes(b"<html>" + report.MARK + b" - report")
    (page.parent / "figures" / "a.png").write_text("old")
    report.replace(tmp_path, writing(a="new"))
    assert (page.parent / "figures" / "a.png").read_text() == "new"


@pytest.mark.parametrize("name", ["a/seed-0/summary.json", "a/seed-0/predictions.npz", "views/samples.npz"])
def test_a_report_shows_what_was_stored_before_it_was_begun(tmp_path: Path, name: str):
    stored = tmp_path / name
    stored.parent.mkdir(parents=True)
    stored.write_text("{}")
    os.utime(stored, (1, 1))
    assert not report.is_current(tmp_path), "there is none"
    with report.dated(tmp_path):
        page = report.replace(tmp_path, writing())
    assert report.is_current(tmp_path)
    began = page.stat().st_mtime_ns
    with report.dated(tmp_path):
        pass
    assert page.stat().st_mtime_ns == began, "no other page was written"
    with report.dated(tmp_path):
        report.replace(tmp_path, writing())
        stored.write_text("{}")  # the page was begun before it
    assert not report.is_current(tmp_path)
