"""Probes in the training program against the same measures taken by hand between steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from jaxcifar import data, landscape, records
from jaxcifar.config import CNN, SGD, VGG, Checkpoint, Data, Run, UserError
from jaxcifar.config.stored import read_records
from jaxcifar.measures import (
    Beta,
    CovariateShift,
    GammaOverSigma,
    GradientDirection,
    GradientDistance,
    NoiseFloor,
    ScaleFreeNorm,
    StepReliability,
    TopEigenvalue,
    UpdateDirection,
)
from jaxcifar.models import layers
from jaxcifar.training import Member, interrupt, probes, state, train_members
from jaxcifar.training.checkpoint import Checkpoints
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.progress import PlainProgress, Status
from jaxcifar.training.step import loss_function, train_step

pytestmark = pytest.mark.slow

PROBES = (
    Beta(),
    GradientDistance(),
    Beta(batch="cross_batch"),
    GradientDistance(batch="cross_batch"),
    GradientDirection(),
    UpdateDirection(),
    StepReliability(),
    CovariateShift(),
    ScaleFreeNorm(),
    GammaOverSigma(),
)
RUN = Run(
    name="probed",
    model=VGG(form="light", norm="batch", dropout=0.1),
    data=Data(source="shapes", train_size=48, test_size=10),
    optimizer=SGD(learning_rate=0.05, momentum=0.9),
    epochs=3,
    batch_size=16,
    probes=PROBES,
    checkpoint=Checkpoint(every_seconds=0, snapshots=(1, 2, 3)),
)


FLOOR = dataclasses.replace(RUN, model=CNN(widths=(4,), head=(8, 8)), probes=(NoiseFloor(every=2),))


def fit(run: Run, folder: Path) -> records.Records:
    train_members([Member(run, folder)], data.load(run.data), "off", PlainProgress(), interrupt.Stop())
    return read_records(folder)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> records.Records:
    # One step an epoch, so that the snapshots are consecutive steps.
    run = dataclasses.replace(RUN, data=dataclasses.replace(RUN.data, train_size=16))
    return fit(run, tmp_path_factory.mktemp("probed"))


def by_hand(found: records.Records) -> tuple[list, list]:
    """Parameters before steps 1 and 2, and the loss of each step's batch, from the snapshots and the keys alone."""
    run, images = found.config, data.load(found.config.data)
    values = hyperparams(run)
    shapes = jax.eval_shape(lambda: state.create(run, values))
    checkpoints = Checkpoints(found.folder)
    states = [checkpoints.restore(step, shapes) for step in (1, 2, 3)]
    checkpoints.close()
    losses = []
    for step in (1, 2):
        order = jax.random.permutation(state.key(values, "order", step), 16)
        batch = data.normalize(images.train_images[order], run.data), images.train_labels[order]
        loss = loss_function(run, values)
        losses.append(lambda p, f=loss, b=batch, s=step: f(p, states[0].batch_stats, b, s)[0])
    return [s.params for s in states], losses


def test_same_batch_and_cross_batch_are_what_they_say(probed: records.Records):
    params, losses = by_hand(probed)
    steps = probed.steps
    near = {"rtol": 2e-3}
    np.testing.assert_allclose(steps["loss"][1:], [losses[0](params[0]), losses[1](params[1])], rtol=1e-5)
    expected = landscape.same_batch_beta(losses[0], params[0], params[1])
    np.testing.assert_allclose(steps["beta/same_batch"][1], expected, **near)
    cross = landscape.cross_batch_beta(losses[0], losses[1], params[0], params[1])
    np.testing.assert_allclose(steps["beta/cross_batch"][2], cross, **near)
    last = landscape.same_batch_gradient_distance(losses[0], params[0], params[1], lambda g: g["output"]["kernel"])
    np.testing.assert_allclose(steps["gradient_distance/same_batch/last_linear"][1], last.distance, **near)
    np.testing.assert_allclose(steps["gradient_cosine/same_batch/last_linear"][1], last.cosine, **near)
    whole = landscape.cross_batch_gradient_distance(losses[0], losses[1], params[0], params[1])
    np.testing.assert_allclose(steps["gradient_distance/cross_batch/all"][2], whole.distance, **near)


def test_weights_free_of_scale_are_those_before_normalisations(probed: records.Records):
    (before, *_), _ = by_hand(probed)
    length = {layer: np.linalg.norm(before[layer]["kernel"]) for layer in ("conv1_1", "conv2_1")}
    for layer, expected in length.items():
        np.testing.assert_allclose(probed.steps[f"scale_free_norm/{layer}"][1], expected, rtol=1e-5)
    square = sum(value**2 for value in length.values())
    np.testing.assert_allclose(probed.steps["scale_free_norm/all"][1], square**0.5, rtol=1e-5)
    np.testing.assert_allclose(probed.steps["scale_free_norm/effective_rate"][1], 0.05 / square, rtol=1e-5)
    assert "scale_free_norm/linear1" not in probed.steps


