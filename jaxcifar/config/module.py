"""A network of the user's own in a config."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from jaxcifar.config.network import Network, TimedAs
from jaxcifar.config.own import (
    NOT_STORED,
    Description,
    Digest,
    Hidden,
    in_words,
    name_of,
    named,
    settings,
    source_sha256,
)
from jaxcifar.errors import UserError

if TYPE_CHECKING:
    from jaxcifar.measures.base import InsidePart

Found = TypeVar("Found")


@dataclass(frozen=True)
class Module(Network):
    """A Flax network of your own, from images [N, H, W, C] to logits [N, classes].

    Args:
        network: a `flax.linen` module, or the class of a `flax.nnx` or `flax.linen` module.
        arguments: of the class; `nnx` classes get `rngs` as well.
        output: path in the parameters of the last linear layer; by default the forward pass says.
        layers: paths of the layers that are measured one by one; by default all with a kernel, from the forward pass.

    The other fields describe the network in records, which never name code that is then run: a run is continued, and
    its network is loaded, only with a module of equal class, arguments and source.

    Examples:
        >>> from flax import linen as nn
        >>> Module(nn.Dense(10)).class_arguments[:11]
        'features=10'
    """

    network: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    arguments: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    output: str = ""
    layers: tuple[str, ...] = ()
    class_name: Description = ""
    class_arguments: Description = ""
    source_sha256: Digest = None
    """SHA-256 of the source of the class and of what it names in its folder; None where Python cannot find it."""

    timed_as: ClassVar[TimedAs] = "ResNet"

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        # Read from a record: the fields that describe the network keep their stored values.
        if self.network is None:
            return
        kind = _checked(self.network)
        where = f"The network {name_of(kind)}"
        given: Mapping[str, Any] = dict(self.arguments or {}) if kind is self.network else settings(self.network)
        object.__setattr__(self, "class_name", name_of(kind))
        object.__setattr__(self, "class_arguments", named(given, where))
        object.__setattr__(self, "source_sha256", source_sha256(kind))

    @property
    def title(self) -> str:
        return self.class_name or "own network"

    @property
    def shows(self) -> tuple[InsidePart, ...]:
        return ()  # its layers have no roles

    def check_given(self) -> None:
        """Raise UserError if this was read from a record, which holds no code."""
        if self.network is None:
            raise UserError(
                f"The network {self.class_name} is a user's own, which a record describes but does not hold; give it "
                f"again by model=Module({self.class_name}(…))."
            )


def by_code(function: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """Cache a function of a model; of a network of one's own by its very code, as equal descriptions may be of two."""

    @functools.cache
    def kept(model: Any, code: tuple[int, ...]) -> Found:
        return function(model)

    @functools.wraps(function)
    def found(model: Any) -> Found:
        # The cache keeps the model, and so its code: no other object gets these numbers.
        own = (model.network, *(model.arguments or {}).values()) if isinstance(model, Module) else ()
        return kept(model, tuple(map(id, own)))

    return found


def _checked(network: Any) -> type:
    """The class of the network, or the network itself where it is a class."""
    if isinstance(network, type):
        return network
    if hasattr(network, "init") and hasattr(network, "apply"):
        return type(network)
    if _is_nnx(network):
        raise UserError(
            f"Module got a {name_of(network)} of flax.nnx that has its weights already; give the class and its "
            f"arguments, Module({name_of(network)}, {{…}}), so that each seed draws its own."
        )
    raise UserError(
        f"Module got {in_words(network, 'Module')}; it takes a flax.linen module, or the class of a flax.nnx module "
        "and its arguments."
    )


def _is_nnx(network: Any) -> bool:
    # By the names of the modules, so that Flax need not be imported here.
    return any(cls.__module__.startswith("flax.nnx") for cls in type(network).__mro__)
