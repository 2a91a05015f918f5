"""Damage one file or folder of a data set, and read it; in some trials by the commands of a run on these images.

    python tests/faults/datasets.py SEED TRIALS FOLDER

Images that are read must be the same, or have another fingerprint, by which every reader of a record refuses them.
Otherwise a sentence names what was damaged.
"""

from __future__ import annotations

import gzip
import os
import pickle
import random
import shutil
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from faults import common, process
from faults.damage import KINDS, NOBODY, as_nobody, damage
from PIL import Image
from scipy.io import savemat

from jaxcifar import records
from jaxcifar.config import Data
from jaxcifar.config.stored import read_records
from jaxcifar.data import Dataset, formats, load
from jaxcifar.errors import UserError

ROWS = 20
"""Images of a batch of the small CIFAR-10."""
CONFIG = '''"""A run of a second on images of a user's own."""
from jaxcifar.config import CNN, Checkpoint, Data, Run

def get_config():
    return Run(
        name="own",
        model=CNN(widths=(4,), head=(8,)),
        data=Data(source="{source}", dir="{dir}"),
        epochs={epochs},
        batch_size=16,
        checkpoint=Checkpoint(every_seconds=0.0, snapshots=(0, 1)),
    )
'''
PLACES = {"npz": "own.npz"}
"""The file that `data.dir` names, where it is not the folder itself."""


def write_all(root: Path) -> dict[str, Path]:
    """Write a small data set of every form, and return their folders."""
    draw = np.random.default_rng(0)
    writers = {
        "binary": _binary,
        "python": _python,
        "archive": _archive,
        "npz": _npz,
        "folder": _pictures,
        "cifar100": _cifar100,
        "svhn": _svhn,
        "fashion_mnist": _fashion,
    }
    for name, write in writers.items():
        (root / name).mkdir(parents=True)
        write(root / name, draw)
    return {name: root / name for name in writers}


def _batches(draw: np.random.Generator) -> dict[str, np.ndarray]:
    found = {name: draw.integers(0, 256, (ROWS, 3073), np.uint8) for name in formats.BATCHES}
    for rows in found.values():
        rows[:, 0] = np.arange(ROWS) % 10
    return found


def _binary(folder: Path, draw: np.random.Generator) -> None:
    for name, rows in _batches(draw).items():
        rows.tofile(folder / f"{name}.bin")
    (folder / "name.txt").write_text("mine\n")


def _python(folder: Path, draw: np.random.Generator) -> None:
    for protocol, (name, rows) in enumerate(_batches(draw).items()):
        batch = {b"data": rows[:, 1:].copy(), b"labels": rows[:, 0].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch, max(protocol, 2)))


def _archive(folder: Path, draw: np.random.Generator) -> None:
    inside = folder / "cifar-10-batches-bin"
    inside.mkdir()
    _binary(inside, draw)
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(inside, inside.name)
    shutil.rmtree(inside)


def _npz(folder: Path, draw: np.random.Generator) -> None:
    labels = np.arange(64) % 4
    arrays: dict[str, Any] = {
        name: draw.integers(0, 256, (len(labels), 8, 8, 3), np.uint8) for name in ("x_train", "x_test")
    }
    np.savez(folder / "own.npz", **arrays, y_train=labels, y_test=labels, class_names=np.array(list("abcd")))


def _pictures(folder: Path, draw: np.random.Generator) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (folder / split / name).mkdir(parents=True)
            for index, kind in enumerate(("png", "jpg", "bmp", "gif", "tif", "webp") * 3):
                picture = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8))
                picture.save(folder / split / name / f"{index}.{kind}")


def _cifar100(folder: Path, draw: np.random.Generator) -> None:
    labels = np.arange(100).tolist()
    for name in ("train", "test"):
        batch = {b"data": draw.integers(0, 256, (100, 3072), np.uint8), b"fine_labels": labels}
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"thing%d" % n for n in labels]}, 2))


def _svhn(folder: Path, draw: np.random.Generator) -> None:
    labels = (np.arange(20) % 10 + 1)[:, None].astype(np.uint8)
    for name in ("train", "test"):
        images = draw.integers(0, 256, (32, 32, 3, 20)).astype(np.uint8)
        savemat(folder / f"{name}_32x32.mat", {"X": images, "y": labels}, do_compression=True)


def _fashion(folder: Path, draw: np.random.Generator) -> None:
    labels = (np.arange(20) % 10).astype(np.uint8)
    for name in ("train", "t10k"):
        for kind, array in (("images-idx3", draw.integers(0, 256, (20, 28, 28), np.uint8)), ("labels-idx1", labels)):
            header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))


def read(source: str, folder: Path) -> Dataset:
    """Return the images of one of these folders."""
    if source in ("binary", "python", "archive"):
        return formats.read(folder, lambda notice: None, ROWS)
    return load(Data(source=source, dir=str(folder / PLACES.get(source, ""))))  # type: ignore[arg-type]


def spoil(folder: Path, draw: random.Random) -> tuple[Path, str]:
    """Damage a file of a folder, or replace one of its folders; return which and how."""
    whole = sorted(folder.rglob("*"))
    path = draw.choice([path for path in whole if path.is_file()])
    below = [each for each in whole if each.is_dir()]
    if below and draw.random() < 0.2:
        path, how = draw.choice(below), draw.choice(("unreadable", "missing", "a file", "nowhere"))
        if how == "unreadable":
            path.chmod(0)
            return path, how
        shutil.rmtree(path)
        if how == "a file":
            path.write_bytes(b"7")
        elif how == "nowhere":
            path.symlink_to("nowhere")
        return path, how
    others = [each for each in whole if each.is_file() and each != path]
    how = draw.choice((*KINDS, "another") if others else KINDS)
    if how == "another":
        # Another file of the kind, as a wrong copy leaves it.
        shutil.copy(draw.choice(others), path)
    else:
        damage(path, how, draw)
    return path, how


