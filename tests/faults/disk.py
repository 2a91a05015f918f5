"""Let a disk be full, or without inodes, from a random change of it on, and make room again.

    python tests/faults/disk.py SEED TRIALS FOLDER

In half of the trials a preloaded library says so at the n-th change of the file system; in the others a small file
system is mounted, which needs root. A command must end with one sentence, and once there is room with what it would
have left without the fault.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import common, kills, process

KINDS = ("run", "map", "study", "report", "landscape", "export")
ERRORS = (errno.ENOSPC, errno.EDQUOT)


def told(ended: process.Ended) -> str | None:
    """Return what is wrong with how a command ended on a full disk."""
    if ended.code == 0:
        return None
    sentence = common.is_sentence(ended.said)
    room = any(words in ended.said for words in ("is full", "no inodes left", "cannot be written", "No space left"))
    return None if ended.code == 2 and sentence and room else f"ended with {ended.code}: {ended.said[-3000:]}"


def at_a_call(scene: kills.Scene, draw: random.Random, folder: Path) -> tuple[bool, list[str]]:
    """Return whether the command met the full disk, and what is wrong; the disk is full from the n-th change on."""
    out, log = folder / "out", folder / "log"
    if scene.before:
        shutil.copytree(scene.before, out)
    ended = process.run(scene.command(out), log, at=draw.randint(1, scene.calls), error=draw.choice(ERRORS))
    wrong = told(ended)
    return ended.code == 2, [wrong] if wrong else [*half_written(scene, out), *resumed(scene, out, log)]


def on_a_small_disk(scene: kills.Scene, draw: random.Random, folder: Path) -> tuple[bool, list[str]]:
    """Return whether the command met the fault, and what is wrong; the disk lacks bytes or inodes."""
    lacks_inodes = draw.random() < 0.4
    used = _inodes(scene.before) if lacks_inodes else _bytes(scene.before)
    needs = max(4, (_inodes(scene.whole) if lacks_inodes else _bytes(scene.whole)) - used)
    room = used + draw.randint(0, needs) + (2 if lacks_inodes else 4096)
    with common.small_disk(folder / "disk", f"nr_inodes={room}" if lacks_inodes else f"size={room}"):
        out, log = folder / "disk" / "out", folder / "log"
        if scene.before:
            # What lacks room already here is no command's fault.
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(scene.before, out)
            if _inodes(out) < _inodes(scene.before) or _bytes(out) < _bytes(scene.before):
                return False, []
        ended = process.run(scene.command(out), log)
        wrong = [*([said] if (said := told(ended)) else []), *half_written(scene, out)]
        if wrong:
            return True, [f"{room} {'inodes' if lacks_inodes else 'bytes'}: {text}" for text in wrong]
        option = "remount,size=64m" + (",nr_inodes=10000" if lacks_inodes else "")
        subprocess.run(["mount", "-o", option, str(folder / "disk")], check=True)
        return ended.code == 2, resumed(scene, out, log)


def half_written(scene: kills.Scene, out: Path) -> list[str]:
    """Return whether an export left a part of its file."""
    path, whole = out / common.WEIGHTS, scene.whole / common.WEIGHTS
    is_part = path.is_file() and whole.is_file() and path.read_bytes() != whole.read_bytes()
    return [f"{path} is half-written"] if is_part else []


def resumed(scene: kills.Scene, out: Path, log: Path) -> list[str]:
    """Return in what the end with room differs from that without the fault."""
    if (out / common.WEIGHTS).is_file():  # an export does not replace a file
        return kills.compared(scene, out, log)
    done = process.run(scene.command(out), log)
    if done.code != 0:
        return [f"with room it ended with {done.code}: {done.said[-3000:]}"]
    return kills.compared(scene, out, log)


def _bytes(folder: Path | None) -> int:
    # A file system gives whole pages.
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file()) if folder else 0


def _inodes(folder: Path | None) -> int:
    return len(list(folder.rglob("*"))) if folder else 0


def campaign(seed: int, trials: int, root: Path, kinds: tuple[str, ...] = KINDS) -> list[str]:
    """Run trials of the kinds in turn, print each and return the failures."""
    draw, scenes = random.Random(seed), kills.prepare(root, kinds)
    mounts = os.geteuid() == 0 and common.can_mount(root / "tried")

    def one(kind: str, folder: Path) -> tuple[int, str, list[str]]:
        way = on_a_small_disk if mounts and draw.random() < 0.5 else at_a_call
        full, wrong = way(scenes[kind], draw, folder)
        return full, f"{way.__name__}, {'full' if full else 'room enough'}", wrong

    met, failures = common.run_trials(trials, kinds, root, one)
    print(f"seed {seed}: {trials} trials, {met} met a full disk, {len(failures)} differences")
    return failures


if __name__ == "__main__":
    process.main(campaign)