def test_gamma_over_sigma_is_that_of_the_batch(probed: records.Records):
    (before, *_), _ = by_hand(probed)
    run, images = probed.config, data.load(probed.config.data)
    order = jax.random.permutation(state.key(hyperparams(run), "order", 1), 16)
    batch = data.normalize(images.train_images[order], run.data)
    layer = before["conv1_1"]
    output = layers.conv2d(batch, layer["kernel"], padding=1) + layer["bias"]
    expected = np.median(before["norm1_1"]["scale"] / np.sqrt(np.var(output, (0, 1, 2)) + 1e-5))
    np.testing.assert_allclose(probed.steps["gamma_over_sigma/conv1_1"][1], expected, rtol=1e-3)
    assert {name for name in probed.steps if name.startswith("gamma")} == {
        "gamma_over_sigma/conv1_1",
        "gamma_over_sigma/conv2_1",
    }


@pytest.mark.parametrize("measure", [ScaleFreeNorm(), GammaOverSigma()])
def test_a_network_without_normalisation_has_no_such_arrays(measure):
    run = dataclasses.replace(RUN, model=CNN(), probes=(measure,))
    assert probes.names(run) == []
    assert measure.gradients(probes.layers(run.model)) == 0


def test_directions_are_what_they_say(probed: records.Records):
    (before, after, _), (loss, _) = by_hand(probed)
    steps = {name: values[1] for name, values in probed.steps.items()}
    gradient = jax.grad(loss)(before)
    update = jax.tree.map(lambda a, b: a - b, after, before)
    for name, direction, unit in (
        ("gradient_direction", jax.tree.map(lambda g: -g, gradient), 0.05),
        ("update_direction", update, 1.0),
    ):
        there = [
            jax.tree.map(lambda w, d, a=a, unit=unit: w + a * unit * d, before, direction)
            for a in np.linspace(0.5, 4, 8)
        ]
        losses = [float(loss(w)) for w in there]
        distances = [float(landscape.tree_distance(jax.grad(loss)(w), gradient)) for w in there]
        ways = unit * np.linspace(0.5, 4, 8) * float(landscape.tree_norm(direction))
        near = {"rtol": 2e-3}
        np.testing.assert_allclose(steps[f"{name}/loss_low"], min(losses), **near)
        np.testing.assert_allclose(steps[f"{name}/loss_high"], max(losses), **near)
        np.testing.assert_allclose(steps[f"{name}/distance_low"], min(distances), **near)
        np.testing.assert_allclose(steps[f"{name}/distance_high"], max(distances), **near)
        np.testing.assert_allclose(steps[f"{name}/beta"], np.max(distances / ways), **near)


def test_the_reliability_of_a_step_is_what_it_says(probed: records.Records):
    (before, after, _), (loss, _) = by_hand(probed)
    steps = {name: values[1] for name, values in probed.steps.items()}
    gradient, value = jax.grad(loss)(before), float(loss(before))
    size = 0.1 * value / float(landscape.tree_norm(gradient)) ** 2
    there = jax.tree.map(lambda w, g: w - size * g, before, gradient)
    change = landscape.distance_from_gradients(gradient, jax.grad(loss)(there))
    near = {"rtol": 5e-3}
    relative = float(change.distance) / float(landscape.tree_norm(gradient))
    np.testing.assert_allclose(steps["step_reliability/gradient_change/0.1"], relative, **near)
    np.testing.assert_allclose(steps["step_reliability/cosine/0.1"], change.cosine, **near)
    expected = (value - float(loss(there))) / (0.1 * value)
    np.testing.assert_allclose(steps["step_reliability/decrease_ratio/0.1"], expected, **near)
    assert steps["step_reliability/largest_safe"] in np.float32([0, 0.03, 0.1, 0.3, 1])
    own = landscape.distance_from_gradients(gradient, jax.grad(loss)(after))
    np.testing.assert_allclose(steps["update_reliability/cosine"], own.cosine, **near)


