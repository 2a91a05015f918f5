"""The shipped studies: found by name, in the text's order, and their claims name their own members."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import Member, study

from jaxcifar import records
from jaxcifar.claims import judge
from jaxcifar.config import Study, load, shipped
from jaxcifar.config.words import Words
from jaxcifar.records import pictures, snapshots
from jaxcifar.runner import residual_blocks

SECTIONS = shipped.sections(but="paper")
STEPS = (
    *(f"{measure}/{batch}" for measure in ("beta", "gradient_distance") for batch in ("same_batch", "cross_batch")),
    *(f"gradient_distance/{batch}/last_linear" for batch in ("same_batch", "cross_batch")),
    *("step_reliability/gradient_change/0.1", "step_reliability/largest_safe"),
    *(f"gradient_direction/{name}" for name in ("loss_high", "distance_high", "beta")),
    "covariate_shift/distance/output",
)


SECOND_NAMES = {"gradient_distance": "gradients", "beta_smoothness": "gradients"}


def test_a_study_has_the_name_of_its_file():
    for name in shipped.names():
        found = shipped.find(name)
        assert found is None or found.name == SECOND_NAMES.get(name, name)
        assert shipped.holds(shipped.path(name))
    assert shipped.find("absent") is None
    assert shipped.find("paper") is None
    assert not shipped.holds(Path("elsewhere/cnn.py"))


def test_sections_are_in_the_order_of_the_text():
    numbers = [study.section for study in SECTIONS]
    assert numbers[:4] == ["1.1", "1.2", "1.3", "1.4"]
    assert [number for number in numbers if number.startswith("2")] == ["2.1", "2.2", "2.3", "2+", "2+", "2+", "2+"]
    assert all(study.title and study.says for study in SECTIONS)
    words = [Words(number, section=number) for number in ("1.10", "1.2", "", "2+", "2.4")]
    assert [each.section for each in sorted(words, key=lambda each: each.order)] == ["1.2", "1.10", "2.4", "2+", ""]


@pytest.mark.slow
@pytest.mark.parametrize("shipped_study", [each for each in SECTIONS if each.claims], ids=lambda each: each.name)
def test_claims_find_all_that_they_need_in_records_of_their_own_study(shipped_study: Study, tmp_path: Path):
    steps = {name: np.linspace(1.0, 2.0, 60) for name in STEPS} | {"gradient_direction/loss_low": np.zeros(60)}
    members = {each.name: Member(run=each.run, steps=steps, own_epochs=True) for each in shipped_study.members()}
    found = study(tmp_path, shipped_study.name, members)
    for run in found.runs:
        norms = {"conv1": 1.0, "conv2": 2.0}
        records.write_json(run.folder / pictures.GRADIENTS, {"norms": {"0": norms, "1": norms}})
        for measure in run.config.snapshot_measures if run.config else ():
            arrays = {name: np.linspace(0.5, 1.0, 9)[None] for each in measure.displays() for name in each.arrays}
            snapshots.write(run.folder, measure.name, {"steps": [0], **arrays}, {})
    if "architecture" in shipped_study.pictures:
        records.write_json(found.folder / pictures.FOLDER / pictures.ARCHITECTURE, residual_blocks.tables())
    for judged in judge(shipped_study, found):
        assert judged.numbers, judged.decides
        assert not any(word in judged.decides for word in ("not there", "could not be judged", "on record")), judged


def test_words_survive_their_json():
    for each in SECTIONS:
        assert Words.from_json(records.files.finite(each.words.to_json())) == each.words


@pytest.mark.parametrize("name", shipped.names())
def test_a_copy_needs_no_file_beside_it(name: str, tmp_path: Path):
    copy = tmp_path / "mine.py"
    copy.write_bytes(shipped.path(name).read_bytes())
    assert load(copy).name == load(shipped.path(name)).name
