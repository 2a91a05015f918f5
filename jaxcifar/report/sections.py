"""From a study's results to a section of the page: its table, figures, claims and what is missing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxcifar.claims import Judged
from jaxcifar.config import Words
from jaxcifar.records.study import StudyResults
from jaxcifar.report import (
    architecture,
    band,
    curvature,
    epochs,
    layers,
    pictures,
    ranges,
    series,
    tables,
    unfinished,
)
from jaxcifar.report.caption import TRAINING_MODE, Provenance, provenance
from jaxcifar.report.figure import Figure
from jaxcifar.report.line_styles import line_styles
from jaxcifar.report.sources import Source
from jaxcifar.report.style import LineStyle
from jaxcifar.report.tables import Table

Named = TypeVar("Named", Figure, Table)


@dataclass(frozen=True)
class Section:
    """What the page shows of one study on one data set."""

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


def build(sources: Sequence[Source]) -> list[Section]:
    """Return a section for every study on one data set."""
    names = [source.results.name for source in sources]
    return [_section(source, names.count(source.results.name) > 1) for source in sources]


def _section(source: Source, mixed: bool) -> Section:
    study, words = source.results, source.words
    title = f"{words.title}, on {study.data}" if mixed else words.title
    key = re.sub(r"[^\w.-]+", "-", f"{study.name}-{study.data}" if mixed else study.name)
    settings = tables.settings(study, words)
    origin = provenance(study)
    return Section(
        key=key,
        words=words,
        title=title,
        provenance=origin,
        missing=unfinished.missing(study),
        results=_named(tables.results(study, words), key),
        tables=tuple(_named(table, key) for table in _tables(study)),
        settings=_named(settings, key) if settings else None,
        figures=tuple(_named(figure, key) for figure in _figures(study, words, origin)),
        claims=source.claims,
    )


def _named(item: Named, key: str) -> Named:
    """Files begin with their section's name."""
    return dataclasses.replace(item, name=f"{key}-{item.name}")


def _figures(study: StudyResults, words: Words, origin: Provenance) -> list[Figure]:
    drawn = line_styles(study, words)
    common: dict[str, Any] = {"note": origin.short, "command": origin.command}
    measured = {**common, "note": f"{origin.short}, {TRAINING_MODE}"}
    found = []
    if any(len(run.column("epoch")) or run.status == "diverged" for run in study.runs):
        found.append(curves(study, words, drawn, common))
    gradients = layers.gradient_figure(study, drawn, measured)
    return [
        *found,
        *([gradients] if gradients else []),
        *band.band_figures(study, words.band_rates, measured),
        *series.figures(study, drawn, measured),
        *ranges.figures(study, drawn, measured),
        *pictures.figures(study, common),
        *curvature.figures(study, drawn, measured),
    ]


def _tables(study: StudyResults) -> list[Table]:
    found = (layers.ratio_table(study), series.table(study))
    return [*architecture.tables(study), *(table for table in found if table is not None)]


def curves(study: StudyResults, words: Words, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure:
    """Return the figure of loss and accuracy over epochs."""
    columns, rows = epochs.numbers(study)
    drawn = [member for member, runs in study.members.items() if any(run.records for run in runs)]
    several = any(len(runs) > 1 for runs in study.members.values())
    caption = "Loss and accuracy after each epoch; train figures are means over the epoch's steps."
    caption += " Line: mean over seeds; band: least to greatest." if several else ""
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
        **common,
    )
