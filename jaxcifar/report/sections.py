"""From a study's results to a section of the page: its table, figures, claims and what is missing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxcifar.claims import Claim, judge
from jaxcifar.records.study import StudyResults
from jaxcifar.report import (
    architecture,
    chapters,
    curvature,
    directions,
    epochs,
    layers,
    pictures,
    steps,
    style,
    tables,
    unfinished,
)
from jaxcifar.report.caption import TRAINING_MODE, Provenance, provenance
from jaxcifar.report.chapters import Chapter
from jaxcifar.report.figure import Figure
from jaxcifar.report.style import Look
from jaxcifar.report.tables import Sheet

Named = TypeVar("Named", Figure, Sheet)


@dataclass(frozen=True)
class Section:
    """What the page shows of one study on one data set."""

    key: str
    """Its anchor, and the beginning of its files' names."""
    chapter: Chapter
    title: str
    provenance: Provenance
    missing: str
    results: Sheet
    tables: tuple[Sheet, ...]
    """Beside the results."""
    settings: Sheet | None
    figures: tuple[Figure, ...]
    claims: tuple[Claim, ...]


def build(studies: Sequence[StudyResults]) -> list[Section]:
    """A section for every study, in the order of the text."""
    ordered = sorted(studies, key=lambda study: (chapters.rank(study.name), study.name))
    mixed = {study.name for study in studies if sum(other.name == study.name for other in studies) > 1}
    return [_section(study, study.name in mixed) for study in ordered]


def _section(study: StudyResults, mixed: bool) -> Section:
    chapter = chapters.chapter(study.name)
    source = provenance(study)
    title = f"{chapter.title}, on {study.data}" if mixed else chapter.title
    key = re.sub(r"[^\w.-]+", "-", f"{study.name}-{study.data}" if mixed else study.name)
    settings = tables.settings(study, chapter)
    return Section(
        key=key,
        chapter=chapter,
        title=title,
        provenance=source,
        missing=unfinished.missing(study),
        results=_named(tables.results(study, chapter), key),
        tables=tuple(_named(table, key) for table in _tables(study)),
        settings=_named(settings, key) if settings else None,
        figures=tuple(_named(figure, key) for figure in _figures(study, chapter, source)),
        claims=tuple(judge(study)),
    )


def _named(item: Named, key: str) -> Named:
    """Files begin with their section's name."""
    return dataclasses.replace(item, name=f"{key}-{item.name}")


def _figures(study: StudyResults, chapter: Chapter, source: Provenance) -> list[Figure]:
    looks = style.looks(list(study.members))
    common: dict[str, Any] = {"note": source.short, "command": source.command}
    measured = {**common, "note": f"{source.short}, {TRAINING_MODE}"}
    found = []
    if any(len(run.column("epoch")) or run.status == "diverged" for run in study.runs):
        found.append(curves(study, chapter, looks, common))
    for figure in (layers.gradient_figure(study, looks, measured), steps.band_figure(study, measured)):
        found += [figure] if figure else []
    return [
        *found,
        *steps.probe_figures(study, looks, measured),
        *directions.figures(study, looks, measured),
        *pictures.figures(study, common),
        *curvature.figures(study, looks, measured),
    ]


def _tables(study: StudyResults) -> list[Sheet]:
    found = (layers.ratio_sheet(study), steps.probe_sheet(study))
    return [*architecture.sheets(study), *(table for table in found if table is not None)]


def curves(study: StudyResults, chapter: Chapter, looks: dict[str, Look], common: dict[str, Any]) -> Figure:
    """Loss and accuracy over epochs."""
    columns, rows = epochs.numbers(study)
    drawn = [member for member, runs in study.members.items() if any(run.records for run in runs)]
    several = any(len(runs) > 1 for runs in study.members.values())
    caption = "Loss and accuracy after each epoch; train figures are means over the epoch's steps."
    caption += " Line: mean over seeds; band: least to greatest." if several else ""
    if any(run.status == "diverged" for run in study.runs):
        caption += " A cross marks where the loss stopped being finite."
    return Figure(
        name="epochs",
        title=chapter.title,
        caption=caption,
        panels=tuple(epochs.panels(study, looks, chapter.loss_unit, chapter.log_loss)),
        legend=tuple(looks[member] for member in drawn),
        columns=columns,
        rows=rows,
        **common,
    )
