"""A user's own study, by the command line: words, numbers, labels and claims of its file, shown again without it."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from synthetic import Member, text_of, write_run, write_study

from jaxcifar.claims import at_least, best_accuracy
from jaxcifar.cli import main
from jaxcifar.config import Claim, Data, Paper, Run, Study, UserError, Variant, shipped
from jaxcifar.report import sections, store_claims, write_report
from jaxcifar.report.sources import gather

OWN = '''
"""Two widths of a small network on procedural images."""

from jaxcifar.claims import Evidence, Number, Quantity, at_most, compare
from jaxcifar.config import CNN, Claim, Data, Run, Study, Variant

last_step = Quantity("loss of the last step", lambda run: float(run.step_values("loss")[-1]), "nats")


def broken(study):
    return study.no_such_thing


def get_config() -> Study:
    return Study(
        name="widths",
        section="A.1",
        title="Width of the first layer",
        says="Wider is said to be better.",
        states={"epochs": "two"},
        base=Run(
            model=CNN(widths=(2,), head=(4,)),
            data=Data(source="shapes", train_size=64, test_size=20),
            epochs=1,
            batch_size=32,
        ),
        variants=(
            Variant("narrow", label="two channels", color="green"),
            Variant("wide", {"model.widths": (6,)}, label="six channels", color="purple", reported={"best": "99%"}),
        ),
        varies=("model.widths",),
        claims=(
            Claim("The loss is finite.", "Last loss is at most 100.", at_most(last_step, 100, of="wide", by=1)),
            Claim("This one is broken.", "It means nothing.", broken),
        ),
    )
'''
SAYS = (
    "Width of the first layer",
    "Wider is said to be better.",
    "two channels",
    "six channels",
    "99%",
    "✓ holds The loss is finite.",
    "Last loss is at most 100.",
    "loss of the last step: six channels",
    "○ not decided This one is broken.",
    "The claim could not be judged: AttributeError: 'StudyResults' object has no attribute 'no_such_thing'",
)


def page_of(out: Path) -> str:
    return text_of(out / "report" / "index.html")


def test_a_users_own_study_brings_its_words_and_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config, out = tmp_path / "mine.py", tmp_path / "out"
    config.write_text(OWN)
    assert main(["run", "--config", str(config), "--out", str(out)]) == 0
    trained = page_of(out)
    for sentence in SAYS:
        assert sentence in trained
    stored = json.loads((out / "claims.json").read_text())
    assert [claim["verdict"] for claim in stored["judged"]["shapes"]] == ["holds", "not decided"]
    plot = (out / "report" / "figures" / "widths-epochs.svg").read_text()
    assert "#009e73" in plot
    assert "#b5588c" in plot

    config.unlink()
    assert main(["report", str(out)]) == 0
    assert page_of(out) == trained

    config.write_text(OWN.replace("The loss is finite.", "The loss is a number.").replace("six channels", "6 channels"))
    assert main(["report", str(out), "--config", str(config)]) == 0
    assert "✓ holds The loss is a number." in page_of(out)
    assert "6 channels" in page_of(out)
    assert json.loads((out / "claims.json").read_text()) == stored, "a report writes into its own folder only"

    config.write_text(OWN.replace('name="widths"', 'name="other"'))
    capsys.readouterr()
    assert main(["report", str(out), "--config", str(config)]) == 2
    assert "The config is of other; the folder has the records of widths.\n" in capsys.readouterr().err
    config.write_text(OWN)
    manifest = out / "study.json"
    manifest.write_text(manifest.read_text().replace('"study": "widths"', '"study": "widthq"'))
    assert main(["report", str(out), "--config", str(config)]) == 2
    assert f"the records of widthq. {manifest} is not as it was written" in capsys.readouterr().err


def test_flags_do_not_change_what_a_study_asks_for(tmp_path: Path):
    config, out = tmp_path / "mine.py", tmp_path / "out"
    config.write_text(OWN)
    assert main(["run", "--config", str(config), "--out", str(out), "--data.train-size", "32"]) == 0
    assert "○ not decided (scaled) The loss is finite." in page_of(out)
    assert main(["report", str(out)]) == 0
    assert "○ not decided (scaled) The loss is finite." in page_of(out)


def test_a_shipped_study_is_found_by_its_name(tmp_path: Path):
    (own,) = [study for study in shipped.sections(but="paper") if study.name == "cnn"]
    write_study(tmp_path, "cnn", {"cnn": Member(test_accuracy=0.8, run=own.base, own_epochs=True)})
    text = text_of(write_report(tmp_path))
    assert "Decided by" in text
    assert "1.1 A basic convolutional network" in text
    assert "✓ holds The basic CNN reaches 71% after 6 epochs." in text
    assert re.search(r"best best, study .* 80.00% 71%", text)


def test_what_was_stored_of_a_shipped_study_is_judged_again_and_a_users_is_not(tmp_path: Path):
    folder = write_study(tmp_path, "cnn", {"cnn": Member(test_accuracy=0.8)})
    mine = Study("cnn", Run(name="cnn"), title="Mine", claims=(Claim("Mine holds.", "Always.", lambda results: 3),))  # type: ignore[arg-type]
    store_claims(folder, mine, is_shipped=True)
    assert "The basic CNN reaches 71%" in text_of(write_report(tmp_path))
    store_claims(folder, mine, is_shipped=False)
    text = text_of(write_report(tmp_path))
    assert "The basic CNN reaches 71%" not in text
    assert "Mine holds." in text


@pytest.mark.parametrize("damage", ["{", "[]", '{"shipped": false, "words": {"name": 3}, "judged": {}}'])
def test_a_damaged_claims_file_is_told_and_the_records_are_drawn(tmp_path: Path, damage: str):
    folder = write_study(tmp_path, "mine", {"a": Member()})
    (folder / "claims.json").write_text(damage)
    text = text_of(write_report(tmp_path))
    assert "70.00%" in text
    assert "claims.json" in text


THREE = (0.0, 0.01, -0.01)


def written(folder: Path, own: Study, accuracy: float = 0.7) -> Path:
    """The records of a study, three seeds each."""
    members = {
        member.name: Member(run=member.run, spread=THREE, test_accuracy=accuracy, own_epochs=True)
        for member in own.members()
    }
    return write_study(folder, own.name, members)


def test_a_study_of_the_number_of_images_is_not_scaled(tmp_path: Path):
    own = Study(
        name="images",
        base=Run(data=Data(train_size=128)),
        variants=(Variant("all"), Variant("half", {"data.train_size": 64})),
        varies=("data.train_size",),
        claims=(Claim("It is accurate.", "At least 60%.", at_least(best_accuracy(), 60, of="half", by=1)),),
    )
    written(tmp_path, own)
    (source,) = gather(tmp_path, own)
    assert not source.results.is_scaled
    assert source.claims[0].verdict == "holds"
    fewer = dataclasses.replace(own, base=Run(data=Data(train_size=200)), variants=(Variant("all"), Variant("half")))
    (source,) = gather(tmp_path, fewer)
    assert source.claims[0].verdict == "not decided"


def test_a_claim_that_names_no_member_of_several_decides_nothing(tmp_path: Path):
    own = Study(
        name="two",
        base=Run(),
        variants=(Variant("a"), Variant("b", {"batch_size": 64})),
        varies=("batch_size",),
        claims=(Claim("All are accurate.", "At least 60%.", at_least(best_accuracy(), 60, by=1)),),
    )
    written(tmp_path, own)
    (source,) = gather(tmp_path, own)
    assert source.claims[0].verdict == "not decided"
    assert "names no member, and the study has 2; say which by `of`" in source.claims[0].reasons[0]


def test_the_claims_of_another_study_below_the_folder_stay_its_own(tmp_path: Path):
    own = Study(name="cnn", base=Run(), claims=(Claim("Mine.", "At least 60%.", at_least(best_accuracy(), 60, by=1)),))
    place = written(tmp_path / "old", dataclasses.replace(own, name="mine"))
    store_claims(place, dataclasses.replace(own, name="mine"), is_shipped=False)
    before = (place / "claims.json").read_bytes()
    written(tmp_path, own)
    store_claims(tmp_path, own, is_shipped=True)
    assert (place / "claims.json").read_bytes() == before
    assert (tmp_path / "cnn" / "claims.json").is_file()


def test_folders_whose_names_are_one_in_a_link_have_sections_of_their_own(tmp_path: Path):
    own = Study(name="mine", base=Run())
    written(tmp_path / "x" / "y", own, 0.3)
    written(tmp_path / "x-y", own, 0.9)
    found = sections.build(gather(tmp_path), [])
    assert len({section.key for section in found}) == 2


def test_a_run_has_no_words_for_a_report(tmp_path: Path):
    write_study(tmp_path, "mine", {"a": Member()})
    with pytest.raises(UserError, match="a report takes the words and claims of a Study"):
        write_report(tmp_path, Run(name="a"))
    paper = Paper("p", (Study("mine", Run(), (Variant("a", label="the first"),), title="Of a paper"),))
    text = text_of(write_report(tmp_path, paper))
    assert "Of a paper" in text
    assert "the first" in text


@pytest.mark.parametrize(("name", "banner"), [("mine", False), ("vgg_bn", True)])
def test_a_run_of_ones_own_size_is_not_scaled(name: str, banner: bool, tmp_path: Path):
    """A run is scaled only if a shipped config of its name has more images."""
    run = Run(name=name, data=Data(source="cifar10", train_size=512, test_size=100))
    write_run(tmp_path / "notebook", name, Member(run=run, own_epochs=True))
    page = write_report(tmp_path / "notebook")
    assert ("Scaled: these runs" in text_of(page)) is banner
