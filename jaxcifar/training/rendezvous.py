"""How the processes of one run meet: who each is, whether they are alike, and `jax.distributed` between them."""

from __future__ import annotations

import atexit
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from jaxcifar.errors import UserError
from jaxcifar.training import channel
from jaxcifar.training.channel import Line
from jaxcifar.training.interrupt import Interrupted
from jaxcifar.training.processes import Follower, Leader

AUTO = "auto"
COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
INDICES = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "JOB_COMPLETION_INDEX")
"""Variables in which SLURM, Open MPI and Kubernetes tell a process who it is."""
LAST_PORT = 65535
HEARTBEAT_OFF = 86400
"""Seconds."""
AUTO_PORTS = 4096
"""Without a given port, one of the last ones is taken by the number of the job, as `jax.distributed` does."""


@dataclass(frozen=True)
class Place:
    """A process among those that train one run."""

    host: str
    port: int
    count: int
    index: int
    seconds: float
    """How long the processes wait for each other at the start."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def place(
    coordinator: str,
    count: int | None,
    index: int | None,
    seconds: float = 300.0,
    variables: Mapping[str, str] = os.environ,
) -> Place:
    """Return which process this is.

    Args:
        coordinator: HOST:PORT of process 0, or `auto` for the first host of a SLURM step or the host of `mpirun`.
        count: number of processes; None to ask SLURM's or Open MPI's variables.
        index: this process's, from 0; None to ask SLURM's, Open MPI's or Kubernetes' variables.
        seconds: how long to wait for the others.
        variables: the environment.

    Raises:
        UserError: something is missing or out of its range.
    """
    count = _of_variables("--processes", COUNTS, variables) if count is None else count
    index = _of_variables("--process", INDICES, variables) if index is None else index
    if count < 1 or not 0 <= index < count:
        raise UserError(f"--process is {index} of --processes {count}; give numbers from 0 to {max(count, 1) - 1}.")
    if not 0 < seconds <= 86400:
        raise UserError(f"--connect-seconds is {seconds:g}; it must be above 0 and at most 86,400.")
    host, port = _of_job(variables) if coordinator == AUTO else _address(coordinator)
    return Place(host, port, count, index, seconds)


def _of_variables(flag: str, names: Sequence[str], variables: Mapping[str, str]) -> int:
    found = next((variables[name] for name in names if variables.get(name, "").isdecimal()), None)
    if found is None:
        raise UserError(f"--coordinator needs {flag}, because none of the variables {', '.join(names)} is set.")
    return int(found)


def _address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        raise UserError(
            f"--coordinator is {coordinator!r}; give HOST:PORT of process 0, or auto within SLURM or mpirun."
        )
    # An IPv6 address stands in brackets.
    return host.strip("[]"), int(port)


def _of_job(variables: Mapping[str, str]) -> tuple[str, int]:
    """The host where process 0 runs, and a port by the number of the job.

    SLURM lists hosts such as `node[007-015,020],gpu1`, of which the first has process 0. Open MPI names the host of
    `mpirun` in `16781312.0;tcp://10.0.0.4:1024;...`; process 0 runs there unless `mpirun` was given other hosts.
    """
    nodes = re.match(r"([^,\[\]]+)(?:\[(\d+))?", variables.get("SLURM_STEP_NODELIST", ""))
    job = variables.get("SLURM_JOB_ID", "")
    launcher = re.match(r"(\d+)\.\d+;tcp://([\w.]+)[,:]", variables.get("OMPI_MCA_orte_hnp_uri", ""))
    if nodes is not None and job.isdecimal():
        host = nodes[1] + (nodes[2] or "")
    elif launcher is not None:
        job, host = launcher.groups()
    else:
        raise UserError(
            "--coordinator auto finds neither a step of SLURM (SLURM_STEP_NODELIST, SLURM_JOB_ID) nor mpirun "
            "(OMPI_MCA_orte_hnp_uri); give HOST:PORT instead."
        )
    return host, LAST_PORT - AUTO_PORTS + 1 + int(job) % AUTO_PORTS


@contextmanager
def joined(place: Place | None, about: Callable[[], Mapping[str, str]]) -> Iterator[Leader | Follower | None]:
    """Meet the other processes of a run; without a place nothing happens.

    Args:
        place: which process this is.
        about: returns what must be equal in all processes, by name.

    Yields:
        What this process is; in the end process 0 tells the others how it ended.

    Raises:
        UserError: the processes do not meet in time, or differ.
    """
    if place is None:
        yield None
        return
    alike = {**about(), "--processes": str(place.count)}
    team = _lead(place, alike) if place.index == 0 else _follow(place, alike)
    try:
        yield team
    except Interrupted as stopped:
        _end(team, 128 + stopped.signal_number)
        raise
    # KeyboardInterrupt too: the others must not wait for a process that has ended.
    except BaseException as error:
        code, sentence = _code_of(error)
        if isinstance(team, Leader):
            team.end(code, sentence)
        # JAX's own end, which is registered earlier and so runs later, would wait for processes that are dead.
        atexit.register(_leave, code)
        raise
    _end(team, 0)


def _end(team: Leader | Follower, code: int) -> None:
    """End together: JAX's own end waits for all processes."""
    import jax

    if isinstance(team, Leader):
        team.end(code)
    else:
        team.line.expect_end()  # process 0 may end before this one
    jax.distributed.shutdown()
    if isinstance(team, Follower):
        team.line.close()


