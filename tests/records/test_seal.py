"""JSON files that carry their own digest: damage is told, older files without one are read as they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from synthetic import Member, text_of, write_study

from jaxcifar import records
from jaxcifar.records import judged, manifest, pictures, seal, snapshots
from jaxcifar.report import write_report

VALUE = {"study": "mine", "command": "jaxcifar run mine\x1b[31m", "scale": 0.5, "runs": [{"member": "a", "seed": 0}]}
TOLD = "is not as it was written (its SHA-256 is another)"


def test_written_is_read(tmp_path: Path):
    problems: list[str] = []
    seal.write(tmp_path / "x.json", {**VALUE, "loss": float("nan"), "layers": {3: ("a", 1)}})
    expected = {**VALUE, "command": "jaxcifar run mine\ufffd[31m", "loss": None, "layers": {"3": ["a", 1]}}
    assert seal.read(tmp_path / "x.json", problems) == expected
    assert problems == []


def test_a_file_of_an_earlier_version_is_read_as_it_is(tmp_path: Path):
    problems: list[str] = []
    records.write_json(tmp_path / "x.json", {"scale": 0.5})
    assert seal.read(tmp_path / "x.json", problems) == {"scale": 0.5}
    assert problems == []


def test_a_flipped_bit_anywhere_is_told_or_changes_nothing(tmp_path: Path):
    path, draw = tmp_path / "x.json", random.Random(0)
    seal.write(path, VALUE)
    whole, content = seal.read(path), path.read_bytes()
    for _ in range(400):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        problems: list[str] = []
        found = seal.read(path, problems)
        assert problems or {key: found.get(key) for key in whole} == whole, bytes(damaged)


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_manifest_that_was_changed_is_told_on_the_page_and_written_again(tmp_path: Path):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=1)})
    value = manifest.read(folder)
    manifest.write(folder, {**value, "scale": 0.5})
    spoil(folder / manifest.FILE, '"scale": 0.5', '"scale": 0.7')
    assert f"mine/study.json {TOLD}" in text_of(write_report(tmp_path))
    assert manifest.read(folder) == {}
    manifest.write(folder, value)
    assert manifest.read(folder) == value
    assert TOLD not in text_of(write_report(tmp_path))


def test_verdicts_that_were_changed_are_told_on_the_page(tmp_path: Path):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=1)})
    judged.write(folder, {"name": "mine", "title": "A title"}, {}, shipped=False)
    spoil(folder / judged.FILE, "A title", "B title")
    assert f"mine/claims.json {TOLD}" in text_of(write_report(tmp_path))


@pytest.mark.parametrize("name", ["gradients", "architecture", "measure"])
def test_what_was_measured_after_training_and_then_changed_is_told(tmp_path: Path, name: str):
    folder = write_study(tmp_path, "mine", {"a": Member(epochs=1)})
    run = folder / "a" / "seed-0"
    match name:
        case "gradients":
            pictures.write_gradients(run, 128, {"0": {"conv1": 0.25}}, {"conv1": "convolution"})
            path, old, new = run / pictures.GRADIENTS, "0.25", "0.75"
        case "architecture":
            pictures.write_architecture(folder, {"cifar": {"18": {"parameters": 11689512}}})
            path, old, new = folder / pictures.FOLDER / pictures.ARCHITECTURE, "11689512", "11689513"
        case _:
            snapshots.write(run, "trace", {"steps": [0]}, {"measure": {"samples": 8}, "displays": []})
            path, old, new = snapshots.path(run, "trace").with_suffix(".json"), ": 8", ": 9"
    assert pictures.damaged(folder, [run]) == []
    spoil(path, old, new)
    assert pictures.damaged(folder, [run]) == [f"{path} {TOLD}; its values may be wrong."]
