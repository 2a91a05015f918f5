"""The curves of a run or a study as one PNG."""

from __future__ import annotations

from pathlib import Path

from jaxcifar.config import Paper, Run, Study
from jaxcifar.report import figure, style
from jaxcifar.report.caption import provenance
from jaxcifar.report.line_styles import line_styles
from jaxcifar.report.sections import curves
from jaxcifar.report.sources import gather


def draw_curves(folder: Path, path: Path, config: Run | Study | Paper | None = None) -> Path | None:
    """Draw loss and accuracy over epochs, seeds of one member as a mean with a band from least to greatest.

    Args:
        folder: a run's or a study's.
        path: the PNG to write.
        config: the study, where it is not a shipped one.

    Returns:
        The path, or None if no run has an epoch to show.
    """
    sources = gather(folder, config)
    source = next((s for s in sources if any(len(run.column("epoch")) for run in s.results.runs)), None)
    if source is None:
        return None
    study = source.results
    with style.applied():
        drawn = curves(study, source.words, line_styles(study, source.words), {"note": provenance(study).short})
        figure.together(drawn).savefig(path, dpi=120)
    return path
