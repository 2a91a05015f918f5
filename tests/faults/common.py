"""Shared parts of the campaigns: small configs, their commands, and what must be equal at the end."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar import records
from jaxcifar.config.stored import read_records
from jaxcifar.training.checkpoint import sound_steps

RUN = '''"""A run of a few seconds that saves at every chance."""
from jaxcifar.config import CNN, Adam, Checkpoint, Data, Run

def get_config():
    return Run(
        name="small",
        model=CNN(widths=(4,), head=(8,), dropout=0.1),
        data=Data(source="shapes", train_size=256, test_size=50, crop=2, flip="random"),
        optimizer=Adam(),
        epochs=5,
        batch_size=32,
        checkpoint=Checkpoint(every_seconds=0.0, snapshots=(0, 1, 5)),
    )
'''
GROUP = '''"""Three members in one program, of which one diverges."""
from jaxcifar.config import CNN, SGD, Checkpoint, Data, Run, Study

def get_config():
    base = Run(
        model=CNN(widths=(4,), head=(8,)),
        data=Data(source="shapes", train_size=256, test_size=50),
        optimizer=SGD(),
        epochs=4,
        batch_size=32,
        checkpoint=Checkpoint(every_seconds=0.0, snapshots=(0, 1, 4)),
    )
    return Study(name="group", base=base, sweep={"optimizer.learning_rate": (0.01, 0.1, 1e6)}, vectorize="KIND")
'''
STUDY = '''"""Two members, pictures, and a measure of each kind."""
from jaxcifar.config import CNN, SGD, Checkpoint, Data, Run, Study, Variant
from jaxcifar.measures import NoiseFloor, Trace

def get_config():
    base = Run(
        model=CNN(widths=(4,), head=(8,)),
        data=Data(source="shapes", train_size=128, test_size=50),
        optimizer=SGD(learning_rate=0.05),
        epochs=3,
        batch_size=32,
        probes=(NoiseFloor(), Trace()),
        checkpoint=Checkpoint(every_seconds=0.0, snapshots=(0, 1, 3)),
    )
    variants = (Variant("plain"), Variant("bn", {"model.norm": "batch"}))
    return Study(name="pictures", base=base, variants=variants, pictures=("samples", "features", "gradients"))
'''
CONFIGS = {"run": RUN, "map": GROUP.replace("KIND", "map"), "vmap": GROUP.replace("KIND", "vmap"), "study": STUDY}
WEIGHTS = "network.safetensors"
"""What an export writes."""
TIMES = ("seconds", "images_per_second")


def environment() -> dict[str, str]:
    """Return variables for quick processes: no optimisation of programs, no other data, no bytecode files."""
    own = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu"}
    kept = {name: value for name, value in os.environ.items() if name != "JAXCIFAR_DATA"}
    return {**kept, **own, "PYTHONPATH": str(Path(__file__).parents[2])}


def command(*words: str | Path) -> list[str]:
    """Return the command `jaxcifar WORDS`."""
    return [sys.executable, "-m", "jaxcifar.cli", *map(str, words)]


def train(config: Path, out: Path) -> list[str]:
    """Return the command that trains a config."""
    return command("run", "--config", config, "--out", out)


def call(words: list[str], seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=seconds)


def write_configs(folder: Path) -> dict[str, Path]:
    """Write the configs and return their files."""
    paths = {name: folder / f"{name}.py" for name in CONFIGS}
    for name, path in paths.items():
        path.write_text(CONFIGS[name])
    return paths


def is_sentence(said: str) -> bool:
    """Return whether a command ended with one sentence on its last line, and without a traceback."""
    lines = said.strip().splitlines()
    return bool(lines) and lines[-1].startswith("Error: ") and "Traceback" not in said


@contextmanager
def small_disk(path: Path, options: str):
    """Mount a small file system in memory, for as long as the context lasts; needs root."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True, capture_output=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def can_mount(path: Path) -> bool:
    """Return whether this process may mount a file system."""
    with suppress(OSError, subprocess.CalledProcessError), small_disk(path, "size=64k"):
        return True
    return False


