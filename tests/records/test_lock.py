"""The lock of an output folder, held by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jaxcifar import records
from jaxcifar.errors import UserError
from jaxcifar.records import Locks, lock
from jaxcifar.runner.worker import joined

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


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input is closed, or says why it does not."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def test_a_second_process_is_refused_by_name_and_a_killed_one_leaves_no_lock(tmp_path: Path):
    first = hold(tmp_path)
    assert said(first) == "held"
    second = hold(tmp_path)
    assert f"is in use by process {first.pid};" in said(second)
    end(second)
    first.kill()
    first.wait()
    third = hold(tmp_path)
    assert said(third) == "held"
    end(third)


def test_of_two_processes_at_the_same_moment_one_holds_it(tmp_path: Path):
    for attempt in range(3):
        both = [hold(tmp_path / str(attempt)) for _ in range(2)]
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
    (out / ".lock-run-1").symlink_to(mine)
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


@pytest.mark.parametrize("name", [".workers", "out"])
@pytest.mark.parametrize("error", [None, FileExistsError])
def test_a_folder_that_another_process_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[OSError] | None
):
    real, turns = Path.mkdir, [0]

    def mkdir(path: Path, *arguments: Any, **options: Any) -> None:
        real(path, *arguments, **options)
        if path.name == name and turns[0] < 3:
            turns[0] += 1
            path.rmdir()  # as the last process that leaves the folder does
            if error is not None:
                raise error(17, "File exists", str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with joined(tmp_path / "out") as worker:
        assert worker.other() is None
    turns[0] = 0
    with records.locked(tmp_path / "out") as locks:
        assert locks.holder(tmp_path / "out") is not None
    assert not (tmp_path / "out").exists()


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


@contextmanager
def small_disk(path: Path, option: str) -> Iterator[Path]:
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def without_inodes(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for its root folder only, where this process may mount one."""
    with small_disk(tmp_path / "disk", "nr_inodes=1") as path:
        yield path


@pytest.fixture
def without_bytes(tmp_path: Path) -> Iterator[Path]:
    """A file system on which files can be made, but none can hold a byte until `filler` is deleted."""
    with small_disk(tmp_path / "disk", "size=4096") as path:
        (path / "filler").write_bytes(bytes(4096))
        yield path


def test_a_full_disk_leaves_no_lock_behind(without_bytes: Path):
    with Locks() as locks:
        with pytest.raises(OSError, match="No space left"):
            locks.take(without_bytes)
        assert [path.name for path in without_bytes.glob(".lock-*")] == [".lock-run-1"], "the file could be made"
        (without_bytes / "filler").unlink()
        assert locks.holder(without_bytes) is None
        assert locks.take(without_bytes) is None


def test_a_disk_without_inodes_is_named(without_inodes: Path):
    for out in (without_inodes, without_inodes / "out"):
        with pytest.raises(UserError, match="cannot be written \\(No space left"), records.locked(out):
            pass


def elsewhere(folder: Path, number: int = 1) -> Path:
    """The lock of a process on another machine."""
    file = folder / f".lock-run-{number}"
    file.write_text('{"host": "far", "machine": "far/1", "process": 7, "started": "1"}')
    return file


def test_the_lock_of_another_machine_is_taken_once_its_file_has_not_changed_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    now = [0.0]
    monkeypatch.setattr(lock, "_now", lambda: now[0])
    file = elsewhere(tmp_path)
    locks = Locks()
    holder = locks.take(tmp_path)
    assert (str(holder), holder is not None and holder.certain) == ("process 7 on far", False)
    now[0] = lock.STALE_SECONDS - 1
    os.utime(file, (3600.0, 3600.0))  # its clock is another, but it is alive
    holder = locks.take(tmp_path)
    assert holder is not None
    assert holder.certain
    now[0] += lock.STALE_SECONDS - 1
    assert locks.take(tmp_path) is not None
    now[0] += 2
    assert locks.take(tmp_path) is None
    assert (tmp_path / ".lock-run-2").exists()


def test_one_whose_lock_was_taken_over_must_not_write_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(lock, "_now", lambda: now[0])
    locks = Locks()
    assert locks.take(tmp_path) is None
    now[0] = 1000.0
    locks.check()
    elsewhere(tmp_path, 2)
    now[0] = 2000.0
    with pytest.raises(UserError, match="was taken over by another process"):
        locks.check()


def test_a_lock_without_a_readable_holder_is_not_taken_at_once(tmp_path: Path):
    (tmp_path / ".lock-run-1").write_text("")
    holder = Locks().take(tmp_path)
    assert str(holder) == "another process"


def test_threads_take_and_release_one_lock_many_times_and_never_two_hold_it(tmp_path: Path):
    inside, most, turns = [0], [0], [0]

    def work() -> None:
        locks = Locks()
        deadline = time.monotonic() + 60
        done = 0
        while done < 20 and time.monotonic() < deadline:
            if locks.take(tmp_path) is None:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns[0] += 1
                inside[0] -= 1
                locks.release(tmp_path)
                done += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], turns[0]) == (1, 80)
    assert len(list(tmp_path.iterdir())) <= 4, "old files are removed"


def test_after_a_run_a_holder_elsewhere_has_to_show_once_more_that_it_is_alive(tmp_path: Path):
    file = elsewhere(tmp_path)
    locks = Locks()
    assert locks.take(tmp_path) is not None
    os.utime(file, (3600.0, 3600.0))
    holder = locks.take(tmp_path)
    assert holder is not None
    assert holder.certain
    locks.forget()
    holder = locks.take(tmp_path)
    assert holder is not None
    assert not holder.certain, "what was seen may be as old as the caches of the file system"
    os.utime(file, (3610.0, 3610.0))
    holder = locks.take(tmp_path)
    assert holder is not None
    assert holder.certain


def test_a_released_lock_is_free_by_a_time_that_every_file_system_keeps(tmp_path: Path):
    with records.locked(tmp_path):
        pass
    (file,) = tmp_path.glob(".lock-run-*")
    assert file.stat().st_mtime_ns == 10**18
    earlier = elsewhere(tmp_path, 5)
    os.utime(earlier, ns=(0, 0))
    assert Locks().holder(tmp_path) is None, "the time of earlier versions"
