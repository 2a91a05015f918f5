"""Base classes of measures of the loss landscape. A measure is one class in one file, here or in a user's config file.

A class says which arrays it writes, what it needs, how they are computed and how they are shown; nothing else in the
package names it. JAX is imported inside functions, so that configs stay quick to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jaxcifar.errors import UserError, check_count
from jaxcifar.measures.display import Display

if TYPE_CHECKING:
    import jax

    from jaxcifar.measures.context import Snapshots, Step

Layers = Mapping[str, Sequence[str]]
"""Layers from input to output: name of a convolution or linear layer -> paths of its parameters and its BatchNorm's."""


def normed_layers(layers: Layers) -> dict[str, str]:
    """Return the layers that a normalisation follows, each with the path of that normalisation."""
    found = {}
    for layer, paths in layers.items():
        # Of a user's own network the paths are those of single parameters.
        own = [path.removesuffix("/scale") for path in paths if path.endswith("/scale")]
        # Of the package's networks the first path is the layer's own, and its normalisation follows.
        norms = paths[1:] if paths and paths[0] == layer else own
        if norms:
            found[layer] = norms[0]
    return found


Need = Literal["gradient_before", "gradient_after", "previous"]
"""What measures of one step share: the gradient before and after the step on its batch, and the step before it."""

InsidePart = Literal["logits", "features", "normalized", "branches"]
"""A field of `Inside`, what a network computes on its way."""


@dataclass(frozen=True)
class Measure:
    """A measure of the loss landscape; see docs/landscape.md."""

    def told(self, method: str, *arguments: Any) -> Any:
        """Return what one of its methods returns.

        Raises:
            UserError: the method of a user's own measure fails; one of the package raises its own error.
        """
        kind = type(self)
        try:
            return getattr(self, method)(*arguments)
        except Exception as error:
            if isinstance(error, UserError) or kind.__module__.startswith("jaxcifar.measures."):
                raise
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise UserError(f"The measure {kind.__name__} fails with {why}; mend its {method}().") from error


@dataclass(frozen=True)
class StepMeasure(Measure):
    """A measure taken in the training program, one value per step (NaN where none is due).

    A subclass is a frozen dataclass with `displays` and `compute`.
    """

    every: int = 1
    """Steps between measurements."""

    refuses_randomness: ClassVar[bool] = False
    """Whether dropout and noise, which draw other numbers in another order of the batch, would spoil it."""

    def __post_init__(self):
        check_count(f"{type(self).__name__}.every", self.every, 1)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What it takes from the step; measures of equal needs are computed together."""
        return ()

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        """Return the figures that show it."""
        raise NotImplementedError

    def names(self, layers: Layers) -> tuple[str, ...]:
        """Return the names of its arrays in steps.npz."""
        # Two figures may show the same array.
        return tuple(dict.fromkeys(name for display in self.displays(layers) for name in display.arrays))

    def at(self, **facts: Any) -> Step:
        """Return what measures see of a step, from the fields of `Step`; for loops that are not of this package."""
        from jaxcifar.measures.context import Step

        return Step(**facts)

    def gradients(self, layers: Layers) -> int:
        """Return how many gradients it takes when it is due, beyond those that it needs."""
        return 0

    def compute(self, step: Step) -> dict[str, jax.Array]:
        """Return its values at a step, scalars by name."""
        raise NotImplementedError


@dataclass(frozen=True)
class SnapshotMeasure(Measure):
    """A measure taken after training, at the run's snapshots.

    A subclass is a frozen dataclass with `name`, `displays` and `compute`.
    """

    name: ClassVar[str]
    """Its arrays go to `curvature/<name>.npz`; also its name on the command line."""
    snapshots: ClassVar[int] = 1
    """Least number of snapshots."""
    lanczos: ClassVar[int] = 0
    """Lanczos iterations whose basis it keeps."""
    inside: ClassVar[tuple[InsidePart, ...]] = ()
    """What it takes of `Snapshots.inside`; a network that does not show it is refused before training."""

    def displays(self) -> tuple[Display, ...]:
        """Return the figures that show it."""
        raise NotImplementedError

    def memory(self, params: Any) -> int:
        """Return the bytes that it keeps beyond a gradient's."""
        from jaxcifar import landscape

        return landscape.lanczos_memory(params, self.lanczos) if self.lanczos else 0

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return about how many gradients of the images it takes, for the time that a plan foretells.

        A product with the Hessian counts as two, a forward pass as a third.

        Args:
            layers: number of the network's layers with parameters.
            snapshots: number of snapshots.
            points: points of a plane's axis.
        """
        return snapshots

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return its arrays by name; the first axis of those over snapshots is that of the snapshots."""
        raise NotImplementedError


@dataclass(frozen=True)
class UnknownMeasure(Measure):
    """A measure of a stored config whose class is not here: a user's own, whose file a record never imports."""

    stored: str
    """Its JSON, as text."""
