"""What figures and tables write: CSV without formulas, names that are files' names everywhere."""

from __future__ import annotations

import csv
import io

import pytest

from jaxcifar.report.figure import _shortened, to_csv
from jaxcifar.report.names import LONGEST_NAME, file_name


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", "-x", " =1"])
def test_a_text_that_a_spreadsheet_would_compute_is_marked_as_text(text: str):
    (row,) = csv.reader(io.StringIO(to_csv([text], [])))
    assert row == ["'" + text.replace("\r", " ")]


@pytest.mark.parametrize("cell", [-1.5, -3, "-1.5", "-0.02 ± 0.001", "-1e-05", "-", "+3%", "plain", "a\rb"])
def test_numbers_and_plain_texts_stay_as_they_are(cell: object):
    _, row = csv.reader(io.StringIO(to_csv(["heading"], [[cell]])))
    assert row == [str(cell).replace("\r", " ")]


def test_a_name_is_a_file_s_name():
    assert file_name("study-beta-same_batch.1") == "study-beta-same_batch.1"
    assert file_name('a/../"><b>') == "a-..-b-"
    long = [file_name("x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name.encode()) <= LONGEST_NAME for name in (*long, file_name("é" * 300)))


def test_paths_of_the_page_are_short_and_say_the_same():
    path = "M 63.484016 -104.171226 \nL 63.5604 0.0 \nL 64.5 10.1230001 \nM 1 2 \nM 3 4 \nL 5 6 "
    path += "\nC 1 2 3 4 5 6 \nC 1 2 3 4 5 6 \nz\n"
    assert _shortened(path) == "M 63.484 -104.171 63.56 0 64.5 10.123 M 1 2 M 3 4 5 6 C 1 2 3 4 5 6 1 2 3 4 5 6 z"
