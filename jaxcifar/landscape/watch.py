"""Measures that ride in any optax training loop: `tx = watch(tx, loss, measures)`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.landscape.checks import leaf_name
from jaxcifar.landscape.groups import Layers
from jaxcifar.landscape.kernels import uses
from jaxcifar.landscape.smoothness import distance_from_gradients

COSINE = "watch/gradient_cosine"
"""Array of the cosine of the gradient that the loop took and that of the watched loss, which should be 1."""


class StepMeasure(Protocol):
    """What `watch` asks of a measure; those of `jaxcifar.measures` and a user's own have it."""

    @property
    def needs(self) -> tuple[str, ...]: ...

    def names(self, layers: Any) -> tuple[str, ...]: ...

    def displays(self, layers: Any) -> tuple[Any, ...]: ...

    def at(self, **facts: Any) -> Any: ...

    def compute(self, step: Any) -> dict[str, jax.Array]: ...


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["inner", "count", "every", "rows", "steps", "values"],
    meta_fields=["about"],
)
@dataclasses.dataclass(frozen=True)
class WatchState:
    """The optimizer's own state, and what was measured."""

    inner: Any
    count: jax.Array
    """Number of finished steps."""
    every: jax.Array
    """Steps between measurements; doubles each time the rows are full."""
    rows: jax.Array
    """Number of rows that are filled."""
    steps: jax.Array
    """Step of each row [capacity]."""
    values: dict[str, jax.Array]
    """Measured values by name [capacity]."""
    about: str
    """JSON of the figures that show them."""


def watch(
    tx: Any,
    loss: Callable[..., Any],
    measures: Sequence[StepMeasure],
    *,
    every: int = 50,
    capacity: int = 512,
    layers: Layers | None = None,
) -> Any:
    """Return an optimizer that takes the same steps and measures the loss landscape in every `every`-th step.

    Call `tx.update(gradient, state, params, batch=batch)`: the batch is the second argument of the loss. It
    works under `jit`, `scan` and `lax.while_loop`; under `vmap` every step pays for the measures. Steps that are not
    measured cost one comparison. `jaxcifar.record(state, out)` writes what was measured for `jaxcifar report`.

    Args:
        tx: any `optax.GradientTransformation`.
        loss: `loss(params, batch)`, a scalar or a pair of a scalar and anything; that of the loop, on its own batch.
        measures: step measures of `jaxcifar.measures`, such as `Beta()`, or a user's own, at `every` of this call.
        every: steps between measurements.
        capacity: rows that are kept; when they are full, every second one is dropped and `every` doubles.
        layers: layers from input to output by path, as of `group_of_leaves`; only measures by layer need them.

    Returns:
        An `optax.GradientTransformationExtraArgs`, whose state is a `WatchState`.

    Raises:
        ValueError: a measure needs two successive steps, the batch in another order or layers that are not given;
            later: the update gets no batch or no parameters.

    Examples:
        >>> import optax
        >>> from jaxcifar.measures import Beta
        >>> loss = lambda w, batch: jnp.vdot(w, batch * w) / 2
        >>> tx = watch(optax.sgd(0.1), loss, (Beta(),), every=1)
        >>> params, batch = jnp.ones(2), jnp.array([3.0, 0.0])
        >>> state = tx.init(params)
        >>> updates, state = tx.update(jax.grad(loss)(params, batch), state, params, batch=batch)
        >>> round(float(state.values["beta/same_batch"][0]), 4)
        3.0
    """
    import optax

    # A plain transformation would refuse the keyword arguments that `update` passes on.
    inner = optax.with_extra_args_support(tx)
    groups = _named(layers)
    _check(measures, groups, every, capacity)
    names = [COSINE, *dict.fromkeys(name for measure in measures for name in measure.names(groups))]
    figures = [dataclasses.asdict(shown) for measure in measures for shown in measure.displays(groups)]
    # Text, because `jit` hashes and compares the static fields of a state.
    about = json.dumps({"measures": [type(measure).__name__ for measure in measures], "displays": figures})

    def init(params: Any) -> WatchState:
        # Two arrays, because one that is twice in a state cannot be donated.
        count, rows = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        values = {name: jnp.full(capacity, jnp.nan, jnp.float32) for name in names}
        steps = jnp.full(capacity, -1, jnp.int32)
        return WatchState(inner.init(params), count, jnp.full((), every, jnp.int32), rows, steps, values, about)

    def update(gradient: Any, state: WatchState, params: Any = None, *, batch: Any = None, **extra: Any) -> Any:
        if params is None or batch is None:
            raise ValueError(
                "update(…) got no params or no batch; call tx.update(gradient, state, params, batch=batch)."
            )
        updates, own = inner.update(gradient, state.inner, params, batch=batch, **extra)
        measured = partial(_measured, measures, loss, groups, gradient, params, updates, batch)
        return updates, _next(dataclasses.replace(state, inner=own), measured)

    functions: Any = (init, update)
    return optax.GradientTransformationExtraArgs(*functions)


