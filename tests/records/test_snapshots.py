"""A measure's arrays and its settings are of one computation, also where writing was cut off between the two."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from jaxcifar.records import snapshots


def test_a_measure_that_could_not_be_written_was_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, arrays: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    snapshots.write(tmp_path, "trace", {"steps": [0]}, {"measure": {"samples": 8}, "displays": []})
    assert (snapshots.taken(tmp_path), list(snapshots.read(tmp_path, "trace"))) == (["trace"], ["steps"])
    monkeypatch.setattr(snapshots, "write_arrays", full)
    with pytest.raises(OSError, match="No space left"):
        snapshots.write(tmp_path, "trace", {"steps": [0]}, {"measure": {"samples": 9}, "displays": []})
    assert (snapshots.taken(tmp_path), snapshots.read(tmp_path, "trace")) == ([], {})
