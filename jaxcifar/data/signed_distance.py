"""Signed distances to the outlines of the ten classes of `shapes`: negative inside, in units of the shape's size."""

from __future__ import annotations

import numpy as np

f32 = np.float32


def _radius(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.sqrt(p * p + q * q)


def _box(p: np.ndarray, q: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    return np.maximum(np.abs(p) - f32(half_width), np.abs(q) - f32(half_height))


def disc(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return _radius(p, q) - f32(0.85)


def ring(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    # The absolute value of a distance, less half a width, is the distance to a band along the outline.
    return np.abs(_radius(p, q) - f32(0.72)) - f32(0.2)


def square(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return _box(p, q, 0.78, 0.78)


def frame(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.abs(_box(p, q, 0.66, 0.66)) - f32(0.18)


def triangle(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    # q grows downwards, as the rows of an image. The factors are cos 30° and sin 30°, the normal of a side.
    q = q - f32(0.15)
    return np.maximum(np.abs(p) * f32(0.8660254) - q * f32(0.5), q) - f32(0.53)


def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    # The minimum of two distances is the union, the maximum the intersection.
    return np.minimum(_box(p, q, 0.95, 0.28), _box(p, q, 0.28, 0.95))


def star(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Five points: reflections map the plane onto half of one point, which has a single straight edge."""
    p, q = np.abs(p), -q
    for side in (1, -1):
        # cos 36° and sin 36°; a reflection moves only points on the positive side of its line.
        a, b = f32(0.809017 * side), f32(-0.587785)
        over = 2 * np.maximum(a * p + b * q, 0)
        p, q = p - over * a, q - over * b
    p = np.abs(p)
    return p * f32(0.809017 * 1.09) + (q - 1) * f32(0.4)


def crescent(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.maximum(_radius(p, q) - f32(0.95), f32(0.75) - _radius(p - f32(0.5), q))


def heart(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """A square standing on a corner, with a disc on each of its upper sides."""
    p = np.abs(p)
    diamond = (p + np.abs(q - f32(0.05))) * f32(0.70710678) - f32(0.58)
    return np.minimum(diamond, _radius(p - f32(0.41), q + f32(0.36)) - f32(0.58))


def arrow(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """An arrow that points up: a triangle on a bar."""
    head = np.maximum(np.abs(p) * f32(0.7809) - (q + 1) * f32(0.6247), q)
    return np.minimum(head, _box(p, q - f32(0.45), 0.24, 0.55))


OUTLINES = (disc, ring, square, frame, triangle, cross, star, crescent, heart, arrow)
CLASS_NAMES = tuple(outline.__name__ for outline in OUTLINES)