def _named(layers: Layers | None) -> dict[str, list[str]]:
    """Layers by the name of their first path."""
    if layers is None:
        return {}
    if callable(layers):
        raise ValueError("layers is a function, but watch takes a list of paths, such as ['conv', ['dense', 'norm']].")
    groups = [[group] if isinstance(group, str) else list(group) for group in layers]
    return {group[0]: group for group in groups}


def _check(measures: Sequence[StepMeasure], groups: dict[str, list[str]], every: int, capacity: int) -> None:
    # With an even capacity, the next measured step after thinning continues the spacing of the rows that are kept.
    if every < 1 or capacity < 2 or capacity % 2:
        raise ValueError(f"every is {every} and capacity {capacity}; give at least 1, and an even number from 2.")
    if not isinstance(measures, Sequence):
        raise ValueError(f"measures is {measures!r}; give a list of measures, such as [Beta()].")
    if not measures:
        raise ValueError("measures is empty; give at least one, such as Beta().")
    for measure in measures:
        kind = type(measure).__name__
        if isinstance(measure, type) or not all(hasattr(measure, name) for name in ("needs", "names", "compute")):
            raise ValueError(f"measures holds {measure!r}; each must be a measure of a step, such as Beta().")
        if "previous" in measure.needs:
            raise ValueError(f"{kind} compares successive batches, which watch does not keep; give batch='same_batch'.")
        if getattr(measure, "refuses_randomness", False):
            raise ValueError(f"{kind} takes the batch in another order, which watch does not know; leave it out.")
        if not measure.names(groups):
            raise ValueError(f"{kind} measures layer by layer; give watch(…, layers=[…]), from input to output.")


def _next(state: WatchState, measured: Callable[[], dict[str, jax.Array]]) -> WatchState:
    """Count the step, and fill a row where one is due; the measures are in a branch that other steps do not take."""

    def due(state: WatchState) -> WatchState:
        found = measured()
        values = {name: array.at[state.rows].set(found[name]) for name, array in state.values.items()}
        steps = state.steps.at[state.rows].set(state.count)
        filled = dataclasses.replace(state, values=values, steps=steps, rows=state.rows + 1)
        return lax.cond(filled.rows == len(steps), _thinned, lambda full: full, filled)

    # Counting starts at 0, so that the rows that `_thinned` keeps are multiples of the doubled `every` too.
    state = lax.cond(state.count % state.every == 0, due, lambda state: state, state)
    return dataclasses.replace(state, count=state.count + 1)


def _thinned(state: WatchState) -> WatchState:
    """Every second row, which are those of twice the distance."""
    half = len(state.steps) // 2

    def kept(array: jax.Array, empty: float) -> jax.Array:
        return jnp.concatenate([array[::2], jnp.full(half, empty, array.dtype)])

    values = {name: kept(array, jnp.nan) for name, array in state.values.items()}
    return dataclasses.replace(
        state, values=values, steps=kept(state.steps, -1), rows=state.rows // 2, every=state.every * 2
    )


def _measured(
    measures: Sequence[StepMeasure],
    loss: Callable[..., Any],
    groups: dict[str, list[str]],
    gradient: Any,
    before: Any,
    updates: Any,
    batch: Any,
) -> dict[str, jax.Array]:
    import optax

    def of(params: Any) -> jax.Array:
        value = loss(params, batch)
        return value[0] if isinstance(value, tuple) else value

    def kernel(tree: Any) -> Any:
        kernels = [use.leaf for use in uses(of, before) if use.kind]
        leaves = {leaf_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
        return leaves[kernels[-1]] if kernels else list(leaves.values())[-1]

    with jax.default_matmul_precision("highest"):
        # The loop's gradient may be of lower precision or already clipped, so the measures take their own.
        own = jax.grad(of)(before)
        found = {COSINE: distance_from_gradients(own, gradient).cosine}
        after = optax.apply_updates(before, updates)
        step = measures[0].at(
            before=before,
            after=after,
            # An Optax transformation does not tell its learning rate, so what needs it is NaN.
            learning_rate=jnp.full((), jnp.nan),
            loss=of,
            # Not read: `_check` refuses the measures that reorder the batch.
            reordered=of,
            layers=groups,
            output="",
            gradient=own,
            kernel=kernel,
        )
        for measure in measures:
            found |= measure.compute(step)
    return {name: jnp.asarray(value, jnp.float32) for name, value in found.items()}
