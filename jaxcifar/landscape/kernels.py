"""The layers of any network, read from the trace of its forward pass: which kernels meet the images, in which order.

A parameter is followed through what reshapes or normalises it to the convolution or matrix product that takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
from jax.extend.core import Var

from jaxcifar.landscape.checks import leaf_name

PRODUCTS = {"conv_general_dilated": "convolution", "dot_general": "linear"}


@dataclass(frozen=True)
class Use:
    """One use of a parameter in the forward pass."""

    leaf: str
    """Path of the parameter, such as `block1/conv/kernel`."""
    kind: str
    """`convolution` or `linear` for a kernel, empty for any other use."""
    output_shape: tuple[int, ...]
    """Without the batch."""
    multiply_adds: int = 0
    """Of a kernel, for one example."""


def uses(forward: Callable[..., Any], params: Any, *others: Any) -> list[Use]:
    """Return the first use of every parameter of a function, in the order of the uses.

    Args:
        forward: from parameters, and the others, to an array.
        params: a pytree of arrays, or of their shapes.
        others: further arguments of the function.
    """
    named = [(leaf_name(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)]
    jaxpr = jax.make_jaxpr(forward)(params, *others).jaxpr
    found: dict[str, Use] = {}
    sizes = {name: leaf.size for name, leaf in named}
    # Parameters come first among the inputs, and `strict=False` leaves the other arguments without a name.
    _visit(jaxpr, dict(zip(jaxpr.invars, (name for name, _ in named), strict=False)), sizes, found)
    return list(found.values())


def _visit(jaxpr: Any, origin: dict[Any, str], sizes: Mapping[str, int], found: dict[str, Use]) -> None:
    """Follow the parameters through the equations; `origin` says from which parameter a variable is made."""
    for equation in jaxpr.eqns:
        variables = [v for v in equation.invars if isinstance(v, Var)]
        made_from = [origin[v] for v in variables if v in origin]
        if not made_from:
            continue
        inner = _inner(equation)
        if inner is not None:
            below = {own: origin[v] for own, v in zip(inner.invars, equation.invars, strict=False) if _known(v, origin)}
            _visit(inner, below, sizes, found)
            # What a function makes of parameters alone, such as their cast, is still a parameter.
            pairs = zip(inner.outvars, equation.outvars, strict=True)
            origin |= {out: below[own] for own, out in pairs if _known(own, below)}
        elif len(made_from) == len(variables) and equation.primitive.name not in PRODUCTS:
            # No data has entered, so the result is still a parameter: the largest one, as for a kernel times its gain.
            origin |= dict.fromkeys(equation.outvars, max(made_from, key=lambda name: sizes[name]))
        else:
            for name in made_from:
                _add(found, _use(name, equation))


def _known(variable: Any, origin: Mapping[Any, str]) -> bool:
    return isinstance(variable, Var) and variable in origin


def _inner(equation: Any) -> Any:
    """The equations inside of one that calls a function on all of its operands; None for others."""
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = equation.params.get(name)
        # `jit` holds a closed jaxpr, and `remat` an open one.
        inner = getattr(inner, "jaxpr", inner)
        if inner is not None and len(inner.invars) == len(equation.invars):
            return inner
    return None


def _use(name: str, equation: Any) -> Use:
    shape = equation.outvars[0].aval.shape
    kind = PRODUCTS.get(equation.primitive.name, "")
    if kind == "convolution":
        kernel = equation.invars[1].aval.shape
        # Each output value takes one filter, of size kernel / features. In a grouped convolution a filter holds the
        # channels of its group only, so this is right there too.
        features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
        return Use(name, kind, shape[1:], prod(shape[1:]) * prod(kernel) // features)
    if kind == "linear":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return Use(name, kind, shape[1:], prod(shape[1:]) * prod(equation.invars[0].aval.shape[i] for i in contracted))
    return Use(name, kind, shape[1:])


def _add(found: dict[str, Use], use: Use) -> None:
    """Keep the first use, but a kernel's product rather than anything that came before it."""
    before = found.get(use.leaf)
    if before is None or (use.kind and not before.kind):
        # A key that is deleted first moves to the end of the dictionary, where the product belongs in order of use.
        found.pop(use.leaf, None)
        found[use.leaf] = use
