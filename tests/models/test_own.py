"""Networks of a user's own: called as the package's are, described in records, their layers found by the trace."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import own_networks
import pytest
from flax import linen as nn
from flax import nnx

import jaxcifar
from jaxcifar import config
from jaxcifar.config import Module, Optax, Run, UserError
from jaxcifar.models import build, layer_groups, layer_rows, roles

IMAGES = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(1)


def test_a_linen_network_computes_what_it_computes_alone(key):
    network, alone = build(Module(own_networks.Small())), own_networks.Small()
    variables = network.init(key, IMAGES, False)
    assert set(variables["batch_stats"]) == {"batch_stats"}
    own = {"params": variables["params"], **variables["batch_stats"]}
    assert np.array_equal(network.apply(variables, IMAGES, False), alone.apply(own, IMAGES, False))
    rngs = {"dropout": jax.random.key(2)}
    logits, updated = network.apply(variables, IMAGES, True, rngs=rngs, mutable=["batch_stats"])
    expected, stats = alone.apply(own, IMAGES, True, rngs=rngs, mutable=["batch_stats"])
    assert np.array_equal(logits, expected)
    jax.tree.map(np.testing.assert_array_equal, updated["batch_stats"], dict(stats))


def test_an_nnx_network_computes_what_it_computes_alone(key):
    network, alone = build(Module(own_networks.SmallNNX, {"width": 4})), own_networks.SmallNNX(4, rngs=nnx.Rngs(key))
    variables = jax.jit(lambda key: network.init(key, IMAGES, False))(key)
    alone.eval()
    expected = alone(jnp.asarray(IMAGES))
    np.testing.assert_allclose(network.apply(variables, IMAGES, False), expected, rtol=1e-5, atol=1e-6)
    alone.train()
    alone(jnp.asarray(IMAGES))
    first, second = jax.random.key(2), jax.random.key(3)
    logits, updated = network.apply(variables, IMAGES, True, rngs={"dropout": first}, mutable=True)
    np.testing.assert_allclose(updated["batch_stats"]["norm"]["mean"], alone.norm.mean.get_value(), rtol=1e-6)
    again, _ = network.apply(variables, IMAGES, True, rngs={"dropout": first}, mutable=True)
    other, _ = network.apply(variables, IMAGES, True, rngs={"dropout": second}, mutable=True)
    assert np.array_equal(logits, again)
    assert not np.allclose(logits, other)


def test_the_trace_finds_the_layers_of_a_vision_transformer():
    model = Module(own_networks.ViT(depth=1))
    parts = ("query", "key", "value", "out")
    kernels = ("patches", *(f"block0/attention/{part}" for part in parts), "block0/up", "block0/down", "head")
    found = roles(model)
    assert found.kernels == kernels
    assert found.output == "head"
    assert found.norms == ("block0/LayerNorm_0", "block0/LayerNorm_1", "last")
    rows = {row.name: row for row in layer_rows(model)}
    assert rows["patches"].multiply_adds == 16 * 8 * 8 * 3 * 8
    assert rows["block0/up"].multiply_adds == 17 * 8 * 16
    groups = layer_groups(model)
    variables = build(model).init(jax.random.key(0), IMAGES, False)
    leaves = ["/".join(p.key for p in path) for path, _ in jax.tree_util.tree_leaves_with_path(variables["params"])]
    assert sorted(leaf for group in groups.values() for leaf in group) == sorted(leaves)
    assert "places" in groups["patches"]
    assert groups["block0/down"][-2:] == ["last/scale", "last/bias"]


def test_given_layers_take_the_place_of_the_trace():
    model = Module(own_networks.ViT(depth=1), output="patches", layers=("patches", "head"))
    assert roles(model).output == "patches"
    assert list(layer_groups(model)) == ["patches", "head"]
    with pytest.raises(UserError, match="layer 'heed'; ViT has patches"):
        layer_groups(Module(own_networks.ViT(depth=1), layers=("heed",)))
    with pytest.raises(UserError, match="output 'heed'; ViT has patches"):
        roles(Module(own_networks.ViT(depth=1), output="heed"))


def test_a_record_keeps_class_arguments_and_source_but_no_code():
    run = Run(model=Module(own_networks.Small(width=8)))
    stored = config.to_json(run)["model"]
    assert stored["class_name"] == "Small"
    assert stored["class_arguments"] == "width=8, classes=10"
    assert len(stored["source_sha256"]) == 64
    assert "network" not in stored
    read = config.from_json(config.to_json(run))
    assert read == run
    with pytest.raises(UserError, match="Small is a user's own, which a record describes but does not hold"):
        build(read.model)
    hacked = {**config.to_json(run), "model": {**stored, "network": "os.system"}}
    with pytest.raises(UserError, match="the field 'network' of Module"):
        config.from_json(hacked)


def test_another_argument_or_source_is_another_network(tmp_path):
    first = Module(own_networks.Small(width=8))
    assert first == Module(own_networks.Small(width=8))
    assert first != Module(own_networks.Small(width=4))
    texts = ["x.mean()", "x.max()"]
    found = []
    for index, text in enumerate(texts):
        path = tmp_path / f"net{index}.py"
        path.write_text(SOURCE.format(text))
        found.append(config.load(path).model)
    assert found[0].source_sha256 != found[1].source_sha256
    assert dataclasses.replace(found[0], source_sha256=None, network=None) == dataclasses.replace(
        found[1], source_sha256=None, network=None
    )


SOURCE = """
from flax import linen as nn
from jaxcifar.config import Module, Run


