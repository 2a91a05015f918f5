"""A user's own network, optimizer and loss in training: the same numbers as the package's, and honest refusals."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
import own_networks
import pytest

import jaxcifar
from jaxcifar.config import CNN, EMA, SGD, Data, Lookahead, Module, Optax, Run, Study, UserError, Variant
from jaxcifar.config.stored import read_records
from jaxcifar.measures import Beta, CovariateShift, GradientDistance
from jaxcifar.measures.base import normed_layers
from jaxcifar.models.summary import layer_groups
from jaxcifar.runner.execute import execute
from jaxcifar.training.checkpoint import Checkpoints, sound_steps

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
