"""Twenty steps of every optimizer and of every loss follow PyTorch's, in float64; schedules equal PyTorch's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import peers
import pytest
import torch
import torch_peer

from jaxcifar.config import (
    CNN,
    MSE,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    BCEWithLogits,
    Cosine,
    CrossEntropy,
    Run,
    Schedule,
    SmoothL1,
    StepDecay,
    Triangular,
)
from jaxcifar.training import optimizers, step

STEPS = 20
OPTIMIZERS = {
    "sgd": SGD(learning_rate=0.1),
    "sgd, decay": SGD(learning_rate=0.1, weight_decay=0.1),
    "momentum": SGD(learning_rate=0.05, momentum=0.9),
    "momentum, decay": SGD(learning_rate=0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    "nesterov, decay": SGD(learning_rate=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adagrad": Adagrad(),
    "adagrad, decay": Adagrad(weight_decay=0.1),
    "adadelta": Adadelta(),
    "adadelta, decay": Adadelta(weight_decay=0.1),
    "adam": Adam(),
    "adam, decay": Adam(weight_decay=0.1),
    "adamw, no decay": AdamW(weight_decay=0.0),
    "adamw": AdamW(),
    "adamw, large decay": AdamW(weight_decay=1.0),
}
LOSSES = {
    "cross_entropy": CrossEntropy(),
    "label_smoothing": CrossEntropy(label_smoothing=0.1),
    "mse": MSE(),
    "smooth_l1": SmoothL1(),
    "bce_with_logits": BCEWithLogits(),
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_follows_torch(name: str):
    compare(Run(model=small(), optimizer=OPTIMIZERS[name]))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_follows_torch(name: str):
    compare(Run(model=small(), optimizer=OPTIMIZERS["momentum"], loss=LOSSES[name]))


def small() -> CNN:
    return CNN(widths=(4, 8), head=(16,), dropout_layers=0)


def compare(run: Run) -> None:
    ours, theirs = jax_losses(run), torch_losses(run)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert abs(theirs[-1] / theirs[0] - 1) > 1e-2


def jax_losses(run: Run) -> np.ndarray:
    values, state, losses = optimizers.hyperparams(run), peers.initial_state(run), []
    plain = replace(
        run,
        optimizer=replace(run.optimizer, weight_decay=0.0),
        loss=CrossEntropy() if isinstance(run.loss, CrossEntropy) else run.loss,
    )
    for index in range(STEPS):
        state, metrics = compiled_step(plain)(values, state, peers.batch(8, seed=index % 2), index)
        losses.append(float(metrics["loss"]))
    return np.array(losses)


@cache
def compiled_step(run: Run):
    """Weight decay and label smoothing are traced numbers, so one program serves all of theirs."""
    return jax.jit(partial(step.train_step, run, STEPS))


def torch_losses(run: Run) -> np.ndarray:
    module = peers.torch_module(run.model, peers.initial_state(run))
    optimizer = torch_peer.optimizer(run.optimizer, module.parameters())
    losses = []
    for index in range(STEPS):
        images, labels = peers.torch_batch(*peers.batch(8, seed=index % 2))
        optimizer.zero_grad()
        loss = torch_peer.criterion(run.loss)(module(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def test_step_schedule_equals_torch():
    schedule = StepDecay(epochs=1.5, factor=0.3)
    factors = torch_factors(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 6, 0.3))
    np.testing.assert_allclose(our_factors(schedule), factors, rtol=1e-12)


def test_cosine_schedule_equals_torch():
    schedule = Cosine(final_factor=0.01)
    factors = torch_factors(
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS - 1, eta_min=0.01)
    )
    np.testing.assert_allclose(our_factors(schedule), factors, rtol=1e-12)


def test_warmed_up_triangle_equals_torch():
    schedule = Triangular(warmup=1.25, final_factor=0.1)

    def sequence(optimizer):
        up = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 5, 1.0, total_iters=4)
        down = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=STEPS - 6)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[5])

    np.testing.assert_allclose(our_factors(schedule), torch_factors(sequence), rtol=1e-12)


def our_factors(schedule: Schedule) -> np.ndarray:
    """Of 5 epochs of 4 steps."""
    return np.array([optimizers.schedule_factor(schedule, jnp.int32(t), 4, 5) for t in range(STEPS)])


def torch_factors(make) -> np.ndarray:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)
