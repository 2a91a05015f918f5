"""One side of the bench in a process of its own: it trains so many steps when told to, and waits otherwise.

The pipes carry one JSON object a line: the job, then what the side is, then questions and answers. A network's side is
asked to train a number of steps and answers with the time they took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jaxcifar.config import Run, UserError, Vectorize, to_json
from jaxcifar.process import huge_pages

IMAGES = 50_000
"""Synthetic training images, as many as CIFAR-10 has."""


class Worker:
    """The bench's end of the pipes to a process that `started` runs."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[bytes], job: dict[str, Any]):
        self._process, self._errors = process, errors
        self.hello = self.ask(job)

    def ask(self, message: Any) -> dict[str, Any]:
        """Sends a line and waits for the answer's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            raise UserError(f"A side of the bench ended early: {lines[-1] if lines else 'it said nothing'}.")
        return json.loads(answer)

    def turn(self, steps: int) -> dict[str, Any]:
        """What it answers to so many steps, after one that is not counted.

        Memory that it gave back before the other side's turn, and a virtual machine to its host, is touched anew in the
        first step; training, which does not pause, never pays that.
        """
        self.ask(1)
        return self.ask(steps)


def training(side: str, runs: Sequence[Run], vectorize: Vectorize = "off", images: int = IMAGES) -> dict[str, Any]:
    """The job of a side that trains a run, or several as members of one program, on so many images."""
    return {"side": side, "runs": [to_json(run) for run in runs], "vectorize": vectorize, "images": images}


@contextmanager
def started(job: dict[str, Any], cache: Path) -> Iterator[Worker]:
    """A worker for the length of the block.

    Args:
        job: `side` (`device`, `jax` or `torch`) and, as `training` writes them, what the latter two train.
        cache: for compiled programs; empty at first, so that compiling is measured.
    """
    # On a GPU the other side's memory stays free, and the peak says what was needed.
    variables = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    if job["side"] == "jax":
        variables |= huge_pages()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **variables},
            text=True,
        ) as process,
    ):
        try:
            yield Worker(process, errors, job)
        finally:
            process.kill()


def main() -> None:
    """Answers until the pipe closes; only its own lines reach it, whatever a library prints."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side, hello = _side(json.loads(sys.stdin.readline()))
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(side.answer(json.loads(line))), file=answers, flush=True)


def _side(job: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    match job["side"]:
        case "device":
            import bench_jax

            side = bench_jax.Device()
        case "jax":
            import bench_jax

            side = bench_jax.Side([_run(run) for run in job["runs"]], job["vectorize"], job["images"])
        case "torch":
            import bench_torch

            side = bench_torch.Side(_run(job["runs"][0]))
        case other:
            raise ValueError(f"side is {other!r}; allowed are device, jax, torch")
    return side, side.hello()


def _run(value: dict[str, Any]) -> Any:
    from jaxcifar.config import from_json

    return from_json(value)


if __name__ == "__main__":
    main()
