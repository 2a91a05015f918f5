"""Compare the training step of an older checkout with the one of this checkout.

Each turn trains two epochs with the checkout's own scripts/run.py and config in a new process, and reads the seconds of
the second epoch from metrics.jsonl. So only the command line and that file must be the same in both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_report import Comparison
from bench_worker import load_run

from jaxcifar.errors import UserError
from jaxcifar.models import training_flops

NEW = Path(__file__).parents[1]
TURN_FLOPS, FEWEST_STEPS = 1e12, 4
"""Operations of an epoch, which take two to four seconds on two CPU cores, and its least number of steps."""


def check_tree(old: Path, configs: list[str]) -> None:
    """Raise UserError unless the folder is a checkout with these configs."""
    for name in ("scripts/run.py", *(f"configs/{config}.py" for config in configs)):
        if not (old / name).is_file():
            raise UserError(f"--old {str(old)!r} has no {name}; give the folder of a checkout that has it.")


def compare(old: Path, config: str, batch_size: int, steps: int | None, rounds: int, cache: Path) -> Comparison:
    """Return milliseconds per step of both checkouts and the ratio new / old, measured in turn.

    Args:
        old: folder of the other checkout.
        config: name of the file in `configs`.
        batch_size: images per step.
        steps: steps per turn; by default as many as take a few seconds on a CPU.
        rounds: turns of each checkout.
        cache: folder for compiled programs.

    Raises:
        UserError: a checkout could not train the config.
    """
    steps = steps or max(FEWEST_STEPS, round(TURN_FLOPS / batch_size / training_flops(load_run(config).model)))
    turns = []
    for _ in range(rounds):
        # Both checkouts in every turn, so that a change of the machine's speed meets both alike.
        before, after = (_seconds(tree, config, batch_size, steps, cache) for tree in (old.absolute(), NEW))
        turns.append((after / steps, before / steps))
    return Comparison.of(turns)


def _seconds(tree: Path, config: str, batch_size: int, steps: int, cache: Path) -> float:
    """Return the seconds of the second epoch, without compilation and evaluation."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "JAX_COMPILATION_CACHE_DIR": str(cache)}
    command = (
        # Procedural images need no file in either checkout.
        f"scripts/run.py --config configs/{config}.py --data.source shapes --data.train-size {steps * batch_size} "
    )
    command += f"--data.test-size {batch_size} --batch-size {batch_size} --epochs 2"
    with tempfile.TemporaryDirectory() as out:
        arguments = [sys.executable, *command.split(), "--out", out]
        done = subprocess.run(arguments, cwd=tree, env=environment, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise UserError(f"{tree} could not train {config}: {lines[-1] if lines else 'without a message'}")
        # A study of several members has a folder for each; they are alike here, so the first will do.
        rows = min(Path(out).rglob("metrics.jsonl")).read_text().splitlines()
        return json.loads(rows[-1])["seconds"]
