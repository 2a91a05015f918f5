"""Draw `shapes`: ten procedural classes, 32 x 32 x 3, drawn in seconds, with the same bytes on every machine.

Every random number is a hash of (seed, image, slot), so each image can be drawn alone. Pixels are computed with +, -,
*, / and square roots in float32 only, which IEEE 754 rounds in one way, so no library or thread changes their bytes.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np

from jaxcifar.data.dataset import TRAIN_SIZE, Dataset, fingerprint
from jaxcifar.data.signed_distance import CLASS_NAMES, OUTLINES

SIZE = 32
BLOCK = 200
# Far above the slots that `draw` counts from 0, so that no random number is used twice.
LABEL_SLOT, GRAIN_SLOT = 1 << 20, 1 << 21
_AXIS = ((np.arange(SIZE) - 15.5) / 16).astype(np.float32)
GRID_X, GRID_Y = np.tile(_AXIS, SIZE)[None], np.repeat(_AXIS, SIZE)[None]
# A unit has 16 pixels, so the cover of an edge falls from 1 to 0 over one pixel.
EDGE = np.float32(16)
TAN_EIGHTH = 0.41421357


def make(train: range, evaluation: range, held_out: bool = False, seed: int = 0) -> Dataset:
    """Return images of the shapes data set; an image does not depend on which others are drawn.

    Args:
        train: rows of the 50,000 training images.
        evaluation: rows of the 10,000 test images, or of the training images if `held_out`.
        held_out: whether evaluation images are training images.
        seed: seed of the whole data set; runs use only seed 0.

    Returns:
        The images; the fingerprint is that of these images only.
    """
    start = 0 if held_out else TRAIN_SIZE
    parts = [np.arange(train.start, train.stop), start + np.arange(evaluation.start, evaluation.stop)]
    (train_images, train_labels), (test_images, test_labels) = (_draw_all(rows, seed) for rows in parts)
    return Dataset(
        name="shapes",
        fingerprint=fingerprint([train_images, test_images], [train_labels, test_labels]),
        class_names=CLASS_NAMES,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def labels_of(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return int32 labels [N]; images 10 i to 10 i + 9 contain every class once, in a random order."""
    group = rows // 10
    # Sorting ten random keys is a random permutation of the ten classes.
    keys = _hash(seed, group[:, None] * 10 + np.arange(10), LABEL_SLOT)
    order = np.argsort(keys, axis=1, kind="stable")
    return order[np.arange(len(rows)), rows % 10].astype(np.int32)


def _draw_all(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = np.empty((len(rows), SIZE, SIZE, 3), np.uint8), labels_of(rows, seed)

    def draw_block(start: int) -> None:
        block = slice(start, start + BLOCK)
        images[block] = draw(rows[block], labels[block], seed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw_block, range(0, len(rows), BLOCK)))
    return images, labels


