"""Start several processes on one folder at the same moment: exactly one works in it, and a killed one frees it.

    python tests/faults/locks.py SEED TRIALS FOLDER

In every tenth trial the processes are whole commands that train; in the others they hold the lock alone.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import common, process

from jaxcifar import records
from jaxcifar.errors import UserError


def holders(out: Path, draw: random.Random) -> list[str]:
    """Return what is wrong when processes take the lock at once; the holder is killed in half of the trials."""
    number, kills = draw.randint(2, 4), draw.random() < 0.5
    start_read, start_write = os.pipe()
    told_read, told_write = os.pipe()
    end_read, end_write = os.pipe()
    children = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            os.close(start_write)
            os.close(end_write)
            os.read(start_read, 1)  # ends when the parent closes it, for all at once
            try:
                with records.locked(out):
                    os.write(told_write, b"h")
                    os.read(end_read, 1)
            except UserError as error:
                os.write(told_write, b"r" if "is in use" in str(error) else b"?")
            os._exit(0)
        children.append(child)
    os.close(start_write)
    told = "".join(os.read(told_read, 1).decode() for _ in range(number))
    if kills:
        for child in children:
            os.kill(child, signal.SIGKILL)
    os.close(end_write)
    for child in children:
        os.waitpid(child, 0)
    for pipe in (start_read, told_read, told_write, end_read):
        os.close(pipe)
    wrong = [] if sorted(told) == ["h", *"r" * (number - 1)] else [f"{number} processes: {told}"]
    try:
        with records.locked(out):
            pass
    except UserError as error:
        wrong.append(f"not free afterwards: {error}")
    return wrong


def commands(config: Path, folder: Path) -> list[str]:
    """Return what is wrong when two commands train in one folder at once."""
    out = folder / "out"
    children = []
    for name in ("first", "second"):
        child = os.fork()
        if child == 0:
            ended = process.run(process.command(["run", "--config", config, "--out", out]), folder / name)
            os._exit(ended.code & 0xFF)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    said = [(folder / name).read_text() for name in ("first", "second")]
    trained = sum("epoch 5/5" in text for text in said)
    passed = sum("being trained by others" in text or "the report was left to" in text for text in said)
    # One that came when the other had ended finds a finished run.
    late = sum("nothing to do" in text for text in said)
    fine = trained == 1 and passed + late == 1 and codes == [0, 0]
    return (
        [] if fine else [f"codes {codes}, trained {trained}, passed over {passed}: {said[0][-800:]} {said[1][-800:]}"]
    )


def campaign(seed: int, trials: int, root: Path) -> list[str]:
    """Run trials and return the failures."""
    draw, config, failures = random.Random(seed), common.write_configs(root)["run"], []
    for number in range(trials):
        folder = root / f"trial-{number}"
        folder.mkdir()
        wrong = commands(config, folder) if number % 10 == 9 else holders(folder / "out", draw)
        failures += [f"trial {number}: {problem}" for problem in wrong]
        if not wrong:
            shutil.rmtree(folder)
    print(f"seed {seed}: {trials} starts, {len(failures)} wrong", *failures, sep="\n")
    return failures


if __name__ == "__main__":
    process.main(campaign)
