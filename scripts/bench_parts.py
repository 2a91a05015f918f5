"""Measure parts of the program; docs/performance.md and docs/landscape.md hold the results.

python scripts/bench_parts.py forms       milliseconds of each form of a convolution; --match 32x32x64 for some layers
python scripts/bench_parts.py landscape   the largest Hessian eigenvalue in gradients, and a plane in seconds
python scripts/bench_parts.py precision   bfloat16 against float32 over 100 steps of VGG-A + BatchNorm, four seeds
python scripts/bench_parts.py scaling     time and memory by batch size, members, depth and images; --out docs
"""

from __future__ import annotations

import csv
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from bench_worker import IMAGES, Worker, load_run, started, training
from jax import lax
from matplotlib.figure import Figure

import jaxcifar
from jaxcifar import landscape
from jaxcifar.config import VGG, Model, Precision, ResNet, Run, Vectorize
from jaxcifar.models import build, layer_rows, training_flops
from jaxcifar.models.layers import choice, products, small_image
from jaxcifar.models.layers.choice import Form, Size
from jaxcifar.models.layers.geometry import DIMENSIONS, Geometry

BATCH = 128
SHAPES = (  # side of the image, channels, features, side of the kernel, stride, padding
    *((32, 3, 16, 3, 1, 1), (32, 3, 32, 3, 1, 1), (32, 3, 64, 3, 1, 1), (32, 3, 6, 5, 1, 0), (14, 6, 16, 5, 1, 0)),
    *((32, 8, 8, 3, 1, 1), (16, 16, 32, 3, 1, 1), (16, 32, 64, 3, 1, 1), (32, 64, 64, 3, 1, 1), (16, 64, 128, 3, 1, 1)),
    *((16, 128, 128, 3, 1, 1), (8, 256, 256, 3, 1, 1), (4, 512, 512, 3, 1, 1), (2, 512, 512, 3, 1, 1)),
    *((32, 64, 128, 3, 2, 1), (32, 64, 128, 1, 2, 0)),
)
TURNS, TURN_SECONDS = 3, 1.0
ITERATIONS, GRADIENTS, POINTS, PLANE_IMAGES, STEPS, SEEDS = 20, 5, 25, 1000, 100, 4
ACCESSES = 8  # per step of SGD with momentum: parameter 3 reads, 1 write; gradient and momentum 1 read, 1 write each


def forms(match: str = "") -> None:
    """Print milliseconds of each form by layer (those that contain `match`); the chosen form is bold."""
    names = ("lax.conv", *(form.value for form in Form))
    print(f"| layer | direction | {' | '.join(names)} |\n|---|---|{'---:|' * len(names)}")
    for side, channels, features, k, stride, padding in SHAPES:
        layer = f"{side}x{side}x{channels} → {features}, {k}x{k}, stride {stride}"
        if match not in layer:
            continue
        image, size, geometry = (side, side), (k, k), Geometry((stride, stride), (padding, padding))
        small = small_image.fits(image, size, geometry)
        applies = {
            Form.WINOGRAD: size == (3, 3) and stride == padding == 1 and not small,
            Form.SMALL_IMAGE: small,
            Form.ROW_TILES: stride == 1 and k > 1 and channels <= 32 and not small,
            Form.PATCHES: True,
        }
        for direction, (function, like_lax, a, b) in _directions(image, size, channels, features, geometry).items():
            chosen = choice.form(image, size, channels, features, geometry, direction == "kernel gradient")
            # A gradient by lax.conv is too slow to wait for where the image is small.
            cells = ["-" if small and direction != "forward" else _milliseconds(like_lax, a, b)]
            for form in Form:
                # The layers ask this rule for the form, so replacing it measures what they would run.
                with mock.patch.object(choice, "form", return_value=form):
                    text = _milliseconds(function, a, b) if applies[form] else "-"
                cells.append(f"**{text}**" if form is chosen else text)
            print(f"| {layer} | {direction} | {' | '.join(cells)} |", flush=True)


