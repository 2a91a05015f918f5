"""The process of the command: who may be replaced, missing streams, a closed pipe."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN = str(ROOT / "scripts" / "run.py")
TELL = "import os\nprint('GLIBC_TUNABLES', os.environ.get('GLIBC_TUNABLES'), os.getpid())\n"
CONFIG = TELL + "from jaxcifar.config import Run\nget_config = Run\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "told.py"
    path.write_text(CONFIG)
    return str(path)


def start(*command: str, shell: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process without GLIBC_TUNABLES, unless they are given."""
    bare = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    environment = {**bare, "PYTHONPATH": str(ROOT), **variables}
    given = command[0] if shell else [sys.executable, *command]
    return subprocess.run(given, shell=shell, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("program", [[RUN], ["-m", "jaxcifar", "run"]])
@pytest.mark.parametrize(("mine", "expected"), [({}, "glibc.malloc.hugetlb=1"), ({"GLIBC_TUNABLES": "mine"}, "mine")])
def test_the_command_has_huge_pages(config: str, program: list[str], mine: dict[str, str], expected: str):
    done = start(*program, "--config", config, "--summary", **mine)
    assert done.returncode == 0, done.stderr
    assert f"GLIBC_TUNABLES {expected} " in done.stdout


@pytest.mark.parametrize(
    "program",
    [
        ["-m", "cProfile", RUN],
        ["-X", "faulthandler", RUN],
        ["-c", f"import sys, runpy; sys.argv[0] = {RUN!r}; runpy.run_path({RUN!r}, run_name='__main__')"],
        ["-c", "import sys; from jaxcifar.cli import main; main(['run', *sys.argv[1:]])"],
    ],
)
def test_a_process_that_was_not_started_with_the_script_is_left_alone(config: str, program: list[str]):
    done = start(*program, "--config", config, "--summary")
    assert "GLIBC_TUNABLES None " in done.stdout, done.stderr


def test_help_and_version_do_not_replace_the_process(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(TELL)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    for arguments in (["--help"], ["--version"], ["run", "--help"]):
        done = start("-m", "jaxcifar", *arguments, PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("GLIBC_TUNABLES") == 1


def test_a_closed_standard_error_harms_no_file(config: str, tmp_path: Path):
    command = f"{sys.executable} {RUN} --config {config} --out {tmp_path}/out"
    small = "--data.source shapes --data.train-size 64 --data.test-size 20 --epochs 1 --batch-size 32 --model.widths 4"
    done = start(f"{command} {small} 2>&-", shell=True)
    assert done.returncode == 0
    assert (tmp_path / "out" / "metrics.jsonl").read_text().startswith('{"epoch": 1')
    assert (tmp_path / "out" / "summary.json").is_file()


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_a_reader_that_has_gone_ends_it_quietly(arguments: list[str]):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "jaxcifar", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, timeout=120)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "said"), [("list", "No space left"), ("--help", "No space left"), ("x", "'x'; try")]
)
def test_output_that_cannot_be_written_is_one_sentence(command: str, said: str, unbuffered: str):
    done = start(f"{sys.executable} -m jaxcifar {command} > /dev/full", shell=True, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr


def test_the_script_inside_another_program(monkeypatch: pytest.MonkeyPatch, config: str):
    """As IPython's %run does; were this process replaced, the test run would end here."""
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(sys, "argv", [RUN, "--config", config, "--summary"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(RUN, run_name="__main__")
    assert end.value.code == 0
