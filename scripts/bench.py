"""Time training of the study's networks, alone, in turn with PyTorch, or in turn with an older checkout.

python scripts/bench.py                    all networks except the deep ResNets, groups of members, and probes
python scripts/bench.py --against torch    the same, in turn with PyTorch, each in its own process
python scripts/bench.py --against torch --write docs/performance.md --json bench.json
python scripts/bench.py --old ../before    ratios of a training step here to one of the checkout in ../before

`scripts/bench_parts.py` measures single layers, the landscape, and how time and memory grow.
"""

from __future__ import annotations

import importlib.util
import math
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import bench_report
import bench_trees
from bench_report import Cost, Platform, Report, Row
from bench_worker import IMAGES, Worker, load_run, started, training
from rich.console import Console

from jaxcifar.config import CNN, Precision, Run, Vectorize
from jaxcifar.config.parse import parse
from jaxcifar.errors import UserError
from jaxcifar.measures import Beta, GradientDistance
from jaxcifar.training import Interrupted

USUAL = {"cnn": 128, "cnn_batch4": 4, "vgg_a_light": 128, "vgg_a": 128, "vgg_bn": 128, "resnet18": 128}
DEEP = {"resnet34": 16, "resnet50": 16, "resnet101": 16, "resnet152": 16}
OLD = ("cnn", "cnn_batch4", "vgg_bn", "resnet18")
GPU_BATCH_SIZE = 512
FEWEST_STEPS = 10
TURN_SECONDS, COST_SECONDS = 2.0, 3.0
RATES, SEEDS = (1e-4, 5e-4, 1e-3, 2e-3), 16
TUTORIAL = CNN(widths=(6, 16), kernel=5, padding=0, head=(120, 84))
"""The network of PyTorch's tutorial, 62,006 parameters: a step is mostly overhead."""
Show = Callable[..., None]


@dataclass(frozen=True)
class Options:
    """Time training of the study's networks, alone, in turn with PyTorch, or in turn with an older checkout."""

    networks: str | None = None
    """Names separated by commas, e.g. `cnn,cnn_batch4,vgg_bn`; by default all except the deep ResNets."""
    full: bool = False
    """Include ResNet-34, 50, 101 and 152."""
    against: Literal["torch"] | None = None
    """Measure in turn with the same network in PyTorch, and print the ratio of the times with its range."""
    old: Path | None = None
    """Measure in turn with the checkout in this folder, and print new / old for each network; by default for
    `cnn`, `cnn_batch4`, `vgg_bn` and `resnet18`. Use it with --networks, --batch-size, --steps and --rounds."""
    precision: Precision | None = None
    """By default float32 on a CPU and bfloat16 on a GPU."""
    batch_size: int | None = None
    """Batch size of every network; by default 128 on a CPU (deep ResNets 16) and 512 on a GPU."""
    steps: int | None = None
    """Steps per turn; by default as many as take about two seconds, and a whole epoch on a GPU."""
    costs: bool = True
    """Also measure groups of members (`map` and `vmap`) and probes, if --networks is not given."""
    rounds: int = 5
    """Number of turns."""
    json: Path | None = None
    """Write the figures to this file too."""
    write: Path | None = None
    """Write the table into this document, between `<!-- bench:cpu -->` (or `gpu`) and `<!-- /bench:cpu -->`."""

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
            # Checked before the measurement, which takes long.
            bench_report.check_document(self.write)
        if self.old is not None:
            for name in ("against", "precision", "json", "write"):
                if getattr(self, name) is not None:
                    raise UserError(f"--old cannot be combined with --{name}; leave one of them out.")
            bench_trees.check_tree(self.old, [_config_name(name) for name in self.names()])

    def names(self) -> list[str]:
        """Return the networks in the order of the table."""
        if self.networks is not None:
            return self.networks.split(",")
        if self.old is not None:
            return list(OLD)
        return list(USUAL | DEEP if self.full else USUAL)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; return its exit code: 0, 2 for a user's error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parse(Options, arguments, "python scripts/bench.py --help", prog="bench.py")
        if options.against == "torch" and importlib.util.find_spec("torch") is None:
            raise UserError("--against torch needs PyTorch, which is not installed: pip install 'jaxcifar[parity]'.")
        if options.old is not None:
            _compare_trees(options, options.old)
            return 0
        report = measure(options, shlex.join(["python", "scripts/bench.py", *arguments]))
        print(bench_report.markdown(report))
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


def _compare_trees(options: Options, old: Path) -> None:
    with progress() as show, tempfile.TemporaryDirectory() as cache:
        for name in options.names():
            show(f"{name}: {options.rounds} turns of each checkout")
            batch_size = options.batch_size or (USUAL | DEEP)[name]
            config = _config_name(name)
            found = bench_trees.compare(old, config, batch_size, options.steps, options.rounds, Path(cache))
            print(bench_report.trees_line(name, found), flush=True)


