"""The members that train together: their states on the devices, and the programs that are compiled for them.

`vmap` stacks the members' arrays along a leading axis, in one program. `map` keeps each member's own arrays and calls
one compiled program for every member, so nothing is copied; several devices share the members, and on a CPU two small
ones train at once. A single run is a group of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcifar.config import Run, Vectorize
from jaxcifar.models import training_flops
from jaxcifar.training import metrics, program, sharding
from jaxcifar.training.optimizers import numbers
from jaxcifar.training.state import State

Split = tuple[Any, Any]
Values = dict[str, np.ndarray]
"""Per-step values of a chunk by name, on the host."""


AT_ONCE = 2
"""Members that train at once on one CPU device: one leaves cores idle between its products, more only take memory."""
FULL_STEP = 5e10
"""From so many operations a step on, a member fills a device by itself, and its members train one after another."""


class Group:
    """Runs that differ in their plain numbers only, on the devices at hand.

    Args:
        runs: the members.
        train: images uint8 [N, 32, 32, 3] and labels int32 [N]; one copy lies on each device.
        test: the same of the test split.
        length: at most so many steps a chunk.
        vectorize: `off` for one run, `vmap` or `map`.
    """

    def __init__(self, runs: Sequence[Run], train: Split, test: Split, length: int, vectorize: Vectorize):
        self.stacked, self.size = vectorize == "vmap", len(runs)
        mesh = sharding.make_mesh(self.size, runs[0].batch_size)
        meshes = [mesh] if self.stacked else sharding.rows(mesh)
        places = [_Place(runs[0], train, test, length, place, self.stacked) for place in meshes]
        values = self._parts_of([numbers(run) for run in runs])
        self._parts = [_Part(places[index % len(places)], value) for index, value in enumerate(values)]
        fills = runs[0].batch_size * training_flops(runs[0].model) >= FULL_STEP
        self._at_once = len(places) * (1 if fills else AT_ONCE)

    def _parts_of(self, members: Sequence[Any]) -> Sequence[Any]:
        return [jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)] if self.stacked else members

    def _of_members(self, work: Callable[[_Part], Any]) -> list[Any]:
        """What the parts give, member by member on the host; every device has its work before the first is awaited."""
        if len(self._parts) > 1 and jax.default_backend() == "cpu":
            with ThreadPoolExecutor(self._at_once) as threads:
                return list(threads.map(lambda part: jax.device_get(work(part)), self._parts))
        host = jax.device_get([work(part) for part in self._parts])
        return [jax.tree.map(lambda leaf, i=i: leaf[i], host[0]) for i in range(self.size)] if self.stacked else host

    @property
    def programs(self) -> int:
        """As many are called for one chunk."""
        return len(self._parts)

    @property
    def shape(self) -> State:
        """The shapes of a member's state."""
        found = self._parts[0].shape
        if not self.stacked:
            return found
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), found)

    def create(self) -> None:
        """Gives every member its initial state."""
        for part in self._parts:
            part.create()

    def load(self, states: Sequence[State]) -> None:
        """Gives every member a state from the host."""
        for part, state in zip(self._parts, self._parts_of(states), strict=True):
            part.load(state)

    def compile(self) -> None:
        """Compiles what training and evaluation call, once for all members; the states must be there."""
        for part in self._parts:
            part.place.compile(part)

    def train(self, first: int, count: int, epoch: int) -> list[Values]:
        """Trains `count` steps of an epoch from step `first` on; each member's values, arrays [length]."""
        return self._of_members(lambda part: part.train(first, count, epoch))

    def warm_up(self) -> None:
        """Calls every program once on dummy labels, so that none is timed at its first call; the states are used up."""
        jax.block_until_ready([part.warm_up() for part in self._parts])

    def evaluate(self, last: bool = False) -> list[metrics.Sums]:
        """Each member's sums over the test split; `last` adds the figures that are taken once, at the end."""
        return self._of_members(lambda part: part.evaluate(last))

    def states(self) -> list[State]:
        """Each member's state on the host."""
        return self._of_members(lambda part: part.state)


class _Place:
    """Some devices, with the data and the compiled programs on them."""

    def __init__(self, run: Run, train: Split, test: Split, length: int, mesh: Mesh, stacked: bool):
        self.sharding = sharding.by_member(mesh) if stacked else sharding.replicated(mesh)
        self.train, self.test = jax.device_put((train, test), sharding.replicated(mesh))
        self.program = program.build(run, len(train[1]), length, mesh, stacked)
        self.create, self.order = jax.jit(self.program.create), jax.jit(self.program.order)
        self.run = run
        self.chunk: Any = None
        self.evaluate: Any = None
        self.evaluate_last: Any = None

    def compile(self, part: _Part) -> None:
        if self.chunk is None:
            chunk = jax.jit(self.program.chunk, donate_argnums=1)
            order = self.order(part.values, np.int32(0))
            self.chunk = chunk.lower(part.values, part.state, self.train, order, np.zeros(2, np.int32)).compile()
            self._compile_evaluation(part.values, part.state, self.test)

    def _compile_evaluation(self, *arguments: Any) -> None:
        """The evaluation after an epoch, of which a timed run has none, and the last one, where it differs."""
        if not self.run.timed:
            self.evaluate = self.evaluate_last = jax.jit(self.program.evaluate).lower(*arguments).compile()
        if self.run.timed or metrics.other_figures(self.run):
            self.evaluate_last = jax.jit(self.program.evaluate_last).lower(*arguments).compile()


class _Part:
    """A member, or all of them stacked."""

    def __init__(self, place: _Place, values: Any):
        self.place, self.values = place, jax.device_put(values, place.sharding)
        self.epoch, self.order, self.state = -1, None, None

    @property
    def shape(self) -> State:
        return jax.eval_shape(self.place.create, self.values, self.place.train[0])

    def create(self) -> None:
        self.state = jax.device_put(self.place.create(self.values, self.place.train[0]), self.place.sharding)

    def load(self, state: State) -> None:
        self.state = jax.device_put(state, self.place.sharding)

    def train(self, first: int, count: int, epoch: int) -> Any:
        if epoch != self.epoch:
            self.epoch, self.order = epoch, self.place.order(self.values, np.int32(epoch))
        span = np.array([first, count], np.int32)
        self.state, measured = self.place.chunk(self.values, self.state, self.place.train, self.order, span)
        return measured

    def warm_up(self) -> Any:
        place, order, span = self.place, self.place.order(self.values, np.int32(0)), np.array([0, 1], np.int32)
        train, test = ((images, jnp.zeros_like(labels)) for images, labels in (place.train, place.test))
        state, _ = place.chunk(self.values, self.state, train, order, span)
        return place.evaluate_last(self.values, state, test)

    def evaluate(self, last: bool) -> Any:
        evaluate = self.place.evaluate_last if last else self.place.evaluate
        return evaluate(self.values, self.state, self.place.test)
