"""Layers against `lax.conv_general_dilated` and `flax.linen`: values, both derivatives, vmap, scan, NaN."""

from functools import partial
from typing import get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxcifar import config
from jaxcifar.errors import UserError
from jaxcifar.models import build, layers
from jaxcifar.models.layers import choice, linear
from jaxcifar.models.layers.choice import Form
from jaxcifar.models.layers.geometry import Geometry
from jaxcifar.models.layers.other_norms import GroupNorm

CASES = [  # image, channels, features, kernel, stride, padding, the form on a CPU
    ((6, 6), 17, 10, (3, 3), 1, 1, Form.WINOGRAD),
    ((5, 7), 9, 18, (3, 3), 1, 1, Form.WINOGRAD),
    ((2, 2), 4, 3, (3, 3), 1, 1, Form.SMALL_IMAGE),
    ((8, 7), 3, 2, (3, 3), 1, 1, Form.ROW_TILES),
    ((7, 9), 3, 2, (5, 5), 1, 0, Form.ROW_TILES),
    ((5, 6), 2, 3, (3, 3), 2, 1, Form.PATCHES),
    ((6, 6), 2, 3, (1, 1), 2, 0, Form.PATCHES),
    ((7, 7), 2, 2, (7, 7), 2, 3, Form.PATCHES),
    ((3, 3), 9, 9, (1, 1), 1, 2, Form.PATCHES),
]


def reference(x, kernel, stride, padding):
    edges = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def normal(seed, *shapes, dtype="float64"):
    random = np.random.default_rng(seed)
    return [jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes]


def relative(a, b):
    a, b = (np.concatenate([np.ravel(np.asarray(v, np.float64)) for v in jax.tree.leaves(t)]) for t in (a, b))
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def to_second_order(function):
    """Value, gradient and Hessian-vector product (reverse over reverse) of a loss that is not quadratic."""

    def gradient(arguments):
        return jax.grad(lambda a: jnp.sum(jnp.sin(function(*a))))(arguments)

    def all_orders(arguments, vectors):
        _, pull = jax.vjp(gradient, arguments)
        return function(*arguments), gradient(arguments), pull(vectors)[0]

    return jax.jit(all_orders)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv2d_equals_lax_to_second_order(case):
    image, channels, features, kernel, stride, padding, form = case
    geometry = Geometry((stride, stride), (padding, padding))
    assert choice.form(image, kernel, channels, features, geometry) is form
    with jax.enable_x64(True):
        shapes = (2, *image, channels), (*kernel, channels, features)
        x, weights, vx, vw = normal(0, *shapes, *shapes)
        ours = to_second_order(lambda x, k: layers.conv2d(x, k, stride=stride, padding=padding))
        theirs = to_second_order(lambda x, k: reference(x, k, stride, padding))
        for a, b in zip(ours((x, weights), (vx, vw)), theirs((x, weights), (vx, vw)), strict=True):
            assert relative(a, b) < 1e-12


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    image=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    channels=st.integers(1, 10),
    features=st.integers(1, 10),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
)
def test_gradient_equals_lax_on_random_shapes(image, channels, features, kernel, stride, padding):
    with jax.enable_x64(True):
        x, weights = normal(1, (1, *image, channels), (*kernel, channels, features))

        def gradient(conv):
            return jax.jit(jax.value_and_grad(lambda a: jnp.sum(jnp.sin(conv(*a)))))((x, weights))

        ours = gradient(lambda x, k: layers.conv2d(x, k, stride=stride, padding=padding))
        assert relative(ours, gradient(lambda x, k: reference(x, k, stride, padding))) < 1e-12


FORMS = [  # the form on a CPU, channels and features, side of the kernel, stride, padding
    (Form.WINOGRAD, (9, 12), 3, 1, 1),  # its kernel's gradient by patches
    (Form.WINOGRAD, (choice.NARROW + 1, 20), 3, 1, 1),
    (Form.ROW_TILES, (1, 8), 3, 1, 1),
    (Form.PATCHES, (1, 12), 3, 2, 1),
]


