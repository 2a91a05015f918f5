"""The members that train together: their states on the devices, and the programs that are compiled for them.

`vmap` stacks the members' arrays along a leading axis, in one program. `map` keeps each member's own arrays and calls
one compiled program for every member, so nothing is copied; several devices share the members, and on a CPU two small
ones train at once. A single run is a group of one. The processes of one run share the members too, if there are enough
of them: each has a group of its own members.
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
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.state import State

Split = tuple[Any, Any]
Values = dict[str, np.ndarray]
"""Per-step values of a chunk by name, on the host."""


AT_ONCE = 2
"""Members that train at once on one CPU device. One leaves cores idle between its matrix products; more only need
more memory."""
FULL_STEP = 5e10
"""Operations per step from which one member fills a device; then members train one after the other."""


class Group:
    """Runs that differ in their hyperparameters only, on the devices of this process, or of all processes of a run.

    Where processes share the members, the methods give and take what belongs to the own ones.

    Args:
        runs: the members.
        train: images uint8 [N, 32, 32, 3] and labels int32 [N]; each device holds one copy.
        test: images and labels of the test split.
        length: largest number of steps per chunk.
        vectorize: `off` for one run, `vmap` or `map`.
    """

    def __init__(self, runs: Sequence[Run], train: Split, test: Split, length: int, vectorize: Vectorize):
        self.stacked, self.size = vectorize == "vmap", len(runs)
        mesh = sharding.make_mesh(self.size, runs[0].batch_size)
        self.own = sharding.own_members(self.size, jax.process_index())
        """The members that this process trains."""
        self.used = sharding.used(mesh, self.size, runs[0].batch_size)
        """Number of devices that train, of all processes."""
        self._common = mesh.is_multi_process
        meshes = [mesh] if self.stacked else sharding.rows(mesh)
        devices = [_Devices(runs[0], train, test, length, row, self.stacked) for row in meshes]
        values = self._parts_of([hyperparams(runs[index]) for index in self.own])
        self._parts = [_Part(devices[index % len(devices)], value) for index, value in enumerate(values)]
        fills = runs[0].batch_size * training_flops(runs[0].model) >= FULL_STEP
        self._at_once = len(devices) * (1 if fills else AT_ONCE)

    def _parts_of(self, members: Sequence[Any]) -> Sequence[Any]:
        return [jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)] if self.stacked else members

    def _of_members(self, work: Callable[[_Part], Any]) -> list[Any]:
        """The results of the parts, own member by own member, on the host."""
        # Threads let the members share a CPU's cores. On accelerators one thread is enough: every device gets its work
        # before the first result is awaited.
        # Processes must start their common programs in one order, so they have one thread as well.
        if len(self._parts) > 1 and jax.default_backend() == "cpu" and not self._common:
            # Each thread awaits the results of its member before it takes the next, as JAX's calls return early.
            with ThreadPoolExecutor(self._at_once) as threads:
                return list(threads.map(lambda part: jax.device_get(work(part)), self._parts))
        host = jax.device_get([work(part) for part in self._parts])
        if not self.stacked:
            return host
        return [jax.tree.map(lambda leaf, i=i: leaf[i], host[0]) for i in range(len(self.own))]

    @property
    def is_spread(self) -> bool:
        """Whether other processes train other members."""
        return len(self.own) < self.size

    @property
    def programs(self) -> int:
        """Number of compiled programs called per chunk."""
        return len(self._parts)

    @property
    def shape(self) -> State:
        """The shapes of a member's state."""
        found = self._parts[0].shape
        if not self.stacked:
            return found
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), found)

    def create(self) -> None:
        """Give every member its initial state."""
        for part in self._parts:
            part.create()

    def load(self, states: Sequence[State]) -> None:
        """Give every own member a state from the host."""
        for part, state in zip(self._parts, self._parts_of(states), strict=True):
            part.load(state)

    def compile(self) -> None:
        """Compile training and evaluation, once per device for all members; needs the states."""
        for part in self._parts:
            part.devices.compile(part)

    def train(self, first: int, count: int, epoch: int) -> list[Values]:
        """Train `count` steps of an epoch from step `first`; return each member's values, arrays [length]."""
        return self._of_members(lambda part: part.train(first, count, epoch))

    def warm_up(self) -> None:
        """Call every program once on dummy labels, so that no first call is timed; this consumes the states."""
        jax.block_until_ready([part.warm_up() for part in self._parts])

    def evaluate(self, last: bool = False) -> list[metrics.Sums]:
        """Return each member's sums over the test split; `last` adds the figures that are taken once, at the end."""
        return self._of_members(lambda part: part.evaluate(last))

    def evaluate_train(self) -> list[metrics.Sums]:
        """Return each member's sums over the training split, in evaluation mode; `Run.evaluate_train` compiles it."""
        return self._of_members(lambda part: part.evaluate_train())

    def states(self) -> list[State]:
        """Return each member's state on the host."""
        return self._of_members(lambda part: part.state)


