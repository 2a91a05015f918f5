"""Copy what a study or a paper found, without its large arrays, and the table of its verdicts.

python scripts/publish.py runs/course docs/results/course --figures band,beta-same-batch

For every study: claims.json (verdicts with each seed's numbers and p values), the table of results, and seeds.csv,
which has quantiles of every measure for each seed; and VERDICTS.md, written from the claims.json files alone, so that a
test can write it again. Figures are the PNG files of the report whose names contain one of the given words. Where the
target holds other studies already, the p values of all of them are adjusted together, as on one page.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.claims import Judged
from jaxcifar.claims.together import decided_together
from jaxcifar.config.stored import read_studies
from jaxcifar.records import seal
from jaxcifar.records.study import Result

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
    options = parser.parse_args()
    options.target.mkdir(parents=True, exist_ok=True)
    for study in read_studies(options.source):
        shutil.copy(study.folder / "claims.json", options.target / f"{study.name}.claims.json")
        write_seeds(study.runs, options.target / f"{study.name}.seeds.csv")
    words = [word for word in options.figures.split(",") if word]
    for figure in sorted((options.source / "report" / "figures").glob("*.png")):
        if any(word in figure.stem for word in words):
            shutil.copy(figure, options.target / figure.name)
    for table in sorted((options.source / "report" / "tables").glob("*-results.csv")):
        shutil.copy(table, options.target / table.name)
    join(options.target)
    (options.target / "VERDICTS.md").write_text(verdicts(options.target))


def join(folder: Path) -> None:
    """Decide the comparisons in the claims.json files of a folder again, adjusted for one another."""
    files = {file: _read(file) for file in sorted(folder.glob("*.claims.json"))}
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
    for file in sorted(folder.glob("*.claims.json"), key=lambda path: _order(_read(path))):
        stored = _read(file)
        for data, rows in stored["judged"].items():
            judged = [Judged.from_json(row) for row in rows]
            words = stored["words"]
            size = next((f", {each.size}" for each in judged if each.size), ", full size" if judged else "")
            # A study without a section would have two blanks in its title.
            title = f"## {words['section']} {words['title']}".replace("##  ", "## ")
            head = f"`{words['name']}` on {data}{size}."
            table = ["| claim | verdict | numbers | why |", "|---|---|---|---|", *(_row(each) for each in judged)]
            parts.append("\n".join([title, "", head, *(["", *table] if judged else [])]))
    return "\n\n".join([HEADING, *parts]) + "\n"


def _order(stored: dict[str, Any]) -> tuple[Any, ...]:
    from jaxcifar.config.words import Words

    return Words.from_json(stored["words"]).order


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def _row(judged: Judged) -> str:
    numbers = "; ".join(f"{number.quantity}, {number.label}: {number.text}" for number in judged.numbers)
    cells = (judged.statement, f"**{judged.answer}**", numbers, judged.decides)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    main()
