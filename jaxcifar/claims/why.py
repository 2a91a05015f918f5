"""Numbers that explain the claims on smoothness: how far a step can be trusted, γ/σ, β times the rate, usable rates."""

from __future__ import annotations

import re

import numpy as np

from jaxcifar.claims.bands import usable_decades
from jaxcifar.claims.evidence import Missing, Number
from jaxcifar.claims.numbers import On, number, on
from jaxcifar.claims.quantities import Quantity, mean_over_layers, over_steps
from jaxcifar.records.study import Result, StudyResults

_BETA = over_steps("beta/same_batch", np.median, "median β")


def _beta_times_rate(run: Result) -> float:
    if run.config is None:
        raise Missing(f"The config of {run.folder} cannot be read.")
    return _BETA.of(run) * run.config.optimizer.learning_rate


EXPLAINING = (
    over_steps("step_reliability/gradient_change/0.1", np.median, "median κ at c = 0.1"),
    over_steps("step_reliability/largest_safe", np.mean, "largest safe c, mean over steps"),
    mean_over_layers("gamma_over_sigma/", "γ/σ, mean over layers"),
    Quantity("median β times rate", _beta_times_rate, smoothness=True, record="beta/same_batch"),
)


_RATE = re.compile(r"(.+)-learning-rate-[\d.e+-]+")


def why(study: StudyResults) -> tuple[Number, ...]:
    """Return the explaining numbers of every member of a study that has them on record and trains."""
    measured: list[tuple[On, str]] = [(quantity, member) for quantity in EXPLAINING for member in study.members]
    swept = [match[1] for member in study.members if (match := _RATE.fullmatch(member))]
    # Two rates only tell whether both are usable.
    networks = [network for network in dict.fromkeys(swept) if swept.count(network) > 2]
    measured += [(usable_decades(), network) for network in networks]
    found = []
    for quantity, member in measured:
        try:
            found.append(number(study, on(quantity, study), member))
        except Missing:
            continue
    # Of a member all of whose seeds diverged nothing was measured.
    return tuple(each for each in found if each.values)
