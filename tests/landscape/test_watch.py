"""`watch` in loops of one's own: the training is untouched, the values are right, other steps cost nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import jaxcifar
from jaxcifar import landscape
from jaxcifar.cli import main
from jaxcifar.config import UserError
from jaxcifar.measures import Beta, CovariateShift, GradientDistance, NoiseFloor, StepReliability, TopEigenvalue

MEASURES = (Beta(), GradientDistance(), StepReliability(), TopEigenvalue(iterations=4))
FEW = (Beta(), GradientDistance(), TopEigenvalue(iterations=3))


class MLP(nn.Module):
    """Two layers."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="head")(nn.tanh(nn.Dense(8, name="hidden")(x)))


@pytest.fixture(scope="module")
def mlp():
    """A model, its parameters, and 30 batches."""
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(30, 16, 5)), jnp.float32)
    y = jnp.asarray(generator.integers(0, 3, (30, 16)))
    return MLP().init(jax.random.key(0), x[0])["params"], (x, y)


def mlp_loss(params, batch):
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(MLP().apply({"params": params}, x), y).mean()


def scanned(tx, params, batches, loss=mlp_loss, **extra):
    """Train in one `scan` under `jit`."""

    def body(carry, batch):
        params, state = carry
        value, gradient = jax.value_and_grad(loss)(params, batch)
        updates, state = tx.update(gradient, state, params, **({"batch": batch} if extra else {}))
        return (optax.apply_updates(params, updates), state), value

    return jax.jit(lambda params: jax.lax.scan(body, (params, tx.init(params)), batches))(params)


def test_training_is_bit_for_bit_as_it_was(mlp):
    params, batches = mlp
    (plain, _), losses = scanned(optax.adamw(1e-2), params, batches)
    tx = landscape.watch(optax.adamw(1e-2), mlp_loss, MEASURES, every=10)
    (watched, state), again = scanned(tx, params, batches, watched=True)
    np.testing.assert_array_equal(losses, again)
    jax.tree.map(np.testing.assert_array_equal, plain, watched)
    assert state.steps[:3].tolist() == [0, 10, 20]
    assert int(state.rows) == 3
    np.testing.assert_allclose(state.values["watch/gradient_cosine"][:3], 1, rtol=1e-5)


@pytest.mark.slow
def test_its_state_can_be_donated(mlp):
    params, batches = mlp
    tx = landscape.watch(optax.sgd(0.1), mlp_loss, (Beta(),), every=1)

    def step(params, state, batch):
        updates, state = tx.update(jax.grad(mlp_loss)(params, batch), state, params, batch=batch)
        return optax.apply_updates(params, updates), state

    batch = jax.tree.map(lambda leaf: leaf[0], batches)
    state = tx.init(params)
    params, state = jax.jit(step, donate_argnums=(0, 1))(jax.tree.map(jnp.copy, params), state, batch)
    assert int(state.count) == 1


def test_the_record_of_a_loop_says_what_it_is(mlp, tmp_path):
    params, batches = mlp
    tx = landscape.watch(optax.sgd(0.1), mlp_loss, (Beta(),), every=1)
    (_, state), _ = scanned(tx, params, batches, batch=True)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state)
    with pytest.raises(UserError, match="the states of 2 members at once; give that of one"):
        jaxcifar.record(two, tmp_path / "two")
    jaxcifar.record(jax.tree.map(lambda leaf: leaf[1], two), tmp_path / "one")
    with pytest.raises(UserError, match="is of a watched loop, which keeps no network"):
        jaxcifar.load(tmp_path / "one")


def test_values_are_those_of_the_measures(mlp):
    params, (x, y) = mlp
    tx = landscape.watch(optax.sgd(0.5), mlp_loss, MEASURES, every=2)
    state = tx.init(params)
    for index in range(3):
        batch, before = (x[index], y[index]), params
        gradient = jax.grad(mlp_loss)(params, batch)
        updates, state = tx.update(gradient, state, params, batch=batch)
        params = optax.apply_updates(params, updates)
    loss = lambda w: mlp_loss(w, batch)  # noqa: E731
    after = jax.grad(loss)(params)
    beta = landscape.same_batch_beta(loss, before, params)
    np.testing.assert_allclose(state.values["beta/same_batch"][1], beta, rtol=1e-5)
    last = jnp.linalg.norm(after["head"]["kernel"] - gradient["head"]["kernel"])
    np.testing.assert_allclose(state.values["gradient_distance/same_batch/last_linear"][1], last, rtol=1e-4)
    top = landscape.extreme_eigenvalues(loss, before, jax.random.key(0), iterations=4).top.values[0]
    np.testing.assert_allclose(state.values["top_eigenvalue/value"][1], top, rtol=1e-5)


def test_other_steps_do_not_call_the_loss(mlp):
    params, batches = mlp
    calls = []

    def counted(params, batch):
        jax.debug.callback(lambda: calls.append(1))
        return mlp_loss(params, batch)

    tx = landscape.watch(optax.sgd(0.1), counted, (Beta(),), every=15)
    # The loop's own gradient is of the loss that does not count.
    jax.block_until_ready(scanned(tx, params, batches, watched=True))
    jax.effects_barrier()
    assert len(calls) == 2 * 2  # two steps, each with a gradient before and after it


def test_full_rows_are_thinned(mlp):
    params, batches = mlp
    tx = landscape.watch(optax.sgd(0.1), mlp_loss, (Beta(),), every=1, capacity=8)
    (_, state), _ = scanned(tx, params, batches, watched=True)
    assert int(state.every) == 8
    assert state.steps[: int(state.rows)].tolist() == [0, 8, 16, 24]
    whole = landscape.watch(optax.sgd(0.1), mlp_loss, (Beta(),), every=1)
    (_, every), _ = scanned(whole, params, batches, watched=True)
    np.testing.assert_array_equal(state.values["beta/same_batch"][:4], every.values["beta/same_batch"][:25:8])


