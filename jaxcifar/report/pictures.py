"""Pictures of data and networks: samples, blocks, first-layer filters and feature maps (study 1 and 1.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcifar import records
from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults
from jaxcifar.report import drawing
from jaxcifar.report.figure import Figure, Panel

EDGE = (0.1, 0.1, 0.1, 0.1)
TITLED = (0.1, 0.1, 0.1, 0.32)


def figures(study: StudyResults, common: dict[str, Any]) -> list[Figure]:
    """Return every picture for which the study has stored the numbers."""
    found = (_samples(study, common), _blocks(study, common), _filters(study, common), _maps(study, common))
    return [figure for figure in found if figure is not None]


def _samples(study: StudyResults, common: dict[str, Any]) -> Figure | None:
    arrays = records.read_arrays(study.folder / pictures.FOLDER / pictures.SAMPLES)
    if not {"images", "names"} <= set(arrays):
        return None
    images, names = arrays["images"], [str(name) for name in arrays["names"]]
    drawn = sheet(images.reshape(-1, *images.shape[2:]) / 255, images.shape[1], gap=2)
    middles = (np.arange(len(names)) + 0.5) * drawn.shape[0] / len(names)

    def draw(axis: Any) -> None:
        show(axis, drawn)
        axis.set_yticks(middles, names)

    alt = f"A sheet of {images.shape[1]} random training images for each class: {', '.join(names)}."
    panel = Panel("", draw, alt, (7.4, 0.68 * len(names)), (0.9, 0.1, 0.1, 0.1))
    caption = "Ten random training images of each class. Figure 1 of the study."
    return Figure("samples", "The images", caption, (panel,), **common)


def _blocks(study: StudyResults, common: dict[str, Any]) -> Figure | None:
    value = pictures.read_architecture(study.folder)
    if not {"block", "conv2_x"} <= set(value):
        return None
    panels = []
    for title, nodes in (("BasicBlock of ResNet-18", value["block"]), ("conv2_x of ResNet-34", value["conv2_x"])):
        alt = (
            f"{title}, from top to bottom: {', '.join(node['label'] for node in nodes)}; a line round each block leads "
        )
        size = (4.4, 0.36 * len(nodes) + 0.5)
        panels.append(Panel(title, drawing.drawer(nodes), f"{alt}to its addition.", size, TITLED))
    caption = (
        "Read off the modules that are trained, on images of 32×32; in the ImageNet form these maps are 56×56. Figures "
        "9 and 10 of the study."
    )
    return Figure("blocks", "A residual block, and a stage of blocks", caption, tuple(panels), **common)


def _filters(study: StudyResults, common: dict[str, Any]) -> Figure | None:
    member, arrays = _features(study)
    if member is None:
        return None
    tiles = _stretched(np.moveaxis(arrays["filters"], -1, 0))
    alt = f"{len(tiles)} colour filters of {arrays['filters'].shape[0]}×{arrays['filters'].shape[1]} pixels."
    panel = Panel("", _drawer(tiles, 16), alt, (7.4, 2.0 if len(tiles) > 32 else 1.1), EDGE)
    caption = f"The {len(tiles)} learned filters of the first convolution of {member}, each stretched to its own range."
    return Figure("filters", "First-layer filters", caption, (panel,), **common)


def _maps(study: StudyResults, common: dict[str, Any]) -> Figure | None:
    member, arrays = _features(study)
    if member is None:
        return None
    image, kind = arrays["image"], str(arrays["label"])
    panels = [Panel("The image", _drawer(image[None] / 255, 1), f"A test image: {kind}.", (4.4, 2.5), TITLED)]
    for name, array in arrays.items():
        if name.startswith("map/"):
            layer, tiles = name.removeprefix("map/"), _stretched(np.moveaxis(array, -1, 0))
            alt = f"{len(tiles)} feature maps of {array.shape[0]}×{array.shape[1]} pixels."
            panels.append(
                Panel(f"{layer}, {array.shape[0]}×{array.shape[1]}", _drawer(tiles, 4), alt, (4.4, 2.5), TITLED)
            )
    caption = f"What layers of {member} make of a test image ({kind}): the first eight maps of each, light is high."
    return Figure("maps", "Feature maps", caption, tuple(panels), **common)


def _features(study: StudyResults) -> tuple[str | None, dict[str, np.ndarray]]:
    for run in study.runs:
        arrays = records.read_arrays(run.folder / pictures.FEATURES)
        if {"filters", "image", "label"} <= set(arrays):
            return study.label(run.member), arrays
    return None, {}


def _stretched(tiles: np.ndarray) -> np.ndarray:
    """Each tile from its least value at 0 to its greatest at 1."""
    axes = tuple(range(1, tiles.ndim))
    low, high = tiles.min(axis=axes, keepdims=True), tiles.max(axis=axes, keepdims=True)
    # A constant tile would be divided by 0.
    return (tiles - low) / np.maximum(high - low, 1e-12)


def sheet(tiles: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Return tiles [n, h, w] or [n, h, w, channels] in [0, 1] side by side as RGBA; the gaps show the page."""
    channels = tiles.shape[3] if tiles.ndim == 4 else 1
    # One channel is grey; of several other than RGB their mean is.
    grey = tiles[..., None] if tiles.ndim == 3 else tiles.mean(axis=-1, keepdims=True)
    colored = tiles if channels == 3 else np.repeat(grey, 3, axis=-1)
    height, width, rows = tiles.shape[1] + gap, tiles.shape[2] + gap, -(-len(tiles) // columns)
    whole = np.zeros((rows * height - gap, columns * width - gap, 4))
    for index, tile in enumerate(colored):
        top, left = index // columns * height, index % columns * width
        whole[top : top + height - gap, left : left + width - gap] = np.dstack([tile, np.ones(tile.shape[:2])])
    return whole


def _drawer(tiles: np.ndarray, columns: int) -> Callable[[Any], None]:
    return lambda axis: show(axis, sheet(tiles, columns))


def show(axis: Any, picture: np.ndarray) -> None:
    """Draw a picture without an axis around it."""
    axis.imshow(picture, interpolation="none")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
