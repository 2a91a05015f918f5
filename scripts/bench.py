"""Time the study's networks as training runs them, alone or in turn with PyTorch.

python scripts/bench.py                    every network but the deep ones
python scripts/bench.py --against torch    the same, in turn with PyTorch, each side in its own process
python scripts/bench.py --against torch --write docs/performance.md --json bench.json
python scripts/bench.py --precision-check  bfloat16 against float32 over 100 steps of VGG-A + BatchNorm, four seeds
"""

from __future__ import annotations

import importlib.util
import math
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import bench_report
from bench_costs import costs
from bench_precision import precision_gap, sentences
from bench_report import Platform, Report, Row
from bench_worker import IMAGES, Worker, started, training
from rich.console import Console

from jaxcifar.config import Precision, Run, UserError, load
from jaxcifar.config.parse import parse
from jaxcifar.training import Interrupted

CONFIGS = Path(__file__).parents[1] / "configs"
USUAL = {"cnn": 128, "cnn_batch4": 4, "vgg_a_light": 128, "vgg_a": 128, "vgg_bn": 128, "resnet18": 128}
DEEP = {"resnet34": 16, "resnet50": 16, "resnet101": 16, "resnet152": 16}
GPU_BATCH_SIZE = 512
FEWEST_STEPS = 10
TURN_SECONDS = 2.0
Show = Callable[..., None]


@dataclass(frozen=True)
class Options:
    """Time the study's networks as training runs them, alone or in turn with PyTorch."""

    networks: str | None = None
    """Names separated by commas, e.g. `cnn,cnn_batch4,vgg_bn`; all but the deep ResNets where this is not given."""
    full: bool = False
    """ResNet-34, 50, 101 and 152 as well."""
    against: Literal["torch"] | None = None
    """Take turns with the same network in PyTorch, and print the ratio of the times with its spread."""
    precision: Precision | None = None
    """float32 on a CPU and bfloat16 on a GPU where this is not given."""
    batch_size: int | None = None
    """The same for every network; on a CPU 128 (deep ResNets 16), on a GPU 512, where this is not given."""
    steps: int | None = None
    """Steps a turn; what takes about two seconds where this is not given, a whole epoch on a GPU."""
    costs: bool = True
    """What members and probes cost as well, in plain steps; only where the default networks are measured."""
    precision_check: bool = False
    """Time nothing: train VGG-A + BatchNorm in both precisions, and say whether bfloat16 stays within float32's seeds.
    Minutes on a CPU; on CIFAR-10 if it lies on the disk ($JAXCIFAR_DATA), else on `shapes`."""
    rounds: int = 5
    """Turns of each side."""
    json: Path | None = None
    """Write the figures to this file too."""
    write: Path | None = None
    """Put the table into this document, between `<!-- bench:cpu -->` (or `gpu`) and `<!-- /bench:cpu -->`."""

    def __post_init__(self):
        for name in ("steps", "rounds", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} is {value}; it must be at least 1.")
        if self.batch_size is not None and self.batch_size > IMAGES:
            raise UserError(f"--batch-size is {self.batch_size}; it must be at most {IMAGES}, the number of images.")
        if self.steps is not None and self.steps * self.rounds < FEWEST_STEPS:
            total = self.steps * self.rounds
            raise UserError(f"--steps x --rounds is {total}; a time needs at least {FEWEST_STEPS} steps, so raise one.")
        unknown = [name for name in self.names() if name not in USUAL | DEEP]
        if unknown:
            raise UserError(f"--networks names {unknown[0]!r}; allowed are {', '.join(USUAL | DEEP)}.")
        if self.json is not None and (self.json.is_dir() or not self.json.absolute().parent.is_dir()):
            raise UserError(f"--json {str(self.json)!r} cannot be written; give a file in a folder that exists.")
        if self.write is not None:
            bench_report.check_document(self.write)

    def names(self) -> list[str]:
        """The networks in the order of the table."""
        if self.networks is not None:
            return self.networks.split(",")
        return list(USUAL | DEEP if self.full else USUAL)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the bench; returns its exit code: 0, 1 where a check fails, or 2 for a user's slip."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parse(Options, arguments, "python scripts/bench.py --help", prog="bench.py")
        if options.against == "torch" and importlib.util.find_spec("torch") is None:
            raise UserError("--against torch needs PyTorch, which is not installed: pip install 'jaxcifar[parity]'.")
        if options.precision_check:
            return _check_precision(options)
        report = measure(options, shlex.join(["python", "scripts/bench.py", *arguments]))
        bench_report.print_table(report)
        if options.json is not None:
            bench_report.write_json(report, options.json)
        if options.write is not None:
            bench_report.write_document(report, options.write)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Interrupted):
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


