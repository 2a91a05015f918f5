"""What members and probes cost in plain steps: a program and a single run of the same take turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench_report import Cost
from bench_worker import Worker, started, training

from jaxcifar.config import CNN, Probe, Run, Vectorize

RATES = (1e-4, 5e-4, 1e-3, 2e-3)
SEEDS = 16
TUTORIAL = CNN(widths=(6, 16), kernel=5, padding=0, head=(120, 84))
"""PyTorch's tutorial's network of 62,006 parameters, where a step is mostly overhead."""
TURN_SECONDS = 3.0
SAME_BATCH = (Probe("beta"), Probe("gradient_distance"))
CROSS_BATCH = (Probe("beta", "cross_batch"), Probe("gradient_distance", "cross_batch"))


def costs(runs: Mapping[str, Run], rounds: int, cache: Path, show: Callable[[str], None]) -> Iterator[Cost]:
    """Members by either form and probes on every step, each against a single plain run.

    Args:
        runs: `vgg_bn` and `cnn_batch4`.
        rounds: turns of each side.
        cache: for compiled programs.
        show: tells what goes on.
    """
    vgg, cnn = runs["vgg_bn"], runs["cnn_batch4"]
    rates = [replace(vgg, optimizer=replace(vgg.optimizer, learning_rate=rate)) for rate in RATES]
    seeds = [replace(cnn, seed=seed) for seed in range(SEEDS)]
    forms: tuple[Vectorize, ...] = ("map", "vmap")
    small = replace(cnn, model=TUTORIAL)
    small_seeds = [replace(small, seed=seed) for seed in range(SEEDS)]
    programs: list[tuple[Run, list[tuple[str, list[Run], Vectorize]]]] = [
        (small, [(f"{SEEDS} seeds of the tutorial's cnn, batch {cnn.batch_size}, {f}", small_seeds, f) for f in forms]),
        (cnn, [(f"{SEEDS} seeds of cnn, batch {cnn.batch_size}, {form}", seeds, form) for form in forms]),
        (
            vgg,
            [
                ("vgg_bn, same-batch probes", [replace(vgg, probes=SAME_BATCH)], "off"),
                ("vgg_bn, cross-batch probes", [replace(vgg, probes=CROSS_BATCH)], "off"),
                *((f"{len(RATES)} learning rates of vgg_bn, {form}", rates, form) for form in forms),
            ],
        ),
    ]
    for plain, others in programs:
        with started(training("jax", [plain]), cache) as single:
            single.ask(2)
            for what, members, vectorize in others:
                show(f"{what}: starts and compiles")
                with started(training("jax", members, vectorize), cache) as program:
                    yield Cost.of(what, len(members), turns(program, single, len(members), rounds))


def turns(
    program: Worker, single: Worker, members: int, rounds: int, seconds: float = TURN_SECONDS
) -> Sequence[tuple[float, float]]:
    """Seconds of a step of the program and of the single run, A B A B, each side for about as long."""
    program.ask(1)
    steps = math.ceil(seconds / program.ask(1)["seconds"])
    plain = steps * members
    return [(program.turn(steps)["seconds"] / steps, single.turn(plain)["seconds"] / plain) for _ in range(rounds)]
