"""Checks of plain arguments: numbers, arrays, counts and keys. Each refusal names the argument and what is allowed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Int as Int
else:
    # Annotations are not evaluated, so that jaxtyping is needed for checks of types only.
    Bool = Float = Int = Any

Array = jax.Array

LONGEST = 2**31 - 1
"""Number of entries that an axis of a JAX array can have."""


def is_traced(*trees: Any) -> bool:
    """Whether any leaf is a tracer, that is, whether the caller's own `jit`, `vmap` or `scan` is at work."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def shown(value: Any) -> str:
    """Short text for a value in an error message, on one line."""
    if isinstance(value, jax.core.Tracer):
        return "a traced value"
    if getattr(value, "shape", ()) != ():
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = " ".join(str(value).split())
    text = text if len(text) <= 60 else text[:57] + "..."
    return text if isinstance(value, int | float | complex) or hasattr(value, "dtype") else f"{text!r}"


def as_real(values: Any, name: str, allowed: str) -> Float[Array, " ..."]:
    """Return `values` as a floating array, float32 or wider; `allowed` completes "but must be"."""
    try:
        # A word in a list could be read as the name of a dtype.
        words = any(isinstance(leaf, str) for leaf in jax.tree.leaves(values))
        array = jnp.asarray(None if words else values)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {shown(values)}, but must be {allowed}.") from None
    if jnp.issubdtype(array.dtype, jnp.integer):
        return array.astype(float)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {array.dtype}, but must be {allowed}.")
    return array.astype(jnp.float32) if jnp.finfo(array.dtype).bits < 32 else array


def check_real(values: Any, name: str, allowed: str, holds: Callable[[np.ndarray], Any]) -> Float[Array, " ..."]:
    """Return `as_real(values)`, after a check of every value that is not traced by `holds`."""
    array = as_real(values, name, allowed)
    # Under jit even a Python number becomes a traced array, so the value as given is checked.
    if is_traced(values):
        return array
    host = np.atleast_1d(np.asarray(values).astype(float))
    wrong = host[~np.asarray(holds(host), bool)]
    if wrong.size:
        number = "" if array.ndim == 0 else f" at {wrong.size} of {host.size} places"
        raise ValueError(f"{name} is {wrong[0]}{number}, but must be {allowed}.")
    return array


def as_scalar(value: Any, name: str, allowed: str, holds: Callable[[np.ndarray], Any]) -> Float[Array, ""]:
    """Return `check_real(value)`, which must be one number."""
    array = check_real(value, name, allowed, holds)
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}, but must be {allowed}, without axes.")
    return array


def as_axis(values: Any, name: str, what: str) -> Float[Array, " points"]:
    """Return `values` as an array [points] of finite numbers; `what` says of what."""
    array = check_real(values, name, f"a one-dimensional array of finite {what}", np.isfinite)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, but must be a one-dimensional array of {what}, not empty.")
    return array


def as_count(value: Any, name: str, low: int, high: int | None = None, why: str = "") -> int:
    """Return `value` as an integer from `low` to `high`; `why` explains the limit."""
    if is_traced(value):
        raise ValueError(f"{name} is traced, but must be a Python integer: make it a static argument of jit.")
    try:
        # `operator.index` would take True as the number 1.
        count = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        count = None
    if count is None or count < low or (high is not None and count > high):
        allowed = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {shown(value)}, but must be an integer {allowed}{why}.")
    return count


def as_key(key: Any, name: str = "key") -> Array:
    """Return one typed PRNG key; an old-style uint32 key is wrapped and draws the same numbers."""
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ():
        return key
    if dtype == np.uint32 and shape is not None and len(shape) == 1:
        try:
            return jax.random.wrap_key_data(jnp.asarray(key))
        except (TypeError, ValueError):  # another length than the default generator's
            pass
    raise ValueError(f"{name} is {shown(key)}, but must be one PRNG key, such as jax.random.key(0).")


def check_function(function: Any, name: str, allowed: str) -> None:
    """Refuse what cannot be called."""
    if not callable(function):
        raise ValueError(f"{name} is {shown(function)}, but must be {allowed}.")


def as_list(trees: Any, name: str) -> list[Any]:
    """Return a sequence of pytrees as a list; a dictionary or a vector is one network, not a sequence of them."""
    rows = isinstance(trees, Sequence) and not isinstance(trees, str)
    # An array of two axes or more is a list of vectors.
    if not rows and getattr(trees, "ndim", 0) < 2:
        raise ValueError(f"{name} is {shown(trees)}, but must be a list of pytrees.")
    return list(trees)
