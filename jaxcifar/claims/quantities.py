"""Quantities that claims are about: each takes a member's runs and gives a value for each seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxcifar.claims.evidence import Missing
from jaxcifar.claims.members import LOSS_UNIT, complete, ended_well, loss_unit, recorded, train_loss_of
from jaxcifar.records import pictures, snapshots
from jaxcifar.records.study import Result, StudyResults

ACCURACY = 1.0
"""Percentage points: the smallest difference of two accuracies that counts."""
LOSS = 0.02
"""Nats: the smallest difference of two losses that counts."""


@dataclass(frozen=True)
class Quantity:
    """A figure of one run."""

    name: str
    of: Callable[[Result], float]
    unit: str = ""
    log: bool = False
    """Compared by its logarithm to base 10, for quantities whose ratio counts."""
    resolution: float = 0.0
    """The step in which it is recorded, such as 1 for a number of epochs."""
    smoothness: bool = False
    """It says how smooth the loss is, which means nothing for a run that does not train."""
    of_diverged: bool = False
    """A run that diverged has it too."""
    share: float = 1.0
    """The first share of the steps that counts; smoothness means nothing where a run does not train within it."""
    seconds: bool = False
    """Only runs whose seconds can be compared count."""
    record: str = ""
    """The column or array that it is taken from, by which readers find the figure that shows it; of a family of arrays
    the beginning, up to a slash. Empty where no figure does."""

    def values(self, runs: Sequence[Result]) -> tuple[float, ...]:
        """Return the figure of each run."""
        return tuple(self.of(run) for run in runs)

    def divided(self, by: float, name: str, unit: str = "") -> Quantity:
        """Return the same figure in another unit."""
        return dataclasses.replace(self, name=name, unit=unit, of=lambda run: self.of(run) / by)


OfStudy = Callable[[StudyResults], Quantity]
"""A quantity that depends on what the study's runs have reached."""


def best_accuracy(until: int | None = None) -> Quantity:
    """Return the highest test accuracy of all epochs, or of the first `until`, in per cent; 0 if there is none."""

    def best(run: Result) -> float:
        # By the epochs' numbers, since a damaged row may be missing.
        counts = run.column("epoch") <= (np.inf if until is None else until)
        return 100 * float(np.nanmax(run.column("test_accuracy")[counts], initial=0.0))

    return Quantity("best test accuracy" + (f" of {until} epochs" if until else ""), best, "%", record="test_accuracy")


def last(key: str, epochs: int = 1, unit: str | None = None) -> Quantity:
    """Return the mean of a figure over the last epochs. Accuracies in per cent, losses in the loss's own unit or in
    another one."""
    accuracy = "accuracy" in key

    def measure(run: Result) -> float:
        values = recorded(run, key)[-epochs:]
        return float(np.mean(values)) * (100 if accuracy else 1) if len(values) else 0.0

    when = "at the end" if epochs == 1 else f"of the last {epochs} epochs"
    return Quantity(f"{words_of(key)} {when}", measure, "%" if accuracy else unit or LOSS_UNIT, record=key)


def of_train_loss(make: Callable[[str], Quantity | OfStudy]) -> OfStudy:
    """Return a quantity, such as `last`, of the train loss: in evaluation mode where all runs have it, else running."""

    def on(study: StudyResults) -> Quantity:
        made = make(train_loss_of(study))
        return made if isinstance(made, Quantity) else made(study)

    return on


def share_of_guessing(key: str) -> Quantity:
    """Return a loss at the last epoch over that of the best constant, so that losses of several kinds compare."""

    def measure(run: Result) -> float:
        if run.config is None:
            raise Missing(f"The config of {run.folder} cannot be read.")
        return last(key).of(run) / run.config.loss.of_best_constant(run.config.model.classes)

    return Quantity(f"{words_of(key)} at the end over that of guessing", measure, record=key)


