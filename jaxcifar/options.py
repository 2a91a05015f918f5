"""The options of each command, read by tyro."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jaxcifar import records
from jaxcifar.config import UserError, Vectorize
from jaxcifar.measures import SNAPSHOT_MEASURES

if TYPE_CHECKING:
    from jaxcifar.training.rendezvous import Place

SNAPSHOT_NAMES = tuple(cls.name for cls in SNAPSHOT_MEASURES)


@dataclass(frozen=True)
class RunOptions:
    """Train a run or a study; the same command again continues what was cut off.

    Give the name of a shipped config (`jaxcifar list` shows them) as in `jaxcifar run vgg_bn`, or your own file.
    """

    config: Path
    """A Python file with `get_config() -> Run | Study | Paper`."""
    out: Path | None = None
    """Folder of the records; runs/<config name> by default, runs/<config name>-<size> with `--size`."""
    restart: bool = False
    """Delete the records of this config in `--out` and start again."""
    summary: bool = False
    """Print the network's layers (output shape, parameters, FLOPs) without training."""
    plan: bool = False
    """Print the list of runs and the estimated time without training."""
    count: bool = False
    """Print the number of programs, the size of a job array, without training."""
    seeds: Annotated[str, tyro.conf.arg(metavar="N|A-B")] = ""
    """Repeat every member with N seeds, or with the seeds A to B, such as 5-9 for another five."""
    scale: Annotated[float, tyro.conf.arg(metavar="S")] = 1.0
    """Multiply images and epochs by S, at most 1, down to 512 images and one epoch; such runs decide no claim."""
    size: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Train the study at a smaller size that its file states, such as `cpu`, which is for two cores; the
    verdicts name the size."""
    only: Annotated[str, tyro.conf.arg(metavar="NAME[,NAME]")] = ""
    """Train only these studies of a paper."""
    vectorize: Vectorize | None = None
    """Train members that differ in plain numbers, such as learning rates, as one program by `vmap`, one after another
    in one program by `map`, or in programs of their own (`off`); `auto`, the default, takes `map`."""
    max_minutes: Annotated[float | None, tyro.conf.arg(metavar="M")] = None
    """Start nothing that would end later than M minutes from now."""
    log: Literal["tensorboard", "wandb", "mlflow"] | None = None
    """Give every epoch's figures to another tool as well; each is an extra to install."""
    worker: Annotated[str, tyro.conf.arg(metavar="K/N")] = ""
    """Train only every N-th program from the K-th on, without locks. Without it, any number of processes that are given
    the same command share the programs."""
    coordinator: Annotated[str, tyro.conf.arg(metavar="HOST:PORT|auto")] = ""
    """Train each run with several processes, each of which is given the same command: the address of process 0, or
    `auto` for the first host of a SLURM step or mpirun's. Each trains a share of the members of a program, or, where
    there are fewer members, a part of every batch."""
    processes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Number of those processes; SLURM's or Open MPI's variables say it too."""
    process: Annotated[int | None, tyro.conf.arg(metavar="I")] = None
    """The number of this one, from 0; SLURM's, Open MPI's or Kubernetes' variables say it too."""
    connect_seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 300.0
    """How long the processes wait for each other at the start."""
    wait: bool = False
    """When nothing is left to start, wait for the programs of other processes, and take over those of one that dies."""

    def __post_init__(self):
        object.__setattr__(self, "config", records.local_path("--config", self.config))
        if self.size and self.scale != 1:
            raise UserError(f"--size {self.size} and --scale {self.scale:g} are two ways to be smaller; give one.")
        if not self.coordinator and (self.processes, self.process) != (None, None):
            raise UserError("--processes and --process need --coordinator HOST:PORT, the address of process 0.")
        if self.coordinator and (self.worker or self.max_minutes is not None):
            other = "--worker" if self.worker else "--max-minutes"
            raise UserError(f"--coordinator and {other} cannot be combined; leave one of them out.")

    @property
    def folder(self) -> Path:
        """The folder of the records."""
        name = f"{self.config.stem}-{self.size}" if self.size else self.config.stem
        out = records.local_path("--out", self.out or Path("runs") / name)
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {str(out)!r} is a file; give a folder.")
        return out

    @property
    def place(self) -> Place | None:
        """Which of the processes of `--coordinator` this is; None without it."""
        if not self.coordinator:
            return None
        from jaxcifar.training.rendezvous import place

        return place(self.coordinator, self.processes, self.process, self.connect_seconds)

    @property
    def common(self) -> list[str]:
        """What must be equal in all processes of a run, besides the config file and its fields."""
        # Defaults are left out, so that a default that is typed equals one that is not.
        names = ("seeds", "scale", "size", "only", "vectorize")
        return [f"--{name} {value}" for name in names if (value := getattr(self, name)) not in ("", None, 1.0)]

    @property
    def part(self) -> tuple[int, int] | None:
        """K and N of `--worker`; None without it."""
        if not self.worker:
            return None
        if found := re.fullmatch(r"(\d+)/(\d+)", self.worker):
            own, number = int(found[1]), int(found[2])
            if 1 <= own <= number:
                return own, number
        raise UserError(f"--worker is {self.worker!r}; give K/N with K from 1 to N, such as 2/8.")

    @property
    def chosen_seeds(self) -> int | range | None:
        """The number of seeds, or the seeds, that `--seeds` gives; None for the study's own."""
        if not self.seeds:
            return None
        first, dash, last = self.seeds.partition("-")
        try:
            chosen = range(int(first), int(last) + 1) if first and dash else int(self.seeds)
        except ValueError:
            chosen = range(0)
        # All empty ranges are equal, so this refuses 9-5 as well.
        if chosen == range(0):
            raise UserError(f"--seeds is {self.seeds!r}; give their number, such as 3, or a range such as 5-9.")
        return chosen

    @property
    def studies(self) -> tuple[str, ...]:
        """The names that `--only` gives."""
        return tuple(name for name in self.only.split(",") if name)


