"""Checks of losses and parameters that every measure makes. Each refusal is one sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

from jaxcifar.landscape.arguments import check_function, is_traced, shown

Array = jax.Array
PyTree = Any
Loss = Callable[[PyTree], Array]

P = ParamSpec("P")
R = TypeVar("R")

UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""What JAX raises where a traced function asks for the value of an array."""


def at_highest_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Trace `function` at the highest matrix-product precision, whatever the caller's setting."""
    return _traced_at(lambda: "highest", function)


_GRADIENTS: ContextVar[str] = ContextVar("gradients", default="highest")


@contextmanager
def gradients_at(precision: str) -> Iterator[None]:
    """Take the gradients of a loss, and all other matrix products outside measures, at this precision of JAX's.

    Inner products and norms of pytrees, and Hessians, stay at the highest one.
    """
    before = _GRADIENTS.set(precision)
    try:
        with jax.default_matmul_precision(precision):
            yield
    finally:
        _GRADIENTS.reset(before)


def at_gradient_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Trace `function` at the precision of `gradients_at`, by default the highest, whatever the caller's setting."""
    return _traced_at(_GRADIENTS.get, function)


def _traced_at(precision: Callable[[], str], function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # JAX reads the setting while it traces; `jit` keeps one program per setting, so none of another is reused.
        with jax.default_matmul_precision(precision()):
            return function(*args, **kwargs)

    return wrapped


def leaf_name(path: Sequence[Any]) -> str:
    """Return a leaf's path in its pytree, such as `features/conv_0/kernel`."""
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def leaf_of(name: str, path: Sequence[Any]) -> str:
    """Return the words that name a leaf of the argument `name`."""
    return f"leaf {leaf_name(path)} of {name}" if path else name


def measured(tree: PyTree, name: str = "params") -> PyTree:
    """Return a pytree in the precision of the measures: floating leaves, float32 or wider.

    Leaves in float16, bfloat16 and float8 are cast to float32 before the loss sees them; float32 and float64 stay.

    Args:
        tree: pytree of floating arrays; `None` holds no leaf.
        name: the argument's name in messages.

    Returns:
        The same pytree of `jax.Array` leaves.

    Raises:
        ValueError: the pytree holds no number, or a leaf that is not real floating point.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    if not leaves:
        raise ValueError(f"{name} is an empty pytree ({shown(tree)}), but a measure needs at least one array leaf.")
    found = [_measured_leaf(leaf_of(name, path), leaf) for path, leaf in leaves]
    if not any(leaf.size for leaf in found):
        raise ValueError(f"{name} has leaves of size 0 only, but a measure needs at least one number.")
    return structure.unflatten(found)


def dtype_of(leaf: Any) -> Any:
    """Return the dtype of an array, of a `jax.ShapeDtypeStruct` or of a Python number, and None for anything else."""
    if isinstance(leaf, bool | int | float | complex):
        return jnp.result_type(leaf)
    return getattr(leaf, "dtype", None)


def _measured_leaf(label: str, leaf: Any) -> Array:
    dtype = dtype_of(leaf)
    try:
        array = jnp.asarray(leaf) if dtype is not None and jnp.issubdtype(dtype, jnp.floating) else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        kind = f"a {type(leaf).__name__}" if dtype is None or isinstance(leaf, jax.ShapeDtypeStruct) else str(dtype)
        raise ValueError(
            f"{label} is {kind}, but must be an array of real floating point: keep other leaves out of the parameters "
            "and close over them in the loss."
        )
    return array.astype(jnp.float32 if jnp.finfo(array.dtype).bits < 32 else array.dtype)


# One program checks all leaves, instead of several dispatches for each leaf.
@jax.jit
def _all_finite(leaves: list[Array]) -> list[Array]:
    return [jnp.all(jnp.isfinite(leaf)) for leaf in leaves]


def check_finite(tree: PyTree, name: str) -> None:
    """Refuse a leaf with NaN or infinity. Under the caller's `jit` values cannot be seen and nothing is refused."""
    if is_traced(tree):
        return
    paths, leaves = zip(*jax.tree_util.tree_leaves_with_path(tree), strict=True)
    flags = _all_finite(list(leaves))
    # Inside the caller's trace a compiled function returns tracers, even for concrete arrays.
    if is_traced(flags):
        return
    for path, finite in zip(paths, flags, strict=True):
        if not bool(finite):
            raise ValueError(
                f"{leaf_of(name, path)} holds NaN or infinity, but must be finite: take an earlier snapshot, or check "
                "what computed it."
            )


def check_loss(loss: Loss, params: PyTree, name: str = "loss") -> None:
    """Refuse a loss whose value at `params` is not one real number in float32 or wider.

    Raises:
        ValueError: `loss` is not a function, cannot be traced, or does not return a float32 or float64 scalar.
    """
    check_function(loss, name, "a function from the parameters to a scalar")
    try:
        value = jax.eval_shape(loss, params)
    except UNTRACEABLE as error:
        raise ValueError(
            f"{name}(params) converts a JAX array to a Python or NumPy value, but a measure traces it: use jax.numpy "
            "inside the loss and return the array."
        ) from error
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        raise ValueError(
            f"{name}(params) returned a {type(value).__name__}, but a measure needs one scalar array: return the loss "
            "alone."
        )
    if shape != ():
        raise ValueError(
            f"{name}(params) returned an array of shape {shape}, but a measure needs a scalar: take its mean."
        )
    if not jnp.issubdtype(dtype, jnp.floating) or jnp.finfo(dtype).bits < 32:
        raise ValueError(
            f"{name}(params) returned {dtype}, but a measure needs float32 or float64: compute the loss's last sums in "
            "float32."
        )


def prepared(loss: Loss, params: PyTree, name: str = "params", loss_name: str = "loss") -> PyTree:
    """Return `measured(params)`, after a check of their values and of the loss on them."""
    wide = measured(params, name)
    check_finite(wide, name)
    try:
        check_loss(loss, wide, loss_name)
    except TypeError as error:
        narrow = [leaf.dtype for leaf in jax.tree.leaves(params) if jnp.finfo(jnp.result_type(leaf)).bits < 32]
        if not narrow:
            raise
        # `lax` functions do not promote: a loss that works on the parameters as given may fail on float32 ones.
        # A loss that fails on those too raises its own error here.
        jax.eval_shape(loss, params)
        raise ValueError(
            f"{loss_name}(params) accepts the given {narrow[0]} parameters but fails in float32, in which measures "
            "compute: cast the data inside the loss to the dtype of the parameters."
        ) from error
    return wide


def if_finite(value: Array, result: R, derivative: PyTree = (), name: str = "loss(params)") -> R:
    """Return a measure's result where its loss is finite; else refuse it, or return NaN under the caller's `jit`.

    A loss may be NaN where its derivatives are not, so NaN would not spread by itself. `derivative` holds what is
    finite exactly where the derivatives at hand are.
    """
    finite = jnp.all(jnp.isfinite(value))
    if is_traced(value):
        return jax.tree.map(lambda leaf: jnp.where(finite, leaf, jnp.nan), result)
    if not bool(finite):
        raise ValueError(
            f"{name} is {shown(value)}, but a measure needs a finite loss: check the batch, or take an earlier "
            "snapshot."
        )
    if not all(map(bool, _all_finite(jax.tree.leaves(derivative)))):
        raise ValueError(
            f"{name} is {shown(value)}, but a derivative of it is NaN or infinite: look for a square root or logarithm "
            "at 0 in the loss."
        )
    return result


def check_alike(first: PyTree, second: PyTree, names: str) -> None:
    """Refuse two pytrees of different structure or shapes."""
    paths = [{leaf_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(t)} for t in (first, second)]
    if jax.tree.structure(first) != jax.tree.structure(second):
        alone = sorted(paths[0].keys() ^ paths[1].keys())
        detail = f"only one has leaf {alone[0] or '(the whole)'}" if alone else "their containers have different types"
        raise ValueError(f"{names} differ in structure ({detail}), but must be pytrees of one network.")
    for name, leaf in paths[0].items():
        shapes = [getattr(x, "shape", ()) for x in (leaf, paths[1][name])]
        if shapes[0] != shapes[1]:
            place = f" at leaf {name}" if name else ""
            raise ValueError(
                f"{names} differ in shape{place} ({shapes[0]} and {shapes[1]}), but must be pytrees of one network."
            )


def matched(tree: PyTree, like: PyTree, name: str, like_name: str = "params") -> PyTree:
    """Return `measured(tree)` in the dtypes of `like`, after a check that it has its structure and finite values."""
    tree = measured(tree, name)
    check_alike(like, tree, f"{like_name} and {name}")
    check_finite(tree, name)
    return jax.tree.map(lambda leaf, other: leaf.astype(other.dtype), tree, like)
