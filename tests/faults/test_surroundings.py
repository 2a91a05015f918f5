"""Whole commands where a system lacks what others have, or another program has set something for its children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jaxcifar.config.stored import read_records

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import common

WITHOUT = """
import sys
import psutil  # uses `resource` on Linux alone
sys.modules["fcntl"] = sys.modules["resource"] = None
from jaxcifar.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(start: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    config = common.write_configs(folder)["run"]
    command = [sys.executable, *start, "run", "--config", str(config), "--out", str(folder / "out")]
    environment = {**common.environment(), **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)


@pytest.mark.slow
def test_locks_and_limits_of_unix_are_not_needed(tmp_path: Path):
    """Windows has no `fcntl` and no `resource`, and parallel file systems are mounted without `flock`."""
    done = run(["-c", WITHOUT], tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_records(tmp_path / "out").status == "finished"


@pytest.mark.slow
def test_a_notebook_s_choice_of_how_to_draw_is_not_followed(tmp_path: Path):
    """A kernel names its own backend for its children, in whose environment that package may be missing."""
    done = run(["-m", "jaxcifar"], tmp_path, MPLBACKEND="module://a_package_that_is_not_there")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "curves.png").stat().st_size > 10_000
