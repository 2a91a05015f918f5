"""How time and memory grow with batch size, members, depth and images, beside what the device allows at most.

    python scripts/bench_scaling.py --out docs

Writes performance-scaling.png, .svg and .csv there. The limits are those of the device as measured here: its products
(operations over the rate of large matrix products) and its memory (a step's least traffic over the rate of a copy).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median

from bench import CONFIGS, progress
from bench_worker import IMAGES, started, training

from jaxcifar.config import ResNet, Run, Vectorize, load
from jaxcifar.models import layer_rows, training_flops
from jaxcifar.report.figure import Figure, Panel, line, log_axis, save
from jaxcifar.report.style import INK, Look

TURNS, TURN_SECONDS = 3, 1.0
ACCESSES = 8
"""Least accesses to a parameter in a step of SGD with momentum: read forward and backward; the gradient written and
read; the momentum and the parameter read and written."""
NAME = "performance-scaling"


@dataclass(frozen=True)
class Point:
    """One measurement."""

    axis: str
    series: str
    x: int
    seconds: float
    """A step of all members; of `images`, an epoch."""
    arithmetic: float
    """The least seconds by the rate of matrix products."""
    bandwidth: float
    """The least seconds by the rate of a copy."""
    peak_bytes: int
    floor_bytes: int
    """Members times (parameters, gradient, momentum), and one data set."""


@dataclass(frozen=True)
class Case:
    """What is measured: runs that train as one program on so many images."""

    axis: str
    series: str
    x: int
    runs: list[Run]
    vectorize: Vectorize = "off"
    images: int = IMAGES


def cases() -> Iterator[Case]:
    """Every point of the figure, small before large."""
    cnn, light, vgg = (_load(name) for name in ("cnn", "vgg_a_light", "vgg_bn"))
    for batch in (4, 16, 64, 256, 1024):
        yield Case("batch size", "CNN", batch, [replace(cnn, batch_size=batch)])
    for batch in (8, 32, 128):
        yield Case("batch size", "VGG-A + BatchNorm", batch, [replace(vgg, batch_size=batch)])
    for form in ("map", "vmap"):
        for members in (1, 2, 4, 8, 16):
            runs = [replace(cnn, batch_size=4, seed=seed) for seed in range(members)]
            yield Case("members", f"CNN, batch 4, {form}", members, runs, "off" if members == 1 else form)
    for depth in (18, 34, 50, 101, 152):
        run = replace(_load("resnet18"), model=ResNet(depth), batch_size=16)  # pyright: ignore[reportArgumentType]
        yield Case("depth", "ResNet, batch 16", depth, [run])
    for images in (1_000, 5_000, 20_000, 50_000):
        yield Case("images", "VGG-A-light, batch 128", images, [replace(light, batch_size=128)], images=images)


def _load(name: str) -> Run:
    run = load(CONFIGS / f"{name}.py")
    assert isinstance(run, Run)
    return run


def measure(case: Case, rates: dict[str, float], cache: Path) -> Point:
    """The median of a few turns, each in the same process."""
    run, members = case.runs[0], len(case.runs)
    job = training("jax", case.runs, case.vectorize, case.images)
    with started(job, cache) as worker:
        worker.ask(1)
        steps = math.ceil(TURN_SECONDS / worker.ask(1)["seconds"])
        answers = [worker.ask(steps) for _ in range(TURNS)]
    rows = layer_rows(run.model)
    parameters = sum(row.parameters for row in rows)
    # Each layer's output is written forward and read backward.
    outputs = 2 * run.batch_size * sum(math.prod(row.output_shape) for row in rows)
    times = case.images // run.batch_size if case.axis == "images" else 1
    return Point(
        axis=case.axis,
        series=case.series,
        x=case.x,
        seconds=times * median(answer["seconds"] for answer in answers) / steps,
        arithmetic=times * members * run.batch_size * training_flops(run.model) / rates["rate"],
        bandwidth=times * members * 4 * (ACCESSES * parameters + outputs) / rates["copy"],
        peak_bytes=answers[-1]["peak_bytes"],
        floor_bytes=members * 3 * 4 * parameters + case.images * 32 * 32 * 3,
    )


def figure(points: Sequence[Point], note: str) -> Figure:
    """Time above, memory below, by what grows."""
    colors = ("blue", "vermillion", "green", "purple", "orange", "sky")
    names = dict.fromkeys(point.series for point in points)
    looks = {name: Look(name, color) for name, color in zip(names, colors, strict=False)}
    panels = []
    for axis in dict.fromkeys(point.axis for point in points):
        found: dict[str, list[Point]] = {}
        for point in points:
            if point.axis == axis:
                found.setdefault(point.series, []).append(point)
        what = "an epoch" if axis == "images" else "a step"
        panels.append(
            Panel(f"Seconds {what} by {axis}", _draw(found, looks, axis, False), f"Seconds {what} by {axis}.")
        )
        panels.append(Panel(f"Peak memory (GB) by {axis}", _draw(found, looks, axis, True), f"Peak memory by {axis}."))
    limits = (
        Look("limit of the products", "grey", "dashed"),
        Look("limit of the memory, or what must be kept", "grey", "dotted"),
    )
    return Figure(
        name=NAME,
        title="How time and memory grow",
        caption="",
        panels=tuple(panels),
        legend=(*looks.values(), *limits),
        note=note,
        columns=tuple(Point.__dataclass_fields__),
        rows=[list(vars(point).values()) for point in points],
    )


def _draw(found: dict[str, list[Point]], looks: dict[str, Look], axis: str, memory: bool) -> Callable:
    def draw(canvas) -> None:
        for name, points in found.items():
            x = [point.x for point in points]
            style = line(looks[name])
            if memory:
                canvas.plot(x, [point.peak_bytes / 1e9 for point in points], marker="o", markersize=3, **style)
                canvas.plot(x, [point.floor_bytes / 1e9 for point in points], color=style["color"], ls=":", lw=1.2)
                continue
            canvas.plot(x, [point.seconds for point in points], marker="o", markersize=3, **style)
            canvas.plot(x, [point.arithmetic for point in points], color=style["color"], ls="--", lw=1)
            canvas.plot(x, [point.bandwidth for point in points], color=style["color"], ls=":", lw=1.2)
        canvas.set_xscale("log")
        ticks = sorted({point.x for points in found.values() for point in points})
        canvas.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        canvas.minorticks_off()
        log_axis(canvas)
        canvas.set_xlabel("layers" if axis == "depth" else axis)
        canvas.tick_params(colors=INK)

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the figure")
    parser.add_argument("--only", default="", help="one axis: batch size, members, depth or images")
    arguments = parser.parse_args()
    with progress() as show, tempfile.TemporaryDirectory() as folder:
        show("the device's products and copies")
        with started({"side": "device"}, Path(folder)) as device:
            hello, rates = device.hello, device.ask("float32")
        points = []
        for case in cases():
            if arguments.only in case.axis:
                show(f"{case.series}, {case.axis} {case.x}")
                points.append(measure(case, rates, Path(folder)))
                show(f"{case.series}, {case.axis} {case.x}: {points[-1].seconds:.4g} s, "
                     f"{points[-1].peak_bytes / 1e9:.2f} GB", True)  # fmt: skip
        versions, kind = hello["versions"], hello["device"]["kind"]
        note = f"{kind}, float32, jax {versions['jax']}, {date.today().isoformat()}; "
        note += f"{rates['rate'] / 1e12:.2g} TFLOP/s, copies {rates['copy'] / 1e9:.2g} GB/s"
        save(figure(points, note), arguments.out)
        show(f"{arguments.out / NAME}.png", True)


if __name__ == "__main__":
    main()
