"""Tables of the page: results and settings, each with what the text says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxcifar.claims import quantities, seconds
from jaxcifar.claims.members import ended_well, train_loss_of
from jaxcifar.claims.statistics import standard_error
from jaxcifar.config import SGD, CrossEntropy, Data, Muon, Run, Words
from jaxcifar.config.network import activation_title
from jaxcifar.records.study import Result, StudyResults


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the number by which the table is sorted (NaN sorts last)."""

    text: str
    value: float | None = None
    error: str = ""
    """The standard error over seeds."""
    study: bool = False
    """Whether it is the text's own number."""


@dataclass(frozen=True)
class Table:
    """A table with its caption."""

    name: str
    """Name of the CSV file; empty where there is none."""
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def plain(self) -> list[list[str]]:
        """The rows as text, for the CSV."""
        return [[f"{cell.text} {cell.error}".strip() for cell in row] for row in self.rows]


def results(study: StudyResults, words: Words) -> Table:
    """Return what each member reached and what the text says; mean and standard error over seeds."""
    columns = ["run"]
    figures = [*_FIGURES, *(figure for figure in _OTHER_FIGURES if _is_taken(study, figure))]
    if evaluated := train_loss_of(study) == "train_eval_loss":
        figures = [(name, _last("train_eval_loss") if name == TRAIN else of, form) for name, of, form in figures]
    stated = {heading for said in words.members.values() for heading in said.reported}
    for heading, _, _ in figures:
        columns += [heading, f"{heading}, study"] if heading in stated else [heading]
    rows = [_member_row(study, member, words, figures) for member in study.members]
    several = any(len(runs) > 1 for runs in study.members.values())
    caption = "Losses and accuracies of the last epoch; best: highest test accuracy of all epochs. "
    caption += "Train losses are of evaluation mode. " if evaluated else ""
    caption += "Mean ± standard error over seeds. " if several else ""
    if len(seconds.timed(study, study.runs)) < sum(run.records is not None for run in study.runs):
        caption += (
            "Seconds are of runs that shared neither a program nor the machine with others, on the device of most of "
            "them. "
        )
    if any(run.same_as for run in study.runs):
        caption += "= names the equal run of another study, which was trained instead. "
    caption += " ".join(_EXPLAINED[heading] for heading in columns if heading in _EXPLAINED)
    return Table("results", "Results", tuple(columns), rows, caption.strip())


def _is_taken(study: StudyResults, figure: _Figure) -> bool:
    heading, measure, _ = figure
    return any(math.isfinite(measure(run)) for run in _read(study, study.runs, heading))


def _read(study: StudyResults, runs: Sequence[Result], heading: str) -> list[Result]:
    """The runs from which a column is read."""
    done = _counted(runs)
    return seconds.timed(study, done) if heading in TIMED else done


def _counted(runs: Sequence[Result]) -> list[Result]:
    """The runs with an epoch on record; as in claims without the seeds that diverged, where others did not."""
    begun = [run for run in runs if len(run.column("epoch"))]
    return ended_well(begun) or begun


def _member_row(study: StudyResults, member: str, words: Words, figures: Sequence[_Figure]) -> list[Cell]:
    runs, reported = study.members[member], words.members[member].reported if member in words.members else {}
    stated = {heading for said in words.members.values() for heading in said.reported}
    cells = [Cell(_name(study.label(member), runs))]
    for heading, measure, form in figures:
        cells.append(_figure(_read(study, runs, heading), measure, form))
        if heading in stated:
            theirs = str(reported.get(heading, ""))
            cells.append(Cell(theirs, leading(theirs), study=True))
    return cells


def _last(key: str) -> Measure:
    return lambda run: float(run.column(key)[-1]) * (100 if "accuracy" in key else 1)


def _count(value: float) -> str:
    return f"{value / 1e6:.3f} M" if value >= 1e6 else f"{value:,.0f}"


def _loss(value: float) -> str:
    return f"{value:.3f}" if value < 1000 else f"{value:.3g}"  # a network that exploded has no decimals to show


Measure = Callable[[Result], float]
_Figure = tuple[str, Measure, Callable[[float], str]]
"""Heading, measure, how its mean is written."""
TRAIN, SECONDS, IN_ALL = "train loss", "s per epoch", "s in all"
TIMED = (SECONDS, IN_ALL)
_FIGURES: tuple[_Figure, ...] = (
    ("parameters", quantities.parameters.of, _count),
    ("epochs", lambda run: float(len(run.column("epoch"))), "{:.0f}".format),
    (TRAIN, _last("train_loss"), _loss),
    ("test loss", _last("test_loss"), _loss),
    ("test accuracy", _last("test_accuracy"), "{:.2f}%".format),
    ("best", quantities.best_accuracy().of, "{:.2f}%".format),
    (SECONDS, seconds.seconds_per_epoch.of, "{:.3g}".format),
)
_OTHER_FIGURES: tuple[_Figure, ...] = (
    ("with ema", _last("test_accuracy_ema"), "{:.2f}%".format),
    ("with tta", _last("test_accuracy_tta"), "{:.2f}%".format),
    ("with both", _last("test_accuracy_ema_tta"), "{:.2f}%".format),
    (IN_ALL, seconds.total_seconds.of, "{:.3g}".format),
    ("PFLOP", lambda run: seconds.flops.of(run) / 1e15, "{:.3g}".format),
)
"""Shown where a run has them."""
_EXPLAINED = {
    "with ema": "With ema: test accuracy of the moving average of the weights.",
    "with tta": "With tta: test accuracy of the mean over several views of each image.",
    IN_ALL: "Seconds in all: from the first weights to the last evaluation, without compilation and warm-up.",
}


