"""The lock of an output folder, held by real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxcifar import records
from jaxcifar.errors import UserError

ROOT = Path(__file__).parent.parent.parent
HOLD = """
import sys
from pathlib import Path
from jaxcifar import records
from jaxcifar.errors import UserError
try:
    with records.locked(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
"""


def hold(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input is closed, or says why it does not."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


@pytest.fixture(params=[None, "ENOSYS", "ENOLCK"], ids=["flock", "ENOSYS", "ENOLCK"])
def without_flock(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process in whose file system flock works, or fails as on some parallel file systems."""
    if request.param is None:
        return {}
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("replacing flock needs a C compiler")
    folder = tmp_path_factory.mktemp("flock")
    source, library = folder / "flock.c", folder / "flock.so"
    source.write_text(f"#include <errno.h>\nint flock(int f, int o) {{ errno = {request.param}; return -1; }}\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library)}


def test_a_second_process_is_refused_by_name_and_a_killed_one_leaves_no_lock(
    tmp_path: Path, without_flock: dict[str, str]
):
    first = hold(tmp_path, **without_flock)
    assert said(first) == "held"
    second = hold(tmp_path, **without_flock)
    assert f"is in use by process {first.pid};" in said(second)
    end(second)
    first.kill()
    first.wait()
    third = hold(tmp_path, **without_flock)
    assert said(third) == "held"
    end(third)


def test_of_two_processes_at_the_same_moment_one_holds_it(tmp_path: Path, without_flock: dict[str, str]):
    for attempt in range(3):
        both = [hold(tmp_path / str(attempt), **without_flock) for _ in range(2)]
        texts = sorted(said(process) for process in both)
        assert texts[0] != "held", "at most one"
        assert texts[1] == "held", "at least one"
        for process in both:
            end(process)


def test_a_link_in_the_lock_s_place_is_refused_and_its_file_stays(tmp_path: Path):
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")
    out = tmp_path / "out"
    out.mkdir()
    (out / ".lock").symlink_to(mine)
    with pytest.raises(UserError, match="cannot be written"), records.locked(out):
        pass
    assert mine.read_text() == "years of work"


def test_a_folder_in_which_nothing_was_written_goes_and_any_other_stays(tmp_path: Path):
    with records.locked(tmp_path / "a" / "b"):
        pass
    assert not (tmp_path / "a").exists()
    with records.locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").write_text("")
    assert (tmp_path / "a" / "b" / "file").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), records.locked(tmp_path / "file" / "out"):
        pass


def test_a_folder_without_permission_is_named(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written \\(Permission denied\\)"), records.locked(tmp_path / "out"):
        pass


@pytest.fixture
def without_inodes(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for its root folder only, where this process may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_without_inodes_is_named(without_inodes: Path):
    for out in (without_inodes, without_inodes / "out"):
        with pytest.raises(UserError, match="cannot be written \\(No space left"), records.locked(out):
            pass