class _Devices:
    """The devices that one program uses, with the data and the compiled programs on them."""

    def __init__(self, run: Run, train: Split, test: Split, length: int, mesh: Mesh, stacked: bool):
        self.sharding = sharding.by_member(mesh) if stacked else sharding.replicated(mesh)
        self.train, self.test = sharding.put((train, test), sharding.replicated(mesh))
        self.program = program.build(run, len(train[1]), length, mesh, stacked)
        self.create, self.order = jax.jit(self.program.create), jax.jit(self.program.order)
        self.run = run
        self.chunk: Any = None
        self.evaluate: Any = None
        self.evaluate_last: Any = None
        self.evaluate_train: Any = None

    def compile(self, part: _Part) -> None:
        if self.chunk is None:
            # The old state is donated, so that the new one takes its memory: updates happen in place.
            chunk = jax.jit(self.program.chunk, donate_argnums=1)
            order = self.order(part.values, np.int32(0))
            # Compiled ahead of the first call, so that the time of training contains no compilation.
            self.chunk = chunk.lower(part.values, part.state, self.train, order, np.zeros(2, np.int32)).compile()
            self._compile_evaluation(part.values, part.state, self.test)
            if self.run.evaluate_train:
                evaluate = jax.jit(self.program.evaluate)
                self.evaluate_train = evaluate.lower(part.values, part.state, self.train).compile()

    def _compile_evaluation(self, *arguments: Any) -> None:
        """The evaluation after an epoch, of which a timed run has none, and the last one, where it differs."""
        if not self.run.timed:
            self.evaluate = self.evaluate_last = jax.jit(self.program.evaluate).lower(*arguments).compile()
        if self.run.timed or metrics.other_figures(self.run):
            self.evaluate_last = jax.jit(self.program.evaluate_last).lower(*arguments).compile()


class _Part:
    """What one call of a program trains: a member with `map`, all of them stacked with `vmap`."""

    def __init__(self, devices: _Devices, values: Any):
        self.devices, self.values = devices, sharding.put(values, devices.sharding)
        self.epoch, self.order, self.state = -1, None, None

    @property
    def shape(self) -> State:
        return jax.eval_shape(self.devices.create, self.values, self.devices.train[0])

    def create(self) -> None:
        # A program that is compiled ahead takes arrays of one sharding only, that of `load`.
        self.state = jax.device_put(self.devices.create(self.values, self.devices.train[0]), self.devices.sharding)

    def load(self, state: State) -> None:
        self.state = sharding.put(state, self.devices.sharding)

    def train(self, first: int, count: int, epoch: int) -> Any:
        # An epoch has several chunks, but one permutation.
        if epoch != self.epoch:
            self.epoch, self.order = epoch, self.devices.order(self.values, np.int32(epoch))
        span = np.array([first, count], np.int32)
        self.state, measured = self.devices.chunk(self.values, self.state, self.devices.train, self.order, span)
        return measured

    def warm_up(self) -> Any:
        devices, span = self.devices, np.array([0, 1], np.int32)
        order = devices.order(self.values, np.int32(0))
        train, test = ((images, jnp.zeros_like(labels)) for images, labels in (devices.train, devices.test))
        state, _ = devices.chunk(self.values, self.state, train, order, span)
        return devices.evaluate_last(self.values, state, test)

    def evaluate(self, last: bool) -> Any:
        evaluate = self.devices.evaluate_last if last else self.devices.evaluate
        return evaluate(self.values, self.state, self.devices.test)

    def evaluate_train(self) -> Any:
        return self.devices.evaluate_train(self.values, self.state, self.devices.train)
