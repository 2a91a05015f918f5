"""Configs: checks, JSON, files, overrides."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxcifar import config
from jaxcifar.config import (
    CNN,
    EMA,
    SGD,
    VGG,
    Adam,
    Checkpoint,
    Constant,
    Cosine,
    CrossEntropy,
    Data,
    Lookahead,
    Muon,
    ResNet,
    Run,
    StepDecay,
    Study,
    UserError,
    WhitenedCNN,
)
from jaxcifar.config import Variant as V
from jaxcifar.measures import Beta, GradientDirection, GradientDistance, NoiseFloor

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))


def write(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "some_config.py"
    path.write_text(f'"""A config."""\nfrom jaxcifar.config import *\n{body}\n')
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_with_a_docstring_and_survives_json(path: Path):
    loaded = config.load(path)
    text = path.read_text()
    assert all(word in text for word in ("Command:", "Cost:", "Expect:", f"configs/{path.name}"))
    match loaded:
        case Run():
            runs = [loaded]
        case Study():
            runs = [loaded.base]
        case config.Paper():
            runs = [study.base for study in loaded.studies]
    for run in runs:
        assert config.from_json(json.loads(json.dumps(config.to_json(run)))) == run


def test_json_keeps_every_class():
    run = Run(
        model=ResNet(depth=50, skip=False),
        optimizer=SGD(momentum=0.9, nesterov=True, schedule=Cosine(warmup=2.5)),
        loss=CrossEntropy(label_smoothing=0.1),
        probes=(Beta(), GradientDistance(batch="cross_batch", every=7)),
        checkpoint=Checkpoint(snapshots=(0, 3)),
    )
    assert config.from_json(json.loads(json.dumps(config.to_json(run)))) == run
    fast = Run(model=WhitenedCNN(), optimizer=Muon(), average=EMA(), test_views="six", timed=True)
    assert config.from_json(json.loads(json.dumps(config.to_json(fast)))) == fast


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Run(epochs=0), "epochs is 0"),
        (lambda: Run(epochs=1.5), "whole number"),  # type: ignore[arg-type]
        (lambda: Run(batch_size=True), "batch_size is True"),
        (lambda: Run(precision="float16"), "float32, bfloat16"),  # type: ignore[arg-type]
        (lambda: SGD(learning_rate=-1.0), "optimizer.learning_rate is -1.0"),
        (lambda: SGD(learning_rate=float("nan")), "optimizer.learning_rate is nan"),
        (lambda: SGD(momentum=1.0), "below 1"),
        (lambda: SGD(nesterov=True), "momentum above 0"),
        (lambda: Adam(beta2=float("inf")), "optimizer.beta2 is inf"),
        (lambda: ResNet(depth=19), "18, 34, 50, 101, 152"),  # type: ignore[arg-type]
        (lambda: VGG(dropout=1.0), "model.dropout is 1.0"),
        (lambda: CNN(widths=()), "one to four"),
        (lambda: CNN(kernel=11, padding=0, widths=(8, 8, 8)), "smaller kernel"),
        (lambda: CrossEntropy(label_smoothing=1.0), "loss.label_smoothing is 1.0"),
        (
            lambda: VGG(norm="weight"),
            "model.norm is 'weight'; allowed are none, batch, group, layer, instance, l1, linf",
        ),  # type: ignore[arg-type]
        (lambda: StepDecay(epochs=0.0), "optimizer.schedule.epochs is 0.0"),
        (lambda: Cosine(final_factor=-1.0), "optimizer.schedule.final_factor is -1.0"),
        (lambda: Constant(warmup=-1.0), "optimizer.schedule.warmup is -1.0"),
        (lambda: Data(crop=-1), "data.crop is -1"),
        (lambda: Data(source="cifar"), "auto, cifar10, shapes, cifar100, svhn"),  # type: ignore[arg-type]
        (lambda: Data(crop_padding="wrap"), "zero, reflect"),  # type: ignore[arg-type]
        (lambda: WhitenedCNN(widths=(8, 8)), "three channel counts"),
        (lambda: WhitenedCNN(depth=4), "2, 3"),  # type: ignore[arg-type]
        (lambda: WhitenedCNN(norm_momentum=1.0), "model.norm_momentum is 1.0"),
        (lambda: Muon(momentum=1.0), "below 1"),
        (lambda: Muon(iterations=0), "optimizer.iterations is 0"),
        (lambda: SGD(bias_factor=0.0), "optimizer.bias_factor is 0.0"),
        (lambda: EMA(decay=1.0), "average.decay is 1.0; it must be below 1"),
        (lambda: EMA(decay=0.0), "average.decay is 0.0"),
        (
            lambda: SGD(schedule="cosine"),
            "optimizer.schedule is 'cosine'; it must be made by one of Constant, StepDecay",
        ),  # type: ignore[arg-type]
        (lambda: Lookahead(every=0), "average.every is 0"),
        (lambda: Run(loss="mse"), "loss is 'mse'; it must be made by one of CrossEntropy, MSE"),  # type: ignore[arg-type]
        (lambda: Run(test_views="ten"), "none, mirror, six"),  # type: ignore[arg-type]
        (
            lambda: Run(model=CNN(dropout=0.5), probes=(NoiseFloor(),)),
            "model.dropout is 0.5 with the measure NoiseFloor",
        ),
        (lambda: Checkpoint(keep=1), "checkpoint.keep is 1"),
        (lambda: Run(model="vgg"), "model is 'vgg'; it must be made by one of CNN, ResNet, VGG"),  # type: ignore[arg-type]
        (lambda: Run(optimizer=Adam), "it must be made by one of SGD, Adagrad"),  # type: ignore[arg-type]
        (lambda: Run(probes=("beta",)), "probes holds 'beta'"),  # type: ignore[arg-type]
        (lambda: Study("x", Run(), (V("report"),)), "'report', as a folder of the program's own is called"),
        (lambda: config.Paper("p", (Study("checkpoints", Run(), (V("a"),)),)), "'checkpoints', as a folder"),
        (lambda: Run(probes=Beta()), "probes is Beta"),  # type: ignore[arg-type]
        (lambda: CNN(widths=4), "model.widths is 4; give several values"),  # type: ignore[arg-type]
        (lambda: Study("x", Run(), variants="ab"), "variants is 'ab'"),  # type: ignore[arg-type]
        (lambda: Run(seed=2**31), "at most 2,147,483,647"),
        (lambda: Study("s", Run(name="../out")), "variant '../out'"),
        (lambda: Study("s", Run(seed=3), seeds=(0, 1)), "base with seed 3"),
        (lambda: Study("s", Run(), (V("a", color="pink"),)), "color 'pink'; allowed are blue, "),  # type: ignore[arg-type]
        (lambda: Study("s", Run(), (V("a"),), claims=("better",)), "each must be made by Claim"),  # type: ignore[arg-type]
        (lambda: Study("s", Run(), (V("a"),), seeds=()), "seeds ()"),
        (lambda: Study("s", Run(), (V("a"),), seeds=("x",)), "seeds ('x',); each must be a number"),  # type: ignore[arg-type]
        (lambda: Study("s", Run(), (V("a"),), sweep={"seed": 3}), "seed is 3; give several values"),  # type: ignore[dict-item]
        (lambda: Run(seed=np.int64(3)), "seed is np.int64(3); it must be a whole number"),  # type: ignore[arg-type]
        (lambda: SGD(learning_rate=np.float32(0.5)), "its .item() is a number of Python"),  # type: ignore[arg-type]
        (lambda: Study("s", Run(), (V("a"),), seeds=(0, 0)), "seeds (0, 0)"),
        (lambda: Study("s", Run(), (V("a"),), sweep={"seed": (1e-3, 1.0000001e-3)}), "each once in six digits"),
        (lambda: Study("s", Run(), (V("../escaped"),)), "variant '../escaped'"),
        (lambda: Study("s", Run(), (V("a"), V("a"))), "two variants of one name"),
        (lambda: Study("s", Run(), (V("a", label="x"), V("b", label="x"))), "two variants with the label 'x'"),
        (lambda: Study("s", Run(), (V("a", {"model.widht": 3}),)), "no field 'widht'"),
    ],
)
def test_values_out_of_range_are_one_sentence(make, says: str):
    with pytest.raises(UserError) as error:
        make()
    assert says in str(error.value)
    assert str(error.value).count("\n") == 0


def test_overrides_reach_nested_fields(tmp_path: Path):
    path = write(tmp_path, "def get_config(): return Run(model=VGG(norm='batch'), optimizer=Adam())")
    argv = ["--epochs", "1", "--optimizer.learning-rate=2e-4", "--model.norm=none", "--data.train-size", "500"]
    run = config.load(path, argv)
    assert isinstance(run, Run)
    assert run == Run(model=VGG(), optimizer=Adam(learning_rate=2e-4), epochs=1, data=Data(train_size=500))


def test_the_file_picks_a_class_and_flags_edit_its_fields(tmp_path: Path):
    body = "def get_config(): return Run(loss=CrossEntropy(0.1), optimizer=SGD(schedule=Cosine()), average=EMA(0.9))"
    flags = ["--loss.label-smoothing", "0.2", "--optimizer.schedule.warmup", "2", "--average.every", "3"]
    run = config.load(write(tmp_path, body), flags)
    assert run == Run(loss=CrossEntropy(0.2), optimizer=SGD(schedule=Cosine(2.0)), average=EMA(0.9, 3))
    with pytest.raises(UserError, match="Unrecognized options: --optimizer"):
        config.load(write(tmp_path, body), ["--optimizer.schedule.epochs", "3"])


@pytest.mark.parametrize(
    "argv", [["--epoch", "1"], ["--epochs", "many"], ["--model.depth", "19"], ["--precision=half"]]
)
def test_a_bad_flag_is_one_sentence(tmp_path: Path, argv: list[str], capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path, "def get_config(): return Run(model=ResNet())")
    with pytest.raises(UserError, match=argv[0].split("=")[0]) as caught:
        config.load(path, argv, prog="jaxcifar run")
    assert "\n" not in str(caught.value)
    assert "`jaxcifar run --config FILE --help` lists what is allowed" in str(caught.value)
    assert capsys.readouterr().err == ""


def test_arrays_in_a_config_are_numbers_of_python():
    rates = np.array([0.5, 0.25], np.float32)
    study = Study("s", Run(), seeds=np.arange(2), sweep={"optimizer.learning_rate": rates})  # type: ignore[arg-type]
    assert study == Study("s", Run(), seeds=(0, 1), sweep={"optimizer.learning_rate": (0.5, 0.25)})
    assert {type(seed) for seed in study.seeds} == {int}
    assert {type(rate) for rate in study.sweep["optimizer.learning_rate"]} == {float}


def test_lists_in_a_config_are_tuples():
    run = Run(probes=[Beta()], checkpoint=Checkpoint(snapshots=[0, 1]))  # type: ignore[arg-type]
    assert hash(run) == hash(Run(probes=(Beta(),), checkpoint=Checkpoint(snapshots=(0, 1))))
    network, probe = CNN(widths=[4], head=[8]), GradientDirection(steps=[0.05, 0.4])  # type: ignore[arg-type]
    assert hash(network) == hash(CNN(widths=(4,), head=(8,)))
    assert hash(probe) == hash(GradientDirection(steps=(0.05, 0.4)))


def test_a_config_that_exits_is_one_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="fails with SystemExit: 3"):
        config.load(write(tmp_path, "import sys; sys.exit(3)"))


def test_a_flag_that_is_nearly_right_is_told(tmp_path: Path):
    path = write(tmp_path, "def get_config(): return Run(model=ResNet())")
    with pytest.raises(UserError, match="Unrecognized options: --epoch, 3; perhaps --epochs"):
        config.load(path, ["--epoch", "3"])


def test_help_shows_the_files_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path, "def get_config(): return Run(epochs=37)")
    with pytest.raises(SystemExit) as exit_:
        config.load(path, ["--help"])
    shown = capsys.readouterr().out
    assert exit_.value.code == 0
    assert "A config." in shown
    assert "(default: 37)" in shown


STUDY = """
def get_config():
    variants = (Variant("a", {"batch_size": 4, "epochs": 6}), Variant("b", {"batch_size": 8, "model": ResNet()}))
    return Study("s", Run(epochs=6), variants, varies=("batch_size",), sweep={"optimizer.learning_rate": (0.1, 0.2)})
