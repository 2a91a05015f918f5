"""Checkpoints: what is saved is restored; whatever is damaged is named and passed over."""

from __future__ import annotations

import random
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.records import CHECKPOINTS
from jaxcifar.training.checkpoint import MANIFEST, Checkpoints, check_manifest, sound_steps
from jaxcifar.training.state import State


def state(value: float) -> State:
    params = {"layer": {"kernel": jnp.full((3, 5), value), "bias": jnp.arange(4.0)}}
    return State(jnp.int32(value), params, {}, (params, jnp.float32(value)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoints = Checkpoints(tmp_path)
    for step in (10, 20):
        checkpoints.save(step, state(step), {"seconds": step / 2})
    checkpoints.close()
    return tmp_path


def files_of(folder: Path, step: int) -> list[Path]:
    return sorted(path for path in (folder / CHECKPOINTS / str(step)).rglob("*") if path.is_file())


def restored_values(folder: Path, step: int) -> list[np.ndarray]:
    checkpoints = Checkpoints(folder)
    found = checkpoints.restore(step, state(0))
    checkpoints.close()
    return [np.asarray(found.params["layer"]["kernel"]), np.asarray(found.opt_state[1]), np.asarray(found.step)]


def test_saved_is_restored(saved: Path):
    messages: list[str] = []
    assert sound_steps(saved, messages.append) == {10: {"seconds": 5.0}, 20: {"seconds": 10.0}}
    assert messages == []
    for step in (10, 20):
        kernel, scalar, count = restored_values(saved, step)
        np.testing.assert_array_equal(kernel, np.full((3, 5), step))
        assert (scalar, count) == (step, step)


def test_a_flipped_byte_anywhere_is_found(saved: Path):
    draw = random.Random(0)
    files = [path for path in files_of(saved, 20) if path.stat().st_size]
    for _ in range(20):
        path = draw.choice(files)
        whole = path.read_bytes()
        at = draw.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
        messages: list[str] = []
        assert list(sound_steps(saved, messages.append)) == [10]
        assert len(messages) == 1
        assert "step 20" in messages[0]
        assert "passed over" in messages[0]
        path.write_bytes(whole)
    assert list(sound_steps(saved, print)) == [10, 20]


def test_a_missing_or_cut_file_is_found(saved: Path):
    files = [file for file in files_of(saved, 20) if file.name != MANIFEST]
    path = max(files, key=lambda file: file.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert check_manifest(saved / CHECKPOINTS / "20", 20)[0] is not None
    path.unlink()
    problem, _ = check_manifest(saved / CHECKPOINTS / "20", 20)
    assert problem is not None
    assert path.name in problem


def test_a_step_without_manifest_is_unfinished(saved: Path):
    (saved / CHECKPOINTS / "20" / MANIFEST).unlink()
    messages: list[str] = []
    assert list(sound_steps(saved, messages.append)) == [10]
    assert "not finished" in messages[0]


def test_the_newest_and_the_snapshots_are_kept(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, keep=2, snapshots=[0, 2])
    for step in range(6):
        checkpoints.save(step, state(step), {})
    checkpoints.close()
    assert sorted(sound_steps(tmp_path, print)) == [0, 2, 4, 5]


def test_later_steps_are_discarded_and_saved_again(saved: Path):
    checkpoints = Checkpoints(saved)
    checkpoints.discard_after(10)
    checkpoints.save(20, state(21), {})
    checkpoints.close()
    assert restored_values(saved, 20)[2] == 21


def test_the_copy_is_made_before_save_returns(tmp_path: Path):
    array = np.zeros(1000, np.float32)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"w": array}, {})
    array[:] = 1
    checkpoints.close()
    again = Checkpoints(tmp_path)
    np.testing.assert_array_equal(again.restore(1, {"w": array})["w"], np.zeros(1000))
    again.close()
