"""What every measure asks of its loss and its parameters, each refusal in one sentence."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.numpy as jnp

Array = jax.Array
PyTree = Any
Loss = Callable[[PyTree], Array]

P = ParamSpec("P")
R = TypeVar("R")


def at_highest_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Trace `function` at the highest matrix-product precision, whatever the caller's setting."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return wrapped


def leaf_name(path: Sequence[Any]) -> str:
    """A leaf's place in its pytree, such as `features/conv_0/kernel`."""
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def measured(params: PyTree) -> PyTree:
    """The parameters in the precision of the measures: floating leaves, float32 or wider.

    Leaves in float16 and bfloat16 are upcast to float32 before the loss sees them; float32 and float64 stay.

    Args:
        params: pytree of floating arrays.

    Returns:
        The same pytree of `jax.Array` leaves.

    Raises:
        ValueError: the pytree has no leaf, or a leaf that is not real floating point.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    if not leaves:
        raise ValueError(f"the parameters are an empty pytree ({params!r}); a measure needs at least one array leaf.")
    return structure.unflatten([_measured_leaf(path, leaf) for path, leaf in leaves])


def _measured_leaf(path: Sequence[Any], leaf: Any) -> Array:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"leaf {leaf_name(path) or 'params'} is {dtype}, but measures differentiate by every leaf and allow "
            "floating leaves only: keep it out of the parameters and close over it in the loss."
        )
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def check_loss(loss: Loss, params: PyTree) -> None:
    """Refuse a loss whose value at `params` is not one real number in float32 or wider.

    Raises:
        ValueError: `loss(params)` is not an array, has a shape, or is not float32 or float64.
    """
    value = jax.eval_shape(loss, params)
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        raise ValueError(f"loss(params) returned a {type(value).__name__}, but a measure needs one scalar array.")
    if shape != ():
        raise ValueError(
            f"loss(params) returned an array of shape {shape}, but a measure needs a scalar: take its mean."
        )
    if not jnp.issubdtype(dtype, jnp.floating) or jnp.finfo(dtype).bits < 32:
        raise ValueError(
            f"loss(params) returned {dtype}, but a measure needs float32 or float64: compute the loss's last sums in "
            "float32."
        )


def prepared(loss: Loss, params: PyTree) -> PyTree:
    """`measured(params)`, with the loss checked on it."""
    params = measured(params)
    check_loss(loss, params)
    return params


def is_traced(*trees: PyTree) -> bool:
    """Whether any leaf is a tracer, that is, whether the caller's own `jit`, `vmap` or `scan` is at work."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def if_finite(value: Array, result: R) -> R:
    """The result of a measure where its loss is finite; else a refusal, or NaN under the caller's `jit`.

    A loss may be NaN where its derivatives are not, so NaN would not spread by itself.
    """
    finite = jnp.all(jnp.isfinite(value))
    if is_traced(value):
        return jax.tree.map(lambda leaf: jnp.where(finite, leaf, jnp.nan), result)
    if not bool(finite):
        raise ValueError(
            f"loss(params) is {value}, but a measure needs a finite loss: check the batch, or take an earlier snapshot."
        )
    return result


def as_axis(values: Any, name: str, what: str) -> Array:
    """`values` as an array, refused where it is not a row of numbers; `what` says of what."""
    values = jnp.asarray(values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} has shape {values.shape}, but must be a one-dimensional array of {what}.")
    return values


def check_alike(first: PyTree, second: PyTree, names: str) -> None:
    """Refuse two pytrees of different structure or shapes."""
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (first, second)]
    same = jax.tree.structure(first) == jax.tree.structure(second)
    if not same or jax.tree.leaves(shapes[0]) != jax.tree.leaves(shapes[1]):
        raise ValueError(f"{names} differ in structure or shapes, but must be pytrees of one network.")
