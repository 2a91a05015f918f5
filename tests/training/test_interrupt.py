"""Signals, sent to real processes that collect them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxcifar.training import Interrupted, interrupt

ROOT = Path(__file__).parent.parent.parent
WAIT = """
import signal, sys
# The suite itself may run under nohup, whose children ignore the signal too.
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
from jaxcifar.training import interrupt
with interrupt.handling() as stop:
    print("ready", flush=True)
    for line in sys.stdin:
        print(stop.signal_number, flush=True)
print("ended", flush=True)
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WAIT, *arguments]
    process = subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-1, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def asked(process: subprocess.Popen[str]) -> str:
    """Which signal the process says it was asked by."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("?\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_the_first_signal_asks_and_the_second_ends_it_at_once(name: str):
    number = signal.Signals[name]
    process = start()
    assert asked(process) == "None"
    process.send_signal(number)
    assert asked(process) == str(int(number))
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert "ended" not in said
    assert process.returncode != 0


def test_a_run_under_nohup_outlives_its_terminal():
    process = start("nohup")
    process.send_signal(signal.SIGHUP)
    assert asked(process) == "None"
    assert process.communicate(timeout=60)[0] == "ended\n"


def _fail(asked: bool) -> None:
    with interrupt.handling():
        if asked:
            os.kill(os.getpid(), signal.SIGTERM)
        jnp.zeros((1 << 50,)).block_until_ready()


def test_a_failure_of_xla_after_a_signal_is_the_stop_that_was_asked_for():
    """A signal to the whole group also ends the assembler of a GPU's programs, which XLA tells as its own error."""
    with pytest.raises(jax.errors.JaxRuntimeError):
        _fail(asked=False)
    with pytest.raises(Interrupted, match="again to continue") as raised:
        _fail(asked=True)
    assert raised.value.signal_number == signal.SIGTERM
