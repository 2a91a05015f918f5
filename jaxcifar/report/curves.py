"""The curves of a run or a study as one PNG."""

from __future__ import annotations

from pathlib import Path

from jaxcifar.config.stored import read_studies
from jaxcifar.records.study import StudyResults
from jaxcifar.report import chapters, figure, style
from jaxcifar.report.caption import provenance
from jaxcifar.report.sections import curves


def draw_curves(folder: Path, path: Path) -> Path | None:
    """Draws loss and accuracy over epochs, seeds of one member as a mean with a band from least to greatest.

    Args:
        folder: a run's or a study's.
        path: the PNG to write.

    Returns:
        The path, or None if no run has an epoch to show.
    """
    shown = [study for study in read_studies(folder) if any(len(run.column("epoch")) for run in study.runs)]
    if not shown:
        return None
    study: StudyResults = shown[0]
    looks = style.looks(list(study.members))
    with style.applied():
        drawn = curves(study, chapters.chapter(study.name), looks, {"note": provenance(study).short})
        figure.together(drawn).savefig(path, dpi=120)
    return path
