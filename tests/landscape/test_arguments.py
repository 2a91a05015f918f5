"""Each argument of each public function: a wrong value is refused in one sentence, an unusual one computes right."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

KEY = jax.random.key(0)
PARAMS = {"a": jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "b": jnp.array([0.5, 1.0, 2.0])}
OTHER = jax.tree.map(lambda w: w + 1, PARAMS)
NAN = {**PARAMS, "b": jnp.array([0.5, jnp.nan, 2.0])}


def _loss(w):
    return jnp.sum(w["a"] ** 2) + jnp.sum(w["b"] ** 4)


TREES = (
    *("params", "vector", "direction", "gradient", "block", "preconditioner", "second_moment", "update", "tree"),
    *("first", "second", "origin", "reference", "params_before", "params_after", "gradient_before", "gradient_after"),
)
LOSSES = ("loss", "loss_before", "loss_after", "same_loss")
AXES = ("x", "y", "step_sizes", "grid", "relative_decreases")
COUNTS = {"iterations": 1, "samples": 1, "points": 2, "top": 0, "bottom": 0, "number": 1, "components": 1}
RIGHT = {
    **dict.fromkeys(TREES, OTHER),
    **dict.fromkeys(("params", "params_before", "gradient_before", "tree", "first", "origin"), PARAMS),
    **dict.fromkeys(LOSSES, _loss),
    **{name: jnp.array([0.1, 0.2]) for name in AXES},
    **{name: max(low, 1) for name, low in COUNTS.items()},
    "points": 5,
    "number": 2,
    "filter_axis": -1,
    "key": KEY,
    "directions": (PARAMS, OTHER),
    "snapshots": [PARAMS, OTHER, PARAMS],
    "layers": ["a", "b"],
    "blocks": ["a", "b"],
    "select": lambda g: g["a"],
    "nodes": jnp.ones((2, 3)),
    "weights": jnp.ones((2, 3)),
    "width": 0.5,
    "losses": jnp.ones((2, 3)),
    "rates": jnp.array([0.1, 0.2]),
    "best": 0.5,
    "tolerance": 0.1,
    "values": np.array([1.0, np.nan]),
    "levels": (0.5,),
    "learning_rate": 0.1,
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.99,
    "epsilon": 1e-8,
    "low": 0.5,
    "high": 4.0,
    "eigenvalue": 2.0,
    "step": 3,
    "squared_norms": (2.0, 1.0),
    "batch_sizes": (1, 2),
    "progress": None,
    "memory_limit": 10**6,
    "features": jnp.eye(3),
    "branch": jnp.eye(3),
    "shortcut": jnp.ones((3, 3)),
    "function": lambda x: x.sum(-1),
    "inputs": jnp.ones((1, 3, 2)),
}
# `watch` takes an optimizer and measures in place of a point and a loss; tests/landscape/test_watch.py is about it.
FUNCTIONS = {
    name: f
    for name in landscape.__all__
    if not inspect.isclass(f := getattr(landscape, name)) and f.__name__ != "watch"
}
USES = [(name, argument) for name, f in FUNCTIONS.items() for argument in inspect.signature(f).parameters]
STRUCTURE_ONLY = {("group_of_leaves", "params"), ("tree_size", "tree")}


def _call(name, **changed):
    arguments = {argument: RIGHT[argument] for argument in inspect.signature(FUNCTIONS[name]).parameters}
    return FUNCTIONS[name](**{**arguments, **changed})


def _refused(name, message, **changed):
    with pytest.raises(ValueError, match=message) as caught:
        _call(name, **changed)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


def _uses(*arguments):
    return [use for use in USES if use[1] in arguments and use not in STRUCTURE_ONLY]


def test_every_argument_has_a_right_value_here():
    assert {argument for _, argument in USES} == set(RIGHT)


@pytest.mark.parametrize(("name", "argument"), _uses(*TREES))
def test_pytrees(name, argument):
    _refused(name, rf"{argument} (is an empty pytree|has 0 numbers)", **{argument: {}})
    _refused(name, rf"{argument} (is an empty pytree|has 0 numbers)", **{argument: {"a": None}})
    _refused(name, rf"leaf b of {argument} is int32|{argument} has 9 numbers \(.*int32", **{argument: _with_leaf(int)})
    _refused(name, r"complex64", **{argument: _with_leaf(complex)})
    if name != "lanczos_memory":
        _refused(name, f"leaf b of {argument} is a str", **{argument: {**PARAMS, "b": "float32"}})
        _refused(name, rf"{argument} has leaves of size 0 only", **{argument: jnp.zeros((0, 2))})


def _with_leaf(dtype):
    return {**PARAMS, "b": jnp.ones(3, dtype)}


PAIRED = [
    use for use in _uses(*TREES) if len([a for a in inspect.signature(FUNCTIONS[use[0]]).parameters if a in TREES]) > 1
]


@pytest.mark.parametrize(("name", "argument"), [use for use in PAIRED if use[1] not in ("params", "params_before")])
def test_pytrees_of_another_network(name, argument):
    _refused(name, r"differ in shape at leaf b \(", **{argument: {**OTHER, "b": jnp.ones(4)}})
    _refused(name, r"differ in structure \(only one has leaf c\)", **{argument: {**OTHER, "c": jnp.ones(4)}})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), _uses(*TREES))
def test_numpy_leaves_and_narrow_ones_compute_as_float32(name, argument):
    def value(**changed):
        found = _call(name, **changed)
        return found[1] if name == "hessian_operator" else found

    right = value()
    for kind in (np.asarray, lambda w: w.astype(jnp.bfloat16)):
        tree = {**jax.tree.map(kind, RIGHT[argument]), "none": None}
        partner = {
            other: {**RIGHT[other], "none": None}
            for other in inspect.signature(FUNCTIONS[name]).parameters
            if other in TREES and other != argument
        }
        partner |= {
            other: [{**t, "none": None} for t in RIGHT[other]]
            for other in ("directions", "snapshots")
            if other in inspect.signature(FUNCTIONS[name]).parameters
        }
        found = value(**{argument: tree}, **partner)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
            np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "argument"),
    [use for use in _uses(*TREES) if set(inspect.signature(FUNCTIONS[use[0]]).parameters) & {*LOSSES, "key", "beta1"}],
)
def test_pytrees_that_are_not_finite(name, argument):
    _refused(name, f"leaf b of {argument} holds NaN or infinity, but must be finite", **{argument: NAN})


@pytest.mark.parametrize("name", ["tree_norm", "tree_dot", "distance_from_gradients", "weight_gradient_product"])
def test_algebra_carries_nan_on(name):
    first = next(iter(inspect.signature(FUNCTIONS[name]).parameters))
    assert all(np.isnan(leaf) for leaf in jax.tree.leaves(_call(name, **{first: NAN})))


@pytest.mark.parametrize(("name", "argument"), _uses(*LOSSES))
def test_losses(name, argument):
    _refused(name, f"^{argument} is 3.0, but must be a function", **{argument: 3.0})
    _refused(name, rf"^{argument}\(params\) returned a tuple", **{argument: lambda w: (_loss(w), 1)})
    _refused(name, rf"^{argument}\(params\) returned an array of shape \(3,\)", **{argument: lambda w: w["b"]})
    _refused(name, rf"^{argument}\(params\) converts a JAX array", **{argument: lambda w: float(_loss(w))})
    if name != "hessian_operator":  # made for use under jit, it returns the loss as it is
        _refused(name, rf"^{argument}\(.*\) is nan, but a measure", **{argument: lambda w: jnp.nan * _loss(w)})


def _kink(w):
    """Finite at zero, where its derivatives are not."""
    return 1 + jnp.sum(jnp.sqrt(w["b"])) + jnp.sum(w["a"])


@pytest.mark.parametrize(
    "name",
    [name for name, argument in _uses("loss") if name not in ("plane", "line", "trajectory", "hessian_operator")],
)
def test_derivatives_that_are_not_finite(name):
    zero = {**PARAMS, "b": jnp.zeros(3)}
    point = "params" if "params" in inspect.signature(FUNCTIONS[name]).parameters else "params_before"
    _refused(name, r"but a derivative of it is NaN or infinite", loss=_kink, **{point: zero})


@pytest.mark.parametrize(("name", "argument"), _uses("key"))
def test_keys(name, argument):
    for wrong in (0, None, jax.random.split(KEY, 2), jnp.zeros(3, jnp.uint32), jnp.zeros(2), [0, 1]):
        _refused(name, r"^key is .*, but must be one PRNG key, such as jax\.random\.key\(0\)", key=wrong)
    for old in (jax.random.PRNGKey(0), np.zeros(2, np.uint32)):
        for a, b in zip(jax.tree.leaves(_call(name, key=old)), jax.tree.leaves(_call(name)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), _uses(*COUNTS, "filter_axis"))
def test_counts(name, argument):
    for wrong in (1.0, None, "3", True, float("nan"), jnp.array([1, 2]), -100):
        _refused(name, f"^{argument} is .*, but must be an integer", **{argument: wrong})
    jitted = jax.jit(lambda count: _call(name, **{argument: count}))
    with pytest.raises(ValueError, match=f"^{argument} is traced, but must be a Python integer"):
        jitted(2)
    for integer in (np.int64(RIGHT[argument]), jnp.array(RIGHT[argument])):
        _call(name, **{argument: integer})


@pytest.mark.parametrize(("name", "argument"), _uses(*AXES))
def test_axes(name, argument):
    for wrong in (0.1, [], [[0.1, 0.2]], [0.1, np.nan], [np.inf], None, "x", ["a"], [1j], [True], [[1.0], [1.0, 2.0]]):
        _refused(name, f"^{argument} (is|has) .*, but must be a one-dimensional array", **{argument: wrong})
    expected = jax.tree.leaves(_call(name, **{argument: jnp.array([1.0, 2.0])}))
    for right in ([1, 2], np.array([1, 2]), jnp.array([1.0, 2.0], jnp.bfloat16)):
        for a, b in zip(jax.tree.leaves(_call(name, **{argument: right})), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("step_reliability", {"relative_decreases": [0.1, -1.0]}, "relative_decreases is -1.0 at 1 of 2 places"),
        ("probe_step_sizes", {"learning_rate": -0.1}, r"^learning_rate is -0\.1.*, but must be 0 or more and finite"),
        ("probe_step_sizes", {"learning_rate": [0.1, 0.2]}, r"^learning_rate has shape \(2,\)"),
        ("probe_step_sizes", {"number": 1}, "^number is 1, but must be an integer from 2 to 2147483647"),
        ("probe_step_sizes", {"low": 4.0}, r"^low is 4\.0 and high 4\.0, but low must be below high"),
        ("gradient_descent_threshold", {"learning_rate": -1.0}, r"^learning_rate is -1\.0, but must be 0 or more"),
        ("momentum_threshold", {"momentum": 1.0}, r"^momentum is 1\.0, but must be 0 or more and below 1"),
        ("momentum_threshold", {"learning_rate": [1.0, 2.0], "momentum": [0.1] * 3}, "^learning_rate has shape"),
        ("nesterov_threshold", {"learning_rate": "x"}, "^learning_rate is 'x', but must be 0 or more"),
        ("adam_threshold", {"beta1": float("nan")}, "^beta1 is nan, but must be 0 or more and below 1"),
        ("adam_preconditioner", {"step": 0}, r"^step is 0\.0, but must be a whole number of updates of 1 or more"),
        ("adam_preconditioner", {"step": 2.5}, r"^step is 2\.5, but must be a whole number"),
        ("adam_preconditioner", {"second_moment": -1.0}, r"^second_moment is -1\.0, but must be 0 or more"),
        ("adam_preconditioner", {"beta2": [0.1, 0.2]}, r"^beta2 has shape \(2,\)"),
        ("adam_preconditioner", {"epsilon": -1.0}, r"^epsilon is -1\.0, but must be a finite number of 0 or more"),
        ("preconditioned_sharpness", {"preconditioner": {**PARAMS, "b": -jnp.ones(3)}}, r"smallest entry is -1\.0"),
        ("spectral_density", {"width": 0.0}, r"^width is 0\.0, but must be a positive number"),
        ("spectral_density", {"points": 1}, "^points is 1, but must be an integer from 2 to 2147483647"),
        (
            "hessian_trace",
            {"samples": 10**12},
            "^samples is 1000000000000, but must be an integer from 1 to 2147483647",
        ),
        ("density_on_grid", {"width": -1.0}, r"^width is -1\.0, but must be a positive number"),
        ("density_on_grid", {"weights": jnp.ones((3, 2))}, r"^nodes have shape \(2, 3\) and weights \(3, 2\)"),
        ("scale_free_sharpness", {"eigenvalue": [1.0, 2.0]}, r"^eigenvalue has shape \(2,\)"),
        ("loss_band", {"losses": "x"}, r"^losses is 'x', but must be an array \[members, \.\.\.\]"),
        ("usable_rates", {"rates": [0.1, -0.2]}, "^rates is -0.2.* at 1 of 2 places, but must be"),
        ("usable_rates", {"best": float("nan")}, "^best is nan, but must be a number, not NaN"),
        ("usable_rates", {"tolerance": -0.1}, "^tolerance is -0.1.*, but must be a number of 0 or more"),
        ("running_maximum", {"values": 3.0}, r"^values has shape \(\), but must be an array \[\.\.\., steps\]"),
        ("running_maximum", {"values": ["a"]}, "^values is .*, but must be an array of real numbers"),
        ("maximum_and_quantiles", {"levels": [0.5, 1.5]}, r"^levels is '\[0\.5, 1\.5\]', but must be a list of"),
        ("lanczos_memory", {"iterations": 0}, "^iterations is 0, but must be an integer of 1 or more"),
        ("extreme_eigenvalues", {"memory_limit": 1.5}, "^memory_limit is 1.5, but must be an integer"),
        ("extreme_eigenvalues", {"memory_limit": 8}, "keep 3.6e-08 GB, but 8e-09 GB are allowed"),
        ("block_sharpness", {"iterations": 0}, "^iterations is 0, but must be an integer of 1 or more"),
        ("block_sharpness", {"blocks": "ab"}, "^layers is 'ab', but must be a list from input to output"),
        ("covariate_shift", {"layers": ["a", 3]}, "^layers is .*, but must be a list from input to output"),
        ("group_of_leaves", {"layers": {"a", "b"}}, "^layers is .*, but must be a list from input to output"),
        ("group_of_leaves", {"params": {}}, "^params is an empty pytree"),
        ("same_batch_gradient_distance", {"select": 3}, "^select is 3, but must be a function"),
        ("same_batch_gradient_distance", {"select": lambda g: None}, r"^select\(gradient\) is an empty pytree"),
        ("random_directions", {"filter_axis": 2}, "^filter_axis is 2, but must be from -2 to 1 for leaf a of params"),
        ("filter_normalised", {"filter_axis": -3}, "^filter_axis is -3, but must be from -2 to 1"),
        ("plane", {"directions": PARAMS}, "^directions is .*, but must be a list of pytrees"),
        ("plane", {"directions": [PARAMS, NAN]}, r"leaf b of directions\[1\] holds NaN or infinity"),
        ("plane", {"progress": 3}, "^progress is 3, but must be a function"),
        ("trajectory", {"snapshots": PARAMS}, "^snapshots is .*, but must be a list of pytrees"),
        ("trajectory", {"snapshots": [PARAMS, NAN]}, r"leaf b of snapshots\[1\] holds NaN or infinity"),
        ("project", {"directions": []}, "^directions has no entry"),
        ("project", {"directions": [{"a": PARAMS["a"]}]}, r"^params and directions\[0\] differ in structure"),
    ],
)
def test_values_out_of_range(name, changed, message):
    _refused(name, message, **changed)


def test_the_loss_of_a_later_snapshot_is_named():
    snapshots = [{"w": jnp.float32(w)} for w in (2.0, 1.0, -1.0)]
    with pytest.raises(ValueError, match=r"^loss\(snapshots\[2\]\) is nan"):
        landscape.trajectory(lambda p: jnp.log(p["w"]), snapshots)


def test_a_direction_of_zeros_would_give_a_flat_plane():
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    _refused("plane", r"^directions\[1\] is zero, but must not be", directions=[PARAMS, zero])
    _refused("line", "^direction is zero, but must not be", direction=zero)
    dead = {"a": jnp.zeros((3, 2)), "b": jnp.ones(3)}
    _refused("plane", r"^directions\[0\] is zero", directions=landscape.random_directions(dead, KEY))
    probe = _call("direction_probe", direction=zero)
    assert np.all(np.isnan(probe.beta))
    np.testing.assert_array_equal(probe.gradient_distance, [0, 0])


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_parameters_without_filters_have_no_filter_normalised_direction(wrap):
    params = {"w": jnp.ones(5), "b": jnp.zeros(())}
    with pytest.raises(ValueError, match=r"^params has only leaves that count as biases") as caught:
        wrap(lambda w: landscape.random_directions(w, KEY))(params)
    assert "w[:, None]" in str(caught.value)
    with pytest.raises(ValueError, match=r"^params has only leaves that count as biases"):
        wrap(lambda w: landscape.filter_normalised(w, w))(params)
    column = wrap(lambda w: landscape.random_directions(w, KEY, 1))({"w": params["w"][:, None]})[0]["w"]
    np.testing.assert_allclose(jnp.linalg.norm(column), 5**0.5, rtol=1e-6)


def test_a_loss_in_half_precision_only_is_told_what_to_do():
    images, params = jnp.ones((2, 8, 8, 3), jnp.bfloat16), {"k": jnp.ones((3, 3, 3, 4), jnp.bfloat16)}

    def loss(params, images):
        found = jax.lax.conv_general_dilated(
            images, params["k"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.mean(found.astype(jnp.float32) ** 2)

    with pytest.raises(ValueError, match=r"^loss\(params\) accepts the given bfloat16 parameters but fails in float32"):
        landscape.gradient_direction_probe(lambda p: loss(p, images), params, [0.1])
    cast = landscape.hvp(lambda p: loss(p, images.astype(p["k"].dtype)), params, params)
    exact = {"k": params["k"].astype(jnp.float32)}
    expected = jax.grad(lambda p: loss(p, images.astype(jnp.float32)))(exact)
    np.testing.assert_allclose(cast["k"], expected["k"], rtol=1e-5)


def test_a_zero_step_size_does_not_hide_the_others(quadratic):
    probe = landscape.gradient_direction_probe(quadratic(np.diag([10.0, 3.0, 1.0])), jnp.ones(3), [0.0, 0.1])
    assert np.isnan(probe.beta[0])
    np.testing.assert_allclose(probe.effective_beta, 9.5736, rtol=1e-4)
    none = landscape.gradient_direction_probe(quadratic(np.eye(3)), jnp.ones(3), [0.0])
    assert np.isnan(none.effective_beta)


def test_a_learning_rate_of_zero_is_stable_at_any_curvature():
    assert landscape.gradient_descent_threshold(0) == np.inf
    assert landscape.adam_threshold(0.0) == np.inf
    np.testing.assert_array_equal(landscape.momentum_threshold([0.5, 0.0], 0.5), [6, np.inf])
    np.testing.assert_allclose(jax.jit(landscape.nesterov_threshold)(0.1, 0.9), 38 / 2.8, rtol=1e-6)
    narrow = landscape.adam_threshold(jnp.array([0.1], jnp.bfloat16))
    np.testing.assert_allclose(narrow, 38 / float(jnp.bfloat16(0.1)), rtol=1e-6)


def test_quantiles_beside_infinity_are_infinite_and_not_nan():
    summary = landscape.maximum_and_quantiles(np.array([1.0, np.inf, np.inf, np.nan]), (0.0, 0.25, 0.5, 1.0))
    np.testing.assert_array_equal(summary.values, [1, np.inf, np.inf, np.inf])


def test_mixed_dtypes_compute_in_those_of_the_parameters(float64):
    params = {"a": jnp.ones(2, jnp.float32), "b": jnp.ones(2, jnp.float64)}
    other = {"a": jnp.full(2, 3.0, jnp.float64), "b": jnp.full(2, 2.0, jnp.float32)}
    loss = lambda w: jnp.sum(w["a"] ** 2) + jnp.sum(w["b"] ** 3)  # noqa: E731
    product = landscape.hvp(loss, params, other)
    np.testing.assert_array_equal([*product["a"], *product["b"]], [6, 6, 12, 12])
    assert (product["a"].dtype, product["b"].dtype) == (jnp.float32, jnp.float64)
    found = landscape.extreme_eigenvalues(loss, params, KEY, iterations=2)
    np.testing.assert_allclose([found.top.values[0], found.bottom.values[0]], [6, 2], rtol=1e-6)
    shift = landscape.covariate_shift(loss, params, other, ["a", "b"])
    np.testing.assert_array_equal(shift.distance, [0, 0])
    np.testing.assert_allclose(landscape.line(loss, params, other, [1.0]).losses, [2 * 16 + 2 * 27])


def test_a_hessian_operator_computes_in_float32_and_checks_its_vector():
    params = jnp.ones(3, jnp.bfloat16)
    operator, value = landscape.hessian_operator(lambda w: jnp.sum(w**3), params)
    assert (float(value), value.dtype) == (3, jnp.float32)
    np.testing.assert_array_equal(operator(jnp.array([1, 2, 3], jnp.bfloat16)), [6, 12, 18])
    with pytest.raises(ValueError, match=r"^params and vector differ in shape \(\(3,\) and \(2,\)\)"):
        operator(jnp.ones(2))


def test_under_jit_values_are_not_seen_and_give_nan():
    def measure(w):
        return (
            landscape.tree_norm(landscape.random_directions(w, KEY, 1)),
            landscape.extreme_eigenvalues(_loss, w, KEY, iterations=2).top.values[0],
            landscape.gradient_direction_probe(_loss, w, [0.1]).effective_beta,
            landscape.adam_preconditioner(-1.0 * w["b"] ** 2, 1),
            landscape.gradient_descent_threshold(w["b"]),
        )

    found = jax.jit(measure)({"a": PARAMS["a"].at[0].set(jnp.nan), "b": NAN["b"]})
    assert np.all(np.isnan(found[0]) & np.isnan(found[1]) & np.isnan(found[2]))
    assert np.isnan(found[3]).all()
    np.testing.assert_array_equal(found[4], [4, np.nan, 1])