def fill(disk: Path, left: int = 0) -> Path:
    """Fill a file system up to some bytes, and return the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with suppress(OSError):
        os.truncate(filler, max(0, filler.stat().st_size - left))
    return filler


def differences(whole: Path, other: Path, report: bool = False) -> list[str]:
    """Return where a folder differs from that of the uninterrupted command.

    Compared are the names of all files, per-step values, metrics without times, the parameters of the last checkpoint
    and of every snapshot, pictures and measures; with `report`, also the report's bytes.
    """
    found = []
    mine, theirs = names(whole), names(other)
    if mine != theirs:
        found.append(f"files: missing {sorted(mine - theirs)}, left behind {sorted(theirs - mine)}")
    for config in sorted(whole.rglob("config.json")):
        found += _run_differences(config.parent, other / config.parent.relative_to(whole))
    for path in sorted(whole.rglob("*.npz")):
        if path.name != "steps.npz":
            found += _array_differences(path, other / path.relative_to(whole))
    exact = [*sorted(whole.rglob("gradients.json")), *whole.glob(WEIGHTS)]
    if report:
        exact += [path for path in sorted((whole / "report").rglob("*")) if path.is_file()]
    for path in exact:
        twin = other / path.relative_to(whole)
        if not twin.is_file() or twin.read_bytes() != path.read_bytes():
            found.append(f"{path.relative_to(whole)} differs")
    return found


def names(folder: Path) -> set[str]:
    """Return the names of the files and of the empty folders, without locks and those inside checkpoints."""
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        inside = re.search(r"(^|/)checkpoints/(.*)", name)
        if records.is_lock(path.name):
            continue
        if inside and (re.match(r"\d+(/|$)", inside[2]) or "/" in inside[2]):
            continue
        if path.is_file() or (path.is_dir() and not any(path.iterdir())):
            found.add(name)
    return found


def _run_differences(whole: Path, other: Path) -> list[str]:
    found, first, second = [], read_records(whole), read_records(other)
    if _without_times(first.metrics) != _without_times(second.metrics):
        found.append(f"{other}: metrics differ")
    if first.status != second.status:
        found.append(f"{other}: status {first.status} and {second.status}")
    found += _values_differ(str(other), first.steps, second.steps)
    steps, others = sound_steps(whole, found.append), sound_steps(other, found.append)
    # Which checkpoints a finished run has between its snapshots and the last depends on the clock; at equal steps they
    # must be equal.
    same = max(steps) == max(others, default=None) if first.status == "finished" else set(steps) == set(others)
    if not same:
        found.append(f"{other}: checkpoints {sorted(steps)} and {sorted(others)}")
    for step in set(steps) & set(others):
        if _parameters(whole, step) != _parameters(other, step):
            found.append(f"{other}: checkpoints of step {step} differ")
    return found


def _without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def _array_differences(path: Path, other: Path) -> list[str]:
    if not other.is_file():
        return [f"{other} is missing"]
    with np.load(path) as first, np.load(other) as second:
        return _values_differ(str(other), first, second)


def _values_differ(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    if set(first) != set(second):
        return [f"{name}: arrays {sorted(first)} and {sorted(second)}"]
    return [f"{name}: {key} differs" for key in first if first[key].tobytes() != second[key].tobytes()]


def _parameters(folder: Path, step: int) -> str:
    import jax
    import orbax.checkpoint as ocp

    path = (folder / "checkpoints" / str(step) / "default").absolute()
    leaves = jax.tree.leaves(ocp.StandardCheckpointer().restore(path))
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()


def run_trials(
    trials: int, kinds: Sequence[str], root: Path, trial: Callable[[str, Path], tuple[int, str, list[str]]]
) -> tuple[int, list[str]]:
    """Run trials of the kinds in turn, print each, and return what they counted and what went wrong.

    Args:
        trials: how many.
        kinds: names, taken in turn.
        root: gets a folder per trial, which stays where something went wrong.
        trial: from a kind and its folder to a count, what is told of it, and the differences found.
    """
    total, failures = 0, []
    for number in range(trials):
        kind, folder = kinds[number % len(kinds)], root / f"trial-{number}"
        folder.mkdir()
        count, told, wrong = trial(kind, folder)
        total += count
        print(f"{number} {kind}: {told}, {wrong or 'equal'}", flush=True)
        failures += [f"trial {number}, {kind}: {problem}" for problem in wrong]
        if not wrong:
            shutil.rmtree(folder)
    return total, failures
