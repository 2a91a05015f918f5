"""A network's layers, as the caller orders them: groups of leaves named by the start of their paths."""

from collections.abc import Callable, Sequence

import jax

from jaxcifar.landscape.checks import PyTree, leaf_name

Group = str | Sequence[str]
Layers = Sequence[Group] | Callable[[PyTree], Sequence[Group]]


def group_of_leaves(params: PyTree, layers: Layers) -> list[int]:
    """For every leaf of `params`, in flattening order, the index of its layer.

    Args:
        params: pytree of parameters.
        layers: layers from input to output. Each is the start of a path, such as `"Conv_0"` or `"head/Dense_1"`
            (dictionary keys, attribute names and list positions joined by `/`), or several of them, so that a
            convolution and its BatchNorm make one layer; or a function from the parameters to such a sequence.

    Returns:
        List of one layer index per leaf.

    Raises:
        ValueError: no layer, a layer that names no leaf, a leaf in two layers, or a leaf in none.
    """
    groups = [_prefixes(group) for group in (layers(params) if callable(layers) else layers)]
    names = [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    if not groups:
        raise ValueError(f"no layer was given, but at least one is needed: order them by the paths {_shown(names)}.")
    owners = [[i for i, group in enumerate(groups) if any(_starts(name, p) for p in group)] for name in names]
    for index, group in enumerate(groups):
        if not any(index in owner for owner in owners):
            raise ValueError(f"layer {index} ({', '.join(group)}) names no leaf; the paths are {_shown(names)}.")
    for name, owner in zip(names, owners, strict=True):
        if len(owner) != 1:
            stands = "in no layer" if not owner else f"in layers {owner}"
            raise ValueError(f"leaf {name} stands {stands}, but each leaf must stand in exactly one: change `layers`.")
    return [owner[0] for owner in owners]


def _prefixes(group: Group) -> list[str]:
    return [group] if isinstance(group, str) else list(group)


def _starts(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix.rstrip("/") + "/") or prefix == ""


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
