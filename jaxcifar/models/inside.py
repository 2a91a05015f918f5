"""What happens inside a network: the features after each layer, what its normalisations take, its residual branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn

from jaxcifar.errors import UserError
from jaxcifar.measures.context import Inside
from jaxcifar.models.layers import KERNELS


def inside(network: Any, variables: Mapping[str, Any], images: jax.Array, rngs: Mapping[str, Any]) -> Inside:
    """Return what a network computes on its way from images to logits, in training mode.

    Args:
        network: a module that `models.build` returned.
        variables: `params` and `batch_stats`.
        images: normalised, [N, H, W, C].
        rngs: keys for `dropout` and `noise`.

    Raises:
        UserError: it is a user's own network, whose layers have no roles.
    """
    if not isinstance(network, nn.Module):
        raise UserError("A network of your own does not show its layers' outputs; ask for measures that take a loss.")
    features: dict[str, jax.Array] = {}
    normalized: dict[str, jax.Array] = {}
    current: list[str | None] = [None]

    def record(next_call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = next_call(*args, **kwargs)
        role, name = getattr(context.module, "role", None), "/".join(context.module.path)
        if context.method_name != "__call__" or role is None:
            return output
        if role == "norm":
            normalized[name] = args[0] + kwargs.get("offset", 0)
        else:
            # A shortcut is beside the main path, and so is its normalisation.
            current[0] = name if role in KERNELS and role != "shortcut" else None
        if current[0] is not None:
            # The output of a normalisation replaces that of the layer before it.
            features[current[0]] = output
        return output

    with nn.intercept_methods(record):
        logits, found = network.apply(
            dict(variables), images, True, rngs=dict(rngs), mutable=["batch_stats", "intermediates"]
        )
    blocks: Any = found.get("intermediates") or {}
    branches = {name: tuple(block["added"][0]) for name, block in blocks.items() if "added" in block}
    return Inside(logits, features, normalized, branches)