def mean(key: str) -> Quantity:
    """Return the mean of a loss over all epochs: low for a loss that falls fast."""
    return Quantity(f"mean {words_of(key)}", lambda run: float(np.mean(recorded(run, key))), LOSS_UNIT, record=key)


def least(key: str) -> Quantity:
    """Return the least value of a loss over the epochs."""

    def measure(run: Result) -> float:
        return float(np.nanmin(recorded(run, key), initial=np.inf))

    return Quantity(f"least {words_of(key)}", measure, LOSS_UNIT, record=key)


def rise(key: str) -> Quantity:
    """Return the mean of a loss over the last three epochs over its least: 1 where it ends at its least."""
    late, low = last(key, 3), least(key)

    def measure(run: Result) -> float:
        if low.of(run) <= 0:
            raise Missing(f"The least {words_of(key)} of {run.folder} is {low.of(run):g}; a ratio needs one above 0.")
        return late.of(run) / low.of(run)

    return Quantity(f"last over least {words_of(key)}", measure, record=key)


def summarized(key: str) -> Callable[[Result], float]:
    """Return how a run's summary is read; NaN where it has no such figure."""

    def read(run: Result) -> float:
        summary = run.records.summary if run.records else {}
        return float(summary[key]) if key in summary and summary[key] is not None else float("nan")

    return read


parameters = Quantity("parameters", summarized("parameters"), of_diverged=True)
"""Trained parameters on record."""
diverged = Quantity(
    "diverged", lambda run: float(run.status == "diverged"), "of 1", of_diverged=True, record="train_loss"
)
"""1 if the loss became not finite, else 0."""