def helper(x):
    return {}


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(x.reshape(len(x), -1)) + helper(x)


def get_config():
    return Run(model=Module(Net()))
"""


class Empty(nn.Module):
    """A module without parameters."""

    @nn.compact
    def __call__(self, x):
        return x[:, 0, :10, 0]


class Listed(nn.Module):
    """A module with an argument that has no hash."""

    widths: list

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.widths[-1])(x.reshape(len(x), -1))


class Broken(nn.Module):
    """A module with a slip."""

    @nn.compact
    def __call__(self, x, extra):
        return nn.Dense(10)(x)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: Module(Empty()), "Empty has no parameters"),
        (lambda: Module(own_networks.Small(classes=7)), r"returns \(4, 7\) .* must return logits \[N, classes\]"),
        (lambda: Module(Broken()), "Broken fails with TypeError.*extra"),
        (lambda: Module(own_networks.SmallNNX(4, rngs=nnx.Rngs(0))), "give the class and its arguments"),
        (lambda: Module(own_networks.SmallNNX, {"depth": 4}), "SmallNNX fails with TypeError"),
        (lambda: Module(own_networks.Small(width=object())), "text is another in each process"),  # type: ignore[arg-type]
        (lambda: Module(3), "it takes a flax.linen module"),
        (lambda: Run(model=Module(own_networks.Small()), precision="bfloat16"), "give it its dtype"),
    ],
)
def test_slips_are_one_sentence(network, message, key):
    with pytest.raises(UserError, match=message):
        build(network()).init(key, IMAGES, False)


class Started(nnx.Module):
    """A linear network with its own initialisation."""

    def __init__(self, start, rngs):
        self.linear = nnx.Linear(48, 3, kernel_init=start, rngs=rngs)

    def __call__(self, x):
        return self.linear(x.reshape(len(x), -1))


def of_width(width: int) -> type[nnx.Module]:
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.first, self.last = nnx.Linear(48, width, rngs=rngs), nnx.Linear(width, 3, rngs=rngs)

        def __call__(self, x):
            return self.last(self.first(x.reshape(len(x), -1)))

    return Net


def described_alike(one: Module, other: Module) -> tuple[Module, Module]:
    """The networks as of a notebook's cell, whose source Python does not find."""
    found = [dataclasses.replace(each.for_data((4, 4, 3), 3)) for each in (one, other)]
    for each in found:
        object.__setattr__(each, "source_sha256", None)
        object.__setattr__(each, "class_arguments", "")
    assert found[0] == found[1]
    return found[0], found[1]


