"""Loss and accuracy over epochs: a line per member, a band over its seeds, a cross where it diverged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcifar.claims.members import ended_well, train_loss_of
from jaxcifar.config import BCEWithLogits
from jaxcifar.config.words import LOSS_UNIT
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report.figure import Panel, line, log_axis
from jaxcifar.report.style import LineStyle

RUNNING = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
EVALUATED = ("train_eval_loss", "test_loss", "train_eval_accuracy", "test_accuracy")
TITLES = {
    "train_loss": "Train loss",
    "train_eval_loss": "Train loss, evaluation mode",
    "test_loss": "Test loss",
    "train_accuracy": "Train accuracy (%)",
    "train_eval_accuracy": "Train accuracy, evaluation mode (%)",
    "test_accuracy": "Test accuracy (%)",
}


def keys(study: StudyResults) -> tuple[str, ...]:
    """Return the figures that are drawn: the train figures by which claims are judged, and those of the test images."""
    return EVALUATED if train_loss_of(study) in EVALUATED else RUNNING


def panels(study: StudyResults, looks: dict[str, LineStyle], unit: str = LOSS_UNIT, log: bool = False) -> list[Panel]:
    """Return four panels: train and test, loss and accuracy.

    Args:
        study: the runs.
        looks: how each member is drawn.
        unit: of the losses.
        log: whether losses have a logarithmic axis; where one loss is far above all others they have it anyway.
    """
    found = []
    for key in keys(study):
        loss = key.endswith("loss")
        title = f"{TITLES[key]} ({unit})" if loss else TITLES[key]
        found.append(
            Panel(
                title,
                _drawer(study, looks, key, loss and (log or _is_wide(study, key))),
                _alt(study, looks, key, title),
            )
        )
    return found


def numbers(study: StudyResults) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the columns and rows that the panels show, a row for each epoch of each run."""
    rows, shown = [], tuple(dict.fromkeys((*RUNNING, *keys(study))))
    for run in study.runs:
        columns = [run.column(key) for key in ("epoch", *shown)]
        for epoch, *figures in zip(*columns, strict=True):
            rows.append([run.member, run.seed, int(epoch) if np.isfinite(epoch) else "", *figures])
    return ("member", "seed", "epoch", *shown), rows


