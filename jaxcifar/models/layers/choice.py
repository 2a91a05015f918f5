"""Which form a convolution takes on a CPU: the one place that knows.

docs/performance.md holds the measurements behind each rule.
"""

from enum import Enum

from jaxcifar.models.layers import small_image
from jaxcifar.models.layers.geometry import Geometry

Size = tuple[int, int]

FEW_CHANNELS = 8
"""Up to so many input or output channels, copies cost more than products."""
LARGE_IMAGE = 12 * 12
"""From so many pixels on, Winograd's tiles of a whole batch leave the cache."""
BLOCK = 16
"""Images of a block, about."""


class Form(Enum):
    """The ways to compute a convolution, and its kernel's gradient, by matrix products."""

    WINOGRAD = "winograd"
    SMALL_IMAGE = "small image"
    ROW_TILES = "row tiles"
    PATCHES = "patches"


def form(image: Size, kernel: Size, channels: int, features: int, geometry: Geometry) -> Form:
    """The fastest form for images and kernel of these heights and widths."""
    if geometry.stride != (1, 1):
        return Form.PATCHES
    if small_image.fits(image, kernel, geometry):
        return Form.SMALL_IMAGE
    if kernel != (1, 1) and min(channels, features) <= FEW_CHANNELS:
        return Form.ROW_TILES
    if kernel == (3, 3) and geometry.padding == (1, 1):
        return Form.WINOGRAD
    return Form.PATCHES


def blocks(images: int, pixels: int) -> int:
    """Into how many blocks of images to cut a batch; 1 is the whole batch at once."""
    if pixels < LARGE_IMAGE:
        return 1
    sizes = [size for size in range(BLOCK // 2, 2 * BLOCK) if images % size == 0]
    if not sizes:
        return 1
    return images // min(sizes, key=lambda size: abs(size - BLOCK))
