"""The page: DIR/report/index.html, self-contained, with figures and tables as files next to it."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from jaxcifar.claims import Judged, Number
from jaxcifar.config import Paper, Run, Study
from jaxcifar.records import pictures as stored_pictures
from jaxcifar.records import report as own_files
from jaxcifar.records.study import StudyResults
from jaxcifar.report import figure, style
from jaxcifar.report.caption import data_name
from jaxcifar.report.figure import Figure
from jaxcifar.report.sections import Section, build
from jaxcifar.report.sources import Source, gather

TEMPLATES = Path(__file__).parent / "templates"
SYMBOLS = {"holds": "✓", "does not hold": "✕", "no difference": "≈", "not decided": "○"}


def write_report(folder: Path, config: Run | Study | Paper | None = None) -> Path:
    """Read the records below a folder and write the report.

    Args:
        folder: a paper's, a study's or a run's folder, or one above several of them.
        config: a user's own study or paper, which brings its words and claims; see `sources.gather`.

    Returns:
        The page, `folder/report/index.html`; next to it figures/*.png, *.svg, *.csv and tables/*.csv.

    Raises:
        UserError: the folder holds no records, or the config is of none of its studies.
        OSError: the report cannot be written.
    """
    problems: list[str] = []
    with own_files.dated(folder):
        sources = gather(folder, config)
        page = own_files.replace(folder, lambda out: _write(folder, sources, out, problems))
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        print(
            f"The records have a fault: {problems[0].rstrip('.')}{more}. The end of the page names all.",
            file=sys.stderr,
        )
    return page


def _write(folder: Path, sources: Sequence[Source], out: Path, problems: list[str]) -> None:
    (out / own_files.PAGE).write_text(render(folder, sources, out, problems), encoding="utf-8")


@dataclass(frozen=True)
class Files:
    """Where a page's files lie, from the page."""

    figures: str = "figures/"
    tables: str = "tables/"
    formats: tuple[str, ...] = ("png", "svg", "csv")
    """Of every figure; CSV where it has numbers."""
    images: str = "data:"
    """Where pictures may come from (Content-Security-Policy)."""
    is_whole: bool = True
    """Whether the page has every figure of its report."""


def render(folder: Path, sources: Sequence[Source], out: Path, problems: list[str], files: Files = Files()) -> str:
    """Return the page's HTML; figures and tables are written to their folders on the way.

    Args:
        folder: the records'.
        sources: what the page shows.
        out: the folder of the report.
        problems: receives a sentence for each fault of the records.
        files: those to which the page leads.
    """
    studies = [source.results for source in sources]
    problems += [problem for study in studies for problem in study.problems]
    for study in studies:
        problems += stored_pictures.damaged(study.folder, [run.folder for run in study.runs])
    sections, panels = [], {}
    for section in build(sources, problems):
        drawn = {}
        for each in section.figures:
            try:
                figure.save(each, out / "figures")
                drawn[each.name] = figure.inline(each)
            # A full disk is no damage of this figure's records, and the report as a whole must stop.
            except OSError:
                raise
            except Exception as error:  # one figure of damaged records must not take the page with it
                problems.append(f"The figure {each.title!r} could not be drawn: {type(error).__name__}: {error}.")
        panels |= drawn
        sections.append(replace(section, figures=tuple(each for each in section.figures if each.name in drawn)))
        _save_tables(section, out)
    problems[:] = dict.fromkeys(problems)
    return compose(
        folder.resolve().name,  # `.` has no name of its own
        sections,
        panels,
        data=", ".join(dict.fromkeys(data_name(study) for study in studies)),
        runs=_runs(studies),
        scaled=any(study.is_scaled for study in studies),
        problems=problems,
        files=files,
    )


def compose(
    title: str,
    sections: Sequence[Section],
    panels: Mapping[str, Sequence[str]],
    *,
    data: str,
    runs: str,
    scaled: bool = False,
    problems: Sequence[str] = (),
    files: Files = Files(),
) -> str:
    """Return the HTML of a page.

    Args:
        title: its heading.
        sections: what it shows, in order.
        panels: name of a figure -> the HTML of each of its panels.
        data: the data sets, for readers.
        runs: how many runs have ended, for readers.
        scaled: whether runs are smaller than their study's.
        problems: what could not be read, a sentence each.
        files: where tables and figures lie.
    """
    # Names and labels come from records and may hold any text, so everything is escaped unless marked as safe.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["by_quantity"] = _by_quantity
    environment.filters["about"] = _about
    environment.filters["showing"] = _showing
    # The hashes below are those of style and script exactly as the page holds them.
    css = environment.get_template("page.css").render(palette=(style.LIGHT, style.DARK))
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        title=title,
        sections=sections,
        claims=[claim for section in sections for claim in section.claims],
        tally=tally([claim for section in sections for claim in section.claims]),
        data=data,
        scaled=scaled,
        runs=runs,
        problems=problems,
        files=files,
        policy=f"{POLICY}; img-src {files.images}; style-src {_hash(css)}; script-src {_hash(script)}",
        css=css,
        script=script,
        symbols=SYMBOLS,
        inline=lambda each: panels[each.name],
        swatch=figure.swatch,
        line_id=figure.line_id,
    )


POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"
"""Nothing is loaded but the pictures of `Files`; only the page's own style and script count, named by their hashes."""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def tally(claims: Sequence[Judged]) -> dict[str, int]:
    """Return how many claims have each verdict."""
    counts = Counter(claim.verdict for claim in claims)
    return {verdict: counts[verdict] for verdict in SYMBOLS}


def _by_quantity(numbers: Sequence[Number]) -> list[tuple[str, list[Number]]]:
    """A claim's numbers by what they measure, in order."""
    found: dict[str, list[Number]] = {}
    for number in numbers:
        found.setdefault(number.quantity, []).append(number)
    return list(found.items())


def _about(numbers: Sequence[Number], claim: Judged) -> list[Number]:
    """The numbers of the members that a claim names, without those that it shows itself."""
    labels, own = {number.label for number in claim.numbers}, {number.quantity for number in claim.numbers}
    return [number for number in numbers if number.label in labels and number.quantity not in own]


def _showing(figures: Sequence[Figure], claim: Judged) -> list[Figure]:
    """The figures that show what a claim's numbers are taken from."""
    wanted = {number.record for number in claim.numbers if number.record}
    families = tuple(record for record in wanted if record.endswith("/"))
    return [each for each in figures if any(name in wanted or name.startswith(families) for name in each.shows)]


def _save_tables(section: Section, out: Path) -> None:
    for table in (section.results, *section.tables, section.settings):
        if table is not None:
            text = figure.to_csv(table.columns, table.plain())
            (out / "tables" / f"{table.name}.csv").write_text(text, encoding="utf-8")


def _runs(studies: Sequence[StudyResults]) -> str:
    runs = [run for study in studies for run in study.runs]
    ended = sum(run.ended for run in runs)
    return (
        f"{ended} of {len(runs)} runs have come to their end"
        if ended < len(runs)
        else f"{ended} run{'' if ended == 1 else 's'}"
    )
