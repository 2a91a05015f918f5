"""The one error for a user's slip, and the range checks that raise it."""

from __future__ import annotations

import math
from typing import Any


class UserError(Exception):
    """Something the user can mend; its message is one sentence, printed without a traceback (exit code 2)."""


def check_number(name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Raises UserError unless value is a finite number in [low, high], or (low, high] if `above`."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value > high or value < low or (above and value == low):
        raise UserError(f"{name} is {value!r}; it must be a finite number {_range_text(low, high, above)}.")


def check_count(name: str, value: Any, low: int, high: float = math.inf) -> None:
    """Raises UserError unless value is a whole number in [low, high]."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(f"{name} is {value!r}; it must be a whole number {_range_text(low, high, False)}.")


def check_choice(name: str, value: Any, literal: Any) -> None:
    """Raises UserError unless value is one of the Literal's arguments."""
    if value not in literal.__args__:
        allowed = ", ".join(str(choice) for choice in literal.__args__)
        raise UserError(f"{name} is {value!r}; allowed are {allowed}.")


def _range_text(low: float, high: float, above: bool) -> str:
    upper = "" if math.isinf(high) else f" and at most {_plain(high)}"
    return f"{'above' if above else 'at least'} {_plain(low)}{upper}"


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