@dataclass(frozen=True)
class LandscapeOptions:
    """Measure the loss landscape at the checkpoints of a finished run; stored measures are kept."""

    folder: tyro.conf.Positional[Path]
    """The run folder, or that of a study, whose runs are measured one after the other."""
    measure: Annotated[str, tyro.conf.arg(metavar="NAME[,NAME]", help=f"Some of {', '.join(SNAPSHOT_NAMES)}.")]
    data_dir: Annotated[Path | None, tyro.conf.arg(name="data.dir")] = None
    """Where the training data are now, if they have moved; they must be the same."""

    def __post_init__(self):
        object.__setattr__(self, "folder", records.local_path("DIR", self.folder))
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", records.local_path("--data.dir", self.data_dir))


@dataclass(frozen=True)
class ExportOptions:
    """Write a network as an ONNX file, in inference mode and float32, and check it with onnxruntime.

    The file maps `images` [N, H, W, C], normalised as in training, to `logits` [N, classes]. With `--out
    FILE.safetensors` the weights alone are written. After a config file, flags such as `--model.depth 34` change the
    network as in `jaxcifar run`.
    """

    network: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR|CONFIG")]
    """The folder of a run, for its newest checkpoint, or a config file, for its network untrained."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.onnx|FILE.safetensors")] = None
    """The file; by default DIR/network.onnx, or <config name>.onnx in the current folder."""

    def __post_init__(self):
        object.__setattr__(self, "network", records.local_path("DIR|CONFIG", self.network))

    @property
    def file(self) -> Path:
        """The file, which does not exist yet."""
        own = Path(f"{self.network.stem}.onnx") if self.network.is_file() else self.network / records.EXPORTED
        file = records.local_path("--out", self.out or own)
        if file.suffix not in (".onnx", ".safetensors"):
            raise UserError(f"--out is {str(file)!r}; its name must end in .onnx or .safetensors.")
        if file.exists():
            raise UserError(f"{str(file)!r} exists already; delete it or give another --out.")
        return file


@dataclass(frozen=True)
class ReportOptions:
    """Write DIR/report/index.html from the records below DIR, without training."""

    folder: tyro.conf.Positional[Path]
    """The folder of a run, a study or a paper, or one above several of them; of a study's run, its study is shown."""
    config: Path | None = None
    """A config file whose words and claims the page shows; by default the shipped one of the study's name, else what
    was stored after training."""

    def __post_init__(self):
        object.__setattr__(self, "folder", records.local_path("DIR", self.folder))
        if self.config is not None:
            object.__setattr__(self, "config", records.local_path("--config", self.config))


@dataclass(frozen=True)
class CopyOptions:
    """Copy a shipped config into the current folder, for editing."""

    name: tyro.conf.Positional[str]
    """A name of `jaxcifar list`."""
    file: tyro.conf.Positional[Path | None] = None
    """The new file; NAME.py by default."""
