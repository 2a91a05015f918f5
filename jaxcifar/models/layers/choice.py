"""The choice of the form in which a convolution is computed on a CPU.

docs/performance.md holds the measurements behind each rule.
"""

from enum import Enum

from jaxcifar.models.layers import row_tiles, small_image
from jaxcifar.models.layers.geometry import Geometry

Size = tuple[int, int]

FEW_CHANNELS = 8
"""With at most this many input or output channels, copying patches costs more than the matrix products."""
NARROW = 16
"""With at most this many input channels, the gradient of a 3x3 kernel costs less than Winograd's transforms."""
BLOCK_VALUES = 2**19
"""Approximate number of values in a block's images or outputs, so that its tiles fit in the cache; a kernel's gradient
has tiles of both, so its blocks have half as many."""
FEWEST_IMAGES, MOST_IMAGES = 8, 32
"""Approximate bounds on the images of a block: with fewer the products are too small, more bring no gain."""


class Form(Enum):
    """The ways to compute a convolution, and its kernel's gradient, by matrix products."""

    WINOGRAD = "winograd"
    SMALL_IMAGE = "small image"
    ROW_TILES = "row tiles"
    PATCHES = "patches"


def form(
    image: Size, kernel: Size, channels: int, features: int, geometry: Geometry, kernel_gradient: bool = False
) -> Form:
    """Return the fastest form for images and a kernel of these heights and widths, or for the kernel's gradient."""
    if geometry.stride != (1, 1):
        return Form.PATCHES
    if small_image.fits(image, kernel, geometry):
        return Form.SMALL_IMAGE
    # The patches of a 1x1 kernel are the image itself, so there is no copy that row tiles could avoid.
    if kernel != (1, 1) and min(channels, features) <= FEW_CHANNELS:
        return Form.ROW_TILES
    if kernel == (3, 3) and geometry.padding == (1, 1):
        return Form.PATCHES if kernel_gradient and channels <= NARROW else Form.WINOGRAD
    return Form.PATCHES


def blocks(
    form: Form,
    images: int,
    image: Size,
    kernel: Size,
    channels: int,
    features: int,
    kernel_gradient: bool = False,
) -> int:
    """Return the number of equal blocks of images into which to cut a batch; 1 for the whole batch at once.

    Args:
        form: how the convolution, or its kernel's gradient, is computed.
        images: number of images in the batch.
        image: height and width of the larger one of input and output.
        kernel: height and width of the kernel; a kernel of one pixel needs no copies, so no blocks.
        channels: number of input channels.
        features: number of output channels.
        kernel_gradient: whether the gradient of the kernel is computed.
    """
    if form is Form.ROW_TILES:
        # Tiles hold each pixel several times.
        channels = round(row_tiles.copies(kernel) * channels)
        # A loop over blocks writes the output twice, so it is worth its cost only where the tiles are much larger.
        if not kernel_gradient and channels < 2 * features:
            return 1
    values = image[0] * image[1] * max(channels, features)
    fitting = BLOCK_VALUES // (2 if kernel_gradient else 1) // values
    wanted = min(max(fitting, FEWEST_IMAGES), MOST_IMAGES)
    # A loop needs blocks of one shape: take a divisor of the batch near the wanted size, or no blocks if there is none.
    sizes = [size for size in range(wanted // 2, 2 * wanted) if images % size == 0]
    if kernel == (1, 1) or images <= max(fitting, wanted) or not sizes:
        return 1
    return images // min(sizes, key=lambda size: abs(size - wanted))
