"""Measure the loss landscape in a training loop of your own, here of a small network on two spirals."""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

import jaxcifar
from jaxcifar import landscape
from jaxcifar.measures import Beta, GradientDistance, StepReliability, TopEigenvalue

model = nn.Sequential([nn.Dense(64), nn.tanh, nn.Dense(64), nn.tanh, nn.Dense(2)])
turn = jnp.linspace(0.5, 3, 500)[:, None] * jnp.pi
spiral = jnp.concatenate([turn * jnp.cos(turn), turn * jnp.sin(turn)], axis=1) / 10
points, labels = jnp.concatenate([spiral, -spiral]), jnp.repeat(jnp.arange(2), 500)


def loss(params, batch):
    """The loss of the loop: `loss(params, batch)`."""
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(model.apply(params, x), y).mean()


measures = (Beta(), GradientDistance(), StepReliability(), TopEigenvalue())
tx = landscape.watch(optax.adam(1e-2), loss, measures, every=20)


def step(carry, rows):
    params, state = carry
    batch = points[rows], labels[rows]
    gradient = jax.grad(loss)(params, batch)
    updates, state = tx.update(gradient, state, params, batch=batch)
    return (optax.apply_updates(params, updates), state), None


params = model.init(jax.random.key(0), points)
rows = jax.random.randint(jax.random.key(1), (400, 100), 0, len(points))
(params, state), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, rows))((params, tx.init(params)))
print(loss(params, (points, labels)), jaxcifar.record(state, "runs/watch", data="two spirals"))
