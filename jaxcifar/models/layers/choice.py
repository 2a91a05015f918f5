"""Which form a convolution takes on a CPU: the one place that knows.

docs/performance.md holds the measurements behind each rule.
"""

from enum import Enum

from jaxcifar.models.layers import small_image
from jaxcifar.models.layers.geometry import Geometry

Size = tuple[int, int]

FEW_CHANNELS = 8
"""Up to so many input or output channels, copies cost more than products."""
NARROW = 16
"""Up to so many input channels, a 3x3 kernel's gradient takes less than transforming what it is made of."""
BLOCK_VALUES = 2**19
"""Values of a block's images or outputs, about: its tiles stay in the cache. Of a kernel's gradient, which has tiles of
both, half as many."""
FEWEST_IMAGES, MOST_IMAGES = 8, 32
"""Of a block, about: fewer make products too small, more gain nothing."""


class Form(Enum):
    """The ways to compute a convolution, and its kernel's gradient, by matrix products."""

    WINOGRAD = "winograd"
    SMALL_IMAGE = "small image"
    ROW_TILES = "row tiles"
    PATCHES = "patches"


def form(
    image: Size, kernel: Size, channels: int, features: int, geometry: Geometry, kernel_gradient: bool = False
) -> Form:
    """The fastest form for images and kernel of these heights and widths; the kernel's gradient may have its own."""
    if geometry.stride != (1, 1):
        return Form.PATCHES
    if small_image.fits(image, kernel, geometry):
        return Form.SMALL_IMAGE
    if kernel != (1, 1) and min(channels, features) <= FEW_CHANNELS:
        return Form.ROW_TILES
    if kernel == (3, 3) and geometry.padding == (1, 1):
        return Form.PATCHES if kernel_gradient and channels <= NARROW else Form.WINOGRAD
    return Form.PATCHES


def blocks(images: int, image: Size, kernel: Size, channels: int, kernel_gradient: bool = False) -> int:
    """Into how many equal blocks of images to cut a batch; 1 is the whole batch at once.

    Args:
        images: of the batch.
        image: height and width, of the larger one of input and output.
        kernel: height and width; of one pixel, nothing is copied that could outgrow the cache.
        channels: of the one that has more of them.
        kernel_gradient: whether it is the kernel's gradient that is computed.
    """
    values = image[0] * image[1] * channels
    wanted = BLOCK_VALUES // (2 if kernel_gradient else 1) // values
    wanted = min(max(wanted, FEWEST_IMAGES), MOST_IMAGES)
    sizes = [size for size in range(wanted // 2, 2 * wanted) if images % size == 0]
    if kernel == (1, 1) or images <= wanted or not sizes:
        return 1
    return images // min(sizes, key=lambda size: abs(size - wanted))