"""


def test_a_flag_wins_in_every_member(tmp_path: Path):
    study = config.load(write(tmp_path, STUDY), ["--epochs", "6", "--data.flip", "random"])
    assert isinstance(study, Study)
    runs = [config.apply_changes(study.base, variant.changes) for variant in study.variants]
    assert [run.epochs for run in runs] == [6, 6]
    assert [run.data.flip for run in runs] == ["random", "random"]
    assert [run.batch_size for run in runs] == [4, 8]


def test_a_flag_for_the_seed_is_the_studys_seed(tmp_path: Path):
    study = config.load(write(tmp_path, STUDY), ["--seed", "5"])
    assert isinstance(study, Study)
    assert (study.base.seed, study.seeds) == (5, (5,))
    with pytest.raises(UserError, match="--seed is what the study 's' varies, with the seeds"):
        config.override(dataclasses.replace(study, seeds=(5, 6)), {"seed": 7})


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        (["--batch-size", "3"], "is what the study 's' varies"),
        (["--optimizer.learning-rate", "3"], "is what the study 's' varies"),
        (["--model.kernel", "5"], "no field 'kernel'"),
    ],
)
def test_a_flag_that_does_not_fit_the_study_is_refused(tmp_path: Path, flag: list[str], says: str):
    with pytest.raises(UserError, match=says):
        config.load(write(tmp_path, STUDY), flag)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("x = 1", "no function get_config"),
        ("def get_config(): return 3", "returned int"),
        ("def get_config(): raise OSError('broken')", "OSError: broken"),
        ("def get_config(: pass", "SyntaxError"),
        ("def get_config(): return Run(epochs=0)", "epochs is 0"),
    ],
)
def test_a_broken_config_file_is_named(tmp_path: Path, body: str, says: str):
    with pytest.raises(UserError, match=says):
        config.load(write(tmp_path, body))


def test_a_missing_config_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="no config file"):
        config.load(tmp_path / "absent.py")


def test_differences_name_the_path():
    old = config.to_json(Run())
    new = config.to_json(dataclasses.replace(Run(), epochs=3, optimizer=SGD(learning_rate=0.5)))
    assert config.differences(old, new) == ["optimizer.learning_rate: 0.01 -> 0.5", "epochs: 20 -> 3"]
    assert config.differences(old, config.to_json(Run(model=VGG()))) == ["model: CNN(...) -> VGG(...)"]


def test_a_bad_flag_is_the_same_sentence_in_ascii_and_in_utf8():
    code = "from jaxcifar.config import *\nfrom jaxcifar import config\nimport sys\n"
    code += "try:\n    config.load(sys.argv[1], ['--epoch', '3'])\nexcept UserError as error:\n    print(error)"
    said = set()
    for encoding in ("ascii", "utf-8"):
        command = [sys.executable, "-c", code, str(CONFIGS[0])]
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(CONFIGS[0].parent.parent)}
        said.add(subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout)
    assert len(said) == 1
    assert said.pop().startswith("Unrecognized options: --epoch, 3; perhaps --epochs was meant; ")


OWN_CLASS = """
from __future__ import annotations
from dataclasses import dataclass
from neighbour import WIDTH
from jaxcifar.config import CNN, Run