def draw(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return images of given rows and classes: background, clutter, the shape, a stroke in front of it, noise.

    Args:
        rows: integers [N], positions in the data set (test images after training images).
        labels: integers [N].
        seed: seed of the data set.

    Returns:
        uint8 [N, 32, 32, 3].
    """
    # Slots are numbered in the order of the draws, so another order of the calls below would change every image.
    slots = count()

    def uniform(low: float, high: float, *shape: int) -> np.ndarray:
        width = int(np.prod(shape, dtype=int))
        bits = _hash(seed, rows[:, None], np.array([next(slots) for _ in range(width)]))
        # The upper 24 bits are exact in float32, so `unit` has the same value everywhere and is below 1.
        unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        return (np.float32(low) + np.float32(high - low) * unit).reshape(len(rows), *shape)

    canvas, back = _background(uniform)
    for _ in range(2):
        _stroke(canvas, uniform, 0.25, 0.5)
    for _ in range(2):
        _patch(canvas, uniform)
    _shape(canvas, back, labels, uniform)
    _stroke(canvas, uniform, 0.04, 0.11)
    _grain(canvas, rows, seed, uniform)
    # Clipped first, because conversion of numbers outside of uint8 differs between processors.
    pixels = np.stack([np.clip(plane * 255, 0, 255).astype(np.uint8) for plane in canvas], axis=-1)
    return pixels.reshape(len(rows), SIZE, SIZE, 3)


def _background(uniform) -> tuple[list[np.ndarray], np.ndarray]:
    """A mottled gradient between two colours, and its mean colour [N, 3]."""
    first, second, across = uniform(0.08, 0.92, 3), uniform(0.08, 0.92, 3), _turn(uniform)
    ramp = 0.5 + 0.5 * (GRID_X * across[0] + GRID_Y * across[1])
    mottle = _mottle(uniform(-1, 1, 5, 5)) * uniform(0.02, 0.22, 1)
    second = first + (second - first) * np.float32(0.7)
    planes = [first[:, c, None] + (second - first)[:, c, None] * ramp + mottle for c in range(3)]
    return planes, (first + second) * np.float32(0.5)


def _mottle(lattice: np.ndarray) -> np.ndarray:
    """Values at 5 x 5 knots [N, 5, 5], interpolated linearly to 32 x 32."""
    place = (np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) / 8
    knot, part = place.astype(int), (place % 1).astype(np.float32)
    rows = lattice[:, knot] * (1 - part)[:, None] + lattice[:, knot + 1] * part[:, None]
    return (rows[:, :, knot] * (1 - part) + rows[:, :, knot + 1] * part).reshape(len(lattice), -1)


def _shape(canvas: list[np.ndarray], back: np.ndarray, labels: np.ndarray, uniform) -> None:
    """The shape on its shadow; only the outline depends on the class, not position, size, tilt, colour or texture."""
    turn, scale, center = _tilt(uniform(-0.32, 0.32, 1)), uniform(0.52, 0.85, 1), uniform(-0.22, 0.22, 2)
    x, y = (GRID_X - center[:, :1]) / scale, (GRID_Y - center[:, 1:]) / scale
    p, q = x * turn[0] + y * turn[1], y * turn[0] - x * turn[1]
    distance = np.empty_like(p)
    for label, outline in enumerate(OUTLINES):
        chosen = labels == label
        distance[chosen] = outline(p[chosen], q[chosen])
    # `outline` measures in units of the shape's size; edges and shadow are in units of the image.
    distance *= scale
    shade = np.clip(0.35 - distance * 6, 0, 1) * np.float32(0.45)
    color = _contrasting(back, uniform)
    weave = _weave(p, q, uniform)
    light = 1 + (x * uniform(-0.2, 0.2, 1) + y * uniform(-0.2, 0.2, 1))
    cover = np.clip(0.5 - distance * EDGE, 0, 1)
    for channel, plane in enumerate(canvas):
        plane *= 1 - shade
        plane += cover * (color[:, channel, None] * light + weave - plane)


def _contrasting(back: np.ndarray, uniform) -> np.ndarray:
    """A colour [N, 3] clearly brighter or darker than the background, at random where both are possible."""
    hue, step, coin = uniform(-0.3, 0.3, 3), uniform(0.22, 0.5, 1), uniform(0, 1, 1)
    # Sums are written out, because the order of additions in a library's sum is not defined.
    level = (back[:, :1] + back[:, 1:2] + back[:, 2:]) / 3
    hue -= (hue[:, :1] + hue[:, 1:2] + hue[:, 2:]) / 3
    brighter = np.where(level < 0.35, True, np.where(level > 0.65, False, coin < 0.5))
    return np.clip(level + np.where(brighter, step, -step) + hue, 0.03, 0.97)


def _weave(p: np.ndarray, q: np.ndarray, uniform) -> np.ndarray:
    """A texture that turns with the shape: none, stripes or checks, with soft edges."""
    kind, period, depth = uniform(0, 1, 1), uniform(1.2, 3, 1), uniform(0.08, 0.2, 1)
    along, over = (2 * np.abs(u - np.floor(u) - np.float32(0.5)) - np.float32(0.5) for u in (p * period, q * period))
    stripes, checks = np.clip(along * 4, -1, 1), np.clip(along * over * 16, -1, 1)
    return np.where(kind < 0.4, 0, np.where(kind < 0.75, stripes, checks)) * depth


def _stroke(canvas: list[np.ndarray], uniform, thin: float, thick: float) -> None:
    """A straight band across the whole image."""
    turn, place = _turn(uniform), uniform(-0.9, 0.9, 1)
    width, color, strength = uniform(thin, thick, 1) / 2, uniform(0.05, 0.95, 3), uniform(0.2, 0.8, 1)
    distance = np.abs(GRID_X * turn[0] + GRID_Y * turn[1] - place) - width
    _paint(canvas, distance, color, strength)


def _patch(canvas: list[np.ndarray], uniform) -> None:
    """A small rectangle at any angle."""
    turn, center, half = _turn(uniform), uniform(-1, 1, 2), uniform(0.08, 0.35, 2)
    x, y = GRID_X - center[:, :1], GRID_Y - center[:, 1:]
    p, q = np.abs(x * turn[0] + y * turn[1]) - half[:, :1], np.abs(y * turn[0] - x * turn[1]) - half[:, 1:]
    _paint(canvas, np.maximum(p, q), uniform(0.05, 0.95, 3), uniform(0.4, 0.9, 1))


def _paint(canvas: list[np.ndarray], distance: np.ndarray, color: np.ndarray, strength: np.ndarray) -> None:
    cover = np.clip(0.5 - distance * EDGE, 0, 1) * strength
    for channel, plane in enumerate(canvas):
        plane += cover * (color[:, channel, None] - plane)


def _grain(canvas: list[np.ndarray], rows: np.ndarray, seed: int, uniform) -> None:
    """Independent noise per pixel and channel: the difference of two uniform variables."""
    bits = _hash(seed, rows[:, None] * 1024 + np.arange(1024), GRAIN_SLOT)
    for channel, plane in enumerate(canvas):
        # Each channel has two bytes of its own: 0 and 3, 1 and 4, 2 and 5 of the eight.
        first, second = (
            ((bits >> np.uint64(8 * channel + shift)) & np.uint64(255)).astype(np.float32) for shift in (0, 24)
        )
        plane += (first - second) * uniform(0.0001, 0.0006, 1)


def _turn(uniform) -> tuple[np.ndarray, np.ndarray]:
    """(cosine, sine) [N, 1] of a random angle."""
    # An angle within ±45 degrees, then a random number of quarter turns by swaps and signs, which are exact.
    (cosine, sine), quarter = _tilt(uniform(-TAN_EIGHTH, TAN_EIGHTH, 1)), uniform(0, 4, 1)
    swapped, negative = (quarter % 2) < 1, quarter < 2
    cosine, sine = np.where(swapped, -sine, cosine), np.where(swapped, cosine, sine)
    return np.where(negative, -cosine, cosine), np.where(negative, -sine, sine)


def _tilt(half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(cosine, sine) from the tangent of half the angle, without a library's sine, whose rounding differs."""
    return (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)


def _hash(seed: int, place: np.ndarray, slot: int | np.ndarray) -> np.ndarray:
    """64 random bits for each (row, slot): two rounds of SplitMix64."""
    with np.errstate(over="ignore"):
        bits = _mix(np.asarray(place, np.uint64) + np.uint64(seed << 32))
        return _mix(bits + np.asarray(slot, np.uint64) * np.uint64(0xD1342543DE82EF95))


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
