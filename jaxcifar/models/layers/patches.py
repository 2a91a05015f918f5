"""Convolution as patches x matrix: any kernel, stride and padding."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers.blocks import mapped, summed
from jaxcifar.models.layers.geometry import CONTRACT_ROWS, Geometry, pad, taps


def forward(x: jax.Array, kernel: jax.Array, geometry: Geometry, blocks: int = 1) -> jax.Array:
    """Return y = patches(x) K, with patches [N H' W', kh kw C] and K [kh kw C, F], in `blocks` blocks of images."""
    return mapped(lambda part: _forward(part, kernel, geometry), x, blocks)


def _forward(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    kh, kw, _, features = kernel.shape
    windows = taps(x, (kh, kw), geometry)
    n, oh, ow, _ = windows[0].shape
    # Position before channel, the order of the kernel's axes, so that reshaping the kernel does not move its values.
    patches = jnp.concatenate(windows, axis=-1) if len(windows) > 1 else windows[0]
    y = jnp.matmul(patches.reshape(n * oh * ow, -1), kernel.reshape(-1, features))
    return y.reshape(n, oh, ow, features)


def kernel_gradient(
    x: jax.Array, dy: jax.Array, kernel: tuple[int, int], geometry: Geometry, blocks: int = 1
) -> jax.Array:
    """Return dK = patches(x)^T dy, one product per kernel position, so that no pixel is copied kh kw times."""
    channels, features = x.shape[-1], dy.shape[-1]

    def products(x: jax.Array, dy: jax.Array) -> list[jax.Array]:
        rows = dy.reshape(-1, features)
        windows = [window.reshape(-1, channels) for window in taps(x, kernel, geometry)]
        return [lax.dot_general(window, rows, CONTRACT_ROWS) for window in windows]

    return jnp.stack(summed(products, x, dy, blocks)).reshape(*kernel, channels, features)


def input_gradient(
    dy: jax.Array, kernel: jax.Array, image: tuple[int, int], geometry: Geometry, blocks: int = 1
) -> jax.Array:
    """Return dx as one stride-1 convolution per phase of the stride, with the flipped, transposed kernel.

    Pixel q of the padded image meets kernel position i for output (q - i) / s: with q = s a + r only the positions
    i = r mod s count, so each of the s x s phases r is an ordinary convolution with its own part of the kernel, and
    those that no position reaches (all but one, of a kernel of one pixel) are omitted.
    """
    return mapped(lambda part: _input_gradient(part, kernel, image, geometry), dy, blocks)


def _input_gradient(dy: jax.Array, kernel: jax.Array, image: tuple[int, int], geometry: Geometry) -> jax.Array:
    (sh, sw), (ph, pw) = geometry
    rows, columns = image[0] + 2 * ph, image[1] + 2 * pw
    # Phase (r, q) has every sh-th row from r on and every sw-th column from q on: -(-n // s) rounds up.
    phases = {
        (r, q): _phase(dy, kernel[r::sh, q::sw], (-(-(rows - r) // sh), -(-(columns - q) // sw)))
        for r in range(min(sh, kernel.shape[0]))
        for q in range(min(sw, kernel.shape[1]))
    }
    dx = _interleave(phases, (sh, sw), (rows, columns)) if sh * sw > 1 else phases[0, 0]
    # Negative padding cuts off the gradient of the zeros around the image.
    return pad(dx, (-ph, -ph), (-pw, -pw))


def _phase(dy: jax.Array, part: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Full correlation of dy with one part of the kernel, cut or filled with zeros to `size`."""
    kh, kw, channels, features = part.shape
    # Rows that the stride never reaches have a gradient of zero, which the zeros after dy give.
    after = size[0] - dy.shape[1], size[1] - dy.shape[2]
    # Reversing the windows instead of the kernel lets the product read the kernel without a copy.
    windows = taps(pad(dy, (kh - 1, after[0]), (kw - 1, after[1])), (kh, kw), Geometry((1, 1), (0, 0)))[::-1]
    rows = jnp.stack(windows, axis=3).reshape(-1, kh * kw, features)
    dimensions = (((1, 2), (0, 2)), ((), ()))
    dx = lax.dot_general(rows, part.reshape(kh * kw, channels, features), dimensions)
    return dx.reshape(dy.shape[0], *size, channels)


def _interleave(phases: dict[tuple[int, int], jax.Array], stride: tuple[int, int], size: tuple[int, int]) -> jax.Array:
    """The image whose pixels (s a + r, s b + q) are phases[r, q][:, a, b], and zero where there is none."""

    def spread(part: jax.Array, first: tuple[int, int]) -> jax.Array:
        axes = zip(first, part.shape[1:3], stride, size, strict=True)
        edges = [(start, total - 1 - start - (n - 1) * step, step - 1) for start, n, step, total in axes]
        return lax.pad(part, jnp.zeros((), part.dtype), [(0, 0, 0), *edges, (0, 0, 0)])

    parts = [spread(part, first) for first, part in phases.items()]
    # The phases hold different pixels, so the sum only puts them together. It starts without an array of zeros.
    return sum(parts[1:], start=parts[0])