def test_the_covariate_shift_of_a_layer_is_that_of_the_layers_before_it(probed: records.Records):
    (before, after, _), (loss, _) = by_hand(probed)
    gradient = jax.grad(loss)(before)["output"]
    mixed = jax.grad(loss)({**after, "output": before["output"]})["output"]
    found = {name: values[1] for name, values in probed.steps.items() if name.startswith("covariate_shift")}
    names = list(probes.layers(RUN.model))
    assert names[0] == "conv1_1"
    assert names[-3:] == ["linear1", "linear2", "output"]
    assert set(found) == {f"covariate_shift/{what}/{name}" for what in ("distance", "cosine") for name in names}
    expected = landscape.distance_from_gradients(gradient, mixed)
    np.testing.assert_allclose(found["covariate_shift/distance/output"], expected.distance, rtol=2e-3)
    np.testing.assert_allclose(found["covariate_shift/cosine/output"], expected.cosine, rtol=2e-3)
    assert (found["covariate_shift/distance/conv1_1"], found["covariate_shift/cosine/conv1_1"]) == (
        0,
        pytest.approx(1, abs=1e-6),
    )


def test_every_gradient_that_probes_take_is_counted():
    counted = probes.gradients(RUN)
    assert counted == 1 + 0 + 9 + 9 + 7 + 5 + 0 + 1
    assert probes.gradients(FLOOR) == 0.5


def gradients_in_step(run: Run) -> np.ndarray:
    """Gradients that the program takes at every step, and those only where a probe is due, in plain steps."""

    def count(run: Run) -> np.ndarray:
        values = hyperparams(run)
        states = jax.eval_shape(lambda: state.create(run, values))
        batch = jax.ShapeDtypeStruct((16, 32, 32, 3), "float32"), jax.ShapeDtypeStruct((16,), "int32")
        step = jax.ShapeDtypeStruct((), "int32")
        return products(jax.make_jaxpr(partial(train_step, run, 3))(values, states, batch, step).jaxpr)

    return count(run) / count(dataclasses.replace(run, probes=()))[0]


def products(jaxpr: Any, inside: bool = False) -> np.ndarray:
    """Matrix products and convolutions outside conditions, and inside them; not the products of two vectors."""
    found = np.zeros(2)
    for equation in jaxpr.eqns:
        product = equation.primitive.name in ("dot_general", "conv_general_dilated")
        found[int(inside)] += product and equation.outvars[0].aval.ndim > 0
        within = inside or equation.primitive.name == "cond"
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(part, "jaxpr", part)
                found += products(inner, within) if hasattr(inner, "eqns") else 0
    return found


@pytest.mark.parametrize("exact", [True, False], ids=["float32 on a CPU", "elsewhere"])
@pytest.mark.parametrize(
    ("taken", "every_step", "when_due"),
    [
        ((NoiseFloor(every=50),), 1, 1),
        ((Beta(every=5),), 1, 1),
        ((Beta(batch="cross_batch", every=5),), 1, 0),
        ((Beta(batch="cross_batch"), Beta(every=5)), 1, 1),
        ((Beta(),), 2, 0),
    ],
    ids=["floor", "same batch", "cross batch", "both", "every step"],
)
def test_a_probe_costs_what_is_counted_and_only_where_it_is_due(taken, every_step, when_due, exact, monkeypatch):
    run = dataclasses.replace(FLOOR, model=CNN(widths=(4,), head=(8,)), probes=taken)
    monkeypatch.setattr(probes, "reuses_training_gradient", lambda run: exact)
    always, due = gradients_in_step(run)
    if not exact:
        crossing = probes.crosses_batches(run)
        every_step += crossing or (every_step > 1)
        when_due += when_due and not crossing
    # Activation gradients of the first layer are missing everywhere alike.
    assert (always, due) == (every_step, when_due)
    assert probes.gradients(run) == pytest.approx(always - 1 + due / taken[-1].every)


def test_training_gradients_are_used_where_the_measures_products_are_its_own(monkeypatch):
    rounded = dataclasses.replace(FLOOR, measure_precision="tensorfloat32")
    for backend, runs in {"cpu": (FLOOR, rounded), "gpu": (rounded,), "tpu": ()}.items():
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert [run for run in (FLOOR, rounded) if probes.reuses_training_gradient(run)] == list(runs)
        assert not probes.reuses_training_gradient(dataclasses.replace(rounded, precision="bfloat16"))