def measure(options: Options, command: str) -> Report:
    """Return the figures of every network; each has its own processes, so that the peak memory is its own."""
    with progress() as show, tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        show("matrix products of the device")
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
            for cost in _costs(batches["vgg_bn"], batches["cnn_batch4"], options.rounds, cache, show):
                found.append(cost)
                show(bench_report.cost_line(cost), True)
    return Report(command, platform, precision, device.hello, rate, rows, found)


@contextmanager
def progress() -> Iterator[Show]:
    """Yield a function that shows the current task, or prints a finished one; only the latter without a terminal."""
    console = Console(stderr=True)
    with console.status("") as status:

        def show(text: str, finished: bool = False) -> None:
            if finished:
                console.print(text, highlight=False)
            else:
                status.update(text)

        yield show


def _run(name: str, batch_size: int | None, precision: Precision, platform: Platform) -> Run:
    """Return the run of a network at the bench's batch size and precision."""
    run = load_run(_config_name(name))
    usual = (USUAL | DEEP)[name]
    # The network with batch 4 in its name keeps this size.
    if platform == "gpu" and usual != 4:
        usual = GPU_BATCH_SIZE
    return replace(run, batch_size=batch_size or usual, precision=precision)


def _config_name(name: str) -> str:
    return name.removesuffix("_batch4")


def _row(name: str, run: Run, options: Options, rate: float, platform: Platform, cache: Path, show: Show) -> Row:
    """Measure one network: each side in its process, A B A B."""
    with ExitStack() as stack:
        sides = []
        for side in ("jax", "torch") if options.against else ("jax",):
            show(f"{name}: {side} compiles")
            sides.append(stack.enter_context(started(training(side, [run]), cache)))
            # The first steps have costs that later ones have not; they are not part of a turn.
            sides[-1].ask(2)
        hello = sides[0].hello
        steps = options.steps or _steps_a_turn(sides, options.rounds, hello["steps_per_epoch"], platform)
        turns = []
        for turn in range(options.rounds):
            show(f"{name}: turn {turn + 1} of {options.rounds}, {steps} steps each")
            # In turn, so that a change of the machine's speed meets both sides alike.
            turns.append([side.turn(steps) for side in sides])
    seconds = [[answer["seconds"] / steps for answer in turn] for turn in turns]
    return Row.of(name, run, hello, seconds, steps, turns[-1][0]["peak_bytes"], rate)


def _steps_a_turn(sides: list[Worker], rounds: int, steps_per_epoch: int, platform: Platform) -> int:
    """Return an epoch's steps on a GPU, and on a CPU as many as the slower side does in the time of a turn."""
    if platform == "gpu":
        return steps_per_epoch
    slowest = max(side.ask(2)["seconds"] / 2 for side in sides)
    return max(math.ceil(TURN_SECONDS / slowest), math.ceil(FEWEST_STEPS / rounds))


def _costs(vgg: Run, cnn: Run, rounds: int, cache: Path, show: Show) -> Iterator[Cost]:
    """Yield the costs of groups of members and of probes on every step, each in turn with a single plain run."""
    same = (Beta(), GradientDistance())
    cross = (Beta(batch="cross_batch"), GradientDistance(batch="cross_batch"))
    rates = [replace(vgg, optimizer=replace(vgg.optimizer, learning_rate=rate)) for rate in RATES]
    tutorial = replace(cnn, model=TUTORIAL)
    programs: Mapping[str, tuple[Run, list[Run]]] = {
        f"{SEEDS} seeds of the tutorial's cnn, batch {cnn.batch_size}": (tutorial, _seeds(tutorial)),
        f"{SEEDS} seeds of cnn, batch {cnn.batch_size}": (cnn, _seeds(cnn)),
        "vgg_bn, same-batch probes": (vgg, [replace(vgg, probes=same)]),
        "vgg_bn, cross-batch probes": (vgg, [replace(vgg, probes=cross)]),
        f"{len(RATES)} learning rates of vgg_bn": (vgg, rates),
    }
    for what, (plain, members) in programs.items():
        forms: tuple[Vectorize, ...] = ("map", "vmap") if len(members) > 1 else ("off",)
        for form in forms:
            name = what if form == "off" else f"{what}, {form}"
            show(f"{name}: compiles")
            with (
                started(training("jax", [plain]), cache) as single,
                started(training("jax", members, form), cache) as program,
            ):
                single.ask(2)
                yield Cost.of(name, len(members), turns(program, single, len(members), rounds))


def _seeds(run: Run) -> list[Run]:
    return [replace(run, seed=seed) for seed in range(SEEDS)]


def turns(
    program: Worker, single: Worker, members: int, rounds: int, seconds: float = COST_SECONDS
) -> list[tuple[float, float]]:
    """Return seconds per step of the program and of the single run, A B A B, each side for about as long."""
    program.ask(1)
    steps = math.ceil(seconds / program.ask(1)["seconds"])
    # The single run does the work of all members.
    plain = steps * members
    return [(program.turn(steps)["seconds"] / steps, single.turn(plain)["seconds"] / plain) for _ in range(rounds)]


if __name__ == "__main__":
    sys.exit(main())
