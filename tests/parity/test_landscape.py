"""β, gradient distance and the largest Hessian eigenvalue of VGG-A-light agree with PyTorch's autograd, in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import peers
import pytest
import torch
import torch_peer

from jaxcifar import config, landscape
from jaxcifar.config import VGG, Run
from jaxcifar.training import optimizers, step

ITERATIONS = 20
RATE = 0.01


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_measures_agree_with_torch(norm: config.Norm):
    run = Run(model=VGG(form="light", norm=norm, width=16))
    with jax.enable_x64(True):
        initial, examples = peers.initial_state(run), peers.batch(2)
        beta, distance, largest = ours(run, initial, examples)
        theirs = torch_measures(run, initial, examples)
    np.testing.assert_allclose([beta, distance, largest], theirs, rtol=1e-3)


def ours(run: Run, initial, examples) -> list[float]:
    def measures(params, batch_stats, examples, start):
        def loss(p):
            return step.loss_function(run, optimizers.hyperparams(run))(p, batch_stats, examples, jnp.int32(0))[0]

        before = jax.grad(loss)(params)
        moved = jax.tree.map(lambda w, g: w - RATE * g, params, before)
        after = jax.grad(loss)(moved)
        return (
            landscape.beta_from_gradients(before, after, params, moved),
            landscape.distance_from_gradients(before, after).distance,
            landscape.extreme_eigenvalues(loss, params, start, iterations=ITERATIONS, bottom=0).top.values[0],
        )

    arguments = initial.params, initial.batch_stats, examples, jax.random.key(0)
    compiled = jax.jit(measures).lower(*arguments).compile(compiler_options=peers.QUICK_COMPILATION)
    return [float(value) for value in compiled(*arguments)]


def torch_measures(run: Run, initial, examples) -> list[float]:
    module = peers.torch_module(run.model, initial)
    images, labels = peers.torch_batch(*examples)
    parameters = list(module.parameters())

    def gradient(graph: bool = False):
        loss = torch_peer.criterion(run.loss)(module(images), labels)
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, create_graph=graph)])

    differentiable = gradient(graph=True)
    largest = largest_eigenvalue(differentiable, parameters)
    before = differentiable.detach()
    move(parameters, -RATE * before)
    distance = float((gradient() - before).norm())
    return [distance / float((RATE * before).norm()), distance, largest]


def move(parameters, by) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter += by[: parameter.numel()].view_as(parameter)
            by = by[parameter.numel() :]


def largest_eigenvalue(gradient, parameters) -> float:
    """Lanczos with re-orthogonalisation, in NumPy and PyTorch alone."""
    basis = [np.random.default_rng(0).normal(size=gradient.numel())]
    basis[0] /= np.linalg.norm(basis[0])
    products = []
    for _ in range(ITERATIONS):
        found = torch.autograd.grad(gradient, parameters, torch.from_numpy(basis[-1]), retain_graph=True)
        products.append(torch.cat([g.reshape(-1) for g in found]).numpy())
        rest = products[-1].copy()
        for _ in range(2):
            for vector in basis:
                rest -= (vector @ rest) * vector
        basis.append(rest / np.linalg.norm(rest))
    return float(np.linalg.eigvalsh(np.array(basis[:-1]) @ np.array(products).T)[-1])
