"""Finding CIFAR-10: a given place, else a prepared copy, an earlier download, the official download."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from jaxcifar.config import Data, UserError
from jaxcifar.data import formats, shapes
from jaxcifar.data.dataset import Dataset, split_rows, subset

VARIABLE = "JAXCIFAR_DATA"


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def load(config: Data, notify: Callable[[str], None] = _to_stderr) -> Dataset:
    """The images that a config asks for.

    Args:
        config: source, place and subset.
        notify: takes each notice meant for the user, e.g. that `auto` fell back to shapes.

    Returns:
        The data set, subset taken; name and fingerprint as records want them.

    Raises:
        UserError: CIFAR-10 is not where it should be, or is damaged; or more images are asked for than there are.
    """
    train, evaluation, held_out = split_rows(config)
    match config.source:
        case "shapes":
            return shapes.make(train, evaluation, held_out)
        case "auto" | "cifar10":
            given = config.dir or os.environ.get(VARIABLE)
            if given:
                return subset(formats.read(Path(given).expanduser()), config)
            if config.source == "auto":
                notify("CIFAR-10 was not found.")
                return shapes.make(train, evaluation, held_out)
            raise UserError("CIFAR-10 was not found.")
