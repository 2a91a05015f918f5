"""A worker process of the bench: it trains the number of steps it is asked for, and otherwise waits.

The pipes carry one JSON value per line: first the job, answered by a description of the worker; then requests and
answers. A worker that trains a network is sent a number of steps and answers with the seconds they took.
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

from jaxcifar.config import Paper, Run, Vectorize, from_json, load, to_json
from jaxcifar.errors import UserError
from jaxcifar.streams import huge_pages

CONFIGS = Path(__file__).parents[1] / "configs"
IMAGES = 50_000
"""Number of synthetic training images, equal to CIFAR-10's."""


def load_run(name: str) -> Run:
    """Return the run of configs/NAME.py, or the base of its study."""
    config = load(CONFIGS / f"{name}.py")
    assert not isinstance(config, Paper)
    return config if isinstance(config, Run) else config.base


class Worker:
    """The bench's end of the pipes to a worker process."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[bytes], job: dict[str, Any]):
        self._process, self._errors = process, errors
        self.hello = self.ask(job)

    def ask(self, message: Any) -> dict[str, Any]:
        """Send a request and return the answer."""
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
            raise UserError(f"A process of the bench ended early: {lines[-1] if lines else 'without a message'}.")
        return json.loads(answer)

    def turn(self, steps: int) -> dict[str, Any]:
        """Return the answer to a number of steps, after one step that is not timed.

        The first step after a pause maps memory again that was released before the pause. Training does not pause, so
        it does not have this cost.
        """
        self.ask(1)
        return self.ask(steps)


def training(side: str, runs: Sequence[Run], vectorize: Vectorize = "off", images: int = IMAGES) -> dict[str, Any]:
    """Return the job of a worker that trains one run, or several runs as members of one program."""
    return {"side": side, "runs": [to_json(run) for run in runs], "vectorize": vectorize, "images": images}


@contextmanager
def started(job: dict[str, Any], cache: Path) -> Iterator[Worker]:
    """Run a worker process within a `with` block.

    Args:
        job: `{"side": "device"}`, or what `training` returns.
        cache: folder for compiled programs; empty at first, so that the compile time is measured.
    """
    # Without preallocation, both workers fit on a GPU and the peak is the memory that was needed.
    variables = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    if job["side"] == "jax":
        # As the command `jaxcifar` starts itself.
        variables |= huge_pages()
    with (
        # A file, because a full pipe that nobody reads would block the worker.
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
            # A worker waits for requests without end, and has nothing to save.
            process.kill()


def main() -> None:
    """Answer requests until the pipe closes."""
    # Libraries may print to standard output, which would break the protocol: it goes to standard error instead.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side = _side(json.loads(sys.stdin.readline()))
    print(json.dumps(side.hello()), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(side.answer(json.loads(line))), file=answers, flush=True)


def _side(job: dict[str, Any]) -> Any:
    """Return the object that answers; only its own framework is imported, so that memory is measured alone."""
    runs: list[Any] = [from_json(run) for run in job.get("runs", ())]
    match job["side"]:
        case "device":
            import bench_jax

            return bench_jax.Device()
        case "jax":
            import bench_jax

            return bench_jax.Side(runs, job["vectorize"], job["images"])
        case "torch":
            import bench_torch

            return bench_torch.Side(runs[0], job["images"])
        case other:
            raise ValueError(f"side is {other!r}; allowed are device, jax, torch")


if __name__ == "__main__":
    main()
