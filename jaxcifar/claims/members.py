"""The runs that a claim names: of a member, of a member at several learning rates, with and without normalisation."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxcifar.claims.evidence import Absent, Missing
from jaxcifar.config import Model, Run
from jaxcifar.records.study import Result, StudyResults


def complete(study: StudyResults, member: str) -> list[Result]:
    """Return a member's runs, or those of a member that was trained at several learning rates.

    Raises:
        Missing: no such run is there, or one of them has neither diverged nor come to its end with an epoch on record.
    """
    runs = _of_member(study, member)
    for run in runs:
        if not run.ended:
            raise Missing(_unended(run))
        if run.status == "finished" and not len(run.column("epoch")):
            raise Missing(f"The run {run.member}, seed {run.seed} has no epoch on record.")
    return runs


def check_members(study: StudyResults, members: Sequence[str]) -> None:
    """Raise Absent for the first of these members that is not there."""
    for member in members:
        _of_member(study, member)


def _of_member(study: StudyResults, member: str) -> list[Result]:
    swept = re.compile(rf"{re.escape(member)}-learning-rate-[\d.e+-]+")
    runs = [run for run in study.runs if run.member == member]
    runs = runs or [run for run in study.runs if swept.fullmatch(run.member)]
    if not runs:
        raise Absent(member)
    return runs


LOSS_UNIT = "unit of the loss"
"""A quantity's unit where it is that of the runs' loss."""


def loss_unit(runs: Sequence[Result]) -> str:
    """Return the unit of the runs' losses; empty where a loss has none, such as MSE."""
    units = {run.config.loss.unit for run in runs if run.config} or {"nats"}
    return units.pop() if len(units) == 1 else ""


def check_whole(study: StudyResults) -> None:
    """Refuse a study without one of its members, or with a run that has not ended, for what depends on all of them.

    Raises:
        Missing: a run is not there, or has not come to its end.
    """
    if study.absent:
        raise Absent(study.absent[0])
    for run in study.missing:
        raise Missing(_unended(run))


def _unended(run: Result) -> str:
    return f"The run {run.member}, seed {run.seed} has not come to its end; give the study's command again to continue."


def recorded(run: Result, key: str) -> np.ndarray:
    """Return a figure of every epoch [epochs].

    Raises:
        Missing: the run has none of this name.
    """
    rows, values = run.records.metrics if run.records else [], run.column(key)
    if key.startswith("train_eval") and np.isnan(values).all():
        raise Missing(f"{run.member}, seed {run.seed} has no {key} on record; train it with --evaluate-train.")
    if rows and not any(key in row for row in rows):
        raise Missing(f"{run.member}, seed {run.seed} has no {key!r} on record; it has {', '.join(rows[0])}.")
    return values


def train_loss_of(study: StudyResults) -> str:
    """Return `train_eval_loss`, the key of the train loss in evaluation mode, if all runs have it, else `train_loss`.

    BatchNorm and dropout change the loss of training mode, so it cannot compare networks with and without them.
    """
    configs = [run.config for run in study.runs if run.config]
    evaluated = bool(configs) and all(config.evaluate_train for config in configs)
    return "train_eval_loss" if evaluated else "train_loss"


def ended_well(runs: Sequence[Result]) -> list[Result]:
    """Return the runs of the seeds of which no run diverged."""
    # The whole seed is left out: with a rate missing, its band would be that of fewer rates.
    lost = {run.seed for run in runs if run.status == "diverged"}
    return [run for run in runs if run.seed not in lost]


@dataclass(frozen=True)
class Pair:
    """The runs of one setting with and without normalisation."""

    with_norm: tuple[Result, ...]
    without: tuple[Result, ...]


def norm_pairs(study: StudyResults, *, over_rates: bool = False) -> list[Pair]:
    """Return every normalised network paired with itself without normalisation, all other settings equal.

    Args:
        study: the results; each run must have come to its end.
        over_rates: take all learning rates together, for a band; else each rate makes a pair of its own.

    Raises:
        Missing: a run has not come to its end, its config cannot be read, or no pair is complete.
    """
    runs = [run for member in study.members for run in complete(study, member)]
    # Configs are frozen and hashable, so that runs of equal settings meet under one key.
    arms: dict[Run, dict[Model, list[Result]]] = {}
    for run in runs:
        config = _config(run)
        bare = config.model.without_norm()
        if bare is not None:
            arms.setdefault(setting_of(config, bare, over_rates), {}).setdefault(config.model, []).append(run)
    pairs = []
    for setting, models in arms.items():
        normed = [model for model in models if model != setting.model]
        if setting.model not in models or not normed:
            missing = "without normalisation" if normed else "with normalisation"
            raise Missing(f"A run {missing} to compare {models.popitem()[1][0].member} with is not there.")
        pairs += [Pair(tuple(models[model]), tuple(models[setting.model])) for model in normed]
    if not pairs:
        raise Missing("No network with and without normalisation is there.")
    return pairs


def has_norm(model: Model) -> bool:
    """Return whether a network normalises its activations."""
    return bool(model.norm_title)


def learning_rate(run: Result) -> float:
    """Return a run's learning rate."""
    return _config(run).optimizer.learning_rate


def by_seed(runs: Sequence[Result]) -> dict[int, list[Result]]:
    """Return runs sorted into seeds."""
    found: dict[int, list[Result]] = {}
    for run in runs:
        found.setdefault(run.seed, []).append(run)
    return found


def _config(run: Result) -> Run:
    if run.config is None:
        raise Missing(f"The config of {run.folder} cannot be read.")
    return run.config


def setting_of_band(run: Result) -> Run:
    """Return what the runs of a band and those of the network that it is compared with share."""
    config = _config(run)
    return setting_of(config, config.model.without_norm() or config.model, over_rates=True)


def setting_of(config: Run, bare: Model, over_rates: bool) -> Run:
    """Return the settings that both networks of a pair must share: what changes their training, but epochs and seed."""
    # Any constant takes the rate out of the comparison.
    optimizer = dataclasses.replace(config.optimizer, learning_rate=1.0) if over_rates else config.optimizer
    return dataclasses.replace(config.trained(), seed=0, model=bare, optimizer=optimizer, epochs=1)