def _directions(image: Size, size: Size, channels: int, features: int, geometry: Geometry) -> dict[str, tuple]:
    """Return by direction: the layers' function of two arrays, the same by lax.conv, and the arrays."""
    output = (BATCH, *geometry.output_size(image, size), features)
    shapes = (BATCH, *image, channels), (*size, channels, features), output
    x, w, dy = (jax.random.normal(jax.random.key(0), shape) for shape in shapes)

    def conv(x: jax.Array, w: jax.Array, edge: Size = geometry.padding) -> jax.Array:
        padding = [(p, p) for p in edge]
        return lax.conv_general_dilated(x, w, geometry.stride, padding, dimension_numbers=DIMENSIONS)

    def conv_input(dy: jax.Array, w: jax.Array) -> jax.Array:
        if geometry.stride != (1, 1):
            return jax.vjp(lambda x: conv(x, w), x)[1](dy)[0]
        # XLA is many times faster on a transposed copy of the kernel than with transposed dimension numbers.
        rest = size[0] - 1 - geometry.padding[0]
        return conv(dy, w[::-1, ::-1].swapaxes(2, 3), (rest, rest))

    def conv_kernel(x: jax.Array, dy: jax.Array) -> jax.Array:
        return jax.vjp(lambda w: conv(x, w), w)[1](dy)[0]

    gradients = products.input_gradient, products.kernel_gradient
    return {
        "forward": (lambda x, w: products.convolve(x, w, geometry), conv, x, w),
        "input gradient": (lambda dy, w: gradients[0](dy, w, image, geometry), conv_input, dy, w),
        "kernel gradient": (lambda x, dy: gradients[1](x, dy, size, geometry), conv_kernel, x, dy),
    }