def names(path: Path, how: str, said: str) -> bool:
    """Return whether a sentence names a damaged file, or the place in which one is missed."""
    if path.name == "name.txt" and f"name.txt for {path.parent}" in said:
        return True
    missed = how in ("missing", "folder", "nowhere", "loop", "a file")
    return any(str(place) in said for place in (path, *([path.parent, path.parent.parent] if missed else [])))


def reading(source: str, whole: Dataset, folder: Path, draw: random.Random) -> tuple[str, str]:
    """Return what was damaged, and the verdict: same, another or named; anything else is wrong."""
    path, how = spoil(folder, draw)
    what = f"{source}: {path.relative_to(folder)} {how}"
    if how == "unreadable":
        for each in (folder, *folder.rglob("*")):
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        found = read(source, folder)
    except UserError as error:
        text = str(error)
        return what, "named" if names(path, how, text) and "\n" not in text else f"not named: {text}"
    except Exception as error:
        return what, f"raised {error!r}"
    finally:
        os.seteuid(0)
        os.setegid(0)
    if found.fingerprint != whole.fingerprint:
        return what, "another"
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    equal = all(np.array_equal(getattr(found, part), getattr(whole, part)) for part in parts)
    return what, "same" if equal else "other images under the same fingerprint"


class Commands:
    """A finished and an interrupted run on images of a user's own, and trials of commands on damaged copies."""

    def __init__(self, root: Path, folders: dict[str, Path]):
        self.root, self.data, self.out, self.config = root, {}, {}, {}
        for source in ("npz", "folder"):
            # The path is in the record, so damaged copies take the place of the whole one.
            self.data[source] = (folders[source], root / "place" / source)
            shutil.copytree(*self.data[source])
            place = self.data[source][1] / PLACES.get(source, "")
            self.config[source] = root / f"{source}.py"
            self.config[source].write_text(CONFIG.format(source=source, dir=place, epochs=2))
            self.out[source] = root / "whole" / source
            ended = process.run(self.command("resume", source, self.out[source]), root / "log")
            assert ended.code == 0, ended.said

    def command(self, name: str, source: str, out: Path) -> Callable[[], int]:
        """Return a command on a record, to be run in a fork."""
        match name:
            case "landscape":
                return process.command(["landscape", out, "--measure", "trace"])
            case "export":
                return process.command(["export", self.config[source], "--out", out / "x.safetensors"])
            case _:
                return process.command(["run", "--config", self.config[source], "--out", out])

    def trial(self, draw: random.Random, folder: Path) -> tuple[str, str]:
        """Return what was tried, and the verdict."""
        source, name = draw.choice(("npz", "folder")), draw.choice(("resume", "landscape", "export"))
        whole, place = self.data[source]
        shutil.rmtree(place)
        shutil.copytree(whole, place)
        out = folder / "out"
        shutil.copytree(self.out[source], out)
        if name == "resume":
            # As a kill after the last checkpoint leaves it.
            (out / records.SUMMARY).unlink()
        path, how = spoil(place, draw)
        work = self.command(name, source, out)
        if how == "unreadable":
            for each in (place, *place.rglob("*")):
                os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
            work = as_nobody(work, folder)
        ended = process.run(work, folder / "log")
        what = f"{source} {name}: {path.relative_to(place)} {how}"
        if ended.code not in (0, 2) or "Traceback" in ended.said:
            return what, f"ended with {ended.code}: {ended.said[-2500:]}"
        if ended.code == 2:
            compared = ("was begun on the data set", f"images exist in {place}")
            told = names(path, how, ended.said) or any(words in ended.said for words in compared)
            return what, "named" if told and common.is_sentence(ended.said) else f"not named: {ended.said[-500:]}"
        first, second = (read_records(each) for each in (self.out[source], out))
        steps = [{key: value.tobytes() for key, value in each.steps.items()} for each in (first, second)]
        # An export of a config without training reads the images only for their shape and number of classes.
        return what, "same" if steps[0] == steps[1] else "other numbers without a word"


GOOD = ("same", "another", "named")


def campaign(seed: int, number: int, root: Path) -> list[str]:
    """Run trials, print those that fail and a count, and return the failures."""
    draw, folders, failures, counts = random.Random(seed), write_all(root / "data"), [], Counter()
    commands = Commands(root, folders)
    whole = {source: read(source, folder) for source, folder in folders.items()}
    for index in range(number):
        folder = root / f"trial-{index}"
        folder.mkdir()
        if index % 10 == 9:
            what, verdict = commands.trial(draw, folder)
        else:
            source = draw.choice(list(folders))
            shutil.copytree(folders[source], folder / "data")
            what, verdict = reading(source, whole[source], folder / "data", draw)
        counts[verdict if verdict in GOOD else "failed"] += 1
        if verdict in GOOD:
            shutil.rmtree(folder)
        else:
            failures.append(f"trial {index}, {what}: {verdict}")
            print(failures[-1], flush=True)
    print(f"seed {seed}: {counts.total()} trials, {dict(counts)}")
    return failures


if __name__ == "__main__":
    process.main(campaign)