@pytest.mark.parametrize("case", FORMS, ids=str)
def test_each_form_equals_lax_to_second_order_on_random_shapes(case):
    form, counts, size, stride, padding = case
    geometry = Geometry((stride, stride), (padding, padding))
    sides, counts = st.integers(3, 9), st.integers(*counts)

    @settings(max_examples=2, deadline=None, derandomize=True)
    @given(images=st.integers(1, 3), image=st.tuples(sides, sides), channels=counts, features=counts)
    def holds(images, image, channels, features):
        assert choice.form(image, (size, size), channels, features, geometry) is form
        shapes = (images, *image, channels), (size, size, channels, features)
        x, weights, vx, vw = normal(9, *shapes, *shapes)
        ours = to_second_order(lambda x, k: layers.conv2d(x, k, stride=stride, padding=padding))
        theirs = to_second_order(lambda x, k: reference(x, k, stride, padding))
        for a, b in zip(ours((x, weights), (vx, vw)), theirs((x, weights), (vx, vw)), strict=True):
            assert relative(a, b) < 1e-12

    with jax.enable_x64(True):
        holds()


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=["images", "kernels", "both"])
def test_conv2d_under_vmap_inside_scan(axes):
    """Two steps of descent by the gradient of a vectorised loss, float32, in eight blocks of images."""
    x, weights = normal(2, (2, 256, 12, 12, 17), (2, 3, 3, 17, 17), dtype="float32")
    x, weights = (a[0] if axis is None else a for a, axis in zip((x, weights), axes, strict=True))
    assert choice.blocks(Form.WINOGRAD, 32, (12, 12), (3, 3), 17, 17) == 1
    assert choice.blocks(Form.WINOGRAD, 256, (12, 12), (3, 3), 17, 17) == 8

    def descend(conv):
        def loss(arguments):
            return jnp.sum(jnp.sin(jax.vmap(conv, axes)(*arguments))) / 100

        def step(arguments, _):
            value, gradient = jax.value_and_grad(loss)(arguments)
            return jax.tree.map(lambda a, g: a - 0.01 * g, arguments, gradient), value

        return jax.jit(lambda a: lax.scan(step, a, length=2))((x, weights))

    ours = descend(lambda x, k: layers.conv2d(x, k, padding=1))
    assert relative(ours, descend(lambda x, k: reference(x, k, 1, 1))) < 1e-5


@settings(max_examples=4, deadline=None, derandomize=True)
@given(images=st.integers(1, linear.FEW_EXAMPLES + 1), inputs=st.integers(1, 9), features=st.integers(1, 9))
def test_matmul_equals_jax_numpy_to_second_order(images, inputs, features):
    with jax.enable_x64(True):
        shapes = (images, inputs), (inputs, features)
        x, weights, vx, vw = normal(12, *shapes, *shapes)
        ours, theirs = to_second_order(linear.matmul), to_second_order(jnp.matmul)
        for a, b in zip(ours((x, weights), (vx, vw)), theirs((x, weights), (vx, vw)), strict=True):
            assert relative(a, b) < 1e-12


@pytest.mark.parametrize(("form", "channels", "stride"), [("winograd", 17, 1), ("patches", 17, 2), ("row tiles", 8, 1)])
def test_blocks_of_images_change_nothing(form, channels, stride):
    geometry, side, sizes = Geometry((stride, stride), (1, 1)), 12 // stride, ((12, 12), (3, 3), channels, channels)
    assert choice.form(*sizes, geometry) is Form(form)
    assert choice.blocks(Form(form), 256, *sizes) == choice.blocks(Form(form), 256, *sizes, kernel_gradient=True) == 8
    shapes = (256, 12, 12, channels), (3, 3, channels, channels), (256, side, side, channels)
    x, weights, dy = normal(3, *shapes, dtype="float32")

    def both(conv):
        return jax.jit(lambda x, k, dy: (lambda y, pull: (y, *pull(dy)))(*jax.vjp(conv, x, k)))(x, weights, dy)

    ours = both(lambda x, k: layers.conv2d(x, k, stride=stride, padding=1))
    assert "scan" in str(jax.make_jaxpr(lambda x: layers.conv2d(x, weights, stride=stride, padding=1))(x))
    for a, b in zip(ours, both(lambda x, k: reference(x, k, stride, 1)), strict=True):
        assert relative(a, b) < 1e-5


def test_matmul_takes_images_of_one_pixel():
    x, weights = normal(13, (2, 1, 1, 5), (5, 3), dtype="float32")
    gradient = jax.grad(lambda a: jnp.sum(jnp.sin(linear.matmul(*a))))((x, weights))
    assert relative(gradient, jax.grad(lambda a: jnp.sum(jnp.sin(jnp.matmul(*a))))((x, weights))) < 1e-6