def spread(runs: Sequence[Result], key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return epochs, mean, least and greatest of a figure over seeds, up to the shortest; accuracies in per cent."""
    # A seed that diverged would end the line of the others at its own end, where a cross stands.
    runs = ended_well(runs) or runs
    columns = [run.column(key) * (100 if key.endswith("accuracy") else 1) for run in runs]
    columns = [values for values in columns if len(values)]
    if not columns:
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    # Beyond the shortest run the mean would be that of fewer seeds, and jump.
    shortest = min(len(values) for values in columns)
    values = np.stack([column[:shortest] for column in columns])
    epochs = next(run.column("epoch") for run in runs if len(run.column(key)) >= shortest and len(run.column(key)))
    return epochs[:shortest], values.mean(0), values.min(0), values.max(0)


WIDE = 100
"""One mean that is as many times the median flattens all other lines; then the losses get a logarithmic axis."""

EXPLODED = 10
"""A mean that is as many times the loss of guessing has exploded; then the axis ends at `END` times that loss."""

END = 2


def is_cut(study: StudyResults) -> bool:
    """Return whether the axis of a loss ends below the greatest one."""
    return any(np.isfinite(_end(study, key)) for key in keys(study) if key.endswith("loss"))


def _end(study: StudyResults, key: str) -> float:
    """The end of a loss's axis where a mean has exploded, else infinity.

    It is infinite too where no other loss would be seen, and where guessing has no known loss.
    """
    guessing = {member: max(map(_guessing, runs)) for member, runs in study.members.items()}
    end = END * max(guessing.values(), default=np.nan)
    means = {member: _finite(spread(runs, key)[1]) for member, runs in study.members.items()}
    exploded = any((values > EXPLODED * guessing[member]).any() for member, values in means.items())
    seen = any(((values > 0) & (values < end)).any() for values in means.values())
    return end if np.isfinite([*guessing.values()]).all() and exploded and seen else np.inf


def _guessing(run: Result) -> float:
    """The loss of a network that knows nothing; NaN where it is not known."""
    if run.config is None:
        return np.nan
    loss = run.config.loss.of_best_constant(run.config.model.classes)
    # A network starts near logits of 0, where each question of BCE costs ln 2; the best constant costs less.
    return max(loss, np.log(2)) if isinstance(run.config.loss, BCEWithLogits) else loss


def _is_wide(study: StudyResults, key: str) -> bool:
    found = [_finite(spread(runs, key)[1]) for runs in study.members.values()]
    means = np.minimum(np.concatenate(found or [np.zeros(0)]), _end(study, key))
    return len(means) > 0 and means.min() > 0 and means.max() > WIDE * np.median(means)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _drawer(study: StudyResults, looks: dict[str, LineStyle], key: str, log: bool):
    def draw(axis: Any) -> None:
        shown = [_draw_member(axis, runs, key, looks[member]) for member, runs in study.members.items()]
        if log:
            axis.set_yscale("log")
        end = _end(study, key) if key.endswith("loss") else np.inf
        if np.isfinite(end):
            # The margin below the least loss is a share of the whole range, which is far greater than what is shown.
            axis.set_ylim(bottom=None if log else 0, top=end)
        if log:
            log_axis(axis)
        low, high = axis.get_ylim()
        # A loss on its way to infinity leaves the picture at its top, so that the others are seen.
        top = high if np.isfinite(end) else 2 * high - low if any(shown) else np.inf
        for member, runs in study.members.items():
            _mark_ends(axis, runs, key, looks[member], top)
        axis.set_xlabel("epoch")
        # With the default of two ticks or more, matplotlib would put fractions between few epochs.
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.margins(x=0.02)

    return draw


def _draw_member(axis: Any, runs: Sequence[Result], key: str, look: LineStyle) -> bool:
    """Draw mean and band; return whether there was an epoch to draw."""
    epochs, mean, low, high = spread(runs, key)
    style = line(look)
    if len(epochs):
        # Where there are few epochs, marks show which values were measured.
        axis.plot(epochs, mean, marker="o" if np.isfinite(mean).sum() < 12 else None, markersize=3.2, **style)
    if len(runs) > 1 and len(epochs):
        axis.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0, gid=style["gid"])
    if len(runs) > 1 and len(epochs) == 1:  # a band of no width would not be seen
        axis.vlines(epochs, low, high, color=style["color"], alpha=0.5, gid=style["gid"])
    return len(epochs) > 0


def _mark_ends(axis: Any, runs: Sequence[Result], key: str, look: LineStyle, top: float) -> None:
    epochs, *_ = spread(runs, key)
    for run in runs:
        if run.status == "diverged":
            _mark_end(axis, run, key, epochs, line(look)["color"], top)


def _mark_end(axis: Any, run: Result, key: str, epochs: np.ndarray, color: str, top: float) -> None:
    """A cross where the loss stopped being finite; the train loss is drawn up to there from its steps."""
    # On an axis that is cut, a cross at its end is not cut in half.
    cross: dict[str, Any] = {"marker": "x", "color": color, "markersize": 7, "markeredgewidth": 1.8, "clip_on": False}
    losses = run.step_values("loss")
    finite = np.minimum(losses[np.isfinite(losses)], top)
    per_epoch = steps_per_epoch(run)
    if key in ("train_loss", "train_eval_loss") and len(finite) and per_epoch:
        # The curve of epochs ends here; single steps continue it.
        done = int(epochs[-1] * per_epoch) if len(epochs) else 0
        times = (np.arange(done, len(finite)) + 1) / per_epoch
        if len(times):
            axis.plot(times, finite[done:], color=color, linewidth=0.8, alpha=0.7)
        axis.plot(len(finite) / per_epoch, finite[-1], **cross)
    elif len(own := run.column("epoch")) and np.isfinite(last := run.column(key)[-1]):
        last = min(last * (100 if key.endswith("accuracy") else 1), top)
        axis.plot(own[-1], last, **cross)


def steps_per_epoch(run: Result) -> float:
    """Return the steps per epoch of a run's records or of its plan; 0 where neither says it."""
    epochs, steps = run.column("epoch"), run.column("step")
    if len(epochs) and np.isfinite(steps[0]) and epochs[0] > 0:
        return float(steps[0] / epochs[0])
    if run.planned and run.planned.get("epochs"):
        return run.planned.get("steps", 0) / run.planned["epochs"]
    return 0.0


def _alt(study: StudyResults, looks: dict[str, LineStyle], key: str, title: str) -> str:
    ends = []
    for member, runs in study.members.items():
        epochs, mean, _, _ = spread(runs, key)
        if len(epochs):
            ends.append(f"{looks[member].label} {mean[-1]:.3g} at epoch {epochs[-1]:.0f}")
    return f"{title} over epochs. Last values: {'; '.join(ends) or 'none yet'}."
