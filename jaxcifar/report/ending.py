"""Output when training has ended: the table of results, the curves and the page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jaxcifar.config import Paper, Run, Study
from jaxcifar.config.stored import read_records
from jaxcifar.records import report
from jaxcifar.report import store_claims, write_report
from jaxcifar.report.curves import draw_curves
from jaxcifar.report.terminal import result_table


def show(config: Run | Study | Paper, out: Path, folders: list[Path], *, is_shipped: bool) -> None:
    """Print the results of a command that has trained, and draw what it asks for.

    Args:
        config: what its file holds.
        out: the folder of the records.
        folders: the run folders, in the order of the plan.
        is_shipped: whether the file is a shipped one.
    """
    # A shipped study is found by its name, as `jaxcifar report` finds it.
    own = None if is_shipped or isinstance(config, Run) else config

    found = [read_records(folder) for folder in dict.fromkeys(folders)]
    for problem in dict.fromkeys(problem for each in found for problem in each.problems):
        print(problem, file=sys.stderr)
    studies = {out: config} if isinstance(config, Study) else {}
    if isinstance(config, Paper):
        studies = {out / study.name: study for study in config.studies}
    result_table(found, {folder: study.own_labels for folder, study in studies.items()})
    print(f"Records: {os.path.relpath(out)}")
    figure = None if isinstance(config, Paper) else draw_curves(out, out / report.CURVES, own)
    if figure:
        print(f"Curves:  {os.path.relpath(figure)}")
    if not isinstance(config, Run):
        store_claims(out, config, is_shipped=is_shipped)
        print(f"Report:  {os.path.relpath(write_report(out, own))}")