@dataclass(frozen=True)
class Sizes:
    first: int = WIDTH

def get_config() -> Run:
    return Run(model=CNN(widths=(Sizes().first,)))
"""


def test_a_config_file_is_loaded_as_python_loads_one(tmp_path: Path):
    """A dataclass with postponed annotations, a neighbour to import, and an edit within the same second."""
    for folder, width in (("one", 4), ("two", 8)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "neighbour.py").write_text(f"WIDTH = {width}")
        path = tmp_path / folder / "own.py"
        path.write_text(OWN_CLASS)
        before = list(sys.path)
        assert config.load(path) == Run(model=CNN(widths=(width,)))
        assert sys.path == before
        path.write_text(OWN_CLASS.replace("= WIDTH", "= 33333"))
        assert config.load(path) == Run(model=CNN(widths=(33333,)))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("RATES = {}\ndef get_config():\n    return RATES['large']", r"KeyError: 'large' \(line 5 in "),
        ("def get_config():\n    return Run(epochs=0)", r"at least 1 \(line 4 of .*some_config.py\)\.$"),
        ("\n\ndef get_config(: pass", r"\(line 5 in "),
        ("import jaxcifar.absent", r"ModuleNotFoundError: .* \(line 3 in "),
    ],
)
def test_an_error_in_a_config_file_names_the_line(tmp_path: Path, body: str, says: str):
    with pytest.raises(UserError, match=says):
        config.load(write(tmp_path, body))


@pytest.mark.parametrize("path", ["gs://bucket/data", "s3://bucket/data"])
def test_an_address_is_refused(path: str):
    with pytest.raises(UserError, match=f"'{path}', an address; give a folder"):
        Data(dir=path)
