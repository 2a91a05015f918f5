"""Damage one file of a record, and give the three commands that read it.

    python tests/faults/damage.py SEED TRIALS FOLDER [MINUTES]

In nine of ten trials only the readers of a report are called, which takes a hundredth of the time. A command must end
with 0 or 2 and without a traceback. Where it says nothing of the damaged file, what it shows and leaves must be equal
to what it shows and leaves for the whole record.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import common, process

from jaxcifar import records
from jaxcifar.errors import UserError
from jaxcifar.records import pictures
from jaxcifar.report import tables
from jaxcifar.report.sources import gather
from jaxcifar.training.checkpoint import sound_steps

KINDS = ("flip", "cut", "empty", "other", "folder", "nowhere", "loop", "unreadable", "missing")
COMMANDS = ("resume", "report", "landscape")
NOBODY = 65534


def damage(path: Path, kind: str, draw: random.Random) -> None:
    """Damage a file in one way."""
    content = bytearray(path.read_bytes())
    if kind == "flip" and content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    elif kind == "cut":
        path.write_bytes(content[: draw.randrange(max(1, len(content)))])
    elif kind in ("empty", "flip"):
        path.write_bytes(b"")
    elif kind == "other":
        path.write_bytes(draw.choice([b"[1, 2]", b"null", b"\x89PNG\r\n", b'"text"', b"{}", b"\xff\xfe\x00", b"7"]))
    elif kind == "unreadable":
        path.chmod(0)
    else:
        path.unlink()
        match kind:
            case "folder":
                path.mkdir()
            case "nowhere":
                path.symlink_to("nowhere")
            case "loop":
                path.symlink_to(path.name)


def files(out: Path) -> list[Path]:
    """Return the files of a record, without what a report wrote and the lock."""
    found = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return [p for p in found if "report" not in p.relative_to(out).parts and not p.name.startswith((".lock", "curves"))]


def pick(out: Path, draw: random.Random) -> Path:
    """Return one of a record's files: of a checkpoint as often as of the rest, though a checkpoint has many more."""
    of_checkpoints = [path for path in files(out) if "checkpoints" in path.parts]
    others = [path for path in files(out) if "checkpoints" not in path.parts]
    return draw.choice(draw.choice([group for group in (of_checkpoints, others) if group]))


class Trials:
    """A finished run and an unfinished study, what the commands make of them, and trials on copies."""

    def __init__(self, root: Path):
        self.root, self.configs = root, common.write_configs(root)
        self.before, self.whole = {}, {}
        for kind in ("run", "study"):
            out = root / "before" / kind / "out"
            out.parent.mkdir(parents=True)
            ended = process.run(self.command("resume", kind, out), root / "log")
            assert ended.code == 0, ended.said
            shutil.rmtree(out / "report", ignore_errors=True)
            self.before[kind] = out
        # A run that was interrupted after its last checkpoint.
        self.before["begun"] = root / "before" / "begun" / "out"
        shutil.copytree(self.before["run"], self.before["begun"])
        (self.before["begun"] / "summary.json").unlink()
        for kind in self.before:
            for name in COMMANDS:
                if self.applies(name, kind):
                    out = root / "whole" / kind / name / "out"
                    shutil.copytree(self.before[kind], out)
                    ended = process.run(self.command(name, kind, out), root / "log")
                    assert ended.code == 0, ended.said
                    self.whole[kind, name] = (out, ended.said)

    @staticmethod
    def applies(name: str, kind: str) -> bool:
        """Return whether a command is for this kind of record."""
        return kind == "run" or (name == "resume" if kind == "begun" else name != "landscape")

    def command(self, name: str, kind: str, out: Path):
        """Return a command on a record, to be run in a fork."""
        config = self.configs["run" if kind == "begun" else kind]
        match name:
            case "resume":
                return process.command(["run", "--config", config, "--out", out])
            case "report":
                own = ["--config", config] if kind == "study" else []
                return process.command(["report", out, *own])
            case _:
                return process.command(["landscape", out, "--measure", "trace"])

    def trial(self, draw: random.Random, number: int) -> tuple[str, str]:
        """Return what was tried, and how it ended: equal, named, or what is wrong."""
        kind = draw.choice(list(self.before))
        name = draw.choice([command for command in COMMANDS if self.applies(command, kind)])
        folder = self.root / f"trial-{number}"
        out = folder / "out"
        shutil.copytree(self.before[kind], out)
        path, how = pick(out, draw), draw.choice(KINDS)
        damage(path, how, draw)
        place = path.relative_to(out).as_posix()
        work = self.command(name, kind, out)
        if how == "unreadable":
            work = as_nobody(work, folder)
        ended = process.run(work, folder / "log")
        verdict = self.judge(kind, name, out, place, how, ended)
        if verdict in ("equal", "named"):
            shutil.rmtree(folder)
        return f"{kind} {name}: {place} {how}", verdict

    def judge(self, kind: str, name: str, out: Path, place: str, how: str, ended: process.Ended) -> str:
        """Return how a trial ended."""
        if ended.code not in (0, 2) or "Traceback" in ended.said:
            return f"ended with {ended.code}: {ended.said[-2500:]}"
        page = out / "report" / "index.html"
        said = ended.said + (page.read_text() if page.is_file() else "")
        step = re.match(r"(?:.*/)?checkpoints/(\d+)/", place)
        if place in said or (step and f"step {step[1]} " in said) or Path(place).name in ended.said:
            return "named"
        if ended.code == 2:
            return f"the file is not named: {ended.said[-500:]}"
        found = self.differs(kind, name, out, ended)
        # A report and a measure do not mend the record's own file, which they may not even need.
        found = [text for text in found if name == "resume" or text != place]
        # A figure shows what is there.
        found = [text for text in found if how != "missing" or not text.startswith("report/")]
        return f"differs without a word: {found}" if found else "equal"

    def differs(self, kind: str, name: str, out: Path, ended: process.Ended) -> list[str]:
        """Return in what the end differs from that of the whole record."""
        whole, said = self.whole[kind, name]
        tables = [line for line in said.splitlines() if "%" in line and "img" not in line and "images/s" not in line]
        found = [line for line in tables if kind != "begun" and line not in ended.said]
        for path in sorted(whole.rglob("*")):
            twin = out / path.relative_to(whole)
            exact = path.suffix in (".npz", ".csv", ".jsonl") or path.name in ("gradients.json", "config.json")
            if path.is_file() and exact and not (twin.is_file() and content(twin) == content(path)):
                found.append(str(path.relative_to(whole)))
        return found

    def reading(self, draw: random.Random, number: int) -> tuple[str, str]:
        """Return what was tried on the readers of a report, and how it ended."""
        kind, folder = draw.choice(["run", "study"]), self.root / f"reading-{number}"
        out = folder / "out"
        shutil.copytree(self.before[kind], out)
        # Checkpoints are not read by a report; their digests are, by a resume and by measures.
        path, how = pick(out, draw), draw.choice([each for each in KINDS if each != "unreadable"])
        damage(path, how, draw)
        place = path.relative_to(out).as_posix()
        try:
            said, values = read(out)
        except UserError as error:
            said, values = str(error), []
        except Exception as error:
            return f"{kind} read: {place} {how}", f"raised {error!r}"
        shutil.rmtree(folder)
        step = re.match(r"(?:.*/)?checkpoints/(\d+)/", place)
        named = place in said or bool(step and f"step {step[1]} " in said)
        whole = read(self.before[kind])[1]
        verdict = "named" if named else "equal" if values == whole or how == "missing" else "differs without a word"
        return f"{kind} read: {place} {how}", verdict


