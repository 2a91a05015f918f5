"""Inputs of a measure: one training step, or the snapshots of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxcifar.measures.base import Layers

if TYPE_CHECKING:
    import jax

    from jaxcifar.config.optimizer import Optimizer

Loss = Callable[[Any], "jax.Array"]
"""From parameters to a loss, a scalar."""
Values = dict[str, "jax.Array"]
"""Scalars by name."""
Advance = Callable[[int, int], None]
"""Told how many parts of how many are done."""


class Inside(NamedTuple):
    """The arrays of one forward pass, in the order in which the layers are applied."""

    logits: jax.Array
    features: dict[str, jax.Array]
    """By layer with a kernel on the main path: its output, after its normalisation."""
    normalized: dict[str, jax.Array]
    """By normalisation: its input."""
    branches: dict[str, tuple[jax.Array, jax.Array]]
    """By residual block: what it adds up, the branch and the shortcut."""


class Previous(NamedTuple):
    """Gradient of the step before and the distance that it moved (NaN at the first step), for cross-batch measures."""

    gradient: Any
    moved: jax.Array


@dataclass
class Step:
    """Parameters and gradients around one training step, on the step's own batch.

    BatchNorm is in training mode and its new statistics are thrown away; both gradients draw one dropout key. All in
    float32 or higher, at highest matmul precision unless the run's `measure_precision` is lower.
    """

    before: Any
    """Parameters before the step, a pytree."""
    after: Any
    """Parameters after it."""
    learning_rate: jax.Array
    loss: Loss
    """From parameters to the loss on the step's batch."""
    reordered: Loss
    """The same with the images of the batch in another order."""
    layers: Layers
    output: str
    """Path of the last linear layer."""
    gradient: Any = None
    """Training's own gradient, None where it is not exact enough."""
    previous: Any = ()
    """The step before, for measures that need it."""
    kernel: Callable[[Any], Any] | None = None
    """Picks the last linear layer's kernel, where `output` does not name it."""
    inside: Callable[[Any], Inside] | None = None
    """From parameters to what the network computes on the step's batch, in float32; None where only a loss is known."""

    @cached_property
    def update(self) -> Any:
        """Difference of the parameters after and before."""
        import jax

        return jax.tree.map(lambda after, before: after - before, self.after, self.before)

    @cached_property
    def gradient_before(self) -> Any:
        """Gradient at `before`; shared by the measures that are computed together."""
        import jax

        return jax.grad(self.loss)(self.before) if self.gradient is None else self.gradient

    @cached_property
    def gradient_after(self) -> Any:
        """Gradient at `after`, on the same batch."""
        import jax

        return jax.grad(self.loss)(self.after)

    def last_linear(self, tree: Any) -> Any:
        """Return the last linear layer's kernel of a pytree shaped like the parameters."""
        if self.kernel is not None:
            return self.kernel(tree)
        return self.kernel_of(tree, self.output)

    def kernel_of(self, tree: Any, layer: str) -> Any:
        """Return a layer's kernel of a pytree shaped like the parameters."""
        part = self.at(tree, layer)
        return part["kernel"] if isinstance(part, Mapping) else part

    def at(self, tree: Any, layer: str) -> Any:
        """Return a layer's part of a pytree shaped like the parameters."""
        for part in layer.split("/"):
            tree = tree[part]
        return tree


class Snapshot(NamedTuple):
    """The training state after some steps."""

    step: jax.Array
    params: Any
    opt_state: Any


IMAGES = 512
"""Training images on which measures at snapshots are taken, as one batch."""


def plane_points(images: int) -> int:
    """Return the number of points on each axis of a plane, by the number of training images."""
    # Fewer points where the run itself is a small version.
    return 25 if images > 4 * IMAGES else 9


@dataclass
class Snapshots:
    """The snapshots of a run, and the loss that is measured.

    The loss is that of the first training images, at most 512, not augmented, as one batch; BatchNorm is in training
    mode and its new statistics are thrown away; dropout draws one key.
    """

    states: Sequence[Snapshot]
    """In the order of their steps."""
    batch: Any
    loss_on: Callable[[Any], Loss]
    """From a batch to the loss on it."""
    inside: Callable[[Any, Any], Inside]
    """From parameters and images [N, H, W, C] to what the network computes on its way, in training mode."""
    optimizer: Optimizer
    learning_rate: Callable[[jax.Array], jax.Array]
    """From a number of finished steps to the learning rate of the last one (of the first, before any)."""
    points: int
    """Points along each axis of a plane."""
    advance: Advance

    @property
    def loss(self) -> Loss:
        """From parameters to the loss."""
        return self.loss_on(self.batch)

    def each(self, function: Callable[[Loss, Snapshot, jax.Array], dict[str, Any]]) -> dict[str, Any]:
        """Return `function(loss, snapshot, key)` at every snapshot, stacked; compiled once for all."""
        import jax

        # One key for all snapshots, so that a difference of two does not come from their random vectors.
        return self._mapped(lambda state, batch: function(self.loss_on(batch), state, jax.random.key(0)))

    def on_images(self, function: Callable[[Any, jax.Array], dict[str, Any]]) -> dict[str, Any]:
        """Return `function(params, images)` at every snapshot, on the images of the batch, stacked; compiled once."""
        return self._mapped(lambda state, batch: function(state.params, batch[0]))

    def _mapped(self, function: Callable[[Snapshot, Any], dict[str, Any]]) -> dict[str, Any]:
        """`function(snapshot, batch)` at every snapshot.

        The batch is an argument of the compiled function: as a constant, XLA would fold parts of the network over it.
        """
        import jax
        import jax.numpy as jnp
        import numpy as np

        compiled = jax.jit(function)
        found = []
        for index, state in enumerate(self.states, 1):
            # JAX returns before a computation ends; the wait lets `advance` count finished snapshots only.
            found.append(jax.block_until_ready(compiled(jax.tree.map(jnp.asarray, state), self.batch)))
            self.advance(index, len(self.states))
        return jax.tree.map(lambda *leaves: np.stack(leaves), *found)