class Transformer(nn.Module):
    """One block of causal attention on characters."""

    letters: int

    @nn.compact
    def __call__(self, text):
        x = nn.Embed(self.letters, 16)(text) + self.param("places", nn.initializers.normal(0.1), (text.shape[1], 16))
        mask = nn.make_causal_mask(text)
        x = x + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(x), mask=mask)
        return nn.Dense(self.letters, name="head")(nn.gelu(nn.Dense(32)(x)))


@pytest.mark.slow
def test_a_transformer_on_text_gets_a_page(tmp_path):
    letters = sorted(set(jaxcifar.__doc__))
    code = jnp.array([letters.index(letter) for letter in jaxcifar.__doc__])
    text = jnp.stack([code[i : i + 17] for i in range(0, 64, 2)])
    model = Transformer(len(letters))
    params = model.init(jax.random.key(0), text[:, :-1])

    def loss(params, text):
        logits = model.apply(params, text[:, :-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, text[:, 1:]).mean()

    tx = landscape.watch(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2)), loss, FEW, every=5)
    batches = jnp.broadcast_to(text, (20, *text.shape))
    (_, state), losses = scanned(tx, params, batches, loss, watched=True)
    assert losses[-1] < losses[0]
    folder = jaxcifar.record({"opt": state}, tmp_path / "transformer", data="a docstring")
    assert main(["report", str(folder)]) == 0
    page = (folder / "report" / "index.html").read_text()
    assert "transformer" in page
    assert "a docstring" in page
    csv = (next((folder / "report" / "figures").glob("*beta-same-batch*.csv"))).read_text()
    assert len([line for line in csv.splitlines() if line.startswith("transformer,")]) == 4


class Convnet(nnx.Module):
    """A convolution with BatchNorm, in nnx."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))


def test_a_convnet_with_batchnorm_in_nnx(tmp_path):
    graph, params, stats = nnx.split(Convnet(nnx.Rngs(0)), nnx.Param, ...)
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(16, 8, 8, 1)), jnp.float32)
    y = jnp.asarray(generator.integers(0, 3, 16))

    def loss(params, batch):
        x, y, stats = batch
        model = nnx.merge(graph, params, stats, copy=True)
        model.train()
        value = optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()
        return value, nnx.state(model, nnx.BatchStat)

    tx = landscape.watch(optax.sgd(0.1), loss, FEW, every=2)

    @jax.jit
    def step(params, state, stats):
        (value, stats_after), gradient = jax.value_and_grad(loss, has_aux=True)(params, (x, y, stats))
        updates, state = tx.update(gradient, state, params, batch=(x, y, stats))
        return optax.apply_updates(params, updates), state, stats_after, value

    state = tx.init(params)
    for _ in range(4):
        params, state, stats, _ = step(params, state, stats)
    records = jaxcifar.record(state, tmp_path / "nnx")
    steps = np.load(records / "steps.npz")
    assert np.isfinite(steps["beta/same_batch"]).tolist() == [True, False, True, False]
    assert np.isfinite(steps["gradient_distance/same_batch/last_linear"][::2]).all()


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Beta(batch="cross_batch"), "compares successive batches"),
        (NoiseFloor(), "takes the batch in another order"),
        (CovariateShift(), r"give watch\(…, layers=\[…\]\)"),
    ],
)
def test_measures_that_cannot_ride_are_refused(measure, message):
    with pytest.raises(ValueError, match=message):
        landscape.watch(optax.sgd(0.1), mlp_loss, (measure,))


def test_no_measures_are_refused():
    with pytest.raises(ValueError, match="measures is empty; give at least one"):
        landscape.watch(optax.sgd(0.1), mlp_loss, ())


def test_an_inner_transformation_gets_the_batch(mlp):
    params, (x, y) = mlp
    seen = []

    def update(updates, state, params=None, *, batch, **extra):
        seen.append(batch)
        return updates, state

    inner = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    tx = landscape.watch(inner, mlp_loss, (Beta(),), every=1)
    batch = (x[0], y[0])
    tx.update(jax.grad(mlp_loss)(params, batch), tx.init(params), params, batch=batch)
    assert seen == [batch]


def test_layers_that_are_given_are_measured(mlp):
    params, batches = mlp
    tx = landscape.watch(optax.sgd(0.1), mlp_loss, (CovariateShift(),), every=15, layers=["hidden", "head"])
    (_, state), _ = scanned(tx, params, batches, watched=True)
    assert float(state.values["covariate_shift/distance/hidden"][0]) == 0
    assert float(state.values["covariate_shift/distance/head"][1]) > 0


def test_slips_are_told(mlp, tmp_path):
    params, (x, y) = mlp
    tx = landscape.watch(optax.sgd(0.1), mlp_loss, (Beta(),), every=1)
    state = tx.init(params)
    with pytest.raises(ValueError, match="got no params or no batch"):
        tx.update(params, state, params)
    with pytest.raises(UserError, match="no step was measured"):
        jaxcifar.record(state, tmp_path / "none")
    with pytest.raises(UserError, match="0 watched optimizers"):
        jaxcifar.record(optax.sgd(0.1).init(params), tmp_path / "none")
    # The gradient of one batch with the loss on another.
    for index in range(4):
        gradient = jax.grad(mlp_loss)(params, (x[index], y[index]))
        _, state = tx.update(gradient, state, params, batch=(-x[index + 5], 2 - y[index + 9]))
    with pytest.raises(UserError, match="with that of the watched loss"):
        jaxcifar.record(state, tmp_path / "none")
    assert not (tmp_path / "none").exists()