def test_blocks_are_equal_and_stay_in_the_cache():
    def blocks(images, side, channels, form=Form.WINOGRAD, kernel=(3, 3), features=None, **options):
        return choice.blocks(form, images, (side, side), kernel, channels, features or channels, **options)

    assert blocks(128, 32, 64) == 16
    assert blocks(128, 16, 16) == blocks(128, 8, 32, kernel_gradient=True) == 1
    assert blocks(128, 8, 256, kernel_gradient=True) == 8
    assert blocks(1000, 4, 512) * 32 <= 1280
    assert blocks(127, 32, 64) == 1  # no equal blocks
    assert blocks(128, 32, 64, Form.PATCHES, (1, 1)) == 1
    # The tiles hold each pixel six times; where the output is larger all the same, a loop would only write it twice.
    assert blocks(128, 32, 8) == 4 < blocks(128, 32, 8, Form.ROW_TILES)
    assert blocks(128, 32, 3, Form.ROW_TILES, features=64) == 1
    assert blocks(128, 32, 3, Form.ROW_TILES, features=64, kernel_gradient=True) > 1


def test_bfloat16_rounds_once():
    x, weights = normal(4, (2, 6, 6, 9), (3, 3, 9, 9), dtype="bfloat16")
    y = layers.conv2d(x, weights, padding=1)
    assert y.dtype == jnp.bfloat16
    exact = reference(x.astype(jnp.float32), weights.astype(jnp.float32), 1, 1)
    assert jnp.max(jnp.abs(y.astype(jnp.float32) - exact) / (jnp.abs(exact) + 1e-3)) < 2**-8


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize(("channels", "tile"), [(9, (2, 2)), (3, (1, 4))])
def test_what_is_not_finite_stays_in_its_tiles(value, channels, tile):
    """Every output that is not finite in `lax.conv` is not finite here; a form may add the rest of the same tiles."""
    x, weights = normal(5, (3, 8, 8, channels), (3, 3, channels, 9), dtype="float32")
    x = x.at[1, 2, 3, 0].set(value)
    ours = np.isfinite(layers.conv2d(x, weights, padding=1))
    theirs = np.isfinite(reference(x, weights, 1, 1))
    assert ours[[0, 2]].all()
    assert not ours[~theirs].any()
    tiles = (8 // tile[0], tile[0], 8 // tile[1], tile[1], 9)
    untouched = theirs[1].reshape(tiles).all((1, 3), keepdims=True)
    assert ours[1].reshape(tiles)[np.broadcast_to(untouched, tiles)].all()


@pytest.mark.parametrize(
    ("images", "kernel", "message"),
    [
        ((1, 4, 4, 3), (3, 3, 2, 5), "do not fit"),
        ((4, 4, 3), (3, 3, 3, 5), "do not fit"),
        ((1, 2, 2, 3), (5, 5, 3, 5), "larger"),
    ],
)
def test_conv2d_refuses_shapes_that_do_not_fit(images, kernel, message):
    with pytest.raises(ValueError, match=message):
        layers.conv2d(jnp.zeros(images), jnp.zeros(kernel))


@pytest.mark.parametrize("image", [(6, 4), (5, 7)])
def test_max_pool_equals_flax_to_second_order(image):
    """Many ties, which go to the first pixel of the window."""
    with jax.enable_x64(True):
        x, v = normal(6, (2, *image, 3), (2, *image, 3))
        x = jnp.round(x)
        ours = to_second_order(layers.max_pool_2x2)((x,), (v,))
        theirs = to_second_order(lambda x: nn.max_pool(x, (2, 2), (2, 2)))((x,), (v,))
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_max_pool_of_nan_and_of_an_image_smaller_than_its_window():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1).at[0, 0, 1, 0].set(jnp.nan)
    np.testing.assert_array_equal(layers.max_pool_2x2(x)[0, :, :, 0], [[jnp.nan, 7], [13, 15]])
    with pytest.raises(ValueError, match="larger than the image"):
        layers.max_pool_2x2(jnp.zeros((1, 1, 4, 2)))


