"""Copy what a study or a paper found, without its large arrays, with a table of its verdicts and a page.

python scripts/publish.py runs/course docs/results/course --figures band,beta-same-batch

For every study: claims.json (verdicts with each seed's numbers and p values), the table of results, and seeds.csv,
which has quantiles of every measure for each seed. VERDICTS.md and the page, index.html, are written from these files
alone, so that a test can write them again. Figures are the PNG files of the report whose names contain one of the given
words; `--report` draws the report's own page instead, self-contained (some megabytes), without its files of figures.
Where the target holds other studies already, the p values of all of them are adjusted together, as on one page.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import published_page
from published_page import CLAIMS, SEEDS

from jaxcifar.claims import Judged
from jaxcifar.claims.together import decided_together
from jaxcifar.config.stored import read_studies
from jaxcifar.errors import UserError
from jaxcifar.records import judged, seal
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report import page
from jaxcifar.report.names import file_name
from jaxcifar.report.sources import gather

QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)
HEADING = """# Verdicts

Written by `scripts/publish.py` from the claims.json files of this folder. A comparison *holds* if the difference is
significant after adjustment and the measured difference is at least the size that the claim asks for; the true one may
then still be somewhat smaller. *No difference larger than X* means that two one-sided tests exclude a difference of X
or more; a smaller one may well be significant. A claim *does not hold* if one of its comparisons does not."""
LAST = ("train_loss", "train_accuracy", "train_eval_loss", "train_eval_accuracy", "test_loss", "test_accuracy")


def main() -> None:
    """Publish the studies below a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of a study or a paper, with its report")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--figures", default="", help="words, joined by commas, in the names of the figures to copy")
    parser.add_argument("--report", action="store_true", help="draw the page of the report")
    options = parser.parse_args()
    try:
        found = read_studies(options.source)
    except UserError as error:
        parser.error(str(error))
    if problem := _refused(options.source, options.target, found, options.report):
        parser.error(problem)
    options.target.mkdir(parents=True, exist_ok=True)
    for study in found:
        name = file_name(study.name)
        shutil.copy(study.folder / judged.FILE, options.target / f"{name}{CLAIMS}")
        write_seeds(study.runs, options.target / f"{name}{SEEDS}")
    words = [word for word in options.figures.split(",") if word]
    for figure in sorted((options.source / "report" / "figures").glob("*.png")):
        if any(word in figure.stem for word in words):
            shutil.copy(figure, options.target / figure.name)
    for table in sorted((options.source / "report" / "tables").glob("*-results.csv")):
        shutil.copy(table, options.target / table.name)
    join(options.target)
    (options.target / "VERDICTS.md").write_text(verdicts(options.target), encoding="utf-8")
    if options.report:
        draw(options.source, options.target)
        (options.target / "index.html").unlink(missing_ok=True)
    else:
        (options.target / "index.html").write_text(published_page.page(options.target), encoding="utf-8")


def _refused(source: Path, target: Path, found: Sequence[StudyResults], report: bool) -> str:
    """Why the studies cannot be published; empty where they can."""
    if not (source / "report").is_dir():
        return f"{source} has no report/; give the folder of the report, or write it by jaxcifar report {source}."
    for study in found:
        if not (study.folder / judged.FILE).is_file():
            return f"{study.folder} has no {judged.FILE}; give the study's command again, which stores it."
        if len(twice := [f"{other.folder} ({other.data})" for other in found if other.name == study.name]) > 1:
            return (
                f"{source} holds {study.name} twice, in {' and '.join(twice)}; give a folder of one size and data set."
            )
    if (target / "report").is_dir() and not report:
        return f"{target} has the page of a report; give --report, or another folder."
    ours = {f"{file_name(study.name)}{CLAIMS}" for study in found}
    if report and (others := sorted({file.name for file in target.glob(f"*{CLAIMS}")} - ours)):
        return f"--report shows the studies of {source} alone, and {target} has {others[0]} too; give another folder."
    return ""


def draw(source: Path, target: Path) -> None:
    """Draw the page of a report into a published folder's report/, with its tables; its figures are in the page."""
    # As published: a later version of the program may judge records of an earlier one otherwise.
    claims = {(each.words.name, each.data): each.claims for each in published_page.studies(target)}
    sources = [replace(each, claims=claims[each.results.name, each.results.data]) for each in gather(source)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for part in ("figures", "tables"):
            (out / part).mkdir()
        text = page.render(source, sources, out, [], page.Files(formats=()))
        shutil.copytree(out / "tables", target / "report" / "tables", dirs_exist_ok=True)
    (target / "report" / "index.html").write_text(text, encoding="utf-8")


def join(folder: Path) -> None:
    """Decide the comparisons in the claims.json files of a folder again, adjusted for one another."""
    files = {file: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*{CLAIMS}"))}
    rows = [row for stored in files.values() for rows in stored["judged"].values() for row in rows if row.get("tests")]
    for row, claim in zip(rows, decided_together([Judged.from_json(row) for row in rows]), strict=True):
        row.update(verdict=claim.verdict, reasons=list(claim.reasons), tests=list(claim.tests))
    for file, stored in files.items():
        seal.write(file, {key: value for key, value in stored.items() if key != seal.KEY})


def write_seeds(runs: Sequence[Result], file: Path) -> None:
    """Write a row for each run and figure: the last epoch's, and quantiles of every per-step array."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["member", "seed", "status", "figure", "mean", *(f"q{q:g}" for q in QUANTILES)])
        writer.writerows(row for run in runs for row in _rows(run))


def _rows(run: Result) -> Iterator[list[Any]]:
    start = [run.member, run.seed, run.status]
    for key in LAST:
        rows = run.records.metrics if run.records else []
        if rows and key in rows[-1]:
            yield [*start, f"last {key}", f"{run.column(key)[-1]:.6g}", *[""] * len(QUANTILES)]
    steps = run.records.steps if run.records else {}
    for name in steps:
        values = run.step_values(name)
        values = values[np.isfinite(values)]
        if len(values):
            yield [*start, name, *(f"{v:.6g}" for v in (values.mean(), *np.quantile(values, QUANTILES)))]


def verdicts(folder: Path) -> str:
    """Return a table of the verdicts in the claims.json files of a folder, in Markdown."""
    parts = []
    for found in published_page.studies(folder):
        words, claims = found.words, found.claims
        size = next((f", {each.size}" for each in claims if each.size), ", full size" if claims else "")
        # A study without a section would have two blanks in its title.
        title = f"## {words.section} {words.title}".replace("##  ", "## ")
        head = f"`{words.name}` on {found.data}{size}."
        table = ["| claim | verdict | numbers | why |", "|---|---|---|---|", *(_row(each) for each in claims)]
        parts.append("\n".join([title, "", head, *(["", *table] if claims else [])]))
    return "\n\n".join([HEADING, *parts]) + "\n"


def _row(claim: Judged) -> str:
    numbers = "; ".join(f"{number.quantity}, {number.label}: {number.text}" for number in claim.numbers)
    cells = (claim.statement, f"**{claim.answer}**", numbers, claim.decides)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    main()
