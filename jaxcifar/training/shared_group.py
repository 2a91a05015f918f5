"""A group of members on the devices of several processes: what process 0 calls, the others call too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxcifar.config import Run, Vectorize
from jaxcifar.training import metrics
from jaxcifar.training.exchange import from_bytes, from_process_0, to_bytes
from jaxcifar.training.group import Group, Split, Values
from jaxcifar.training.processes import Follower, Leader
from jaxcifar.training.sharding import own_members
from jaxcifar.training.state import State

CALLS = ("create", "compile", "train", "warm_up", "evaluate", "evaluate_train", "states")


class SharedGroup(Group):
    """The group of process 0, whose every call is made by the other processes as well; it gives all members' results.

    Each process trains its own members, if there are enough of them; else all train every member together.
    """

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
        if self.is_spread:

            def of_process(process: int) -> bytes:
                return to_bytes([states[index] for index in own_members(self.size, process)])

            with self._leader.calling("load", data=of_process):
                super().load([states[index] for index in self.own])
        else:
            with self._leader.calling("load"):
                super().load([from_process_0(state) for state in states])

    def compile(self) -> None:
        with self._leader.calling("compile"):
            super().compile()

    def train(self, first: int, count: int, epoch: int) -> list[Values]:
        with self._leader.calling("train", first, count, epoch) as answers:
            own = super().train(first, count, epoch)
        return self._of_all(own, answers)

    def warm_up(self) -> None:
        with self._leader.calling("warm_up"):
            super().warm_up()

    def evaluate(self, last: bool = False) -> list[metrics.Sums]:
        with self._leader.calling("evaluate", last) as answers:
            own = super().evaluate(last)
        return self._of_all(own, answers)

    def evaluate_train(self) -> list[metrics.Sums]:
        with self._leader.calling("evaluate_train") as answers:
            own = super().evaluate_train()
        return self._of_all(own, answers)

    def states(self) -> list[State]:
        if not self.is_spread:
            return super().states()  # process 0 has them whole
        with self._leader.calling("states") as answers:
            own = super().states()
        return self._of_all(own, answers)

    def _of_all(self, own: Sequence[Any], answers: Mapping[int, bytes]) -> list[Any]:
        """The results of all members, in their order."""
        if not self.is_spread:
            return list(own)
        found = dict(zip(self.own, own, strict=True))
        for process, data in answers.items():
            theirs = own_members(self.size, process)
            found |= zip(theirs, from_bytes(data, own[0], len(theirs)), strict=True)
        return [found[index] for index in range(self.size)]


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
                with follower.doing() as answer:
                    found = getattr(group, name)(*arguments)
                    if group.is_spread and found:
                        answer.append(to_bytes(found))
            case ["load", bytes(data)]:
                with follower.doing():
                    group.load(from_bytes(data, group.shape, len(group.own)))
            case ["load"]:
                with follower.doing():
                    # A broadcast needs arrays of equal shapes in every process; the values of these are not read.
                    empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), group.shape)
                    group.load([from_process_0(empty) for _ in runs])
            case _:
                return message
