"""A user's own network, optimizer and loss in training: the same numbers as the package's, and honest refusals."""

from __future__ import annotations

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import own_networks
import pytest
from flax import linen as nn

import jaxcifar
from jaxcifar.config import (
    CNN,
    EMA,
    SGD,
    Adadelta,
    Adagrad,
    AdamW,
    Data,
    Lookahead,
    Module,
    Muon,
    Optax,
    Run,
    Study,
    UserError,
    Variant,
    from_json,
    to_json,
)
from jaxcifar.config.stored import read_records
from jaxcifar.measures import Beta, CovariateShift, GradientDistance, NoiseFloor, SnapshotMeasure
from jaxcifar.measures.base import normed_layers
from jaxcifar.models.summary import layer_groups
from jaxcifar.runner.execute import execute
from jaxcifar.training.checkpoint import Checkpoints, sound_steps
from jaxcifar.training.step import check_parts

DATA = Data(source="shapes", train_size=128, test_size=50, flip="random")


@pytest.fixture
def run(small_run) -> Run:
    return dataclasses.replace(small_run, data=DATA, epochs=1)


@pytest.mark.slow
def test_an_optimizer_of_optax_takes_the_steps_of_the_same_one_here(run, tmp_path):
    ours = dataclasses.replace(run, optimizer=SGD(0.05, momentum=0.9))
    theirs = dataclasses.replace(run, optimizer=Optax(0.05, factory=optax.sgd, arguments={"momentum": 0.9}))
    found = [jaxcifar.train(each, tmp_path / str(i)).steps["loss"] for i, each in enumerate((ours, theirs))]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("vectorize", ["vmap", "map"])
def test_its_rate_is_swept_in_one_program(run, tmp_path, vectorize):
    run = dataclasses.replace(run, optimizer=Optax(factory=own_networks.clipped, arguments={"clip": 0.5}))
    study = Study("rates", run, sweep={"optimizer.learning_rate": (0.01, 0.1)}, vectorize=vectorize)
    folders = execute(study, tmp_path / "study")
    for folder, rate in zip(folders, (0.01, 0.1), strict=True):
        assert read_records(folder).summary["members_in_program"] == 2
        alone = dataclasses.replace(run, optimizer=dataclasses.replace(run.optimizer, learning_rate=rate))
        loss = jaxcifar.train(alone, tmp_path / f"alone-{rate}").steps["loss"]
        np.testing.assert_allclose(read_records(folder).steps["loss"], loss, rtol=1e-5)


def test_an_optimizer_that_asks_for_the_loss_gets_it(run, tmp_path):
    records = jaxcifar.train(dataclasses.replace(run, optimizer=Optax(1.0, factory=optax.polyak_sgd)), tmp_path)
    assert records.status == "finished"  # Polyak's step raises without the loss


def test_an_optimizer_that_keeps_its_rate_is_refused(run, tmp_path):
    kept = Optax(0.01, factory=optax.inject_hyperparams(optax.sgd))
    with pytest.raises(UserError, match="keeps the learning rate in its state, where no schedule reaches it"):
        jaxcifar.train(dataclasses.replace(run, optimizer=kept), tmp_path)


def test_an_optimizer_with_a_random_key_is_saved_and_loaded(run, tmp_path):
    whole = dataclasses.replace(run, epochs=2, optimizer=Optax(0.01, factory=optax.noisy_sgd))
    expected = jaxcifar.train(whole, tmp_path / "whole").steps["loss"]
    folder = tmp_path / "cut"
    jaxcifar.train(whole, folder)
    first = min(sound_steps(folder, print))
    for step in set(sound_steps(folder, print)) - {first}:
        shutil.rmtree(folder / "checkpoints" / str(step))
    (folder / "summary.json").unlink()
    np.testing.assert_array_equal(jaxcifar.train(whole, folder).steps["loss"], expected)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), AdamW(0.01), Adagrad(), Adadelta(), Muon()])
def test_narrow_parameters_of_an_own_network_keep_their_dtype(run, tmp_path, optimizer):
    model = Module(Narrow())
    records = jaxcifar.train(dataclasses.replace(run, model=model, optimizer=optimizer), tmp_path)
    assert records.status == "finished"
    assert {leaf.dtype for leaf in jax.tree.leaves(records.load().params)} == {jnp.dtype("bfloat16")}


class Dropping(nn.Module):
    """A network whose dropout draws random numbers, where its rate is above 0."""

    rate: float

    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(10)(nn.Dropout(self.rate, deterministic=not train)(x.reshape(len(x), -1)))


def test_the_noise_floor_of_a_network_that_draws_is_refused(run):
    check_parts(dataclasses.replace(run, model=Module(Dropping(0.0)), probes=(NoiseFloor(),)))
    with pytest.raises(UserError, match="NoiseFloor, which takes a batch in another order, and Dropping draws random"):
        check_parts(dataclasses.replace(run, model=Module(Dropping(0.3)), probes=(NoiseFloor(),)))


@pytest.mark.parametrize(
    "slip",
    [
        {"loss": lambda logits, labels: logits.sum()},
        {"model": Module(nn.Dense(10))},
        {"optimizer": Optax(0.1, factory=optax.sgd, arguments={"moment": 0.9})},
    ],
    ids=["loss", "network", "optimizer"],
)
def test_a_slip_leaves_no_record_that_refuses_the_mended_code(run, tmp_path, slip):
    with pytest.raises(UserError):
        jaxcifar.train(dataclasses.replace(run, **slip), tmp_path / "run")
    assert jaxcifar.train(run, tmp_path / "run").status == "finished"


