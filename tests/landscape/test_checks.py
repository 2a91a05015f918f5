"""What every measure refuses, in one sentence, and what holds for all of them: jit, precision, exports, docstrings."""

import doctest
import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

KEY = jax.random.key(0)


def _other(params):
    """Another point, with positive coordinates if those of `params` are."""
    return jax.tree.map(lambda x: x + 1 if jnp.issubdtype(x.dtype, jnp.floating) else x, params)


MEASURES = {
    "same_batch_beta": lambda loss, w: landscape.same_batch_beta(loss, w, _other(w)),
    "gradient_distance": lambda loss, w: landscape.same_batch_gradient_distance(loss, w, _other(w)),
    "noise_floor": lambda loss, w: landscape.noise_floor(loss, loss, w),
    "gradient_direction_probe": lambda loss, w: landscape.gradient_direction_probe(loss, w, jnp.array([0.1])),
    "direction_probe": lambda loss, w: landscape.direction_probe(loss, w, w, jnp.array([0.1])),
    "covariate_shift": lambda loss, w: landscape.covariate_shift(loss, w, _other(w), [""]),
    "hvp": lambda loss, w: landscape.hvp(loss, w, w),
    "extreme_eigenvalues": lambda loss, w: landscape.extreme_eigenvalues(loss, w, KEY, iterations=2),
    "preconditioned_sharpness": lambda loss, w: landscape.preconditioned_sharpness(
        loss, w, _other(w), KEY, iterations=2
    ),
    "hessian_trace": lambda loss, w: landscape.hessian_trace(loss, w, KEY, samples=1),
    "spectral_density": lambda loss, w: landscape.spectral_density(loss, w, KEY, iterations=2, samples=1),
    "plane": lambda loss, w: landscape.plane(loss, w, (w, w), np.ones(2), np.ones(2)),
    "line": lambda loss, w: landscape.line(loss, w, w, np.ones(2)),
    "trajectory": lambda loss, w: landscape.trajectory(loss, [w, _other(w)], 1),
    "block_sharpness": lambda loss, w: landscape.block_sharpness(loss, w, [""], KEY, iterations=2),
}

REFUSED_LOSSES = [
    (lambda w: w["a"] * 2.0, r"returned an array of shape \(2,\)"),
    (lambda w: jnp.sum(w["a"]).astype(int), "returned int32, but a measure needs float32 or float64"),
    (lambda w: jnp.sum(w["a"]).astype(jnp.bfloat16), "returned bfloat16"),
    (lambda w: {"loss": jnp.sum(w["a"])}, "returned a dict"),
]


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_loss_that_is_no_real_scalar_is_refused(measure):
    for loss, message in REFUSED_LOSSES:
        with pytest.raises(ValueError, match=message) as caught:
            measure(loss, {"a": jnp.ones(2)})
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_parameters_that_are_no_floats_are_refused(measure):
    with pytest.raises(ValueError, match=r"leaf count of [\w\[\]]+ is int32, but must be an array of real floating"):
        measure(lambda w: jnp.sum(w["a"]), {"a": jnp.ones(2), "count": jnp.array(3)})
    with pytest.raises(ValueError, match=r"leaf key of [\w\[\]]+ is key"):
        measure(lambda w: jnp.sum(w["a"]), {"a": jnp.ones(2), "key": jax.random.key(0)})
    with pytest.raises(ValueError, match=r"^[\w\[\]]+ is an empty pytree \('\{\}'\), but a measure needs"):
        measure(lambda w: jnp.float32(0), {})


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_loss_that_is_not_finite_is_refused(measure):
    with pytest.raises(ValueError, match=r"^loss\([\w\[\]]+\) is (nan|-inf|inf), but a measure needs a finite loss"):
        measure(lambda w: jnp.sum(jnp.log(w - 2)), jnp.ones(2))


def test_eigenvalues_of_a_loss_that_is_not_finite():
    def measure(w):
        return landscape.extreme_eigenvalues(lambda w: jnp.log(w[0] - 2) + w[1], w, KEY, iterations=2)

    with pytest.raises(ValueError, match=r"loss\(params\) is nan"):
        measure(jnp.ones(2))
    inside = jax.jit(measure)(jnp.ones(2))
    assert np.isnan(inside.top.values[0])
    assert np.isnan(inside.top.residuals[0])


def test_under_jit_a_loss_that_is_not_finite_gives_nan_even_where_its_gradient_is_finite():
    beta = jax.jit(lambda w: landscape.same_batch_beta(lambda w: jnp.log(w - 2), w, w + 0.5))(jnp.float32(1))
    assert np.isnan(beta)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_trace_at_highest_precision_whatever_the_caller_set(measure):
    x = jnp.ones((3, 2))
    with jax.default_matmul_precision("bfloat16"):
        traced = str(
            jax.make_jaxpr(lambda w: measure(lambda w: jnp.sum((x @ w["a"]) ** 3), w))({"a": jnp.ones((2, 2))})
        )
    assert "dot_general" in traced
    assert "HIGHEST" in traced
    assert "BF16" not in traced
    assert "precision=None" not in traced


def test_half_precision_parameters_are_upcast():
    before, after = jnp.array([1.0, 2.0], jnp.bfloat16), jnp.array([0.5, 1.0], jnp.bfloat16)
    seen = []

    def loss(w):
        seen.append(w.dtype)
        return jnp.sum(w**3)

    beta = landscape.same_batch_beta(loss, before, after)
    assert beta.dtype == jnp.float32
    assert set(seen) == {jnp.dtype("float32")}
    expected = np.linalg.norm([3 - 0.75, 12 - 3]) / np.linalg.norm([0.5, 1.0])
    np.testing.assert_allclose(beta, expected, rtol=1e-6)
    from_gradients = landscape.beta_from_gradients(before, after, after, before)
    assert from_gradients.dtype == jnp.float32


def test_exports_are_the_public_names():
    public = {name for name, value in vars(landscape).items() if callable(value) and not name.startswith("_")}
    assert public == set(landscape.__all__)
    for name in landscape.__all__:
        assert inspect.getdoc(getattr(landscape, name)), name


def test_examples_in_docstrings():
    modules = [
        importlib.import_module(f"jaxcifar.landscape.{m.name}") for m in pkgutil.iter_modules(landscape.__path__)
    ]
    results = [doctest.testmod(module) for module in (landscape, *modules)]
    assert sum(result.attempted for result in results) >= 10
    assert sum(result.failed for result in results) == 0
