"""A network's layers, as the caller orders them: groups of leaves named by the start of their paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxcifar.landscape.arguments import shown
from jaxcifar.landscape.checks import PyTree, leaf_name

Group = str | Sequence[str]
Layers = Sequence[Group] | Callable[[PyTree], Sequence[Group]]


def group_of_leaves(params: PyTree, layers: Layers) -> list[int]:
    """Return for every leaf of `params`, in flattening order, the index of its layer.

    Args:
        params: pytree of parameters.
        layers: layers from input to output. Each is the start of a path, such as `"Conv_0"` or `"head/Dense_1"`
            (dictionary keys, attribute names and list positions joined by `/`), or several of them, so that a
            convolution and its BatchNorm make one layer; or a function from the parameters to such a sequence.

    Returns:
        List of one layer index per leaf.

    Raises:
        ValueError: parameters without a leaf, layers that are not a list of paths, no layer, a layer that names no
            leaf, a leaf in two layers, or a leaf in none.
    """
    groups = _groups(layers(params) if callable(layers) else layers)
    names = [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    if not names:
        raise ValueError(f"params is an empty pytree ({shown(params)}), but needs at least one leaf.")
    if not groups:
        raise ValueError(f"layers is empty, but at least one layer is needed: the paths are {_listed(names)}.")
    owners = [[i for i, group in enumerate(groups) if any(_starts(name, p) for p in group)] for name in names]
    for index, group in enumerate(groups):
        if not any(index in owner for owner in owners):
            raise ValueError(f"layer {index} ({', '.join(group)}) names no leaf; the paths are {_listed(names)}.")
    for name, owner in zip(names, owners, strict=True):
        if len(owner) != 1:
            found = "in no layer" if not owner else f"in layers {owner}"
            raise ValueError(f"leaf {name} is {found}, but each leaf must be in exactly one: change `layers`.")
    return [owner[0] for owner in owners]


def _groups(layers: Any) -> list[list[str]]:
    """Return each layer's list of paths."""
    rows = isinstance(layers, Sequence) and not isinstance(layers, str)
    # None is not a list of paths, so the check below also refuses `layers` of another type.
    groups = [[group] if isinstance(group, str) else group for group in layers] if rows else [None]
    for group in groups:
        if not isinstance(group, Sequence) or not group or not all(isinstance(path, str) for path in group):
            raise ValueError(
                f"layers is {shown(layers)}, but must be a list from input to output whose entries are a path or a "
                "list of paths, such as ['conv_0', ['conv_1', 'norm_1']]."
            )
    return [list(group) for group in groups if group]


def _starts(name: str, prefix: str) -> bool:
    # With the slash, `conv_1` does not match `conv_10`.
    return name == prefix or name.startswith(prefix.rstrip("/") + "/") or prefix == ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
