"""The claims of sections 2.2 to 2.4: loss band, gradient distance, β-smoothness, with and without BatchNorm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Evidence, Missing, Number, claim
from jaxcifar.claims.comparisons import both, greater, less
from jaxcifar.config import VGG, Run
from jaxcifar.records.study import Result, StudyResults

STUDY_RATES = (1e-3, 2e-3, 1e-4, 5e-4)
ARMS = ((True, "with BatchNorm"), (False, "without"))
Band = Callable[[np.ndarray], float]


def _config(run: Result) -> Run:
    if run.config is None:
        raise Missing(f"The config of {run.folder} cannot be read.")
    return run.config


def _has_batch_norm(run: Result) -> bool:
    model = _config(run).model
    return isinstance(model, VGG) and model.norm == "batch"


def _ended(study: StudyResults) -> list[Result]:
    return [run for member in study.members for run in quantities.complete(study, member)]


def arm(study: StudyResults, batch_norm: bool, rates: Sequence[float] | None = STUDY_RATES) -> dict[int, list[Result]]:
    """The runs with or without BatchNorm at some learning rates (None: all), by seed.

    Raises:
        Missing: a rate is not there, or a run has not come to its end.
    """
    runs = [run for run in _ended(study) if _has_batch_norm(run) is batch_norm]
    by_seed: dict[int, list[Result]] = {}
    for run in runs:
        if rates is None or _config(run).optimizer.learning_rate in rates:
            by_seed.setdefault(run.seed, []).append(run)
    wanted = len(rates) if rates is not None else 2
    if not by_seed or any(len(found) < wanted for found in by_seed.values()):
        raise Missing("A learning rate of the band is not there.")
    return by_seed


def stacked_losses(runs: Sequence[Result]) -> np.ndarray:
    """Per-step losses [runs, steps] up to the end of the shortest; a diverged run's last loss is kept as infinite."""
    columns = [run.step_values("loss") for run in runs]
    steps = min(len(values) for values in columns)
    if steps == 0:
        raise Missing("A run has no per-step losses on record.")
    return np.nan_to_num(np.stack([values[:steps] for values in columns]), nan=np.inf)


def _over_band(study: StudyResults, measure: Band, label: str, unit: str) -> list[Number]:
    found = []
    for batch_norm, name in ARMS:
        values = tuple(measure(stacked_losses(runs)) for runs in arm(study, batch_norm).values())
        found.append(Number(f"{label}, {name}", values, unit))
    return found


@claim(
    "2.2",
    "BatchNorm narrows the band of losses over the learning rates 1e-3, 2e-3, 1e-4 and 5e-4.",
    "Greatest less least train loss of the four runs at a step, mean over all steps, is smaller with BatchNorm.",
)
def band_is_narrower(study: StudyResults) -> Evidence:
    numbers = _over_band(study, lambda losses: float(np.mean(losses.max(0) - losses.min(0))), "width", "nats")
    return Evidence(tuple(numbers), less(numbers[0].values, numbers[1].values, 0.02, "width"))


@claim(
    "2.2",
    "BatchNorm reduces the variance of the loss.",
    "Variance of the train loss over the four rates at a step, mean over all steps, is smaller with BatchNorm.",
)
def variance_is_smaller(study: StudyResults) -> Evidence:
    numbers = _over_band(study, lambda losses: float(np.mean(losses.var(0))), "variance", "nats²")
    return Evidence(tuple(numbers), less(numbers[0].values, numbers[1].values, 0.005, "variance"))


@claim(
    "2.2",
    "BatchNorm makes training faster.",
    "Train loss, mean over all steps and the four rates, is lower with BatchNorm.",
)
def training_is_faster(study: StudyResults) -> Evidence:
    numbers = _over_band(study, lambda losses: float(np.mean(losses)), "mean loss", "nats")
    return Evidence(tuple(numbers), less(numbers[0].values, numbers[1].values, 0.02, "mean loss"))