def _milliseconds(function: Callable, a: jax.Array, b: jax.Array) -> str:
    """Return the least mean of several runs of a compiled loop in which each call waits for the one before."""

    @jax.jit
    def loop(a: jax.Array, b: jax.Array, count: int) -> jax.Array:
        def body(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            a, b, total = state
            # Without the barrier XLA computes only the entry that is read.
            entry = lax.optimization_barrier(function(a, b))[0, 0, 0, 0] * 1e-20
            # Each call depends on the one before, so that XLA cannot merge them; the factor 1e-20 keeps the values.
            return a.at[0, 0, 0, 0].add(entry), b.at[0, 0, 0, 0].add(entry), total + entry

        return lax.fori_loop(0, count, body, (a, b, jnp.zeros(())))[2]

    def mean(count: int) -> float:
        return _seconds(lambda: loop(a, b, count)) / count

    mean(1)
    # The call before has compiled the loop.
    once = mean(1)
    # A form that takes over a second is timed once: its rank is clear.
    repeats, count = (0, 1) if once > 1 else (7, max(1, min(50, int(0.06 / once))))
    return f"{1e3 * min((once, *(mean(count) for _ in range(repeats)))):.1f}"


def _seconds(compute: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(compute())
    return time.perf_counter() - start


def curvature() -> None:
    """Print λ_max of VGG-A in gradients of the same loss (without compilation), and a plane's seconds (with it)."""
    models = {name: load_run(name).model for name in ("vgg_a", "vgg_bn")}
    print(f"| λ_max, batch {BATCH}, {ITERATIONS} iterations | s | gradient s | gradients |\n|---|---:|---:|---:|")
    for name, model in models.items():
        eigenvalue, gradient = _eigenvalue_seconds(model)
        print(f"| {name} | {eigenvalue:.1f} | {gradient:.3f} | {eigenvalue / gradient:.1f} |", flush=True)
    print(f"\n| plane, {POINTS} x {POINTS}, {PLANE_IMAGES:,} images | s |\n|---|---:|")
    for name, model in models.items():
        assert isinstance(model, VGG)
        loss, params = _problem(replace(model, form="light"), PLANE_IMAGES)
        axis, directions = np.linspace(-1, 1, POINTS), landscape.random_directions(params, jax.random.key(0))
        took = _seconds(lambda: landscape.plane(loss, params, directions, axis, axis).losses)  # noqa: B023
        print(f"| {name}, light | {took:.1f} |", flush=True)


def _problem(model: Model, images: int) -> tuple[Callable[[Any], jax.Array], Any]:
    """Return the loss of a random batch in training mode as a function of parameters, and parameters."""
    network, rng = build(model), np.random.default_rng(0)
    x, labels = jnp.asarray(rng.normal(size=(images, 32, 32, 3)), jnp.float32), rng.integers(0, 10, images)
    variables = network.init(jax.random.key(0), x[:1], False)

    def loss(params: Any) -> jax.Array:
        rngs, variables_at = {"dropout": jax.random.key(1)}, {**variables, "params": params}
        logits, _ = network.apply(variables_at, x, True, rngs=rngs, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return loss, variables["params"]


def _eigenvalue_seconds(model: Model) -> tuple[float, float]:
    """Return the median seconds of λ_max and of one gradient, measured in turn."""
    loss, params = _problem(model, BATCH)
    key, settings = jax.random.key(0), {"iterations": ITERATIONS, "top": 1, "bottom": 0}
    lanczos = jax.jit(lambda params: landscape.extreme_eigenvalues(loss, params, key, **settings).top)
    gradient = jax.jit(jax.grad(loss))
    jax.block_until_ready((lanczos(params), gradient(params)))
    eigenvalue, single = [], []
    for _ in range(TURNS):
        eigenvalue.append(_seconds(lambda: lanczos(params)))
        single.append(_seconds(lambda: [gradient(params) for _ in range(GRADIENTS)]) / GRADIENTS)
    return median(eigenvalue), median(single)


@dataclass(frozen=True)
class Gap:
    """Mean training losses over the second half of the steps, by seed, in both precisions."""

    data: str
    float32: tuple[float, ...]
    bfloat16: tuple[float, ...]

    def differences(self) -> tuple[float, ...]:
        """Return bfloat16 minus float32 by seed, from the same weights on the same batches."""
        return tuple(b - f for f, b in zip(self.float32, self.bfloat16, strict=True))

    def within(self) -> bool:
        """Return whether every difference is at most the spread of the float32 seeds; False if one is not finite."""
        return all(abs(difference) <= max(self.float32) - min(self.float32) for difference in self.differences())


def precision_gap(run: Run, steps: int = STEPS, seeds: int = SEEDS) -> Gap:
    """Return the losses of a run trained in both precisions for one epoch of `steps` batches."""
    run = replace(run, data=replace(run.data, train_size=steps * run.batch_size, test_size=100), epochs=1)

    def train(precision: Precision, seed: int) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return jaxcifar.train(replace(run, precision=precision, seed=seed), folder)

    found = [[train(precision, seed) for seed in range(seeds)] for precision in ("float32", "bfloat16")]
    losses = [tuple(float(np.mean(records.steps["loss"][steps // 2 :])) for records in row) for row in found]
    return Gap(found[0][0].data["name"], *losses)


def check_precision(batch_size: int = BATCH) -> bool:
    """Print both precisions' losses of VGG-A + BatchNorm; return whether bfloat16 stays within float32's seeds."""
    run = load_run("vgg_bn")
    gap = precision_gap(replace(run, batch_size=batch_size, data=replace(run.data, source="auto")))
    print("| precision |" + "".join(f" seed {seed} |" for seed in range(SEEDS)) + "\n| --- |" + " ---: |" * SEEDS)
    for name, values in (("float32", gap.float32), ("bfloat16", gap.bfloat16), ("difference", gap.differences())):
        print(f"| {name} |" + "".join(f" {value:.4f} |" for value in values))
    largest, spread = max(map(abs, gap.differences())), max(gap.float32) - min(gap.float32)
    print(f"\nMean training loss (nats) over steps {STEPS // 2 + 1} to {STEPS}, batch {batch_size}, on {gap.data}.")
    print(f"Largest difference {largest:.4f}, spread of the float32 seeds {spread:.4f}.")
    return gap.within()


def scaling(out: Path = Path("docs")) -> None:
    """Write performance-scaling.png, .svg and .csv: seconds and peak memory of growing programs, and their limits."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        with started({"side": "device"}, cache) as device:
            hello, rates = device.hello, device.ask("float32")
        points = []
        for axis, series, x, runs, vectorize, images in _scaling_cases():
            steps = images // BATCH if axis == "images" else 1
            with started(training("jax", runs, vectorize, images), cache) as worker:
                points.append({"axis": axis, "series": series, "x": x, **_point(worker, runs, images, steps, rates)})
            print(points[-1])
    with (out / "performance-scaling.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, points[0])
        writer.writeheader()
        writer.writerows(points)
    _draw(points, f"{hello['device']['kind']}, float32, jax {hello['versions']['jax']}", out / "performance-scaling")


def _scaling_cases() -> Iterator[tuple[str, str, int, list[Run], Vectorize, int]]:
    """Yield axis, line, size, the runs that train as one program, how, and the number of images."""
    cnn, vgg, light, resnet = (load_run(name) for name in ("cnn", "vgg_bn", "vgg_a_light", "resnet18"))
    for batch in (4, 16, 64, 256, 1024):
        yield "batch size", "CNN", batch, [replace(cnn, batch_size=batch)], "off", IMAGES
    for batch in (8, 32, 128):
        yield "batch size", "VGG-A + BatchNorm", batch, [replace(vgg, batch_size=batch)], "off", IMAGES
    for form in ("map", "vmap"):
        for members in (1, 2, 4, 8, 16):
            runs = [replace(cnn, batch_size=4, seed=seed) for seed in range(members)]
            yield "members", f"CNN, batch 4, {form}", members, runs, "off" if members == 1 else form, IMAGES
    for depth in (18, 34, 50, 101, 152):
        yield "depth", "ResNet, batch 16", depth, [replace(resnet, model=ResNet(depth), batch_size=16)], "off", IMAGES
    for images in (1_000, 5_000, 20_000, 50_000):
        yield "images", "VGG-A-light, batch 128", images, [replace(light, batch_size=BATCH)], "off", images


def _point(worker: Worker, runs: list[Run], images: int, steps: int, rates: dict[str, float]) -> dict[str, float]:
    """Return the seconds of `steps` steps of all runs, their peak memory, and the least that the device allows."""
    worker.ask(1)
    measured = math.ceil(TURN_SECONDS / worker.ask(1)["seconds"])
    answers = [worker.ask(measured) for _ in range(TURNS)]
    run, members, rows = runs[0], len(runs), layer_rows(runs[0].model)
    parameters = sum(row.parameters for row in rows)
    # The output of each layer is written forward and read backward.
    outputs = 2 * run.batch_size * sum(math.prod(row.output_shape) for row in rows)
    return {
        "seconds": steps * median(answer["seconds"] for answer in answers) / measured,
        "arithmetic": steps * members * run.batch_size * training_flops(run.model) / rates["rate"],
        "bandwidth": steps * members * 4 * (ACCESSES * parameters + outputs) / rates["copy"],
        "peak_bytes": answers[-1]["peak_bytes"],
        # Parameters, momentum and gradient in float32, and the images in bytes.
        "floor_bytes": members * 3 * 4 * parameters + images * 32 * 32 * 3,
    }


def _draw(points: list[dict[str, Any]], note: str, path: Path) -> None:
    """Draw seconds in the left column and memory in the right one; dashed: arithmetic, dotted: memory limits."""
    axes = list(dict.fromkeys(point["axis"] for point in points))
    figure = Figure(figsize=(9, 3 * len(axes)), layout="constrained")
    figure.suptitle(note)
    drawings = {"seconds": {"seconds": "o-", "arithmetic": "--", "bandwidth": ":"},
                "peak memory (bytes)": {"peak_bytes": "o-", "floor_bytes": ":"}}  # fmt: skip
    for row, axis in zip(figure.subplots(len(axes), 2, squeeze=False), axes, strict=True):
        for panel, (label, styles) in zip(row, drawings.items(), strict=True):
            lines = list(dict.fromkeys(p["series"] for p in points if p["axis"] == axis))
            for color, series in enumerate(lines):
                line = [p for p in points if p["series"] == series]
                for key, style in styles.items():
                    panel.loglog([p["x"] for p in line], [p[key] for p in line], style, color=f"C{color}")
            panel.set(
                xlabel=axis, ylabel=label if "bytes" in label else "s per epoch" if axis == "images" else "s per step"
            )
            # One entry for each series; its limits have the colour of its measured line.
            panel.legend(panel.lines[:: len(styles)], lines, fontsize=7)
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=200)


if __name__ == "__main__":
    commands = {"forms": forms, "landscape": curvature, "precision": check_precision, "scaling": scaling}
    # Only the check of the precision returns False, where it fails.
    raise SystemExit(int(tyro.extras.subcommand_cli_from_dict(commands) is False))
