"""Results of the studies below a folder: run folders found, sorted into studies, followed where they say `same_as`."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jaxcifar.errors import UserError
from jaxcifar.records import forms, seal
from jaxcifar.records import run as run_records
from jaxcifar.records.manifest import FILE
from jaxcifar.records.run import Records

if TYPE_CHECKING:
    from jaxcifar.config import Run

Decode = Callable[[Any], Any]
"""From the JSON of a config.json to a config."""
TRAIN_SIZE, TEST_SIZE = 50_000, 10_000
CIFAR10 = ("cifar10", "cifar10-jpeg", "cifar10-unverified")
"""Names under which CIFAR-10 is recorded: proven official files, a JPEG copy, files without proof."""
Status = Literal["finished", "diverged", "interrupted", "begun", "missing"]


@dataclass(frozen=True)
class Result:
    """A run of a study, as far as it is there."""

    member: str
    seed: int
    folder: Path
    """The run's place in the study."""
    records: Records[Run] | None
    """What the run left, or the equal run that was trained instead; None where nothing is there."""
    same_as: str | None = None
    """The run that was trained instead, as `study/member`."""
    planned: dict[str, Any] | None = None
    """The run's row in the manifest: epochs, steps, flops, network."""

    @property
    def config(self) -> Run | None:
        """The run's config, where it could be read."""
        return self.records.config if self.records else None

    @property
    def learning_rate(self) -> float:
        """The learning rate in the run's config; NaN if the config could not be read."""
        return self.config.optimizer.learning_rate if self.config else math.nan

    @property
    def status(self) -> Status:
        """The state of the run."""
        if self.records is None:
            return "missing"
        return self.records.status or "begun"

    @property
    def ended(self) -> bool:
        """Whether the run came to its end, finished or diverged."""
        return self.status in ("finished", "diverged")

    def column(self, key: str) -> np.ndarray:
        """A figure of every epoch [epochs], NaN where a row lacks it or it was not finite."""
        rows = self.records.metrics if self.records else []
        return np.array([_number(row, key) for row in rows], float)

    def step_values(self, key: str) -> np.ndarray:
        """A per-step array [steps], empty where the run has none of that name."""
        steps = self.records.steps if self.records else {}
        return np.asarray(steps[key], float) if key in steps else np.zeros(0)


@dataclass(frozen=True)
class Wanted:
    """The images that a study asks for; CIFAR-10 where its file is not known."""

    source: str = "cifar10"
    train_size: int | None = None
    test_size: int | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and test images."""
        return self.train_size or TRAIN_SIZE, self.test_size or TEST_SIZE

    @property
    def name(self) -> str:
        """For readers."""
        return "CIFAR-10" if self.source == "cifar10" else self.source


@dataclass(frozen=True)
class StudyResults:
    """The runs of one study on one data set."""

    name: str
    folder: Path
    data: str
    """The data set's name, `unknown` where no record says it."""
    runs: tuple[Result, ...]
    command: str = ""
    scale: float = 1.0
    size: str = ""
    """Name of the study's size; empty for the full one."""
    problems: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """What readers see in place of a member's name."""
    wanted: Wanted = Wanted()
    absent: tuple[str, ...] = ()
    """Members of the study that no record or manifest names, where the study is known."""

    def label(self, member: str) -> str:
        """Return what readers see of a member: its name where it has no label."""
        return self.labels.get(member, member)

    @property
    def members(self) -> dict[str, list[Result]]:
        """The runs by member, seeds together, in the study's order."""
        found: dict[str, list[Result]] = {}
        for run in self.runs:
            found.setdefault(run.member, []).append(run)
        return found

    @property
    def is_scaled(self) -> bool:
        """Whether images or epochs are fewer than the study's."""
        # The numbers of images of other sources are those of their files.
        data = [run.config.data for run in self.runs if run.config and run.config.data.has_cifar_form]
        sizes = [Wanted("", images.train_size, images.test_size).sizes for images in data]
        train, test = self.wanted.sizes
        return self.scale < 1 or any(own < train or own_test < test for own, own_test in sizes)

    @property
    def has_own_data(self) -> bool:
        """Whether the images are those that the study asks for."""
        match self.wanted.source:
            case "auto":
                return True
            case "cifar10":
                return self.data in CIFAR10
            case "npz" | "folder" | "arrays":
                return True
            case source:
                return self.data.removesuffix("-unverified") == source

    def only(self, members: Sequence[str]) -> StudyResults:
        """Return the results of these members alone."""
        return dataclasses.replace(self, runs=tuple(run for run in self.runs if run.member in members))

    @property
    def missing(self) -> list[Result]:
        """The runs that have not come to their end."""
        return [run for run in self.runs if not run.ended]


