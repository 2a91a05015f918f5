"""Kill a command at a random change of the file system or moment, up to twice in a row, and compare its end.

    python tests/faults/kills.py SEED TRIALS FOLDER

Every trial ends with the same command without a kill, whose folder must equal that of a command that was never killed.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import common, process

KINDS = ("run", "map", "vmap", "study", "report", "landscape")
ATTEMPTS = 5


@dataclass
class Scene:
    """A kind of trial: its command, what its folder holds before, and the folder of the uninterrupted command."""

    words: list[str]
    """With OUT in place of the folder."""
    before: Path | None
    whole: Path
    calls: int
    """Number of changes of the file system that the command makes."""
    seconds: float

    def command(self, out: Path):
        """Return the command on a folder, to be run in a fork."""
        return process.command([word.replace("OUT", str(out)) for word in self.words])


def prepare(root: Path, kinds: Sequence[str] = KINDS) -> dict[str, Scene]:
    """Run every command once without a kill, and count what it changes."""
    configs = common.write_configs(root)
    scenes: dict[str, Scene] = {}
    for kind in kinds:
        before = None
        match kind:
            case "report":
                words = ["report", "OUT", "--config", str(configs["study"])]
                before = root / "before" / kind / "out"
                shutil.copytree(scenes["study"].whole, before)
                shutil.rmtree(before / "report")
            case "landscape":
                words = ["landscape", "OUT", "--measure", "trace"]
                before = scenes["run"].whole
            case "export":
                words = ["export", str(scenes["run"].whole), "--out", f"OUT/{common.WEIGHTS}"]
                before = root / "before" / kind / "out"
                before.mkdir(parents=True)
            case _:
                words = ["run", "--config", str(configs[kind]), "--out", "OUT"]
        whole = root / "whole" / kind / "out"
        whole.parent.mkdir(parents=True)
        if before:
            shutil.copytree(before, whole)
        scene = Scene(words, before, whole, 0, 0.0)
        start = time.monotonic()
        ended = process.run(scene.command(whole), root / "log")
        assert ended.code == 0, ended.said
        scene.calls, scene.seconds = ended.calls, time.monotonic() - start
        scenes[kind] = scene
    return scenes


def trial(scene: Scene, draw: random.Random, folder: Path) -> tuple[int, list[str]]:
    """Return the number of kills, and what is wrong at the end."""
    out, log, kills = folder / "out", folder / "log", 0
    for _ in range(ATTEMPTS):
        if kills == 0:
            # The command came to its end before the call or the moment: begin again.
            shutil.rmtree(out, ignore_errors=True)
            if scene.before:
                shutil.copytree(scene.before, out)
        wanted = draw.randint(1, 2)
        while kills < wanted and _kill(scene, out, log, draw):
            kills += 1
        if kills:
            break
    done = process.run(scene.command(out), log)
    if done.code != 0:
        return kills, [f"the last command ended with {done.code}: {done.said[-3000:]}"]
    return kills, compared(scene, out, log)


def _kill(scene: Scene, out: Path, log: Path, draw: random.Random) -> bool:
    if draw.random() < 0.8:
        return process.run(scene.command(out), log, at=draw.randint(1, scene.calls)).code == -9
    return process.run(scene.command(out), log, seconds=draw.uniform(0, scene.seconds)).code == -9


def compared(scene: Scene, out: Path, log: Path) -> list[str]:
    """Return the differences, computed in a fork because they restore checkpoints on a device."""

    def work() -> int:
        sys.stdout.write(json.dumps(common.differences(scene.whole, out, report=scene.before is not None)))
        return 0

    ended = process.run(work, log)
    return json.loads(ended.said.splitlines()[-1]) if ended.code == 0 else [ended.said]


def campaign(seed: int, trials: int, root: Path, kinds: Sequence[str] = KINDS) -> list[str]:
    """Run trials of the kinds in turn, print each and return the failures."""
    draw, scenes = random.Random(seed), prepare(root, kinds)

    def one(kind: str, folder: Path) -> tuple[int, str, list[str]]:
        kills, wrong = trial(scenes[kind], draw, folder)
        return kills, f"{kills} kills", wrong

    total, failures = common.run_trials(trials, kinds, root, one)
    print(f"seed {seed}: {trials} trials, {total} kills, {len(failures)} differences")
    return failures


if __name__ == "__main__":
    process.main(campaign)
