"""The command: what a user sees, and that each slip is one sentence, exit code 2, and nothing half-written."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jaxcifar
from jaxcifar import records
from jaxcifar.cli import main
from jaxcifar.config import shipped
from jaxcifar.config.stored import read_records

ROOT = Path(__file__).parent.parent
SMALL = """
from jaxcifar.config import *

def get_config():
    data = Data(source="shapes", train_size=64, test_size=20)
    return Run(name="small", model=CNN(widths=(4,), head=(8,)), data=data, epochs=1, batch_size=32)
"""
STUDY = """
from jaxcifar.config import *

def get_config():
    data = Data(source="shapes", train_size=64, test_size=20)
    base = Run(name="rates", model=CNN(widths=(4,), head=(8,)), data=data, epochs=1, batch_size=32)
    variants = (Variant("plain"), Variant("wild", {"optimizer.learning_rate": 1e18, "epochs": 2}))
    return Study("rates", base, variants, varies=("optimizer.learning_rate",))
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "small.py"
    path.write_text(SMALL)
    return str(path)


def call(*arguments: object) -> int:
    """The command's exit code, however it ends."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(str(end.code))


class Bomb:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def make_binary(folder: Path, label: int = 0, cut: int = 0) -> None:
    """CIFAR-10's binary layout, all black, with one label or one file's length changed."""
    folder.mkdir()
    record = bytes(3073)
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        (folder / name).write_bytes(record * 10_000)
    last = folder / "data_batch_5.bin"
    whole = last.read_bytes()
    last.write_bytes(bytes([label]) + whole[1 : len(whole) - cut])


def make_pickle_bomb(folder: Path, mark: Path) -> None:
    folder.mkdir()
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps(Bomb(mark)))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--epoch", "1"], "--epoch"),
        (["--epochs", "many"], "--epochs"),
        (["--optimizer.learning-rate", "-1"], "learning_rate is -1.0"),
        (["--optimizer.learning-rate", "nan"], "learning_rate is nan"),
        (["--batch-size", "65"], "batch_size is 65 with 64 training images"),
        (["--data.train-size", "50001"], "at most 50,000"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--seeds", "5-4"], "--seeds is '5-4'; give their number"),
        (["--seeds", "a-4"], "--seeds is 'a-4'; give their number, such as 3, or a range such as 5-9."),
        (["--seeds=-3"], "--seeds is -3"),
        (["--data.source", "cifar100"], "cifar10"),
    ],
)
def test_a_bad_flag(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str):
    out = tmp_path / "out"
    assert call("run", "--config", config, "--out", out, *flags) == 2
    assert says in capsys.readouterr().err
    assert not any(out.rglob("*.json*"))


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("absent.py", None, "no config file"),
        ("empty.py", "", "no function get_config"),
        ("raises.py", "raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("other.py", "def get_config(): return {}", "returned dict"),
        (
            "depth.py",
            "from jaxcifar.config import *\ndef get_config(): return Run(model=ResNet(depth=20))",
            "18, 34, 50",
        ),
    ],
)
def test_a_bad_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, body: str | None, says: str):
    if body is not None:
        (tmp_path / name).write_text(body)
    assert call("run", "--config", tmp_path / name, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "out").exists()


def test_bad_data(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    mark = tmp_path / "mark"
    (tmp_path / "empty").mkdir()
    make_binary(tmp_path / "short", cut=1)
    make_binary(tmp_path / "labels", label=10)
    make_pickle_bomb(tmp_path / "bomb", mark)
    cases = {
        "absent": "absent",
        "empty": "empty",
        "short": "data_batch_5.bin",
        "labels": "label",
        "bomb": "data_batch_1",
    }
    for folder, says in cases.items():
        out = tmp_path / f"out-{folder}"
        flags = ("--data.source", "cifar10", "--data.dir", tmp_path / folder)
        assert call("run", "--config", config, "--out", out, *flags) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1, error
        assert not any(out.rglob("*.json*"))
    assert not mark.exists()


def test_no_network_and_no_data(config: str, tmp_path: Path):
    """In a process whose home is empty and whose proxy leads nowhere."""
    environment = {**os.environ, "HOME": str(tmp_path), "TFDS_DATA_DIR": str(tmp_path / "tfds")}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment.pop("JAXCIFAR_DATA", None)
    command = [sys.executable, str(ROOT / "scripts" / "run.py"), "--config", config, "--out", str(tmp_path / "out")]
    command += ["--data.source", "cifar10"]
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "--data.dir" in done.stderr
    assert not any((tmp_path / "out").rglob("*.json*"))


def test_an_out_that_is_no_folder(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "file"
    path.write_text("mine")
    assert call("run", "--config", config, "--out", path) == 2
    assert call("run", "--config", config, "--out", path / "below") == 2
    assert capsys.readouterr().err.count("Error: ") == 2
    assert path.read_text() == "mine"


def test_a_run_from_start_to_figure_and_again(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    assert call("run", "--config", config, "--out", out) == 0
    shown = capsys.readouterr()
    assert "shapes" in shown.out
    assert "epoch 1/1" in shown.err
    assert read_records(out).status == "finished"
    assert (out / "curves.png").stat().st_size > 10_000
    assert '"study": "small"' in (out / "study.json").read_text()
    before = (out / records.METRICS).read_bytes()
    assert call("run", "--config", config, "--out", out) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert (out / records.METRICS).read_bytes() == before
    assert call("run", "--config", config, "--out", out, "--epochs", "2") == 2
    error = capsys.readouterr().err
    assert "epochs: 1 -> 2" in error
    assert "--restart" in error
    assert (out / records.METRICS).read_bytes() == before
    assert call("run", "--config", config, "--out", out, "--epochs", "2", "--restart") == 0
    assert len(read_records(out).metrics) == 2


@pytest.mark.parametrize("name", ["thesis.txt", "holiday.png", "best.onnx", "drawing.svg"])
def test_restart_deletes_no_foreign_file(name: str, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("years of work")
    assert call("run", "--config", config, "--out", out, "--restart") == 2
    assert name in capsys.readouterr().err
    assert (out / name).read_text() == "years of work"


@pytest.fixture
def finished(config: str, tmp_path: Path) -> Path:
    out = tmp_path / "finished"
    assert call("run", "--config", config, "--out", out) == 0
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "slip",
    ["--batch-size 50000", "--max-minutes 0", "--data.source cifar10 --data.dir nowhere", "--data.train-size 600000"],
)
def test_a_slip_beside_restart_deletes_nothing(config: str, finished: Path, slip: str):
    before = contents(finished)
    assert call("run", "--config", config, "--out", finished, "--restart", *slip.split()) == 2
    assert contents(finished) == before


def test_restart_leaves_other_runs(config: str, finished: Path, capsys: pytest.CaptureFixture[str]):
    """`--out runs` instead of `--out runs/mine`."""
    before = contents(finished)
    assert call("run", "--config", config, "--out", finished.parent, "--restart") == 2
    assert "'finished'" in capsys.readouterr().err
    assert contents(finished) == before


@pytest.mark.slow
def test_restart_deletes_what_an_earlier_study_left(tmp_path: Path):
    path, out = tmp_path / "rates.py", tmp_path / "out"
    path.write_text(STUDY)
    assert call("run", "--config", path, "--out", out) == 0
    path.write_text(STUDY.replace('"wild"', '"wilder"'))
    assert call("run", "--config", path, "--out", out, "--restart") == 0
    assert not (out / "wild").exists()
    assert (out / "wilder").is_dir()


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:200]), Path.unlink])
def test_a_run_without_its_config_is_not_relabelled(
    config: str, finished: Path, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
):
    damage(finished / records.CONFIG)
    before = contents(finished)
    assert call("run", "--config", config, "--out", finished, "--seed", "5") == 2
    assert f"no {records.CONFIG} that can be read; give --restart" in capsys.readouterr().err
    assert contents(finished) == before
    assert call("run", "--config", config, "--out", finished, "--seed", "5", "--restart") == 0


def test_a_refused_command_leaves_no_folder(config: str, tmp_path: Path):
    assert call("run", "--config", config, "--out", tmp_path / "new" / "run", "--batch-size", "50000") == 2
    assert not (tmp_path / "new").exists()


def test_a_study_goes_on_when_a_member_diverges(tmp_path: Path):
    path = tmp_path / "rates.py"
    path.write_text(STUDY)
    assert call("run", "--config", path, "--out", tmp_path / "out", "--seeds", "2") == 0
    expected = {"plain/seed-0": "finished", "plain/seed-1": "finished", "wild/seed-0": "diverged"}
    assert {run: read_records(tmp_path / "out" / run).status for run in expected} == expected


def test_summary_shows_the_layers_and_trains_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert call("run", "--config", ROOT / "configs" / "vgg_bn.py", "--out", tmp_path / "out", "--summary") == 0
    shown = capsys.readouterr().out
    for expected in ("conv5_2", "2 x 2 x 512", "2,359,808", "9,756,426", "306.59"):
        assert expected in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["runn"], ["--version", "3"]])
def test_an_unknown_command_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert call(*arguments) == 2
    assert "jaxcifar --help" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str], config: str):
    assert call("--help") == 0
    assert "jaxcifar run vgg_bn --help" in capsys.readouterr().out
    assert call("run", "--help") == 0
    assert "--restart" in capsys.readouterr().out
    assert call("run", "--config", config, "--help") == 0
    assert "--optimizer.learning-rate" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"jaxcifar {jaxcifar.__version__}\n"


def test_a_tilde_after_an_equals_sign_is_the_home(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert call("run", "--config=~/small.py", "--out=~/runs/a") == 0
    assert (tmp_path / "runs" / "a" / records.SUMMARY).is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("flag", ["--out", "--config", "--data.dir"])
def test_an_address_is_refused(config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, flag: str):
    arguments = ["--config", config, "--out", str(tmp_path / "out"), f"{flag}=gs://bucket/x.py"]
    assert call("run", *arguments) == 2
    assert "an address; give a folder or file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_shipped_configs_are_listed_copied_and_run_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(f" {name} " in listed for name in shipped.names())
    assert main(["copy", "cnn"]) == 0
    assert (tmp_path / "cnn.py").read_bytes() == shipped.path("cnn").read_bytes()
    assert main(["copy", "cnn"]) == 2
    assert "'cnn.py' exists already; give another file name" in capsys.readouterr().err
    assert main(["run", "cnn", "--summary", "--model.widths", "4"]) == 0
    assert "output" in capsys.readouterr().out
    assert main(["run", "cnn", "--summary", "--only", "nonsense"]) == 2
    assert "--only nonsense chooses among a paper's studies" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "vgg_bnn"], "There is no shipped config 'vgg_bnn'; perhaps vgg_bn"),
        (["copy", "cnn", "mine"], "The copy's name is 'mine'; a config file's name ends in .py."),
        (["copy", "nothing-near"], "There is no shipped config 'nothing-near'; `jaxcifar list` shows all."),
        (["run", "cnn", "--config", "cnn.py"], "got the name 'cnn' and --config; give one of the two."),
        (["run", "configs/cnn.py"], "is not a name of `jaxcifar list`; give --config configs/cnn.py."),
    ],
)
def test_slips_of_names(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