def test_batch_norm_equals_flax_to_second_order():
    ours = layers.BatchNorm()
    theirs = nn.BatchNorm(momentum=0.9, epsilon=1e-5, use_fast_variance=False)
    with jax.enable_x64(True):
        x, scale, bias, mean, *vectors = normal(7, (4, 3, 5, 6), (6,), (6,), (6,), (4, 3, 5, 6), (6,), (6,))
        statistics = {"mean": mean, "var": jnp.exp(mean)}

        def apply(module, average):
            def function(x, scale, bias):
                variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": statistics}
                return module.apply(variables, x, use_running_average=average, mutable=["batch_stats"])

            return function

        for average in (False, True):
            results = [
                to_second_order(lambda *a, m=module, u=average: apply(m, u)(*a)[0])((x, scale, bias), tuple(vectors))
                for module in (ours, theirs)
            ]
            for a, b in zip(*results, strict=True):
                assert relative(a, b) < 1e-10
            updates = [apply(module, average)(x, scale, bias)[1] for module in (ours, theirs)]
            assert relative(*updates) < 1e-12


@pytest.mark.parametrize("layer", [layers.Conv, layers.Linear])
@pytest.mark.parametrize("norm", [layers.BatchNorm, layers.GroupNorm, partial(layers.LpNorm, "1")])
def test_a_normalised_layer_equals_its_two_parts(layer, norm):
    """In float64 a bias before BatchNorm gives the same images and statistics where it is added and where it is not."""

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train, apart):
            first, second = layer(4, name="layer"), norm(name="norm")
            if apart:
                return second(first(x), use_running_average=not train)
            return layers.normalized(first, second, x, train)

    with jax.enable_x64(True):
        x, weight, shift = normal(9, (8, 5, 6, 3), (8, 5, 6, 4), (4,))
        variables = Network().init(jax.random.key(0), x, True, False)
        variables["params"]["layer"]["bias"] = shift

        def loss(params, train, apart):
            changed = {**variables, "params": params}
            y, updates = Network().apply(changed, x, train, apart, mutable=["batch_stats"])
            return (y * weight).sum(), updates

        for train in (True, False):
            results = [jax.grad(loss, has_aux=True)(variables["params"], train, apart) for apart in (False, True)]
            for a, b in zip(*(jax.tree.leaves(result) for result in results), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-10)
            bias = results[0][0]["layer"]["bias"]
            if train and norm is layers.BatchNorm:
                np.testing.assert_array_equal(bias, 0)
            else:
                assert jnp.abs(bias).max() > 1e-3


def test_batch_norm_counts_in_float32_for_bfloat16():
    """Mean 100 and deviation 1: bfloat16 sums would be off by more than the deviation."""
    x = (100 + normal(8, (64, 4, 4, 2), dtype="float32")[0]).astype(jnp.bfloat16)
    y, updates = layers.BatchNorm(dtype=jnp.bfloat16).init_with_output(jax.random.key(0), x, False)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(updates["batch_stats"]["mean"], 0)
    variables = {"params": {"scale": jnp.ones(2), "bias": jnp.zeros(2)}, "batch_stats": updates["batch_stats"]}
    _, updates = layers.BatchNorm(dtype=jnp.bfloat16).apply(variables, x, False, mutable=["batch_stats"])
    exact = np.asarray(x, np.float64).reshape(-1, 2)
    np.testing.assert_allclose(updates["batch_stats"]["mean"], 0.1 * exact.mean(0), rtol=1e-5)
    np.testing.assert_allclose(updates["batch_stats"]["var"], 0.9 + 0.1 * exact.var(0), rtol=1e-4)


def test_modules_compute_in_the_dtype_asked_for():
    x = jnp.ones((1, 4, 4, 3))
    conv = layers.Conv(5, stride=2, initialization="xavier", dtype=jnp.bfloat16)
    variables = conv.init(jax.random.key(0), x)
    assert variables["params"]["kernel"].shape == (3, 3, 3, 5)
    assert variables["params"]["kernel"].dtype == jnp.float32
    assert conv.apply(variables, x).dtype == jnp.bfloat16
    linear = layers.Linear(2)
    variables = {"params": {"kernel": jnp.eye(3, 2), "bias": jnp.array([1.0, 2.0])}}
    np.testing.assert_array_equal(linear.apply(variables, jnp.ones((1, 3))), [[2, 3]])