def test_an_own_measure_that_was_edited_is_another(run, tmp_path):
    def measure(value: float) -> type[SnapshotMeasure]:
        class Mine(SnapshotMeasure):
            name = "mine"

            def compute(self, snapshots):
                return {"mine": jnp.full(len(snapshots.states), value)}

        return dataclasses.dataclass(frozen=True)(Mine)

    one, other = (dataclasses.replace(run, probes=(measure(value)(),)) for value in (1.0, 2.0))
    assert to_json(one) == to_json(dataclasses.replace(run, probes=(measure(1.0)(),)))
    assert to_json(one) != to_json(other)
    assert to_json(from_json(to_json(one))) == to_json(one)


class Narrow(nn.Module):
    """A network whose parameters are bfloat16."""

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(8, param_dtype="bfloat16", dtype="bfloat16")(x.reshape(len(x), -1))
        return nn.Dense(10, param_dtype="bfloat16", dtype="bfloat16")(nn.relu(x))


def cross_entropy(logits, labels):
    """The package's own, by Optax."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def test_a_loss_of_ones_own_gives_the_numbers_of_the_same_one_here(run, tmp_path):
    found = [
        jaxcifar.train(each, tmp_path / str(i))
        for i, each in enumerate((run, dataclasses.replace(run, loss=cross_entropy)))
    ]
    np.testing.assert_allclose(found[0].steps["loss"], found[1].steps["loss"], rtol=1e-5)
    np.testing.assert_allclose(found[0].metrics[-1]["test_loss"], found[1].metrics[-1]["test_loss"], rtol=1e-5)


@pytest.mark.parametrize(
    "model", [Module(own_networks.Small()), Module(own_networks.SmallNNX, {"width": 4})], ids=["linen", "nnx"]
)
def test_measures_and_resume_work_on_an_own_network(model, tmp_path):
    run = Run(
        name="own",
        model=model,
        data=DATA,
        optimizer=Optax(factory=optax.lion, arguments={"weight_decay": 0.1}),
        loss=own_networks.focal,
        epochs=2,
        batch_size=32,
        probes=(Beta(), Beta(batch="cross_batch"), GradientDistance(), CovariateShift(every=2)),
    )
    records = jaxcifar.train(run, tmp_path)
    assert records.status == "finished"
    assert np.isfinite(records.steps["beta/same_batch"]).all()
    assert np.isfinite(records.steps["covariate_shift/distance/head"][::2]).all()
    other = dataclasses.replace(run, model=Module(own_networks.Small(width=5)))
    with pytest.raises(UserError, match="another config"):
        jaxcifar.train(other, tmp_path)
    assert jaxcifar.train(run, tmp_path).steps["loss"].tolist() == records.steps["loss"].tolist()


def test_other_collections_are_carried(tmp_path):
    run = Run(name="counting", model=Module(own_networks.Counting()), data=DATA, epochs=1, batch_size=32)
    records = jaxcifar.train(run, tmp_path)
    saved = Checkpoints(tmp_path)
    state = saved._manager.restore(max(sound_steps(tmp_path, print)))
    saved.close()
    assert int(state["batch_stats"]["calls"]["count"]) == len(records.steps["loss"]) == 4


@pytest.mark.parametrize("average", [EMA(0.9), Lookahead(every=2)], ids=["ema", "lookahead"])
def test_a_count_is_not_averaged(average, tmp_path):
    run = Run(name="counting", model=Module(own_networks.Counting()), data=DATA, epochs=1, batch_size=32)
    jaxcifar.train(dataclasses.replace(run, average=average), tmp_path)
    assert int(jaxcifar.load(tmp_path, model=run.model).batch_stats["calls"]["count"]) == 4


def test_bare_parameters_follow_no_normalisation():
    groups = layer_groups(Module(own_networks.Biased()).for_data((32, 32, 3), 10))
    assert set(groups["w"]) == {"w", "b"}
    assert normed_layers(groups) == {}
    assert normed_layers(layer_groups(CNN(norm="batch")))["conv1"] == "norm1"
    assert normed_layers(layer_groups(Module(own_networks.Small()).for_data((32, 32, 3), 10))) == {"stem": "norm"}


def mean(logits, labels):
    """A loss of the batch in place of the examples."""
    return cross_entropy(logits, labels).mean()


def broken(logits, labels):
    """A loss with a slip."""
    return logits @ labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": mean}, r"The loss mean returns \(\) for 32 examples; it must return one loss per example"),
        ({"loss": broken}, "The loss broken fails with TypeError"),
        ({"optimizer": Optax(factory=optax.lion, arguments={"nesterof": True})}, "lion.*nesterof"),
        ({"optimizer": Optax(factory=jnp.float32)}, "fails with|GradientTransformation"),
    ],
)
def test_slips_are_one_sentence(run, changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        jaxcifar.train(dataclasses.replace(run, **changes), tmp_path)


def test_wrong_factories_are_refused():
    with pytest.raises(UserError, match="give a function such as optax"):
        Optax(factory="lion")
    with pytest.raises(UserError, match="give it in arguments"):
        Optax(factory=optax.adamw, weight_decay=0.1)


def test_a_study_of_own_networks_is_labelled_and_planned(tmp_path):
    study = Study(
        "widths",
        Run(model=Module(own_networks.Small()), data=DATA, epochs=1, batch_size=32),
        variants=tuple(Variant(f"w{w}", {"model": Module(own_networks.Small(width=w))}) for w in (2, 4)),
    )
    from jaxcifar.runner.plan import make_plan

    labels = [item.label for item in make_plan(study)[0].runs]
    assert labels == ["class arguments width=2, classes=10", "class arguments width=4, classes=10"]
