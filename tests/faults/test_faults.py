"""Small forms of the campaigns, and the damaged records that have failed before, each by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import Member, text_of, write_study

from jaxcifar.cli import main
from jaxcifar.records import pictures
from jaxcifar.report import write_report

HERE = Path(__file__).parent
COMPILER = any(os.access(Path(place) / "cc", os.X_OK) for place in os.get_exec_path())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: some trials are those of a user without rights."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILER, reason="the library that meddles with system calls needs a C compiler")
@pytest.mark.parametrize(
    ("campaign", "trials"), [("kills", 6), ("disk", 6), ("damage", 15), ("datasets", 40), ("locks", 20)]
)
def test_a_campaign(campaign: str, trials: int, open_folder: Path):
    command = [sys.executable, str(HERE / f"{campaign}.py"), "7", str(trials), str(open_folder)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


@pytest.mark.slow
def test_command_lines_and_config_files():
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(HERE / "fuzz.py"), "7", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


MARKUP = '"><img src=x onerror=alert(1)>'


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


FORMS: list[Any] = [3, None, [1], {}, True, MARKUP, "x" * 5000, "\ud800"]


@pytest.mark.slow
@pytest.mark.parametrize("field", ["study", "command", "changed", "scale", "size", "runs"])
def test_a_manifest_of_another_form_is_named_and_the_records_are_drawn(tmp_path: Path, field: str):
    for index, value in enumerate(FORMS):
        folder = write_study(tmp_path, f"study-{index}", {"a": Member(epochs=1)})
        change(folder / "study.json", **{field: value})
    page = write_report(tmp_path)
    text = text_of(page)
    assert text.count("70.00%") >= len(FORMS)
    assert "<img" not in page.read_text()
    for index, value in enumerate(FORMS):
        fits = isinstance(value, str) if field in ("study", "command", "size") else field == "scale" and index == 0
        fits |= field == "changed" and value == []
        assert fits or f"study-{index}/study.json" in text, value


@pytest.mark.parametrize("name", [pictures.GRADIENTS, pictures.FEATURES, pictures.PREDICTIONS])
def test_a_damaged_picture_is_named(tmp_path: Path, name: str):
    (write_study(tmp_path, "mine", {"a": Member(epochs=1)}) / "a" / "seed-0" / name).write_bytes(b"\x89PNG\r\n")
    assert f"mine/a/seed-0/{name}" in text_of(write_report(tmp_path))


@pytest.mark.parametrize("name", ["study.json", "claims.json"])
def test_an_empty_object_in_the_place_of_a_file_is_named(tmp_path: Path, name: str):
    (write_study(tmp_path, "mine", {"a": Member(epochs=1)}) / name).write_text("{}")
    assert f"mine/{name} cannot be read: it holds no JSON object with fields" in text_of(write_report(tmp_path))


ROWS: list[dict[str, Any]] = [
    {"member": MARKUP, "seed": 0, "folder": "b/seed-0"},
    {"member": "b", "seed": 0, "folder": "b" * 300 + "/seed-0"},
    {"member": "b" * 300, "seed": 0, "folder": "c/seed-0"},
    {"member": "b", "seed": 0, "folder": "../../../etc"},
    {"member": "b", "seed": 0, "folder": "/etc"},
    {"member": "b", "seed": 10**30, "folder": "d/seed-0"},
    {"member": "b", "seed": 0, "folder": "e\0/seed-0"},
    {"member": "b", "seed": 0, "folder": "f/seed-0", "epochs": "many", "steps": None},
    {"member": ["b"], "seed": "0", "folder": 1},
]


def test_rows_of_a_manifest_that_are_none_are_left_out(tmp_path: Path):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=1)})
    rows = json.loads((folder / "study.json").read_text())["runs"]
    change(folder / "study.json", runs=[*rows, *ROWS])
    page = write_report(tmp_path)
    text = text_of(page)
    assert "70.00%" in text
    assert "lists runs that are none of this program" in text
    assert "etc" not in text
    assert "<img" not in page.read_text()


FIELDS = ("status", "steps", "parameters", "members_in_program", "best", "last", "diverged_step", "same_as")


@pytest.mark.parametrize("field", FIELDS)
def test_a_summary_of_another_form_is_named_and_the_epochs_are_drawn(tmp_path: Path, field: str):
    wrong: list[Any] = ["much", None, [], {"x": []}, 10**400, MARKUP, False]
    members = {f"member-{index}": Member(epochs=1) for index in range(len(wrong))}
    folder = write_study(tmp_path, "mine", members)
    for member, value in zip(members, wrong, strict=True):
        change(folder / member / "seed-0" / "summary.json", **{field: value})
    page = write_report(tmp_path)
    text = text_of(page)
    assert text.count("70.00%") >= len(wrong)
    assert "<img" not in page.read_text()
    assert "left out: " not in text
    assert f"member-3/seed-0/summary.json: '{field}' is" in text


@pytest.mark.parametrize("target", ["../../../../elsewhere/a/seed-0", MARKUP, "x" * 5000, "\0"])
def test_an_equal_run_elsewhere_is_not_read(tmp_path: Path, target: str):
    write_study(tmp_path / "elsewhere", "a", {"seed": Member(epochs=2, test_accuracy=0.123)})
    folder = write_study(tmp_path / "paper", "mine", {"a": Member(epochs=2), "b": Member(epochs=2)})
    place = folder / "b" / "seed-0"
    (place / "metrics.jsonl").unlink()
    (place / "summary.json").write_text(json.dumps({"same_as": target}))
    page = write_report(tmp_path / "paper")
    text = text_of(page)
    assert "12.30%" not in text
    assert "70.00%" in text
    assert "<img" not in page.read_text()


@pytest.mark.parametrize(
    "line", ["[1]", '{"epoch": 3, "test_accuracy": "most"}', '{"epoch": 1e999}', "[" * 100_000, "\0"]
)
def test_a_row_of_metrics_of_another_form_is_named(tmp_path: Path, line: str):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=2)})
    with open(folder / "a" / "seed-0" / "metrics.jsonl", "a") as file:
        file.write(line + "\n")
    text = text_of(write_report(tmp_path))
    assert "metrics.jsonl, line 3 is cut off or damaged" in text
    assert "70.00%" in text


@pytest.mark.parametrize("name", ["config.json", "environment.json", "metrics.jsonl", "steps.npz", "summary.json"])
@pytest.mark.parametrize("how", ["folder", "nowhere", "loop"])
def test_something_else_in_the_place_of_a_file_is_named(tmp_path: Path, name: str, how: str, capsys: Any):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=2), "b": Member(epochs=2)})
    path = folder / "a" / "seed-0" / name
    path.unlink()
    match how:
        case "folder":
            path.mkdir()
        case "nowhere":
            path.symlink_to("nowhere")
        case _:
            path.symlink_to(name)
    assert main(["report", str(tmp_path)]) == 0
    assert f"{path} cannot be read" in text_of(tmp_path / "report" / "index.html")