def test_group_norm_has_known_answers():
    x = jnp.array([[[[1.0, 3.0, 0.0, 8.0]]], [[[5.0, 5.0, 2.0, 6.0]]]])
    by_two, _ = layers.GroupNorm(group_size=2, epsilon=0.0).init_with_output(jax.random.key(0), x[:1], False)
    np.testing.assert_allclose(by_two, [[[[-1, 1, -1, 1]]]], rtol=1e-6)
    whole, variables = layers.GroupNorm(epsilon=0.0).init_with_output(jax.random.key(0), x, False)
    np.testing.assert_allclose(np.mean(whole, axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(np.var(whole, axis=-1), 1, rtol=1e-5)
    assert set(variables) == {"params"}
    images = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))
    alone, _ = layers.GroupNorm(group_size=1).init_with_output(jax.random.key(0), images, True)
    expected = (images - images.mean((1, 2), keepdims=True)) / jnp.sqrt(images.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, None])
def test_group_norm_equals_flax_to_second_order(size):
    ours = layers.GroupNorm(group_size=size)
    theirs = nn.GroupNorm(num_groups=None, group_size=size or 6, epsilon=1e-5, use_fast_variance=False)
    with jax.enable_x64(True):
        x, scale, bias, *vectors = normal(10, (4, 3, 5, 6), (6,), (6,), (4, 3, 5, 6), (6,), (6,))

        def of_ours(x, scale, bias):
            return ours.apply({"params": {"scale": scale, "bias": bias}}, x, use_running_average=False)

        def of_theirs(x, scale, bias):
            return theirs.apply({"params": {"scale": scale, "bias": bias}}, x)

        results = [to_second_order(function)((x, scale, bias), tuple(vectors)) for function in (of_ours, of_theirs)]
        for a, b in zip(*results, strict=True):
            assert relative(a, b) < 1e-10


@pytest.mark.parametrize(("order", "norm"), [("1", 3.0), ("inf", 6.0)])
def test_lp_norm_has_known_answers(order, norm):
    x = jnp.array([[[[2.0]]], [[[-1.0]]], [[[6.0]]]])
    layer = layers.LpNorm(order, epsilon=0.0)
    variables = layer.init(jax.random.key(0), x, False)
    y, updates = layer.apply(variables, x, False, mutable=["batch_stats"])
    mean = 7 / 3
    np.testing.assert_allclose(y[:, 0, 0, 0], (x[:, 0, 0, 0] - mean) / norm, rtol=1e-6)
    stats = updates["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.1 * mean, rtol=1e-6)
    np.testing.assert_allclose(stats["norm"], 0.9 + 0.1 * norm, rtol=1e-6)
    evaluated = layer.apply({**variables, "batch_stats": stats}, x, True)
    np.testing.assert_allclose(evaluated[:, 0, 0, 0], (x[:, 0, 0, 0] - 0.1 * mean) / (0.9 + 0.1 * norm), rtol=1e-6)


@pytest.mark.parametrize("norm", get_args(config.Norm))
def test_every_normalisation_ignores_the_scale_of_the_weights_before_it(norm):
    module = build(config.CNN(widths=(8,), head=(8,), norm=norm))
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = module.init(jax.random.key(1), images, True)
    params = variables["params"]
    scaled = {**params, "conv1": jax.tree.map(lambda leaf: 3 * leaf, params["conv1"])}
    first, second = (
        module.apply({**variables, "params": each}, images, True, mutable=["batch_stats"])[0]
        for each in (params, scaled)
    )
    if norm == "none":
        assert np.abs(first - second).max() > 1e-3
    else:
        np.testing.assert_allclose(first, second, rtol=2e-3, atol=2e-4)


def test_instance_normalisation_of_one_pixel_is_refused():
    layer = GroupNorm(group_size=1)
    assert layer.init(jax.random.key(0), jnp.ones((2, 2, 2, 3)), True)
    with pytest.raises(UserError, match="in an image of 1 x 1, makes it 0"):
        layer.init(jax.random.key(0), jnp.ones((2, 1, 1, 3)), True)


def test_a_batch_of_one_value_per_channel_is_refused():
    """BatchNorm would make it 0 and pass no gradient on."""
    norm, images = layers.BatchNorm(), jnp.ones((1, 1, 1, 3))
    variables = norm.init(jax.random.key(0), images, False)
    with pytest.raises(UserError, match="BatchNorm got one value per channel"):
        norm.apply(variables, images, False, mutable=["batch_stats"])
    assert norm.apply(variables, images, True).shape == images.shape
