"""Checkpoints: Orbax writes them, a manifest with a SHA-256 per file proves them.

Orbax can restore a damaged file silently with wrong values, so a step counts as saved only once its manifest is
written, and every file is compared with the manifest before a restore.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization

from jaxcifar import records
from jaxcifar.config import UserError
from jaxcifar.records import seal

MANIFEST = "manifest.txt"


class Checkpoints:
    """The checkpoints of one run folder, saved in the background, one at a time."""

    def __init__(self, folder: Path, keep: int = 2, snapshots: Sequence[int] = ()):
        """Open the checkpoints of a run folder; keep the newest `keep` of them and, for good, those of `snapshots`."""
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

        self._path = (folder / records.CHECKPOINTS).absolute()
        if self._path.exists() and not self._path.is_dir():
            raise UserError(f"{self._path} is not a folder; move it away, or give --restart to begin again.")
        self._args = ocp.args
        self._pending: tuple[int, dict[str, Any]] | None = None
        kept = policy.AnyPreservationPolicy([policy.LatestN(keep), policy.CustomSteps(list(snapshots))])
        self._path.mkdir(parents=True, exist_ok=True)
        # Process 0 saves alone: every process has the whole state, and Orbax would wait for the others.
        alone = ocp.options.MultiprocessingOptions(active_processes={0} if jax.process_count() > 1 else None)
        options = ocp.CheckpointManagerOptions(preservation_policy=kept, create=False, multiprocessing_options=alone)
        self._manager = ocp.CheckpointManager(self._path, options=options)

    def save(self, step: int, state: Any, extra: dict[str, Any]) -> None:
        """Start to save; the state is copied before this returns, so its buffers may be donated afterwards.

        Raises:
            OSError: the disk has no room for the state, or the previous save failed.
        """
        self.wait()
        # A run that continues from a snapshot saves first at the step that it has just loaded.
        if step in self._manager.all_steps():
            return
        # np.array copies; np.asarray may share a buffer of the CPU device, which the next chunk reuses.
        tree = jax.tree.map(lambda leaf: np.array(_plain(leaf)), _to_tree(state))
        # Checked here, because an error of Orbax, which writes in the background, is raised only by the next wait.
        if shutil.disk_usage(self._path).free < sum(leaf.nbytes for leaf in jax.tree.leaves(tree)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._manager.save(step, args=self._args.StandardSave(tree))
        self._pending = (step, extra)

    def poll(self) -> None:
        """Write the manifest of a save that has ended since."""
        if self._pending is not None and not self._manager.is_saving_in_progress():
            self.wait()

    def wait(self) -> None:
        """Wait for the save in progress and write its manifest.

        Raises:
            OSError, ValueError: Orbax could not write, for example on a full disk.
        """
        if self._pending is None:
            return
        # Cleared first: after an error below, close() must not write a manifest for the same save.
        (step, extra), self._pending = self._pending, None
        self._manager.wait_until_finished()
        write_manifest(self._path / str(step), step, extra)

    def close(self) -> None:
        """Wait for the save in progress and end Orbax's threads."""
        self.wait()
        self._manager.close()

    def discard_after(self, step: int) -> None:
        """Delete the checkpoints after a step, so that training can save there again."""
        self._discard([s for s in self._manager.all_steps() if s > step])

    def keep_only(self, steps: Sequence[int]) -> None:
        """Delete the checkpoints of all other steps."""
        self._discard([s for s in self._manager.all_steps() if s not in steps])

    def _discard(self, steps: Sequence[int]) -> None:
        # A kill in between is harmless: a folder with a part of its files does not agree with its manifest.
        for step in steps:
            shutil.rmtree(self._path / str(step), ignore_errors=True)
        self._manager.reload()

    def restore_tree(self, step: int) -> Any:
        """Return the arrays saved at a step as nested dictionaries, in the structure in which they were saved."""
        return self._manager.restore(step, args=self._args.StandardRestore())

    def restore(self, step: int, state: Any) -> Any:
        """Return the state saved at a step, in the structure of `state` (arrays or shapes)."""
        tree = _to_tree(state)
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)
        shapes = jax.eval_shape(lambda tree: jax.tree.map(_plain, tree), shapes)
        restored = self._manager.restore(step, args=self._args.StandardRestore(shapes))
        restored = jax.tree.map(lambda old, new: jax.random.wrap_key_data(new) if _is_key(old) else new, tree, restored)
        # What is not saved, an average that is not taken, stays as it is in `state`.
        return serialization.from_state_dict(state, {**serialization.to_state_dict(state), **restored})


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> Any:
    """The array itself, of a random key its numbers."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _to_tree(state: Any) -> dict[str, Any]:
    """The state's arrays by name, without an average that is not taken, as in checkpoints of earlier versions."""
    tree = serialization.to_state_dict(state)
    return {name: value for name, value in tree.items() if name != "average" or jax.tree.leaves(value)}


def write_manifest(folder: Path, step: int, extra: dict[str, Any]) -> None:
    """Write the digests of a finished step's files, atomically; the first line is the digest of the others."""
    files = {name: seal.of_file(folder / name) for name in _files(folder)}
    body = json.dumps({"step": step, "extra": extra, "sha256": files}, indent=1).encode()
    with records.replacing(folder / MANIFEST) as file:
        file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def sound_steps(folder: Path, notify: Callable[[str], None]) -> dict[int, dict[str, Any]]:
    """Return the steps whose every file is as it was saved, with what was stored with the state.

    Args:
        folder: the run folder.
        notify: called with a sentence for each step that is damaged or was not finished.
    """
    path = folder / records.CHECKPOINTS
    found = {}
    # Orbax renames a folder once it is written, so one that was cut off has a name that is no number.
    steps = sorted(int(p.name) for p in path.iterdir() if p.name.isdecimal()) if path.is_dir() else []
    for step in steps:
        problem, extra = check_manifest(path / str(step), step)
        if problem:
            notify(f"The checkpoint of step {step} in {folder} {problem} and is passed over.")
        else:
            found[step] = extra
    return found


def check_manifest(folder: Path, step: int) -> tuple[str | None, dict[str, Any]]:
    """Return what is wrong with a step's folder (None if nothing), and what was stored with its state."""
    try:
        digest, _, body = (folder / MANIFEST).read_bytes().partition(b"\n")
    except OSError:
        return "was not finished", {}
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return "has a damaged manifest", {}
    manifest = json.loads(body)
    if manifest["step"] != step:
        return f"belongs to step {manifest['step']}", {}
    expected = manifest["sha256"]
    present = _files(folder)
    missing = sorted(set(expected) - set(present))
    if missing:
        return f"lacks the file {missing[0]}", {}
    for name in present:
        if name not in expected or seal.of_file(folder / name) != expected[name]:
            return f"is damaged ({name} is not as it was saved)", {}
    return None, manifest["extra"]


def _files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST
    )