def read_studies(folder: Path, decode: Decode) -> list[StudyResults]:
    """Return the results of every study below a folder, separately for each data set.

    Args:
        folder: a paper's, a study's or a run's folder, or any folder above them.
        decode: turns the JSON of a config.json into a `Run`.

    Raises:
        UserError: there is no such folder, or it holds no records.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {str(folder)!r}; give the --out of a run, a study or a paper.")
    by_study: dict[Path, list[Path]] = defaultdict(list)
    for run_folder in _run_folders(folder):
        by_study[study_folder(run_folder)].append(run_folder)
    # A study of which no run has begun has only a manifest.
    for manifest in _walk(folder, FILE):
        by_study.setdefault(manifest.parent, [])
    studies = [study for place, runs in by_study.items() for study in _read_study(place, runs, decode)]
    if not any(run.records for study in studies for run in study.runs):
        raise UserError(f"{folder} holds no records of this program; train something with --out {folder} first.")
    # Problems of folders that hold no study are listed with the first study.
    stray = [problem for study in studies if not study.runs for problem in study.problems]
    first, *others = (study for study in studies if study.runs)
    return [dataclasses.replace(first, problems=(*first.problems, *stray)), *others]


def _number(row: Any, key: str) -> float:
    value = row[key] if isinstance(row, dict) and key in row else None
    # JSON may hold an integer that is larger than every float.
    with suppress(OverflowError):
        return float(value) if isinstance(value, int | float) else math.nan
    return math.nan


def _walk(folder: Path, name: str) -> Iterator[Path]:
    """Files of a name below a folder, in order, not looking into checkpoints and reports."""
    for place, below, files in os.walk(folder):
        below[:] = sorted(d for d in below if d not in (run_records.CHECKPOINTS, "report"))
        # A folder in the file's place is damage, which reading it tells.
        if name in files or name in below:
            yield Path(place) / name


def _run_folders(folder: Path) -> list[Path]:
    return [path.parent for path in _walk(folder, run_records.CONFIG)]


def study_folder(run_folder: Path) -> Path:
    """Return OUT/<study> of OUT/<study>/<member>/seed-<n>; the run folder itself where it is not a member."""
    if (run_folder / FILE).exists():
        return run_folder  # a single run whose own --out has such a name
    # A number of nine digits fits into 32 bits; a longer one is no seed.
    return run_folder.parent.parent if re.fullmatch(r"seed-\d{1,9}", run_folder.name) else run_folder


def _read_study(folder: Path, run_folders: Sequence[Path], decode: Decode) -> list[StudyResults]:
    problems: list[str] = []
    manifest = _read_manifest(folder / FILE, problems)
    rows = {row["folder"]: row for row in manifest.get("runs", [])}
    found = {os.path.relpath(path, folder): path for path in run_folders}
    results = []
    # Order of the manifest first; folders that it does not name come after it.
    for name in [*rows, *(name for name in found if name not in rows)]:
        result = _read_result(folder / name, rows.get(name), problems, decode)
        if result is not None:
            results.append(result)
    shared: dict[str, Any] = {
        "name": manifest.get("study", folder.name),
        "folder": folder,
        "command": manifest.get("command", ""),
        "scale": manifest.get("scale", 1.0),
        "size": manifest.get("size", ""),
    }
    return _by_data(shared, results, problems)


def _by_data(shared: dict[str, Any], results: list[Result], problems: list[str]) -> list[StudyResults]:
    """One entry for each data set; runs that do not say theirs go with the first."""
    names = [result.records.data.get("name") if result.records else None for result in results]
    data = list(dict.fromkeys(name for name in names if name)) or ["unknown"]
    if len(data) > 1:
        problems = [*problems, f"{shared['folder']} mixes the data sets {' and '.join(data)}; each is drawn by itself."]
    return [
        StudyResults(
            **shared,
            data=name,
            runs=tuple(result for result, own in zip(results, names, strict=True) if (own or data[0]) == name),
            problems=tuple(problems) if name == data[0] else (),
        )
        for name in data
    ]


def _read_result(folder: Path, row: dict[str, Any] | None, problems: list[str], decode: Decode) -> Result | None:
    """A run, or None for a folder whose config.json is none of ours."""
    own = re.fullmatch(r"seed-(\d{1,9})", folder.name)
    member = row["member"] if row else (folder.parent.name if own else folder.name)
    seed = row["seed"] if row else int(own[1]) if own else 0
    if not os.path.lexists(folder / run_records.CONFIG):
        return Result(member, seed, folder, None, planned=row) if row else None
    found = run_records.read(folder, decode)
    same_as = None
    target = Path(os.path.normpath(folder / found.summary.get("same_as", ".")))
    # OUT/<study>/<member>/seed-<n>: an equal run is below OUT.
    is_below = target.is_relative_to(os.path.normpath(folder / "../../.."))
    # A run that was begun before it became a duplicate counts itself until the equal run has ended.
    is_own = bool(found.metrics) and not (is_below and found.status is None and run_records.is_complete(target))
    if "same_as" in found.summary and not is_own:
        same_as = "/".join(target.parts[-3:-1])
        if not is_below:
            problems.append(f"{folder} names an equal run outside of its own study or paper, which is not read.")
            return Result(member, seed, folder, None, None, row)
        if not os.path.isfile(target / run_records.CONFIG):
            problems.append(f"{folder} is the same run as {same_as}, which is not here.")
            return Result(member, seed, folder, None, same_as, row)
        # The config stays this run's own, because it has the run's own name.
        found = dataclasses.replace(run_records.read(target, decode), config=found.config)
    problems.extend(found.problems)
    if found.config is None and not found.metrics and not found.displays and row is None:
        return None
    if found.config is not None and row is None and not own:
        member, seed = found.config.name, found.config.seed
    return Result(member, seed, folder, found, same_as, row)


def _read_manifest(path: Path, problems: list[str]) -> dict[str, Any]:
    value = forms.kept(seal.read(path, problems), forms.MANIFEST, path, problems)
    rows = value.get("runs", [])
    if not all(forms.is_row(row) for row in rows):
        problems.append(f"{path} lists runs that are none of this program; they were left out.")
    return {**value, "runs": [row for row in rows if forms.is_row(row)]}
