"""One pure training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxcifar.config import Module, Optax, Run, UserError
from jaxcifar.config.loss import OwnLoss
from jaxcifar.measures import SHIPPED
from jaxcifar.models import inside, own, roles
from jaxcifar.training import averaging, probes
from jaxcifar.training.averaging import Weights
from jaxcifar.training.losses import per_example
from jaxcifar.training.optimizers import Hyperparams, apply_update, direction, hyperparams, schedule_factor
from jaxcifar.training.state import State, create, key, module

Batch = tuple[jax.Array, jax.Array]
Metrics = dict[str, jax.Array]


def loss_function(run: Run, values: Hyperparams) -> Callable[..., tuple[jax.Array, Any]]:
    """Return the training loss: `f(params, batch_stats, batch, step) -> (loss, (logits, new batch_stats))`.

    BatchNorm is in training mode, and dropout and noise draw the keys of `step`, so equal arguments give an equal loss.
    """
    network = module(run)

    def loss(params: Any, batch_stats: Any, batch: Batch, step: jax.Array) -> tuple[jax.Array, Any]:
        images, labels = batch
        variables = {"params": params, "batch_stats": batch_stats}
        rngs = {use: key(values, use, step) for use in ("dropout", "noise")}
        logits, updated = network.apply(variables, images, True, rngs=rngs, mutable=["batch_stats"])
        value = per_example(run.loss, logits, labels, values.label_smoothing).mean()
        # Flax returns no such collection where the network has no statistics.
        return value, (logits, updated.get("batch_stats", batch_stats))

    return loss


def train_step(
    run: Run, steps_per_epoch: int, values: Hyperparams, state: State, batch: Batch, step: jax.Array
) -> tuple[State, Metrics]:
    """Take one step of the optimizer, and the run's step measures around it.

    Args:
        run: what is trained (static).
        steps_per_epoch: for the schedule (static).
        values: the run's hyperparameters.
        state: before the step.
        batch: normalised images [N, 32, 32, 3] and labels [N].
        step: the number of finished steps.

    Returns:
        The state after the step; the loss (mean per example) and accuracy of the batch before it, and the measures.
    """
    loss = loss_function(run, values)
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, (logits, batch_stats)), gradient = grad(state.params, state.batch_stats, batch, step)
    values = _once_known(gradient, values)
    rate = values.learning_rate * schedule_factor(run.optimizer.schedule, step, steps_per_epoch, run.epochs)
    # What optimizers of Optax may ask for; the package's own take none of it.
    extra = {"value": value, "grad": gradient, "value_fn": lambda w: loss(w, state.batch_stats, batch, step)[0]}
    transformation = optax.with_extra_args_support(direction(run.optimizer, values, roles(run.model)))
    update, opt_state = transformation.update(gradient, state.opt_state, state.params, rate=rate, **extra)
    # The hyperparameters are wider than the narrow parameters that a user's own network may have.
    opt_state = jax.tree.map(_in_dtype_of, opt_state, state.opt_state)
    params = apply_update(run, values, state.params, update, rate, step / steps_per_epoch)
    steps = run.epochs * steps_per_epoch
    (params, batch_stats), average = averaging.update(run, Weights(params, batch_stats), state.average, step, steps)
    measured = {"loss": value, "accuracy": jnp.mean(logits.argmax(-1) == batch[1], dtype=jnp.float32)}
    previous = state.previous
    if run.step_measures:
        losses = _losses(run, values, state.batch_stats, batch, step)
        looked = _inside(run, values, state.batch_stats, batch, step)
        previous, found = probes.take(run, step, state.params, params, gradient, rate, state.previous, losses, looked)
        measured |= found
    return State(state.step + 1, params, batch_stats, opt_state, previous, average), measured


def _once_known(gradient: Any, values: Hyperparams) -> Hyperparams:
    """Return the hyperparameters unchanged, with a data dependency on the first layer's gradient (computed last).

    Then every update comes after each parameter's last use in another layer's gradient, and XLA updates in place.
    Without the dependency it copies large parameters at every step; a barrier does not help, because on a CPU barriers
    are removed before copies are decided. The first layer is taken to be the kernel with the fewest input channels; a
    wrong guess costs a copy. A dependency on all layers would make one huge fused expression.
    """
    kernels = [leaf for leaf in jax.tree.leaves(gradient) if leaf.ndim > 1]
    first = min(kernels, key=lambda kernel: kernel.shape[-2]).ravel()[0].astype(jnp.float32)
    # A zero that XLA cannot see to be one: the sign bit, shifted out.
    zero = ((lax.bitcast_convert_type(first, jnp.uint32) >> 31) >> 1).astype(jnp.float32)
    return jax.tree.map(lambda value: value + zero.astype(value.dtype), values)


def _in_dtype_of(new: jax.Array, old: jax.Array) -> jax.Array:
    return new if new.dtype == old.dtype else new.astype(old.dtype)


def _losses(
    run: Run, values: Hyperparams, batch_stats: Any, batch: Batch, step: jax.Array
) -> tuple[Callable[[Any], jax.Array], Callable[[Any], jax.Array]]:
    """The loss of parameters in float32, on the batch and on the batch in another order."""
    exact = loss_function(replace(run, precision="float32"), values)

    def loss_on(images_and_labels: Batch) -> Callable[[Any], jax.Array]:
        return lambda params: exact(params, batch_stats, images_and_labels, step)[0]

    # Without dropout and noise another order of the images changes the loss by rounding only.
    return loss_on(batch), loss_on(jax.tree.map(lambda x: x[::-1], batch))


def _inside(
    run: Run, values: Hyperparams, batch_stats: Any, batch: Batch, step: jax.Array
) -> Callable[[Any], inside.Inside]:
    """Return a function of the parameters: the inner values of the network on the batch, in float32."""
    network = module(replace(run, precision="float32"))
    rngs = {use: key(values, use, step) for use in ("dropout", "noise")}
    return lambda params: inside.inside(network, {"params": params, "batch_stats": batch_stats}, batch[0], rngs)


def check_parts(run: Run) -> None:
    """Trace one step without computing it, so that mistakes in a user's own parts are told before training.

    Raises:
        UserError: a user's own network, loss or optimizer fails; a measure fails, computes other arrays than it
            announces, takes what the network does not show or refuses its random numbers; or two write one array.
    """
    for measure in run.snapshot_measures:
        measure.told("displays")
        for part in measure.inside:
            if part not in run.model.shows:
                raise UserError(
                    f"probes holds the measure {measure.name}, which takes a network's {part}, and {run.model.title} "
                    "shows none; take it out of the config."
                )
    if name := probes.rivals(run.step_measures, probes.layers(run.model)):
        raise UserError(f"probes holds two step measures that write {name} and differ in more than `every`; keep one.")
    refusing = next((measure for measure in run.step_measures if measure.refuses_randomness), None)
    if refusing and isinstance(run.model, Module) and own.draws(run.model):
        raise UserError(
            f"probes holds {type(refusing).__name__}, which takes a batch in another order, and {run.model.title} "
            "draws random numbers, which would be others; take the measure out of the config or these out of it."
        )
    # The package's own parts need no check, and tracing a step takes a while.
    parts = (run.model, run.loss, run.optimizer)
    if all(type(measure).__name__ in SHIPPED for measure in run.step_measures) and not any(
        isinstance(part, Module | OwnLoss | Optax) for part in parts
    ):
        return
    values = hyperparams(run)
    states = jax.eval_shape(lambda: create(run, values))
    images = jax.ShapeDtypeStruct((run.batch_size, *run.model.image), jnp.float32)
    labels, step = jax.ShapeDtypeStruct((run.batch_size,), jnp.int32), jax.ShapeDtypeStruct((), jnp.int32)
    jax.eval_shape(partial(train_step, run, 1), values, states, (images, labels), step)