def content(path: Path) -> object:
    """Return what of a file must be equal: all, but for the times of epochs that were trained again, and, where an
    archive of arrays is whole, what surrounds them."""
    raw = path.read_bytes()
    if path.suffix == ".npz" and (arrays := records.read_arrays(path)):
        return {name: (array.shape, array.tobytes()) for name, array in sorted(arrays.items())}
    if path.name != records.METRICS:
        return raw
    try:
        rows = [json.loads(line) for line in raw.splitlines()]
        return [{key: value for key, value in row.items() if key not in common.TIMES} for row in rows]
    except (ValueError, AttributeError):  # it is damaged
        return raw


def read(out: Path) -> tuple[str, list[str]]:
    """Return the sentences on damage in a record, and the values that a report shows."""
    problems, values = [], []
    for source in gather(out):
        study = source.results
        problems += [*study.problems, *pictures.damaged(study.folder, [run.folder for run in study.runs])]
        values += [str(tables.results(study, source.words).plain()), study.name, study.command, str(study.scale)]
        for run in study.runs:
            steps = sound_steps(run.folder, problems.append)
            stored = run.records.steps if run.records else {}
            digests = {name: array.tobytes() for name, array in sorted(stored.items())}
            values += [str(sorted(steps)), str(digests), str(pictures.read_gradients(run.folder)), str(run.config)]
    return "\n".join(problems), values


def as_nobody(work, folder: Path):
    """The work as a user without rights, to whom the folder belongs; root reads everything."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def changed() -> int:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        code = work()
        os.seteuid(0)
        os.setegid(0)
        return code

    return changed


def campaign(seed: int, number: int, root: Path, minutes: float = 60.0) -> list[str]:
    """Run trials, print those that fail and a count, and return the failures."""
    draw, trials, failures, counts = random.Random(seed), Trials(root), [], Counter()
    end = time.monotonic() + 60 * minutes
    for index in range(number):
        # Devices are left alone in this process, which forks, so the readers come without them.
        what, verdict = (trials.reading if index % 10 else trials.trial)(draw, index)
        counts[verdict if verdict in ("equal", "named") else "failed"] += 1
        if time.monotonic() > end:
            break
        if verdict not in ("equal", "named"):
            failures.append(f"trial {index}, {what}: {verdict}")
            print(failures[-1], flush=True)
    print(f"seed {seed}: {counts.total()} trials, {dict(counts)}")
    return failures


if __name__ == "__main__":
    process.main(campaign)