def test_a_second_network_of_the_same_description_is_itself(key):
    images = jnp.ones((2, 4, 4, 3))
    starts = [Module(Started, {"start": nnx.initializers.normal(scale)}) for scale in (0.01, 3.0)]
    found = [build(model).init(key, images, False)["params"]["linear"]["kernel"] for model in described_alike(*starts)]
    assert [float(kernel.std()) for kernel in found] == pytest.approx([0.01, 3.0], rel=0.2)
    for model, width in zip(described_alike(Module(of_width(4)), Module(of_width(9))), (4, 9), strict=True):
        assert build(model).init(key, images, False)["params"]["first"]["kernel"].shape == (48, width)
        assert layer_rows(model)[0].parameters == 49 * width


def focal(logits, labels, gamma=1.0):
    return gamma * logits[:, 0]


class Held:
    def __init__(self, gamma: float):
        self.gamma = gamma

    def __call__(self, logits, labels):
        return self.gamma * logits[:, 0]


def around(gamma: float):
    def loss(logits, labels):
        return gamma * logits[:, 0]

    return loss


def by_default(gamma: float):
    def loss(logits, labels, gamma=gamma):
        return gamma * logits[:, 0]

    return loss


@pytest.mark.parametrize(
    "changed",
    [
        lambda value: Run(loss=functools.partial(focal, gamma=value)),
        lambda value: Run(loss=Held(value)),
        lambda value: Run(loss=around(value)),
        lambda value: Run(loss=by_default(value)),
        lambda value: Run(optimizer=Optax(0.1, factory=functools.partial(optax.sgd, momentum=value))),
        lambda value: Run(
            optimizer=Optax(0.1, factory=optax.sgd, arguments={"momentum": optax.constant_schedule(value)})
        ),
        lambda value: Run(model=Module(Started, {"start": nnx.initializers.normal(value)})),
        lambda value: Run(model=Module(of_width(int(10 * value)))),
    ],
    ids=["partial", "object", "closure", "default", "partial of optax", "schedule", "initializer", "class"],
)
def test_what_code_holds_is_a_part_of_its_description(changed):
    assert config.to_json(changed(0.5)) == config.to_json(changed(0.5))
    assert config.to_json(changed(0.5)) != config.to_json(changed(0.9))
    assert changed(0.5) != changed(0.9)


class Sowing(nn.Module):
    """A linear network with a sown value and a partitioned kernel."""

    @nn.compact
    def __call__(self, x):
        self.sow("losses", "mean", x.mean())
        start = nn.with_partitioning(nn.initializers.lecun_normal(), (None, "model"))
        return nn.Dense(3, kernel_init=start)(x.reshape(len(x), -1))


class Pair(nn.Module):
    @nn.compact
    def __call__(self, x):
        kernel, bias = self.param("pair", lambda key: (jnp.ones((48, 3)), jnp.ones(3)))
        return x.reshape(len(x), -1) @ kernel + bias


class Numberless(nn.Module):
    @nn.compact
    def __call__(self, x):
        self.param("empty", nn.initializers.zeros, (0, 3))
        return nn.Dense(3)(x.reshape(len(x), -1))


def test_sown_and_partitioned_values_are_taken_and_others_told(key, tmp_path):
    labels = np.arange(8) % 3
    images = np.zeros((8, 4, 4, 3), np.uint8)
    data = jaxcifar.arrays(images, labels, images, labels)
    run = Run(model=Module(Sowing()), data=data, epochs=2, batch_size=4, optimizer=config.SGD(0.1))
    assert jaxcifar.train(run, tmp_path / "sown").status == "finished"
    with pytest.raises(UserError, match="a parameter is a tuple; make each array a parameter of its own"):
        jaxcifar.train(dataclasses.replace(run, model=Module(Pair())), tmp_path / "pair")
    with pytest.raises(UserError, match="a parameter without numbers, which no checkpoint holds; leave it out"):
        jaxcifar.train(dataclasses.replace(run, model=Module(Numberless())), tmp_path / "empty")


def test_an_argument_without_a_hash_is_taken(key):
    model = Module(Listed([4, 10]))
    assert model.class_arguments == "widths=(4, 10)"
    assert build(model).init(key, IMAGES, False)["params"]
    assert roles(model).output == "Dense_0"