def _check_precision(options: Options) -> int:
    run = _run("vgg_bn", options.batch_size or USUAL["vgg_bn"], "float32", "cpu")
    run = replace(run, data=replace(run.data, source="auto"))
    gap = precision_gap(run)
    print("\n".join(sentences("VGG-A + BatchNorm", run, gap)))
    return 0 if gap.within else 1


def measure(options: Options, command: str) -> Report:
    """Every network in its order; the sides' processes live for one network only, so memory is its own."""
    with progress() as show, tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        show("the device's matrix products")
        with started({"side": "device"}, cache) as device:
            platform: Platform = "cpu" if device.hello["device"]["platform"] == "cpu" else "gpu"
            precision = options.precision or ("float32" if platform == "cpu" else "bfloat16")
            rate = device.ask(precision)["rate"]
        rows = []
        for name in options.names():
            run = _run(name, options.batch_size, precision, platform)
            rows.append(_row(name, run, options, rate, platform, cache, show))
            show(bench_report.line(rows[-1]), True)
        found = []
        if options.costs and options.networks is None:
            batches = {name: _run(name, options.batch_size, precision, platform) for name in ("vgg_bn", "cnn_batch4")}
            for cost in costs(batches, options.rounds, cache, show):
                found.append(cost)
                show(bench_report.cost_line(cost), True)
    return Report(command, platform, precision, device.hello, rate, rows, found)


@contextmanager
def progress() -> Iterator[Show]:
    """A function that shows what goes on, and for good what is finished; without a terminal only the latter."""
    console = Console(stderr=True)
    with console.status("") as status:

        def show(text: str, finished: bool = False) -> None:
            if finished:
                console.print(text, highlight=False)
            else:
                status.update(text)

        yield show


def _run(name: str, batch_size: int | None, precision: Precision, platform: Platform) -> Run:
    """The config of that name, at the bench's batch size and precision."""
    run = load(CONFIGS / f"{name.removesuffix('_batch4')}.py")
    assert isinstance(run, Run)
    usual = (USUAL | DEEP)[name]
    if platform == "gpu" and usual != 4:
        usual = GPU_BATCH_SIZE
    return replace(run, batch_size=batch_size or usual, precision=precision)


def _row(name: str, run: Run, options: Options, rate: float, platform: Platform, cache: Path, show: Show) -> Row:
    """One network: each side in its process, A B A B."""
    with ExitStack() as stack:
        sides = []
        for side in ("jax", "torch") if options.against else ("jax",):
            show(f"{name}: {side} starts and compiles")
            sides.append(stack.enter_context(started(training(side, [run]), cache)))
            sides[-1].ask(2)
        hello = sides[0].hello
        steps = options.steps or _steps_a_turn(sides, options.rounds, hello["steps_per_epoch"], platform)
        turns = []
        for turn in range(options.rounds):
            show(f"{name}: turn {turn + 1} of {options.rounds}, {steps} steps each")
            turns.append([side.turn(steps) for side in sides])
    seconds = [[answer["seconds"] / steps for answer in turn] for turn in turns]
    return Row.of(name, run, hello, seconds, steps, turns[-1][0]["peak_bytes"], rate)


def _steps_a_turn(sides: list[Worker], rounds: int, steps_per_epoch: int, platform: Platform) -> int:
    """A whole epoch on a GPU; on a CPU what the slower side does in the time of a turn, and enough for a figure."""
    if platform == "gpu":
        return steps_per_epoch
    slowest = max(side.ask(2)["seconds"] / 2 for side in sides)
    return max(math.ceil(TURN_SECONDS / slowest), math.ceil(FEWEST_STEPS / rounds))


if __name__ == "__main__":
    sys.exit(main())
