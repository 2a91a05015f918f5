"""environment.json: the commit of this package only, and the history of a run that was continued elsewhere."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcifar import records
from jaxcifar.config import Run, UserError
from jaxcifar.config.stored import read_records
from jaxcifar.data import load
from jaxcifar.training.environment import continued, environment
from jaxcifar.training.resume import begin, record_environment

ROOT = Path(__file__).parent.parent.parent
TELL = "from jaxcifar.training.environment import environment; print(environment('', '')['git_commit'])"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.email=a@b", "-c", "user.name=n"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(package: Path, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(package), **variables}
    command = [sys.executable, "-c", TELL]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=package)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository with a copy of the package in an ignored folder, as in a virtual environment."""
    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "jaxcifar", folder / ".venv" / "jaxcifar", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text(".venv\n__pycache__\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "mine")
    return folder


def test_the_commit_is_that_of_the_repository_that_tracks_the_package(repository: Path):
    package = repository / ".venv"
    assert commit_of(package) == "None"
    git(repository, "add", "--force", ".venv/jaxcifar")
    git(repository, "commit", "-qm", "theirs")
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(package) == head
    (package / "jaxcifar" / "cli.py").write_text("changed = True\n")
    assert commit_of(package) == f"{head}+"


def test_the_variables_of_another_repository_are_not_followed(repository: Path):
    own = commit_of(ROOT)
    assert commit_of(ROOT, GIT_DIR=str(repository / ".git"), GIT_WORK_TREE=str(repository)) == own


def test_history_has_an_entry_for_each_change():
    first = {"versions": {"jax": "1"}, "device": {"kind": "a"}, "git_commit": "x", "data": {"name": "d"}}
    second = {**first, "device": {"kind": "b"}}
    assert continued(first, {}, 0) == first
    assert continued(first, first, 5) == first
    assert continued(second, first, 0) == second, "nothing was trained before"
    moved = continued(second, first, 5)
    entry = {"versions": {"jax": "1"}, "device": {"kind": "a"}, "git_commit": "x", "until_step": 5}
    assert moved == {**second, "history": [entry]}
    assert continued(second, moved, 8) == moved
    back = continued(first, moved, 8)
    assert [past["until_step"] for past in back["history"]] == [5, 8]


def test_a_resumed_run_keeps_where_it_began_and_refuses_other_data(small_run: Run, tmp_path: Path):
    dataset = load(small_run.data)
    begin(small_run, tmp_path, dataset)
    record_environment(tmp_path, dataset, 0)
    stored = read_records(tmp_path).environment
    assert stored == environment(dataset.name, dataset.fingerprint, dataset.class_names)
    records.write_environment(tmp_path, {**stored, "device": {"platform": "gpu", "kind": "another", "count": 1}})
    record_environment(tmp_path, dataset, 7)
    found = read_records(tmp_path).environment
    assert found["device"] == stored["device"]
    assert [(past["device"]["kind"], past["until_step"]) for past in found["history"]] == [("another", 7)]
    with pytest.raises(UserError, match=r"give the same data by .*, or --restart to begin again"):
        begin(small_run, tmp_path, dataclasses.replace(dataset, fingerprint="0" * 64))
