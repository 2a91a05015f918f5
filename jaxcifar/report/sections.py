"""From a study's results to a section of the page: its table, figures, claims and what is missing."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxcifar.claims import Judged, Number
from jaxcifar.claims.why import why
from jaxcifar.config import Words
from jaxcifar.records.study import StudyResults
from jaxcifar.report import (
    architecture,
    band,
    curvature,
    epochs,
    layers,
    pictures,
    predictions,
    ranges,
    series,
    tables,
    unfinished,
)
from jaxcifar.report.caption import Provenance, measured_how, provenance
from jaxcifar.report.figure import Figure
from jaxcifar.report.line_styles import line_styles
from jaxcifar.report.names import file_name
from jaxcifar.report.sources import Source
from jaxcifar.report.style import LineStyle
from jaxcifar.report.tables import Table

Named = TypeVar("Named", Figure, Table)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Section:
    """One study on one data set, as the page shows it."""

    key: str
    """Its anchor, and the beginning of its files' names."""
    words: Words
    title: str
    provenance: Provenance
    missing: str
    results: Table
    tables: tuple[Table, ...]
    """Beside the results."""
    settings: Table | None
    figures: tuple[Figure, ...]
    claims: tuple[Judged, ...]
    why: tuple[Number, ...] = ()
    """What explains the claims about smoothness, by member."""


def build(sources: Sequence[Source], problems: list[str]) -> list[Section]:
    """Return a section for every study on one data set; what damaged records do not allow is left out and told."""
    everyone, found = [source.results for source in sources], []
    for source in sources:
        found.append(_section(source, _apart(source.results, everyone), {section.key for section in found}, problems))
    return found


def _apart(study: StudyResults, everyone: Sequence[StudyResults]) -> list[str]:
    """What tells a study from others of its name on the page: its size, its data set, in the end its folder."""
    alike = [other for other in everyone if other.name == study.name]
    size = f"size {study.size}" if study.size else "full size"
    parts = [size] * any(other.size != study.size for other in alike)
    alike = [other for other in alike if other.size == study.size]
    parts += [f"on {study.data}"] * any(other.data != study.data for other in alike)
    alike = [other for other in alike if other.data == study.data]
    if len(alike) > 1:
        parts.append(os.path.relpath(study.folder, os.path.commonpath([other.folder for other in alike])))
    return parts


def _section(source: Source, apart: Sequence[str], taken: Set[str], problems: list[str]) -> Section:
    study, words = source.results, source.words
    title = ", ".join((words.title, *apart))
    whole = file_name("-".join((study.name, *(part.removeprefix("on ") for part in apart))))
    # Folders whose names differ in what a file's name does not keep get a number.
    key = next(key for count in itertools.count(1) if (key := whole if count == 1 else f"{whole}-{count}") not in taken)
    origin = provenance(study)
    settings = _told(problems, study, tables.settings, study, words)
    return Section(
        key=key,
        words=words,
        title=title,
        provenance=origin,
        missing=unfinished.missing(study),
        results=_named(_told(problems, study, tables.results, study, words) or NO_RESULTS, key),
        tables=tuple(_named(table, key) for table in _tables(study, problems)),
        settings=_named(settings, key) if settings else None,
        figures=tuple(_named(figure, key) for figure in _figures(study, words, origin, problems)),
        claims=source.claims,
        why=_told(problems, study, why, study) or () if source.claims else (),
    )


NO_RESULTS = Table("results", "Results", ("run",), ())


def _told(problems: list[str], study: StudyResults, make: Callable[..., Made], *arguments: Any) -> Made | None:
    """Call a function on records; if damaged records make it fail, note that as a problem and return None."""
    try:
        return make(*arguments)
    except Exception as error:  # one part of damaged records must not take the page with it
        part = f"{make.__module__.rpartition('.')[2]}.{make.__name__}"
        problems.append(f"{study.folder}: {part} of the report was left out: {type(error).__name__}: {error}.")
        return None


def _named(item: Named, key: str) -> Named:
    """Files begin with their section's name."""
    return dataclasses.replace(item, name=file_name(f"{key}-{item.name}"))


def _figures(study: StudyResults, words: Words, origin: Provenance, problems: list[str]) -> list[Figure]:
    drawn = line_styles(study, words)
    common: dict[str, Any] = {"note": origin.short, "command": origin.command}
    measured = {**common, "note": f"{origin.short}, {measured_how(study)}"}
    single = []
    if any(len(run.column("epoch")) or run.status == "diverged" for run in study.runs):
        single.append(_told(problems, study, curves, study, words, drawn, common))
    single.append(_told(problems, study, layers.gradient_figure, study, drawn, measured))
    several = (
        _told(problems, study, band.band_figures, study, words.band_rates, measured, words.loss_unit),
        _told(problems, study, series.figures, study, drawn, measured),
        _told(problems, study, ranges.figures, study, drawn, measured),
        _told(problems, study, pictures.figures, study, common),
        _told(problems, study, curvature.figures, study, drawn, measured),
        _told(problems, study, predictions.figures, study, common),
    )
    return _apart_by_name([*filter(None, single), *(figure for figures in several for figure in figures or ())])


def _apart_by_name(figures: Sequence[Figure]) -> list[Figure]:
    """The figures with names that differ, whatever arrays and members are called: names are files and anchors."""
    found: dict[str, Figure] = {}
    for figure in figures:
        name, count = figure.name, 1
        while file_name(name) in found:
            count += 1
            name = f"{figure.name}-{count}"
        found[file_name(name)] = dataclasses.replace(figure, name=name)
    return list(found.values())


def _tables(study: StudyResults, problems: list[str]) -> list[Table]:
    found = [_told(problems, study, make, study) for make in (predictions.tables, layers.ratio_table, series.table)]
    return [*(_told(problems, study, architecture.tables, study) or ()), *filter(None, found)]


def curves(study: StudyResults, words: Words, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure:
    """Return the figure of loss and accuracy over epochs."""
    columns, rows = epochs.numbers(study)
    drawn = [member for member, runs in study.members.items() if any(run.records for run in runs)]
    several = any(len(runs) > 1 for runs in study.members.values())
    evaluated = epochs.keys(study) == epochs.EVALUATED
    train = "measured after it, in evaluation mode" if evaluated else "means over its steps, in training mode"
    caption = f"Loss and accuracy after each epoch; train figures are {train}."
    caption += " Line: mean over seeds; band: least to greatest." if several else ""
    if epochs.is_cut(study):
        caption += f" Where a loss explodes, the axis ends at {epochs.END} times the loss of guessing."
    if any(run.status == "diverged" for run in study.runs):
        caption += " A cross marks where the loss stopped being finite."
    return Figure(
        name="epochs",
        title=words.title,
        caption=caption,
        panels=tuple(epochs.panels(study, looks, words.loss_unit, words.log_loss)),
        legend=tuple(looks[member] for member in drawn),
        columns=columns,
        rows=rows,
        shows=frozenset(columns),
        **common,
    )
