"""The examples and the recipes of the guide run as they are shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = [ROOT / "examples" / f"{name}.py" for name in ("own_model", "own_data", "watch", "fine_tune")]
"""Those of the guide; the recipes for clusters, which take arguments, are tested with the workers."""


def _run(code: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_are_short_and_in_the_guide():
    guide = (ROOT / "docs" / "guide" / "own.md").read_text()
    for path in EXAMPLES:
        assert path.read_text().count("\n") < 40, path
        assert f"../../examples/{path.name}" in guide


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path):
    out = _run([str(path)], tmp_path)
    if path.stem == "watch":
        page = _run(["-m", "jaxcifar", "report", "runs/watch"], tmp_path)
        assert "index.html" in page
        assert "Largest eigenvalue" in (tmp_path / "runs" / "watch" / "report" / "index.html").read_text()
    if path.stem == "own_data":
        assert [line.split()[0] for line in out.splitlines()[-5:]] == ["disc", "ring", "bar", "cross", "noise"]
    if path.stem == "fine_tune":
        alone, tuned = (re.findall(r"0\.\d+", line)[-1] for line in out.splitlines()[:2])
        assert float(tuned) > float(alone)


@pytest.mark.slow
def test_the_recipes_run(tmp_path: Path):
    text = (ROOT / "docs" / "guide" / "own.md").read_text()
    blocks = re.findall(r"<!-- executed -->\n```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "recipes.py").write_text("\n\n".join([*blocks, "print(records.summary['status'])"]))
    assert _run(["recipes.py"], tmp_path).split()[-1] == "finished"
    assert (tmp_path / "runs" / "vit" / "summary.json").is_file()
