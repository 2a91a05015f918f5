"""A group of members on the devices of several processes: what process 0 calls, the others call too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxcifar.config import Run, Vectorize
from jaxcifar.training import exchange, metrics
from jaxcifar.training.group import Group, Split, Values
from jaxcifar.training.processes import Follower, Leader
from jaxcifar.training.state import State

CALLS = ("create", "compile", "train", "warm_up", "evaluate", "evaluate_train", "states")


class SharedGroup(Group):
    """The group of process 0, whose every call is made by the other processes as well."""

    def __init__(
        self, leader: Leader, runs: Sequence[Run], train: Split, test: Split, length: int, vectorize: Vectorize
    ):
        self._leader = leader
        with leader.calling("group", length, vectorize):
            super().__init__(runs, train, test, length, vectorize)

    def create(self) -> None:
        with self._leader.calling("create"):
            super().create()

    def load(self, states: Sequence[State]) -> None:
        with self._leader.calling("load"):
            super().load([exchange.from_process_0(state) for state in states])

    def compile(self) -> None:
        with self._leader.calling("compile"):
            super().compile()

    def train(self, first: int, count: int, epoch: int) -> list[Values]:
        with self._leader.calling("train", first, count, epoch):
            return super().train(first, count, epoch)

    def warm_up(self) -> None:
        with self._leader.calling("warm_up"):
            super().warm_up()

    def evaluate(self, last: bool = False) -> list[metrics.Sums]:
        with self._leader.calling("evaluate", last):
            return super().evaluate(last)

    def evaluate_train(self) -> list[metrics.Sums]:
        with self._leader.calling("evaluate_train"):
            return super().evaluate_train()

    def states(self) -> list[State]:
        with self._leader.calling("states"):
            return super().states()


def follow_group(follower: Follower, runs: Sequence[Run], train: Split, test: Split) -> list[Any]:
    """Make the calls that process 0 makes on a group of runs; return the first message that is not one of them.

    Args:
        follower: this process.
        runs: the members.
        train, test: images and labels.
    """
    group: Any = None
    while True:
        message = follower.hear()
        match message:
            case ["group", int(length), ("off" | "vmap" | "map") as vectorize]:
                with follower.doing():
                    group = Group(runs, train, test, length, vectorize)
            case [str(name), *arguments] if name in CALLS:
                with follower.doing():
                    getattr(group, name)(*arguments)
            case ["load"]:
                with follower.doing():
                    empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), group.shape)
                    group.load([exchange.from_process_0(empty) for _ in range(group.size)])
            case _:
                return message
