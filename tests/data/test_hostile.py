"""Hostile pickles and archives, made by a seeded generator: nothing runs, nothing is written, memory stays bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_hostile_files_are_refused(tmp_path: Path, seed: int):
    """120 trials per seed; the largest file on the way has 64 MiB, and reading any of them needs less than 1 GiB."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, Path(__file__).with_name("hostile.py"), str(seed), "120"]
    done = subprocess.run(command, cwd=inside, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["refused"] == 120, found
    assert found["MiB"] < 1024, found
    assert not list(tmp_path.rglob("ran"))