def oscillation(key: str = "test_accuracy") -> Quantity:
    """Return the standard deviation of a figure's change from epoch to epoch, over the last half of the epochs."""
    accuracy = "accuracy" in key

    def measure(run: Result) -> float:
        values = run.column(key) * (100 if accuracy else 1)
        # The first half is the rise or the fall from the start, which is no fluctuation.
        changes = np.diff(values[len(values) // 2 :])
        return float(np.std(changes)) if len(changes) > 1 else float("nan")

    return Quantity(f"fluctuation of {words_of(key)}", measure, "points" if accuracy else LOSS_UNIT, record=key)


def epochs_to_common_level(key: str, members: Sequence[str]) -> OfStudy:
    """Return the epochs that a run needs to the best level of a figure that all of these members reach.

    The level is the lowest of their highest accuracies, or the highest of their lowest losses.
    """

    def on(study: StudyResults) -> Quantity:
        # A level that one member never reaches would give it an infinite number of epochs.
        # A diverged run has no best level of its own.
        runs = [run for name in members for run in ended_well(complete(study, name))]
        if not runs:
            raise Missing(f"Every run of {', '.join(members)} diverged, so there is no level that they reach.")
        level = common_level(runs, key)
        shown = f"{100 * level:.1f}%" if "accuracy" in key else f"{level:.3g} {loss_unit(runs)}".rstrip()
        name = f"epochs to {'an' if words_of(key).startswith('e') else 'a'} {words_of(key)} of {shown}"
        return Quantity(name, lambda run: _first_epoch(run, key, level), "epochs", resolution=1.0, record=key)

    return on


def common_level(runs: Sequence[Result], key: str) -> float:
    """Return the best level of a figure that all runs reach; NaN where a run has no finite value."""
    columns = [values[np.isfinite(values)] for values in (recorded(run, key) for run in runs)]
    if any(len(values) == 0 for values in columns):
        return float("nan")
    if key.endswith("loss"):
        return max(float(values.min()) for values in columns)
    return min(float(values.max()) for values in columns)


def _first_epoch(run: Result, key: str, level: float) -> float:
    values = run.column(key)
    reached = np.flatnonzero(values <= level if key.endswith("loss") else values >= level)
    return float(run.column("epoch")[reached[0]]) if len(reached) else float("inf")


def over_steps(name: str, statistic: Callable[[np.ndarray], float], label: str, share: float = 1.0) -> Quantity:
    """Return a statistic of a per-step array, such as `np.median` of `beta/same_batch`; compared by its logarithm.

    Args:
        name: of the array in steps.npz.
        statistic: from the finite values to a number.
        label: what readers see.
        share: the first share of the steps that counts.
    """

    def measure(run: Result) -> float:
        values = run.step_values(name)
        return statistic(_finite(run, values[: max(1, round(len(values) * share))], name))

    return Quantity(label, measure, log=True, smoothness=True, share=share, record=name)


def median_width(low: str, high: str, label: str) -> Quantity:
    """Return the median over steps of the difference of two per-step arrays; compared by its logarithm."""

    def measure(run: Result) -> float:
        lower, upper = run.step_values(low), run.step_values(high)
        return float(np.median(_finite(run, upper - lower, high)))

    return Quantity(label, measure, log=True, smoothness=True, record=high)


def mean_over_layers(prefix: str, label: str) -> Quantity:
    """Return the geometric mean over layers of a measure's median over steps; layers whose median is 0 do not count."""

    def measure(run: Result) -> float:
        steps = run.records.steps if run.records else {}
        medians = [float(np.nanmedian(values)) for name, values in steps.items() if name.startswith(prefix)]
        positive = np.array([value for value in medians if value > 0])
        # Values of layers differ by orders of magnitude; an arithmetic mean would be that of the largest ones.
        return float(10 ** np.mean(np.log10(_finite(run, positive, prefix))))

    # In a network that does not learn the layers' inputs hardly shift either.
    return Quantity(label, measure, log=True, smoothness=True, record=prefix)


SMALLEST = float(np.finfo(np.float32).smallest_normal)
"""A gradient whose norm is below this, 1.2e-38, may be recorded as 0, since float32 holds no smaller numbers."""


def first_over_last_gradient(*, at_start: bool) -> Quantity:
    """Return the gradient's norm in the first convolution over that in the last, at the first or the last snapshot.

    A norm that is recorded as 0 enters as 1.2e-38, the smallest normal number of float32: the ratio is that or less.
    """

    def measure(run: Result) -> float:
        measured = pictures.read_gradients(run.folder, "convolution")
        if not measured:
            raise Missing(f"The gradients of {run.member}, seed {run.seed} have not been measured.")
        norms = list(measured[min(measured) if at_start else max(measured)].values())
        if not norms:
            raise Missing(
                f"{run.member}, seed {run.seed} has no convolutions, so there is no ratio of their gradients."
            )
        return max(norms[0], SMALLEST) / max(norms[-1], SMALLEST)

    when = "at initialisation" if at_start else "at the last snapshot"
    return Quantity(f"first over last gradient {when}", measure, log=True, record="gradients")


def at_initialization(
    measure: str, array: str, statistic: Callable[[np.ndarray], float], label: str, *, log: bool = True
) -> Quantity:
    """Return a statistic of an array that a snapshot measure took before training.

    Args:
        measure: its name.
        array: of the measure, [snapshots, positions].
        statistic: from the values at initialisation [positions] to a number.
        label: what readers see.
        log: compared by its logarithm.
    """

    def of(run: Result) -> float:
        arrays = snapshots.read(run.folder, measure)
        if array not in arrays or int(arrays["steps"][0]) != 0:
            raise Missing(f"The {label} of {run.member}, seed {run.seed} has not been measured at initialisation.")
        return float(statistic(arrays[array][0]))

    return Quantity(label, of, log=log, record=f"{measure}/{array}")


def _finite(run: Result, values: np.ndarray, name: str) -> np.ndarray:
    values = values[np.isfinite(values)]
    if not len(values):
        raise Missing(f"{run.member}, seed {run.seed} has no {name} on record.")
    return values


def words_of(key: str) -> str:
    """Return a figure's name for readers."""
    return key.replace("train_eval_", "evaluated_train_").replace("_", " ")