def _code_of(error: BaseException) -> tuple[int, str]:
    """The code with which all processes end, and the sentence that the others say."""
    match error:
        case UserError():
            return 2, str(error)
        case KeyboardInterrupt():
            return 128 + signal.SIGINT, "Process 0 was stopped at once."
        case _:
            return 1, f"Process 0 failed with {type(error).__name__}."


def _lead(place: Place, about: Mapping[str, str]) -> Leader:
    try:
        server = channel.listen(place.port)
    except OSError as error:
        raise UserError(
            f"Port {place.port} of --coordinator {place} cannot be used here ({error.strerror}); give all processes "
            "another one."
        ) from None
    lines: dict[int, Line] = {}
    with server:
        problem = _met(server, place, about, lines)
    port = channel.free_port()
    for line in lines.values():
        line.send(*(["refused", problem] if problem else ["welcome", port]))
    if problem:
        raise UserError(problem)
    # Watches the connections from now on: JAX alone would wait for a dead process until its own time-out.
    leader = Leader(place.count, lines)
    _start_jax(place, f"127.0.0.1:{port}", f"[::]:{port}")
    return leader


def _met(server: socket.socket, place: Place, about: Mapping[str, str], lines: dict[int, Line]) -> str:
    """Collect the connections of the other processes; return why they cannot train together, empty if they can."""
    deadline, problem = time.monotonic() + place.seconds, ""
    while missing := [index for index in range(1, place.count) if index not in lines]:
        server.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            line = Line(server.accept()[0])
        except TimeoutError:
            return (
                f"Process {missing[0]} of {place.count} has not come to --coordinator {place} within "
                f"{place.seconds:g} s; start all processes together."
            )
        match line.receive():
            case ["hello", int(index), dict(theirs)]:
                if index not in missing:
                    problem = _unexpected(index, place.count)
                    line.send("refused", problem)
                    return problem
                lines[index] = line
                problem = problem or _difference(f"Process {index} of {place.count}", about, theirs)
            case _:
                line.close()  # whatever came by
    return problem


def _unexpected(index: int, count: int) -> str:
    if index < count:
        return f"There are two processes with --process {index}; give each its own number."
    return f"There is a --process {index}, but process 0 has --processes {count}; give all the same --processes."


def _difference(name: str, ours: Mapping[str, str], theirs: Mapping[str, Any]) -> str:
    """A sentence about the first thing in which a process differs from process 0; empty if there is none."""
    key = next((key for key in ours if theirs.get(key) != ours[key]), None)
    if key is None:
        return ""
    return f"{name} has other {key} ({theirs.get(key)}) than process 0 ({ours[key]}); give all the same."


def _follow(place: Place, about: Mapping[str, str]) -> Follower:
    try:
        line = Line(channel.connected(place.host, place.port, time.monotonic() + place.seconds))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"Process 0 does not answer at --coordinator {place} within {place.seconds:g} s ({reason}); start the same "
            "command there with --process 0, or correct the address."
        ) from None
    line.send("hello", place.index, dict(about))
    # Process 0 waits as long for the others, and says so itself.
    match line.receive(place.seconds + channel.HELLO_SECONDS):
        case ["welcome", int(port)]:
            follower = Follower(place.count, line)
            _start_jax(place, f"127.0.0.1:{channel.relay(place.host, port)}", None)
            return follower
        case ["refused", str(problem)]:
            raise UserError(problem)
        case _:
            raise UserError(
                f"What answers at --coordinator {place} is not process 0 of this run, or it has ended; start the same "
                "command there with --process 0, or correct the address."
            )


def _start_jax(place: Place, address: str, bind: str | None) -> None:
    """Let JAX see the devices of all processes."""
    import jax

    # A proxy for the web, if there is one, does not lead to this machine; JAX warns of the variable that says so.
    os.environ.setdefault("no_grpc_proxy", "127.0.0.1")
    jax.config.update("jax_check_proxy_envs", False)
    jax.distributed.initialize(
        address,
        place.count,
        place.index,
        cluster_detection_method="deactivate",
        initialization_timeout=int(max(10, place.seconds)),
        coordinator_bind_address=bind,
        # Deaths are noticed by our own connections; JAX's client would end the process without a sentence.
        heartbeat_timeout_seconds=HEARTBEAT_OFF,
        shutdown_timeout_seconds=int(channel.GRACE_SECONDS),
    )


def _leave(code: int) -> None:
    """End the process at once, with what it has said."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
