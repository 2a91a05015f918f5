"""Processes that are to train one run: who each is, and what keeps them from starting; no JAX is started here."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jaxcifar.cli import main
from jaxcifar.config import UserError
from jaxcifar.training.channel import free_port
from jaxcifar.training.rendezvous import Place, joined, place

SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_JOB_ID": "5000", "SLURM_STEP_NODELIST": "node[007-009],gpu1"}


def test_the_flags_say_who_a_process_is():
    assert place("[::1]:99", 2, 1, variables=SLURM) == Place("::1", 99, 2, 1, 300.0)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (SLURM, (4, 3)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, (2, 0)),
    ],
)
def test_variables_say_it_in_their_place(variables: dict[str, str], expected: tuple[int, int]):
    found = place("host:99", None, None, variables=variables)
    assert (found.count, found.index) == expected
    assert place("host:99", 5, None, variables={"JOB_COMPLETION_INDEX": "4"}).index == 4


@pytest.mark.parametrize(
    ("nodes", "host"), [("node[007-009],gpu1", "node007"), ("a1,a2", "a1"), ("one", "one"), ("n[3,5]", "n3")]
)
def test_the_first_host_of_a_step_of_slurm_is_found_when_asked_for(nodes: str, host: str):
    found = place("auto", None, None, variables=SLURM | {"SLURM_STEP_NODELIST": nodes})
    assert (found.host, found.port) == (host, 65535 - 4096 + 1 + 5000 % 4096)


def test_the_host_of_mpirun_is_found_when_asked_for():
    variables = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}
    variables["OMPI_MCA_orte_hnp_uri"] = "1701249024.0;tcp://192.0.2.2,10.0.0.7:37981;tcp6://[fd00::2]:52065"
    found = place("auto", None, None, variables=variables)
    assert (found.host, found.count, found.index) == ("192.0.2.2", 2, 1)
    assert found.port == 65535 - 4096 + 1 + 1701249024 % 4096


@pytest.mark.parametrize(
    ("coordinator", "count", "index", "said"),
    [
        ("host", 2, 0, "--coordinator is 'host'; give HOST:PORT"),
        ("host:0", 2, 0, "--coordinator is 'host:0'"),
        ("host:70000", 2, 0, "--coordinator is 'host:70000'"),
        ("host:99", 2, 2, "--process is 2 of --processes 2; give numbers from 0 to 1"),
        ("host:99", 2, -1, "--process is -1"),
        ("host:99", None, 0, "--coordinator needs --processes"),
        ("host:99", 2, None, "--coordinator needs --process,"),
        ("auto", 2, 0, "finds neither a step of SLURM"),
    ],
)
def test_what_cannot_be_a_place(coordinator: str, count: int | None, index: int | None, said: str):
    with pytest.raises(UserError, match=said):
        place(coordinator, count, index, variables={})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--processes 2", "--processes and --process need --coordinator"),
        ("--coordinator h:1 --worker 1/2", "--coordinator and --worker cannot be combined"),
        ("--coordinator h:1 --max-minutes 3", "--coordinator and --max-minutes cannot be combined"),
        ("--coordinator h:1 --processes 3 --process 0", "batch_size is 64, which cannot be cut into 3 equal parts"),
        ("--coordinator h:1 --processes 2 --process 0 --connect-seconds 0", "--connect-seconds is 0"),
    ],
)
def test_flags_that_are_refused(flags: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "quickstart", "--out", str(tmp_path / "out"), *flags.split()]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_variables_alone_start_nothing_common(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert main(["plan", "quickstart", "--count"]) == 0
    assert capsys.readouterr().out.strip().isdecimal()


def meet(port: int, count: int, index: int, about: dict[str, str], seconds: float) -> str:
    """Return the error of a process that cannot start."""
    with pytest.raises(UserError) as refused, joined(Place("127.0.0.1", port, count, index, seconds), lambda: about):
        pass
    return str(refused.value)


def test_no_process_0_answers():
    said = meet(port := free_port(), 2, 1, {}, 0.3)
    assert said.startswith(f"Process 0 does not answer at --coordinator 127.0.0.1:{port} within 0.3 s (")


def test_something_else_answers():
    with socket.create_server(("127.0.0.1", 0)) as other:
        with ThreadPoolExecutor(1) as threads:
            said = threads.submit(meet, other.getsockname()[1], 2, 1, {}, 5.0)
            other.accept()[0].close()
        assert said.result().startswith("What answers at --coordinator")


def test_a_process_does_not_come():
    port = free_port()
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(meet, port, 3, 1, {}, 5.0)
        said = meet(port, 3, 0, {}, 1.0)
    assert said.startswith(f"Process 2 of 3 has not come to --coordinator 127.0.0.1:{port} within 1 s")
    assert other.result() == said


def test_the_port_is_taken():
    with socket.create_server(("", 0)) as taken:
        said = meet(port := taken.getsockname()[1], 2, 0, {}, 5.0)
    assert said.startswith(f"Port {port} of --coordinator 127.0.0.1:{port} cannot be used here (")


def test_processes_that_differ_are_refused_on_each():
    ours, theirs = {"code": "1", "flags": "--epochs 1"}, {"code": "1", "flags": "--epochs 2"}
    port = free_port()
    with ThreadPoolExecutor(3) as threads:
        said = [threads.submit(meet, port, 3, index, theirs if index == 2 else ours, 20.0).result for index in range(3)]
    assert {each() for each in said} == {
        "Process 2 of 3 has other flags (--epochs 2) than process 0 (--epochs 1); give all the same."
    }


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, "Process 1 of 2 has other --processes (3) than process 0 (2); give all the same."),
        (2, "There is a --process 2, but process 0 has --processes 2; give all the same --processes."),
    ],
)
def test_other_numbers_of_processes_are_refused(index: int, expected: str):
    port = free_port()
    with ThreadPoolExecutor(2) as threads:
        other = threads.submit(meet, port, 3, index, {}, 20.0)
        assert {meet(port, 2, 0, {}, 20.0), other.result()} == {expected}


def test_two_processes_of_one_number_are_refused():
    port = free_port()
    with ThreadPoolExecutor(3) as threads:
        said = [threads.submit(meet, port, 3, index, {}, 20.0).result for index in (0, 1, 1)]
    assert {each() for each in said} == {"There are two processes with --process 1; give each its own number."}
