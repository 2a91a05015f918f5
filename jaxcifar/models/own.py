"""A user's own Flax module, called as the networks of the package are: `init(key, images, train)` and `apply`.

Collections other than `params` travel together under the name `batch_stats`, which the training state carries.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from flax.errors import InvalidRngError
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcifar import config
from jaxcifar.config.module import by_code
from jaxcifar.errors import UserError, slips_told

TRAIN, EVALUATE = ("train", "training", "is_training"), ("deterministic", "use_running_average", "inference")
"""Names of the arguments that say whether the network trains, or the opposite."""
Variables = Mapping[str, Any]


class Own(NamedTuple):
    """Functions of a network that the package calls."""

    init: Callable[..., dict[str, Any]]
    """`(key, images, train) -> {"params": …, "batch_stats": …}`."""
    apply: Callable[..., Any]
    """`(variables, images, train, rngs=None, mutable=None) -> logits`, or `(logits, {"batch_stats": …})`."""


def build(model: config.Module) -> Own:
    """Return a user's own network.

    Raises:
        UserError: it was read from a record; later, when called: it fails, has no parameters, or its logits have
            another shape than [N, classes].
    """
    model.check_given()
    network = model.network
    if isinstance(network, type) and issubclass(network, nnx.Module):
        return _told(model, _nnx(_Structure.of(model)))
    module = network(**(model.arguments or {})) if isinstance(network, type) else network
    if not isinstance(module, nn.Module):
        raise UserError(f"Module got {model.class_name}, which is neither a flax.linen nor a flax.nnx module.")
    return _told(model, _linen(module))


def draws(model: config.Module) -> bool:
    """Return whether a user's own network draws random numbers when it trains, as dropout does."""
    if isinstance(model.network, type) and issubclass(model.network, nnx.Module):
        return bool(_Structure.of(model).random)
    network, images = build(model), jax.ShapeDtypeStruct((1, *model.image), jnp.float32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, False), images)
    try:
        jax.eval_shape(lambda variables, images: network.apply(variables, images, True, rngs={}), variables, images)
    except UserError as error:
        # JAX puts a cause of its own in the place of Flax's.
        if InvalidRngError.__name__ not in str(error):
            raise
        return True
    return False


def _told(model: config.Module, own: Own) -> Own:
    """The network with its slips as one sentence each."""

    def init(key: Any, images: Any, train: bool) -> dict[str, Any]:
        with slips_told(f"The network {model.class_name}"):
            variables = own.init(key, images, train)
        if not jax.tree.leaves(variables["params"]):
            raise UserError(f"The network {model.class_name} has no parameters, so there is nothing to train.")
        if any(leaf.size == 0 for leaf in jax.tree.leaves(variables["params"])):
            raise UserError(
                f"The network {model.class_name} has a parameter without numbers, which no checkpoint holds; leave it "
                "out."
            )
        # One call at once reports logits of a wrong shape before the training program is compiled.
        apply(variables, images, train)
        return variables

    def apply(variables: Variables, images: Any, train: bool, rngs: Any = None, mutable: Any = None) -> Any:
        with slips_told(f"The network {model.class_name}"):
            logits, updated = own.apply(variables, images, train, rngs)
        shape = getattr(logits, "shape", type(logits).__name__)
        if shape != (images.shape[0], model.classes):
            raise UserError(
                f"The network {model.class_name} returns {shape} for images {images.shape}; it must return logits "
                f"[N, classes], here {(images.shape[0], model.classes)}."
            )
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        return (logits, {"batch_stats": updated}) if mutable else logits

    return Own(init, apply)


def _flags(call: Callable[..., Any], train: bool) -> dict[str, Any]:
    """The arguments by which a module's call is told whether it trains."""
    names = inspect.signature(call).parameters
    return {name: train for name in TRAIN if name in names} | {name: not train for name in EVALUATE if name in names}