@claim(
    "2.2",
    "BatchNorm allows a wider range of learning rates without compromising convergence.",
    "More rates (of the four, 1e-2 and 1e-1) end with a train loss within 10% of the best one of the same network.",
)
def more_rates_are_usable(study: StudyResults) -> Evidence:
    numbers = []
    for batch_norm, name in ARMS:
        seeds = arm(study, batch_norm, rates=None)
        counts = tuple(_usable([quantities.last("train_loss")(run) for run in runs]) for runs in seeds.values())
        numbers.append(Number(f"usable of {len(next(iter(seeds.values())))}, {name}", counts, "rates"))
    return Evidence(tuple(numbers), greater(numbers[0].values, numbers[1].values, 1, "usable rates"))


def _usable(losses: Sequence[float]) -> float:
    return float(np.sum(np.array(losses) <= 1.1 * min(losses)))


def _optimizers(study: StudyResults) -> list[str]:
    return list(dict.fromkeys(type(_config(run).optimizer).__name__ for run in _ended(study)))


def _by_optimizer(study: StudyResults, name: str, summary: Band, label: str) -> Evidence:
    """Whether a summary of a per-step array is less with BatchNorm, for every optimizer that is there."""
    numbers, decisions = [], []
    for optimizer in _optimizers(study):
        pair = []
        for batch_norm, arm_name in ARMS:
            runs = [r for r in _ended(study) if _has_batch_norm(r) is batch_norm and _optimizer_of(r) == optimizer]
            values = tuple(_summarize(run, name, summary) for run in runs)
            if not values:
                raise Missing(f"No run {arm_name} by {optimizer} is there.")
            pair.append(Number(f"{label}, {optimizer}, {arm_name}", values))
        numbers += pair
        logs = [np.log10(number.values).tolist() for number in pair]
        decisions.append(less(logs[0], logs[1], 0.05, f"log10, {optimizer}"))
    return Evidence(tuple(numbers), both(*decisions))


def _optimizer_of(run: Result) -> str:
    return type(_config(run).optimizer).__name__


def _summarize(run: Result, name: str, summary: Band) -> float:
    values = run.step_values(name)
    values = values[np.isfinite(values)]
    if not len(values):
        raise Missing(f"{run.member}, seed {run.seed} has no {name} on record.")
    return summary(values)


@claim(
    "2.3",
    "BatchNorm shortens the distance between successive gradients.",
    "Median over all steps of ‖g(t+1) - g(t)‖ of the last linear layer, both on the same batch, is smaller with "
    "BatchNorm for every optimizer.",
)
def distance_is_shorter(study: StudyResults) -> Evidence:
    return _by_optimizer(study, "gradient_distance/same_batch/last_linear", _median, "median distance")


@claim(
    "2.3",
    "Measured as the study did, on successive batches, BatchNorm shortens the distance too.",
    "The same with each gradient on its own batch, which adds the noise of the batches to both.",
)
def cross_batch_distance_is_shorter(study: StudyResults) -> Evidence:
    return _by_optimizer(study, "gradient_distance/cross_batch/last_linear", _median, "median distance")


@claim(
    "2.4",
    "BatchNorm greatly decreases the maximum difference in gradient over the distance.",
    "Largest β over all steps, both gradients on the same batch, is smaller with BatchNorm for every optimizer.",
)
def beta_is_smaller(study: StudyResults) -> Evidence:
    return _by_optimizer(study, "beta/same_batch", lambda values: float(values.max()), "maximum")


@claim(
    "2.4",
    "The 99th percentile of β, which no single outlier makes, is smaller too.",
    "99th percentile of β over all steps, same batch, is smaller with BatchNorm for every optimizer.",
)
def beta_quantile_is_smaller(study: StudyResults) -> Evidence:
    return _by_optimizer(study, "beta/same_batch", lambda values: float(np.quantile(values, 0.99)), "99th percentile")


@claim(
    "2.4",
    "Measured as the study did, on successive batches, BatchNorm lowers the maximum too.",
    "The same maximum with each gradient on its own batch; gradient noise alone gives about √2 over the rate.",
)
def cross_batch_beta_is_smaller(study: StudyResults) -> Evidence:
    return _by_optimizer(study, "beta/cross_batch", lambda values: float(values.max()), "maximum")


def _median(values: np.ndarray) -> float:
    return float(np.median(values))
