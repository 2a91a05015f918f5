"""Milliseconds of each form of a convolution, per layer shape and direction, inside a compiled loop.

    python scripts/bench_forms.py [--batch 128] [--match 32x32x64]

Prints the Markdown table of docs/performance.md; the form that `jaxcifar.models.layers` takes is set in bold.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers import choice, patches, row_tiles, small_image, winograd
from jaxcifar.models.layers.choice import Form
from jaxcifar.models.layers.geometry import DIMENSIONS, Geometry

SHAPES = [  # side of the image, channels, features, side of the kernel, stride, padding
    (32, 3, 16, 3, 1, 1),
    (32, 3, 32, 3, 1, 1),
    (32, 3, 64, 3, 1, 1),
    (32, 3, 6, 5, 1, 0),
    (14, 6, 16, 5, 1, 0),
    (16, 16, 32, 3, 1, 1),
    (16, 32, 64, 3, 1, 1),
    (32, 64, 64, 3, 1, 1),
    (16, 64, 128, 3, 1, 1),
    (16, 128, 128, 3, 1, 1),
    (8, 256, 256, 3, 1, 1),
    (4, 512, 512, 3, 1, 1),
    (2, 512, 512, 3, 1, 1),
    (32, 64, 128, 3, 2, 1),
    (32, 64, 128, 1, 2, 0),
]
DIRECTIONS = ("forward", "input gradient", "kernel gradient")
SLOW_SECONDS = 1.0
COLUMNS = ("lax.conv", *(form.value for form in Form))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="images")
    parser.add_argument("--match", default="", help="only the layers whose name contains this")
    arguments = parser.parse_args()
    print(f"| layer | direction | {' | '.join(COLUMNS)} |\n|---|---|{'---|' * len(COLUMNS)}")
    for shape in SHAPES:
        side, channels, features, kernel, stride, padding = shape
        name = f"{side}x{side}x{channels} → {features}, {kernel}x{kernel}, stride {stride}"
        if arguments.match not in name:
            continue
        geometry = Geometry((stride, stride), (padding, padding))
        for direction in DIRECTIONS:
            of_kernel = direction == "kernel gradient"
            chosen = choice.form((side, side), (kernel, kernel), channels, features, geometry, of_kernel)
            times = {form: seconds(*call) for form, call in calls(arguments.batch, shape, direction)}
            cells = [_cell(times.get(column), column == chosen.value) for column in COLUMNS]
            print(f"| {name} | {direction} | {' | '.join(cells)} |", flush=True)


def _cell(value: float | None, chosen: bool) -> str:
    if value is None:
        return "-"
    return f"**{1000 * value:.1f}**" if chosen else f"{1000 * value:.1f}"


def calls(batch: int, shape: tuple[int, ...], direction: str) -> Iterator[tuple[str, tuple]]:
    """Name, function and two operands of each form that applies."""
    side, channels, features, size, stride, padding = shape
    geometry = Geometry((stride, stride), (padding, padding))
    image, kernel = (side, side), (size, size)
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (batch, *image, channels))
    weights = jax.random.normal(keys[1], (*kernel, channels, features)) / size / channels**0.5
    dy = jax.random.normal(keys[2], (batch, *geometry.output_size(image, kernel), features))
    blocks = choice.blocks(batch, image, kernel, max(channels, features), direction == "kernel gradient")
    match direction:
        case "forward":
            functions, operands = forward(geometry, blocks), (x, weights)
        case "input gradient":
            functions, operands = input_gradient(geometry, batch, image, size, blocks), (dy, weights)
        case _:
            functions, operands = kernel_gradient(geometry, kernel, blocks), (x, dy)
    fits = {
        "lax.conv": not (direction != "forward" and small_image.fits(image, kernel, geometry)),
        Form.WINOGRAD.value: kernel == (3, 3) and (stride, padding) == (1, 1) and side > 2,
        Form.SMALL_IMAGE.value: small_image.fits(image, kernel, geometry),
        Form.ROW_TILES.value: stride == 1 and size > 1 and channels <= 32 and side > 2,
        Form.PATCHES.value: True,
    }
    yield from ((name, (function, *operands)) for name, function in functions.items() if fits[name])


def forward(geometry: Geometry, blocks: int) -> dict[str, Callable]:
    """Every form of (x, kernel) -> y."""
    return {
        "lax.conv": partial(_lax_conv, geometry=geometry),
        "winograd": partial(winograd.forward, blocks=blocks),
        "small image": partial(small_image.forward, geometry=geometry),
        "row tiles": partial(row_tiles.forward, padding=geometry.padding),
        "patches": partial(patches.forward, geometry=geometry, blocks=blocks),
    }


def input_gradient(
    geometry: Geometry, batch: int, image: tuple[int, int], size: int, blocks: int
) -> dict[str, Callable]:
    """Every form of (dy, kernel) -> dx."""
    rest = Geometry((1, 1), (size - 1 - geometry.padding[0], size - 1 - geometry.padding[1]))
    flipped = forward(rest, blocks)

    def transposed(name: str) -> Callable:
        return lambda dy, kernel: flipped[name](dy, kernel[::-1, ::-1].swapaxes(2, 3))

    def by_autodiff(dy: jax.Array, kernel: jax.Array) -> jax.Array:
        x = jnp.zeros((batch, *image, kernel.shape[2]))
        return jax.vjp(lambda x: _lax_conv(x, kernel, geometry), x)[1](dy)[0]

    return {
        "lax.conv": transposed("lax.conv") if geometry.stride == (1, 1) else by_autodiff,
        "winograd": partial(winograd.input_gradient, blocks=blocks),
        "small image": partial(small_image.input_gradient, image=image, geometry=geometry),
        "row tiles": transposed("row tiles"),
        "patches": partial(patches.input_gradient, image=image, geometry=geometry, blocks=blocks),
    }


def kernel_gradient(geometry: Geometry, size: tuple[int, int], blocks: int) -> dict[str, Callable]:
    """Every form of (x, dy) -> dK."""

    def by_autodiff(x: jax.Array, dy: jax.Array) -> jax.Array:
        kernel = jnp.zeros((*size, x.shape[-1], dy.shape[-1]))
        return jax.vjp(lambda kernel: _lax_conv(x, kernel, geometry), kernel)[1](dy)[0]

    return {
        "lax.conv": by_autodiff,
        "winograd": partial(winograd.kernel_gradient, blocks=blocks),
        "small image": partial(small_image.kernel_gradient, size=size, geometry=geometry),
        "row tiles": partial(row_tiles.kernel_gradient, size=size, padding=geometry.padding),
        "patches": partial(patches.kernel_gradient, kernel=size, geometry=geometry, blocks=blocks),
    }


def _lax_conv(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    padding = [(p, p) for p in geometry.padding]
    return lax.conv_general_dilated(x, kernel, geometry.stride, padding, dimension_numbers=DIMENSIONS)


def seconds(function: Callable, a: jax.Array, b: jax.Array) -> float:
    """The shortest of seven means over a compiled loop in which each call waits for the one before.

    A form that is slow is timed less often, since the others' order does not hang on it.
    """

    @jax.jit
    def loop(a: jax.Array, b: jax.Array, count: int) -> jax.Array:
        def body(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            a, b, total = state
            # Without the barrier XLA computes only the entry that is read.
            entry = lax.optimization_barrier(function(a, b))[0, 0, 0, 0] * 1e-20
            return a.at[0, 0, 0, 0].add(entry), b.at[0, 0, 0, 0].add(entry), total + entry

        return lax.fori_loop(0, count, body, (a, b, jnp.zeros(())))[2]

    def run(count: int) -> float:
        start = time.perf_counter()
        loop(a, b, count).block_until_ready()
        return (time.perf_counter() - start) / count

    run(1)
    once = run(1)
    if once > SLOW_SECONDS:
        return once
    count = max(1, min(50, int(0.06 / once)))
    return min(run(count) for _ in range(7))


if __name__ == "__main__":
    main()
