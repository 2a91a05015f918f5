"""The one error for a user's slip, the range checks that raise it, and the sentence for a device without memory."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class UserError(Exception):
    """An error that the user can correct; its message is one sentence, printed without a traceback (exit code 2)."""


def check_number(name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Raises UserError unless value is a finite number in [low, high], or (low, high] if `above`."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if not number or value > high or value < low or (above and value == low):
        raise UserError(
            f"{name} is {value!r}; it must be a finite number {_range_text(low, high, above)}{_way_out(value)}."
        )


def check_count(name: str, value: Any, low: int, high: float = math.inf) -> None:
    """Raises UserError unless value is a whole number in [low, high]."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(
            f"{name} is {value!r}; it must be a whole number {_range_text(low, high, False)}{_way_out(value)}."
        )


def _way_out(value: Any) -> str:
    """A clause for a number of NumPy or JAX, which is none of Python's."""
    return "; its .item() is a number of Python" if getattr(value, "ndim", None) == 0 else ""


def check_choice(name: str, value: Any, literal: Any) -> None:
    """Raises UserError unless value is one of the Literal's arguments."""
    if value not in literal.__args__:
        allowed = ", ".join(str(choice) for choice in literal.__args__)
        raise UserError(f"{name} is {value!r}; allowed are {allowed}.")


def several(name: str, value: Any) -> tuple[Any, ...]:
    """Return several values as a tuple, by which a config is compared and hashed; raises UserError for a single one.

    Numbers of NumPy and JAX become Python's, so that `numpy.arange(5)` may be the seeds.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UserError(f"{name} is {value!r}; give several values, such as [{value!r}].")
    return tuple(each.item() if getattr(each, "ndim", None) == 0 else each for each in value)


def check_name(what: str, name: Any) -> None:
    """Raises UserError unless the name of a file or a folder has letters, digits and . + - _ only."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(f"{what} {name!r}, which names files: use letters, digits and . + - _")


@contextmanager
def slips_told(whose: str) -> Iterator[None]:
    """Turn what a user's own code raises into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{whose} fails with {type(error).__name__}: {' '.join(str(error).split())}") from error


# What XLA says on each kind of device; the last two come from the choice of a kernel, which needs memory to try them.
_NO_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "All configs failed during profiling",
    "No valid config",
)
_ASKED = re.compile(r"allocat(?:e|ing)(?: request for)? (?P<number>[\d.]+) ?(?P<unit>[KMGTPE]i?B|bytes)")


@contextmanager
def memory_errors_told() -> Iterator[None]:
    """Turn what JAX or NumPy raises where a device or the machine has no memory left into one sentence.

    Raises:
        UserError: in place of such an error, also where it is only the cause or the context of another.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        short = next((each for each in causes(error) if _is_without_memory(each)), None)
        if short is None:
            raise
        where = "The machine" if isinstance(short, MemoryError) else "The device"
        raise UserError(
            f"{where} has no memory left{_asked(str(short))}; end other processes that use it and give the same "
            "command again to continue, or give --vectorize map or off where several members train at once, or a "
            "smaller --batch-size with another --out."
        ) from error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, those of a group, and what it was raised from or while."""
    if error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from causes(each)
        # As Python prints a traceback: the cause, else the context, unless `from None` hides it.
        yield from causes(error.__cause__ or (None if error.__suppress_context__ else error.__context__))


def _is_without_memory(error: BaseException) -> bool:
    # By name, because this file is read before JAX is imported.
    is_of_device = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return isinstance(error, MemoryError) or (is_of_device and any(text in str(error) for text in _NO_MEMORY))


def _asked(message: str) -> str:
    """How much was asked for, where the message says it."""
    found = _ASKED.search(message)
    if found is None:
        return ""
    # The pattern of a number also takes the full stop of a sentence.
    number, unit = found["number"].rstrip("."), found["unit"]
    return (
        f" ({float(number) / 2**30:.3g} GiB were asked for)"
        if unit == "bytes"
        else f" ({number} {unit} were asked for)"
    )


def _range_text(low: float, high: float, above: bool) -> str:
    upper = "" if math.isinf(high) else f" and at most {_plain(high)}"
    return f"{'above' if above else 'at least'} {_plain(low)}{upper}"


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
