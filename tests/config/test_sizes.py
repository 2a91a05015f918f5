"""Sizes of a study: what they change, how they are refused, and what a verdict at a size says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import synthetic
from synthetic import Member

from jaxcifar import config
from jaxcifar.claims import at_least, best_accuracy, judge
from jaxcifar.cli import main
from jaxcifar.config import CNN, VGG, Claim, DeepLinear, Run, Size, Study, UserError, Variant, shipped
from jaxcifar.report.sources import gather

SMALL = Size({"model.width": 16, "data.train_size": 1000, "epochs": 3}, seeds=3, hours=0.1, why="It is a test.")
ARMS = (Variant("a"), Variant("b", {"epochs": 50}), Variant("linear", {"model": DeepLinear(width=100)}))
CLAIMS = (
    Claim("All learn.", "At least 50%.", at_least(best_accuracy(), 50, by=1, of=("a", "b"))),
    Claim("The linear one learns.", "At least 50%.", at_least(best_accuracy(), 50, by=1, of="linear"), ("linear",)),
)
STUDY = Study("mine", Run(model=VGG()), ARMS, claims=CLAIMS, sizes={"cpu": SMALL})


@pytest.mark.parametrize("study", [each for each in shipped.sections(but="paper") if each.claims], ids=lambda s: s.name)
def test_a_shipped_size_says_why_it_is_enough(study: Study):
    for name, size in study.sizes.items():
        sized = study.sized(name)
        assert size.why.endswith(".")
        assert size.hours <= 2
        assert len(sized.seeds) == size.seeds >= 3
        assert sized.size_title.startswith(f"size {name} (")
        assert len({member.run for member in sized.members()}) == len(sized.members())


def test_all_studies_have_a_size_for_two_cores():
    sizes = [each.sizes["cpu"] for each in shipped.sections(but="paper") if "cpu" in each.sizes]
    assert sum(size.hours for size in sizes) <= 12
    without = {each.name for each in shipped.sections(but="paper") if "cpu" not in each.sizes and each.claims}
    assert without == {"resnet18", "resnet18_long", "best", "speedrun_94", "speedrun_96"} & without


def test_a_size_wins_over_a_variant_and_leaves_other_networks_alone():
    sized = STUDY.sized("cpu")
    runs = {member.name: member.run for member in sized.members()}
    assert {name: run.epochs for name, run in runs.items()} == {"a": 3, "b": 3, "linear": 3}
    assert runs["a"].model == VGG(width=16)
    assert runs["linear"].model == DeepLinear(width=100)
    assert sized.seeds == (0, 1, 2)
    assert sized.size_title == "size cpu (VGG-A of width 16, 1,000 images, 3 epochs)"
    assert STUDY.size_title == ""


def test_a_size_that_leaves_a_member_out_leaves_its_claims_out():
    size = dataclasses.replace(SMALL, without=("linear",))
    sized = dataclasses.replace(STUDY, sizes={"cpu": size}).sized("cpu")
    assert [member.name for member in sized.members()] == ["a", "b"]
    assert [claim.statement for claim in sized.claims] == ["All learn."]
    with pytest.raises(UserError, match="leaves out 'c'; it has a, b, linear"):
        dataclasses.replace(STUDY, sizes={"cpu": dataclasses.replace(SMALL, without=("c",))})


def test_a_size_that_is_not_there(tmp_path: Path):
    with pytest.raises(UserError, match="--size is 'gpu', which the study 'mine' does not have; it has cpu"):
        STUDY.sized("gpu")
    with pytest.raises(UserError, match="it has only its full size"):
        dataclasses.replace(STUDY, sizes={}).sized("cpu")
    with pytest.raises(UserError, match="the run 'run' has no sizes"):
        config.load(write(tmp_path, "from jaxcifar.config import Run\ndef get_config(): return Run()"), size="cpu")
    with pytest.raises(UserError, match="which no study of 'paper' has; sizes are: cpu"):
        config.load(shipped.path("paper"), size="gpu")
    with pytest.raises(UserError, match="wide"):
        dataclasses.replace(STUDY, sizes={"cpu": dataclasses.replace(SMALL, changes={"model.wide": 3})})


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.py"
    file.write_text(text)
    return file


def test_a_size_and_a_scale_are_refused_together(capsys: pytest.CaptureFixture):
    assert main(["run", "losses", "--size", "cpu", "--scale", "0.1"]) == 2
    assert "--size cpu and --scale 0.1 are two ways to be smaller; give one." in capsys.readouterr().err


def test_the_paper_at_a_size_has_the_studies_that_have_it():
    paper = config.load(shipped.path("paper"), size="cpu")
    assert isinstance(paper, config.Paper)
    assert {study.size for study in paper.studies} == {"cpu"}
    assert "resnet18_long" not in {study.name for study in paper.studies}


def test_a_verdict_names_the_size_and_the_records_must_be_of_it(tmp_path: Path):
    sized = STUDY.sized("cpu")
    members = {m.name: Member(run=m.run, spread=(0, 0.01, 0.02), own_epochs=True, epochs=3) for m in sized.members()}
    synthetic.write_study(tmp_path, "mine", members, size="cpu")
    (source,) = gather(tmp_path, STUDY)
    assert source.claims[0].label == "holds at size cpu (VGG-A of width 16, 1,000 images, 3 epochs)"
    assert not source.results.is_scaled
    # A paper of sized studies, such as the course, brings the study at its size.
    (again,) = gather(tmp_path, sized)
    assert again.claims == source.claims
    assert sized.sized("cpu") == sized


def test_a_study_has_one_size(capsys: pytest.CaptureFixture):
    assert main(["run", "course", "--size", "cpu", "--plan"]) == 2
    assert "which has the size 'course' already; leave --size out." in capsys.readouterr().err


def test_a_run_of_another_size_is_told_and_never_mixed_in(tmp_path: Path):
    sized = STUDY.sized("cpu")
    members = {m.name: Member(run=m.run, spread=(0, 0.01, 0.02), own_epochs=True, epochs=3) for m in sized.members()}
    (tmp_path / "full").mkdir()
    synthetic.write_study(tmp_path / "full", "mine", members)
    (source,) = gather(tmp_path / "full", STUDY)
    assert source.claims[0].label == "not decided (scaled)"
    # A run of another size among them is told, never mixed in.
    other = dataclasses.replace(members["b"], run=dataclasses.replace(members["b"].run, model=CNN()))
    synthetic.write_study(tmp_path / "mixed", "mine", {**members, "b": other}, size="cpu")
    (source,) = gather(tmp_path / "mixed", STUDY)
    assert source.claims[0].label == "not decided"
    assert "The runs are not the study's: model is CNN instead of VGG" in source.claims[0].decides


def test_half_of_the_seeds_are_missing(tmp_path: Path):
    sized = STUDY.sized("cpu")
    members = {m.name: Member(run=m.run, spread=(0,), own_epochs=True, epochs=3) for m in sized.members()}
    found = synthetic.study(tmp_path, "mine", members, size="cpu")
    assert judge(sized, found)[0].seeds == 1


def test_records_of_two_sizes_are_not_mixed_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture):
    file = write(
        tmp_path,
        "from jaxcifar.config import CNN, Data, Run, Size, Study, Variant\n"
        "def get_config():\n"
        "    small = Size({'data.train_size': 64}, seeds=1, hours=0.1, why='It is a test.')\n"
        "    data = Data(source='shapes', train_size=128, test_size=64)\n"
        "    base = Run(model=CNN(widths=(4,), head=(8,)), data=data, epochs=1, batch_size=32)\n"
        "    return Study('mine', base, (Variant('a'), Variant('b', {'seed': 0})), sizes={'cpu': small})\n",
    )
    out = ["--out", str(tmp_path / "out")]
    assert main(["run", "--config", str(file), "--size", "cpu", *out]) == 0
    capsys.readouterr()
    assert main(["run", "--config", str(file), *out]) == 2
    assert "data.train_size" in capsys.readouterr().err