def _name(label: str, runs: Sequence[Result]) -> str:
    """The member's label with how its runs ended."""
    notes = [note for note in dict.fromkeys(_note(run) for run in runs) if note]
    lost = sum(run.status == "diverged" for run in runs)
    if lost and any(run.status != "diverged" for run in _counted(runs)):
        notes.insert(0, f"{lost} of {len(runs)} seeds left out")
    alias = f" = {runs[0].same_as}" if runs[0].same_as else ""
    return label + alias + (f" ({'; '.join(notes)})" if notes else "")


def _note(run: Result) -> str:
    match run.status:
        case "finished":
            return ""
        case "diverged":
            step = run.records.summary.get("diverged_step") if run.records else None
            return f"diverged at step {step:,}" if isinstance(step, int) else "diverged"
        case "missing":
            return "not begun"
        case _:
            planned = run.config.epochs if run.config else "?"
            return f"unfinished, {len(run.column('epoch'))} of {planned} epochs"


def _figure(runs: Sequence[Result], measure: Measure, form: Callable[[float], str]) -> Cell:
    values = [value for value in (measure(run) for run in runs) if math.isfinite(value)]
    if not values:
        return Cell("-", math.nan)
    mean = float(np.mean(values))
    text = form(mean)
    # Equal values, such as a number of parameters, have no error to show. One seed has none either.
    if len(set(values)) == 1:
        return Cell(text, mean)
    return Cell(text, mean, error=f"± {standard_error(tuple(values)):.2g}")


def leading(text: str) -> float:
    """Return the number with which a cell begins, such as 1.3e6 of `1.300 M ± 2`; NaN where there is none."""
    found = re.match(r"(-?[\d,]*\d(?:\.\d+)?(?:[eE][-+]?\d+)?)( M\b)?", text)
    return float(found[1].replace(",", "")) * (1e6 if found[2] else 1) if found else math.nan


def settings(study: StudyResults, words: Words) -> Table | None:
    """Return every setting of the study's runs and what the text states; `our choice` where it is silent."""
    return settings_of([run.config for run in study.runs if run.config], words)


def settings_of(configs: Sequence[Run], words: Words) -> Table | None:
    """Return every setting of some runs, as `settings`; None without runs."""
    if not configs:
        return None
    ours: dict[str, list[str]] = {}
    for config in configs:
        for key, value in _settings_of(config).items():
            ours.setdefault(key, []).append(value)
    rows = []
    for key, values in ours.items():
        stated = words.states.get(key, "silent: our choice" if words.section else "")
        rows.append([Cell(key), Cell(", ".join(dict.fromkeys(values))), Cell(stated)])
    return Table("settings", "Settings", ("setting", "here", "the study"), rows)


def _settings_of(run: Run) -> dict[str, str]:
    optimizer, schedule = run.optimizer, run.optimizer.schedule
    warmup = f", warm-up over {schedule.warmup:g} epochs" if schedule.warmup else ""
    activation = getattr(run.model, "activation", None)
    smoothing = run.loss.label_smoothing if isinstance(run.loss, CrossEntropy) else 0
    return {
        "network": run.model.title,
        "activation": activation_title(activation) if activation else "none",
        "initialisation": getattr(run.model, "initialization", "the network's own"),
        "epochs": f"{run.epochs}",
        "batch size": f"{run.batch_size}",
        "optimizer": optimizer.title,
        "learning rate": f"{optimizer.learning_rate:g}",
        "momentum": f"{optimizer.momentum:g}" if isinstance(optimizer, SGD | Muon) else "-",
        "weight decay": f"{optimizer.weight_decay:g}",
        "schedule": schedule.title + warmup,
        "loss": run.loss.title + (f", smoothing {smoothing:g}" if smoothing else ""),
        "augmentation": _augmentation(run.data),
        "normalisation": _normalization(run.data),
        "precision": _precision(run),
    }


def _precision(run: Run) -> str:
    rounded = run.step_measures and run.measure_precision != "float32"
    return run.precision + (f", gradients of measures {run.measure_precision}" if rounded else "")


def _normalization(data: Data) -> str:
    if data.mean is not None and data.deviation is not None:
        mean, deviation = (", ".join(f"{value:g}" for value in values) for values in (data.mean, data.deviation))
        return f"mean {mean}, deviation {deviation} per channel"
    return "mean 0.5, deviation 0.5" if data.normalization == "half" else "CIFAR-10's mean and deviation per channel"


def _augmentation(data: Data) -> str:
    mirrored = ", border mirrored" if data.crop_padding == "reflect" else ""
    parts = [f"crop after padding by {data.crop}{mirrored}"] if data.crop else []
    parts += [f"{data.flip} flip"] if data.flip != "none" else []
    parts += [f"cutout of {data.cutout}"] if data.cutout else []
    return ", ".join(parts) or "none"
