"""tensorflow-datasets, imported only when it is needed (it is heavy) and kept quiet while it works."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from jaxcifar.config import UserError


@contextlib.contextmanager
def tensorflow_datasets() -> Iterator[Any]:
    """The module, its warnings and retry messages off inside the block: a user can do nothing about them.

    Raises:
        UserError: it is not installed.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "urllib3")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            import tensorflow_datasets
        except ImportError as error:
            raise UserError(
                f"tensorflow-datasets, which finds CIFAR-10, cannot be imported ({error}); install it, or "
                "name your own copy with --data.dir DIR or $JAXCIFAR_DATA."
            ) from error
        try:
            yield tensorflow_datasets
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