def _linen(module: nn.Module) -> Own:
    call = type(module).__call__

    def init(key: Any, images: Any, train: bool) -> dict[str, Any]:
        rngs = {"params": key, **{use: jax.random.fold_in(key, i) for i, use in enumerate(("dropout", "noise"))}}
        variables = dict(nn.meta.unbox(module.init(rngs, images, **_flags(call, train))))
        params = variables.pop("params", {})
        # A sown value is a tuple that grows with every call; nobody asks for it here.
        kept = {name: values for name, values in variables.items() if not _holds_tuples(values)}
        if _holds_tuples(params):
            raise UserError("a parameter is a tuple; make each array a parameter of its own.")
        return {"params": params, "batch_stats": kept}

    def apply(variables: Variables, images: Any, train: bool, rngs: Any) -> Any:
        others = variables["batch_stats"]
        whole = {"params": variables["params"], **others}
        logits, updated = module.apply(whole, images, **_flags(call, train), rngs=rngs, mutable=list(others))
        return logits, {**others, **updated}

    return Own(init, apply)


def _holds_tuples(values: Any) -> bool:
    leaves = jax.tree.leaves(values, is_leaf=lambda value: isinstance(value, tuple))
    return any(isinstance(leaf, tuple) for leaf in leaves)


class _Structure(NamedTuple):
    """An nnx module without its values: what is static in it, and its variables by path."""

    create: Callable[[Any], nnx.Module]
    graph: Any
    params: dict[Any, Any]
    random: dict[Any, Any]
    others: dict[Any, Any]

    @staticmethod
    @by_code
    def of(model: config.Module) -> _Structure:
        def create(key: Any) -> nnx.Module:
            return model.network(**(model.arguments or {}), rngs=nnx.Rngs(key))

        with slips_told(f"The network {model.class_name}"):
            shapes = nnx.eval_shape(lambda: create(jax.random.key(0)))
            # Random state is a part of its own, since it is made anew in each step and not stored.
            graph, *parts = nnx.split(shapes, nnx.Param, nnx.RngState, ...)
        return _Structure(create, graph, *(dict(nnx.to_flat_state(part)) for part in parts))

    def module(self, variables: Variables, rngs: Mapping[str, Any]) -> nnx.Module:
        """The module with these values and its random keys made from those of the step."""
        # Evaluation gives no key; a fixed one completes the module.
        key = rngs.get("dropout", jax.random.key(0))
        given = flatten_dict(variables["params"]) | flatten_dict(variables["batch_stats"])
        values = {path: given[tuple(map(str, path))] for path in (*self.params, *self.others)}
        for index, (path, variable) in enumerate(self.random.items()):
            # Each stream has a key and a count of its draws; the count starts at 0 because every step has a new key.
            is_key = jnp.issubdtype(variable.get_value().dtype, jax.dtypes.prng_key)
            values[path] = jax.random.fold_in(key, index) if is_key else jnp.zeros((), jnp.uint32)
        every = self.params | self.others | self.random
        return nnx.merge(self.graph, nnx.from_flat_state([(path, every[path].replace(values[path])) for path in every]))


def _tree(module: nnx.Module, shapes: Mapping[Any, Any]) -> dict[str, Any]:
    """The values of some variables of a module as nested dictionaries, whose keys are text."""
    values = dict(nnx.to_flat_state(nnx.state(module)))
    return unflatten_dict({tuple(map(str, path)): values[path].get_value() for path in shapes})


def _nnx(structure: _Structure) -> Own:
    def init(key: Any, images: Any, train: bool) -> dict[str, Any]:
        module = structure.create(key)
        return {"params": _tree(module, structure.params), "batch_stats": _tree(module, structure.others)}

    def apply(variables: Variables, images: Any, train: bool, rngs: Any) -> Any:
        module = structure.module(variables, rngs or {})
        (module.train if train else module.eval)()
        logits = module(images, **_flags(type(module).__call__, train))  # type: ignore[operator]
        return logits, _tree(module, structure.others)

    return Own(init, apply)