@pytest.mark.parametrize("measure_precision", ["float32", "tensorfloat32"])
def test_gradients_of_measures_have_the_precision_that_is_asked_for(measure_precision, monkeypatch):
    """Training's own products have JAX's default; inner products of vectors and Hessians are always exact."""
    taken = (Beta(), StepReliability(), GradientDirection(), TopEigenvalue(iterations=2))
    run = dataclasses.replace(
        FLOOR, model=CNN(widths=(4,), head=(8,)), probes=taken, measure_precision=measure_precision
    )
    monkeypatch.setattr(probes, "reuses_training_gradient", lambda run: False)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")  # layers as `lax` has them
    batch = jax.ShapeDtypeStruct((16, 32, 32, 3), "float32"), jax.ShapeDtypeStruct((16,), "int32")
    step = jax.ShapeDtypeStruct((), "int32")

    def precisions(run: Run) -> tuple[set[Any], set[Any]]:
        values = hyperparams(run)
        states = jax.eval_shape(lambda: state.create(run, values))
        jaxpr = jax.make_jaxpr(partial(train_step, run, 3))(values, states, batch, step).jaxpr
        found = list(precisions_in(jaxpr))
        return {p for p, scalar in found if not scalar}, {p for p, scalar in found if scalar}

    matrices, vectors = precisions(run)
    highest, high = (lax.Precision.HIGHEST,) * 2, (lax.Precision.HIGH,) * 2
    assert matrices == {None, highest} | ({high} if measure_precision != "float32" else set())
    assert vectors == {highest}
    without = dataclasses.replace(run, probes=taken[:-1])
    assert (highest in precisions(without)[0]) == (measure_precision == "float32")  # the Hessian's are exact


def precisions_in(jaxpr: Any) -> Iterator[tuple[Any, bool]]:
    """The precision of every product in a program, and whether it is one of two vectors."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield equation.params["precision"], equation.outvars[0].aval.ndim == 0
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from precisions_in(inner)


def test_probes_resume_with_the_run(tmp_path: Path):
    """Interrupted at a step whose gradient and step length the cross-batch probes carry on."""
    taken = (Beta(every=2), Beta(batch="cross_batch"), NoiseFloor(every=3))
    run = dataclasses.replace(FLOOR, probes=taken)
    whole = fit(run, tmp_path / "whole")
    stop = interrupt.Stop()

    class Stopping(PlainProgress):
        def update(self, status: Status) -> None:
            if status.step >= 4:
                stop.signal_number = 2

    member = Member(dataclasses.replace(run, checkpoint=Checkpoint(every_seconds=0)), tmp_path / "cut")
    with pytest.raises(interrupt.Interrupted):
        train_members([member], data.load(run.data), "off", Stopping(), stop)
    assert 0 < read_records(tmp_path / "cut").summary["steps"] < 9
    train_members([member], data.load(run.data), "off", PlainProgress(), interrupt.Stop())
    again = read_records(tmp_path / "cut").steps
    assert set(again) == set(whole.steps)
    for name, values in whole.steps.items():
        np.testing.assert_array_equal(again[name], values)


def test_undefined_is_nan_and_the_rest_is_finite(probed: records.Records):
    for name, values in probed.steps.items():
        undefined = np.isnan(values)
        if "cross_batch" in name:
            assert undefined.tolist() == [True, False, False]
        else:
            assert not undefined.any(), name


def test_the_noise_floor_is_rounding_and_due_every_second_step(tmp_path: Path):
    steps = fit(FLOOR, tmp_path).steps
    np.testing.assert_array_equal(np.isnan(steps["noise_floor/relative"]), np.arange(9) % 2 == 1)
    assert np.all(steps["noise_floor/relative"][::2] < 1e-5)
    assert np.any(steps["noise_floor/distance"][::2] > 0)


def test_probes_do_not_change_training(probed: records.Records, tmp_path: Path):
    plain = fit(dataclasses.replace(probed.config, probes=()), tmp_path)
    np.testing.assert_allclose(plain.steps["loss"], probed.steps["loss"], rtol=1e-4)
    assert set(plain.steps) == {"loss", "accuracy"}


def test_what_is_no_measure_names_the_measures():
    with pytest.raises(UserError, match="probes holds 'beta'; each must be one of Beta, GradientDistance, NoiseFloor"):
        Run(probes=("beta",))  # type: ignore[arg-type]


def test_one_measure_at_two_intervals_has_the_values_of_both(tmp_path: Path):
    both = (StepReliability(every=2), StepReliability(every=3))
    run = dataclasses.replace(RUN, model=CNN(widths=(4,), head=(8,)), probes=both)
    steps = fit(run, tmp_path / "both").steps
    alone = fit(dataclasses.replace(run, probes=both[1:]), tmp_path / "alone").steps
    for name in probes.names(run):
        found = np.flatnonzero(~np.isnan(steps[name]))
        assert found.tolist() == [0, 2, 3, 4, 6, 8], name
        np.testing.assert_array_equal(steps[name][::3], alone[name][::3])
