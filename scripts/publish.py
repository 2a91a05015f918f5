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
from pathlib import Path
from typing import Any

import numpy as np
import published_page
from published_page import CLAIMS, SEEDS

from jaxcifar.claims import Judged
from jaxcifar.claims.together import decided_together
from jaxcifar.config.stored import read_studies
from jaxcifar.records import seal
from jaxcifar.records.study import Result
from jaxcifar.report import page
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
    found = read_studies(options.source)
    for name in {study.name for study in found}:
        if len(data := [study.data for study in found if study.name == name]) > 1:
            parser.error(f"{options.source} holds {name} on {' and '.join(data)}; give a folder of one data set.")
    options.target.mkdir(parents=True, exist_ok=True)
    for study in found:
        shutil.copy(study.folder / "claims.json", options.target / f"{study.name}{CLAIMS}")
        write_seeds(study.runs, options.target / f"{study.name}{SEEDS}")
    words = [word for word in options.figures.split(",") if word]
    for figure in sorted((options.source / "report" / "figures").glob("*.png")):
        if any(word in figure.stem for word in words):
            shutil.copy(figure, options.target / figure.name)
    for table in sorted((options.source / "report" / "tables").glob("*-results.csv")):
        shutil.copy(table, options.target / table.name)
    join(options.target)
    (options.target / "VERDICTS.md").write_text(verdicts(options.target))
    if options.report:
        draw(options.source, options.target / "report")
    elif not (options.target / "report").is_dir():
        (options.target / "index.html").write_text(published_page.page(options.target))


def draw(source: Path, target: Path) -> None:
    """Draw the page of a report, which shows its figures itself, with its tables beside it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for part in ("figures", "tables"):
            (out / part).mkdir()
        text = page.render(source, gather(source), out, [], page.Files(formats=()))
        shutil.copytree(out / "tables", target / "tables", dirs_exist_ok=True)
    (target / "index.html").write_text(text)


def join(folder: Path) -> None:
    """Decide the comparisons in the claims.json files of a folder again, adjusted for one another."""
    files = {file: json.loads(file.read_text()) for file in sorted(folder.glob(f"*{CLAIMS}"))}
    rows = [row for stored in files.values() for rows in stored["judged"].values() for row in rows if row.get("tests")]
    for row, claim in zip(rows, decided_together([Judged.from_json(row) for row in rows]), strict=True):
        row.update(verdict=claim.verdict, reasons=list(claim.reasons), tests=list(claim.tests))
    for file, stored in files.items():
        seal.write(file, {key: value for key, value in stored.items() if key != seal.KEY})


def write_seeds(runs: Sequence[Result], file: Path) -> None:
    """Write a row for each run and figure: the last epoch's, and quantiles of every per-step array."""
    with file.open("w", newline="") as text:
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
    for words, found in published_page.studies(folder):
        for data, judged in found.items():
            size = next((f", {each.size}" for each in judged if each.size), ", full size" if judged else "")
            # A study without a section would have two blanks in its title.
            title = f"## {words.section} {words.title}".replace("##  ", "## ")
            head = f"`{words.name}` on {data}{size}."
            table = ["| claim | verdict | numbers | why |", "|---|---|---|---|", *(_row(each) for each in judged)]
            parts.append("\n".join([title, "", head, *(["", *table] if judged else [])]))
    return "\n\n".join([HEADING, *parts]) + "\n"


def _row(judged: Judged) -> str:
    numbers = "; ".join(f"{number.quantity}, {number.label}: {number.text}" for number in judged.numbers)
    cells = (judged.statement, f"**{judged.answer}**", numbers, judged.decides)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    main()
