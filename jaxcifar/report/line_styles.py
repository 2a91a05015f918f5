"""The colour and dash of each member in every figure of a page: the same network has the same colour."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxcifar.config import Run
from jaxcifar.config.network import Network
from jaxcifar.config.words import COLORS, DASHES, Color, MemberWords, Words
from jaxcifar.records.study import StudyResults
from jaxcifar.report.style import LineStyle


@dataclass(frozen=True)
class _Kind:
    """A member by what it is: members of one subject share a colour, those of one subject and arm a dash."""

    subject: Hashable
    arm: Hashable
    rate: float


def line_styles(study: StudyResults, words: Words) -> dict[str, LineStyle]:
    """Return how each member of a study is drawn: as its study file says, else by its config.

    A network keeps one colour, with other settings such as the optimizer told apart by dashes; where a study compares
    one network's settings, those have the colours. A network without and with normalisation is vermillion and blue.
    Two learning rates are solid and dashed, more go from faint to full.
    """
    kinds = _kinds(study)
    own = {member: words.members.get(member, MemberWords()) for member in kinds}
    colors = _colors(kinds, own)
    arms = list(dict.fromkeys(kind.arm for kind in kinds.values()))
    found = {}
    for member, kind in kinds.items():
        # A colour that comes again takes the next dash. Arms are two dashes apart, which leaves that one free.
        wrapped = list(colors).index(kind.subject) // len(COLORS)
        dash = own[member].dash or DASHES[(2 * arms.index(kind.arm) + wrapped) % len(DASHES)]
        found[member] = LineStyle(study.label(member), own[member].color or colors[kind.subject], dash)
    return _rates_told_apart(found, kinds)


def by_rate(study: StudyResults) -> StudyResults:
    """Return the study with the members that differ in their learning rate alone in the order of the rates."""
    kinds = _kinds(study)
    groups = list(dict.fromkeys((kind.subject, kind.arm) for kind in kinds.values()))
    names = list(kinds)

    def place(member: str) -> tuple[Any, ...]:
        kind = kinds[member]
        return groups.index((kind.subject, kind.arm)), kind.rate, names.index(member)

    return dataclasses.replace(study, runs=tuple(sorted(study.runs, key=lambda run: place(run.member))))


def _kinds(study: StudyResults) -> dict[str, _Kind]:
    configs = {m: next((run.config for run in runs if run.config), None) for m, runs in study.members.items()}
    known = [config for config in configs.values() if config]
    networks = len({config.model for config in known}) > 1
    same = len(known) > 1 and len({_plain(config) for config in known}) == 1
    kinds = {}
    for member, config in configs.items():
        # Where a reader sees no difference in the configs, each member is a subject of its own.
        if config is None or same:
            kinds[member] = _Kind(member, None, 0.0)
            continue
        # A constant rate and one network for all take both out of the comparison of the rest.
        optimizer = dataclasses.replace(config.optimizer, learning_rate=1.0)
        # So does one precision, which not every network allows.
        plain = dataclasses.replace(_plain(config), precision="float32", optimizer=optimizer, model=known[0].model)
        rest = config.precision, plain
        subject, arm = (config.model, rest) if networks else (rest, None)
        kinds[member] = _Kind(subject, arm, config.optimizer.learning_rate)
    return kinds


def _plain(config: Run) -> Run:
    """What makes runs differ for a reader: what changes their training, but the seed."""
    return dataclasses.replace(config.trained(), seed=0)


def _colors(kinds: dict[str, _Kind], own: dict[str, MemberWords]) -> dict[Hashable, Color]:
    """The colour of each subject, in order: its own, that of a pair with and without normalisation, the next free."""
    found: dict[Hashable, Color] = {}
    for member, kind in kinds.items():
        color = own[member].color
        if color is not None:
            found.setdefault(kind.subject, color)
    subjects = list(dict.fromkeys(kind.subject for kind in kinds.values()))
    # The pair takes its usual colours only where the study file gives neither to something else.
    if not {"blue", "vermillion"} & set(found.values()):
        found |= _pair(subjects)
    free: Sequence[Color] = [color for color in COLORS if color not in found.values()] or COLORS
    for index, subject in enumerate([subject for subject in subjects if subject not in found]):
        found[subject] = free[index % len(free)]
    return {subject: found[subject] for subject in subjects}


def _pair(subjects: Sequence[Hashable]) -> dict[Hashable, Color]:
    """The first network that is there without and with normalisation."""
    for subject in subjects:
        bare = subject.without_norm() if isinstance(subject, Network) else None
        if bare is not None and bare != subject and bare in subjects:
            return {bare: "vermillion", subject: "blue"}
    return {}


def _rates_told_apart(found: dict[str, LineStyle], kinds: dict[str, _Kind]) -> dict[str, LineStyle]:
    alike: dict[tuple[Color, str], list[str]] = {}
    for member, look in found.items():
        alike.setdefault((look.color, look.dash), []).append(member)
    for members in alike.values():
        ordered = sorted(members, key=lambda member: kinds[member].rate)
        if len(ordered) == 2 and found[ordered[0]].dash == "solid":
            found[ordered[1]] = dataclasses.replace(found[ordered[1]], dash="dashed")
        elif len(ordered) > 1:
            for index, member in enumerate(ordered):
                # The faintest line keeps 30% of its opacity, so that it is still seen.
                strength = round(0.3 + 0.7 * index / (len(members) - 1), 2)
                found[member] = dataclasses.replace(found[member], strength=strength)
    return found
