"""Versions and devices of a run, now and before it was continued elsewhere: environment.json."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

import jaxcifar

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def environment(
    data_name: str, data_sha256: str, classes: Sequence[str] = (), used: int | None = None
) -> dict[str, Any]:
    """Return versions, device, git commit, and the data set's name, SHA-256 and names of classes.

    Args:
        data_name: name of the data set.
        data_sha256: its fingerprint.
        classes: names of its classes.
        used: number of devices that train; by default one does.
    """
    device = jax.local_devices()[0]
    own = {"jaxcifar": jaxcifar.__version__, "python": platform.python_version()}
    return {
        "versions": own | {name: _version(name) for name in PACKAGES},
        "device": {
            "platform": device.platform,
            # JAX calls every processor "cpu".
            "kind": _processor() if device.platform == "cpu" else device.device_kind,
            "count": jax.device_count(),
            "used": 1 if used is None else used,
            **({"processes": jax.process_count()} if jax.process_count() > 1 else {}),
        },
        "git_commit": _git_commit(),
        "data": {"name": data_name, "sha256": data_sha256, "classes": list(classes)},
    }


def continued(new: dict[str, Any], old: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Return an environment with the history of a run that is continued.

    Args:
        new: the environment from now on.
        old: the stored environment, empty for a new run.
        step: number of steps that were trained before.

    Returns:
        `new`, and where anything but the data differs, `history`: the earlier environments in their order, each with
        `until_step`.
    """
    history = list(old.get("history", ()))
    before = {key: value for key, value in old.items() if key not in ("history", "data")}
    if step and before and any(before.get(key) != new[key] for key in before):
        history.append({**before, "until_step": step})
    return {**new, "history": history} if history else new


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's model and the number of cores that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.machine()}, {cores} cores"


def _git_commit() -> str | None:
    """The commit of the repository that tracks this package, with `+` where the package's files were changed."""
    here = Path(jaxcifar.__file__)
    # GIT_DIR and its like point git to another repository, in a hook for example.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=variables)
        return done.stdout.strip()

    try:
        # Fails for a copy that was installed below another repository, in a virtual environment for example.
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None
