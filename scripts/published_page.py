"""The page of a published folder, from its files alone: claims, tables and pictures, without the records.

It is the page of a report without what only records hold (settings, panels whose lines can be hidden), so that a folder
of a few megabytes shows what a study of many hours found. `scripts/publish.py` writes it; after a change of the page's
looks or of a study's words, write those of all folders again:

python scripts/published_page.py docs/results/*/
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.claims import Judged, Number
from jaxcifar.config import Study, Words, labels, shipped
from jaxcifar.measures import Axis
from jaxcifar.report.caption import DATA_NAMES, TRAINING_MODE, Provenance, seeds_told
from jaxcifar.report.figure import Figure
from jaxcifar.report.names import file_name
from jaxcifar.report.page import Files, compose
from jaxcifar.report.sections import Section
from jaxcifar.report.tables import Cell, Table

CLAIMS, RESULTS, SEEDS = ".claims.json", "-results.csv", ".seeds.csv"
"""The ends of a study's files."""
QUANTILES = {"median": "q0.5", "90%": "q0.9", "99%": "q0.99", "maximum": "q1"}
"""The columns of the table of measures, and those of a file of seeds."""
FILES = Files(figures="", tables="", formats=("png",), images="'self' file: data:")


def main() -> None:
    """Write the pages of published folders that have no report of their own; other folders are passed over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders that scripts/publish.py wrote")
    for folder in parser.parse_args().folders:
        if any(folder.glob(f"*{CLAIMS}")) and not (folder / "report").is_dir():
            (folder / "index.html").write_text(page(folder))


def page(folder: Path) -> str:
    """Return the page of a published folder, in HTML.

    Args:
        folder: of files NAME.claims.json and, where there are any, NAME-results.csv, NAME.seeds.csv and NAME-*.png.
    """
    sections, panels, runs, data = [], {}, 0, {}
    for words, judged in studies(folder):
        for name, claims in judged.items():
            section = _section(folder, words, name, claims)
            sections.append(section)
            data[section.provenance.data] = None
            panels |= {each.name: [_picture(each)] for each in section.figures}
        runs += len({(row["member"], row["seed"]) for row in _rows(folder / f"{words.name}{SEEDS}")})
    several = f"{len(sections)} stud{'y' if len(sections) == 1 else 'ies'}"
    told = f"{several} of {runs:,} runs" if runs else several
    return compose(folder.name, sections, panels, data=", ".join(data), runs=told, files=FILES)


def studies(folder: Path) -> list[tuple[Words, dict[str, list[Judged]]]]:
    """Return the words of each study of a published folder and its claims by data set, in the order of the text."""
    stored = [json.loads(file.read_text()) for file in sorted(folder.glob(f"*{CLAIMS}"))]
    found = [
        (Words.from_json(each["words"]), {data: list(map(Judged.from_json, rows)) for data, rows in judged.items()})
        for each in stored
        if (judged := each["judged"])
    ]
    return sorted(found, key=lambda each: each[0].order)


def _section(folder: Path, words: Words, data: str, claims: list[Judged]) -> Section:
    size = next((claim.size for claim in claims if claim.size), "")
    study = _study(words, size)
    named = {member: said.label for member, said in words.members.items() if said.label}
    names = labels({each.name: each.run for each in study.members()}, study.own_labels) if study else named
    command = f"python scripts/run.py --config configs/{words.name}.py" if study else ""
    command += f" --size {size.split()[1]}" if study and size else ""
    seeds = _rows(folder / f"{words.name}{SEEDS}")
    of_members: dict[str, set[int]] = {}
    for row in seeds:
        of_members.setdefault(row["member"], set()).add(int(row["seed"]))
    known = _known(words, study)
    measured = _measured(words.name, seeds, known, names)
    return Section(
        key=words.name,
        words=words,
        title=words.title,
        provenance=Provenance(
            data=DATA_NAMES.get(data, data),
            networks="",
            batch="",
            device="",
            versions="",
            seeds=seeds_told(list(of_members.values())),
            command=command,
            scaled=size or "full size",
        ),
        missing="",
        results=_results(folder / f"{words.name}{RESULTS}", _is_evaluated(seeds)),
        tables=(measured,) if measured.rows else (),
        settings=None,
        figures=tuple(_figures(folder, words, known)),
        claims=tuple(claims),
    )


def _study(words: Words, size: str) -> Study | None:
    """The shipped study of these words at a size; None for one's own."""
    study = shipped.find(words.name)
    wanted = size.split()[1] if size else ""
    return study.sized(wanted) if study and wanted in ("", *study.sizes) else None


@dataclass(frozen=True)
class _Known:
    """What is known of a figure without records."""

    title: str
    caption: str
    shows: frozenset[str]
    """As in `Figure`."""
    series: tuple[Axis, ...] = ()
    """The axes of a step measure that has one value a step."""


def _known(words: Words, study: Study | None) -> dict[str, _Known]:
    """The figures of training, and those that a study's measures ask for, by the ends of their files' names."""
    said = "After each epoch. Line: mean over seeds; band: least to greatest."
    columns = frozenset(f"{kind}_{what}" for kind in ("train", "train_eval", "test") for what in ("loss", "accuracy"))
    found = {"epochs": _Known(f"{words.title}: loss and accuracy", said, columns)}
    said = f"Least and greatest at each step, mean over seeds; {TRAINING_MODE}. The picture names the network."
    for name in ("band", "band-2"):
        found[name] = _Known("Band of the train loss over learning rates", said, frozenset({"loss"}))
    found["gradients"] = _Known("The gradient's way through the layers", "", frozenset({"gradients"}))
    for run in [member.run for member in study.members()] if study else []:
        for measure in run.step_measures:
            for each in measure.displays({}):
                series = each.axes if each.kind == "series" else ()
                found[file_name(each.name)] = _Known(each.title, each.caption, frozenset(each.arrays), series)
        for measure in run.snapshot_measures:
            for each in measure.displays():
                shows = frozenset(f"{measure.name}/{array}" for array in each.arrays)
                found[file_name(each.name)] = _Known(each.title, each.caption, shows)
    return found


def _is_evaluated(seeds: list[dict[str, str]]) -> bool:
    """Whether every run has its train loss of evaluation mode, which the table of results then shows."""
    running, evaluated = (
        {(row["member"], row["seed"]) for row in seeds if row["figure"] == f"last {key}"}
        for key in ("train_loss", "train_eval_loss")
    )
    return bool(seeds) and running == evaluated


def _results(file: Path, evaluated: bool) -> Table:
    lines = list(csv.reader(file.open())) if file.is_file() else [["run"]]
    # A column such as the seconds, of which no run has a comparable one, says nothing.
    told = [column for column in zip(*lines, strict=True) if {*column[1:]} != {"-"}]
    columns, *rows = zip(*told, strict=True)
    caption = "Losses and accuracies of the last epoch; best: highest test accuracy of all epochs. "
    caption += "Train losses are of evaluation mode. " if evaluated else ""
    cells = [[Cell(row[0]), *(Cell(text, _leading(text)) for text in row[1:])] for row in rows]
    return Table(file.stem, "Results", columns, cells, caption + "Mean ± standard error over seeds.")


def _leading(text: str) -> float:
    """The number with which a cell begins; NaN where there is none."""
    found = re.match(r"-?[\d,]+(\.\d+)?([eE][-+]?\d+)?", text)
    return float(found[0].replace(",", "")) if found else float("nan")


def _measured(study: str, seeds: list[dict[str, str]], known: dict[str, _Known], names: dict[str, str]) -> Table:
    """Quantiles of each seed's measured steps, averaged over seeds."""
    headings = {axis.arrays[0]: axis.heading for each in known.values() for axis in each.series}
    found: dict[tuple[str, str], list[list[float]]] = {}
    for row in seeds:
        if row["figure"] in headings:
            values = [float(row[column]) for column in QUANTILES.values()]
            found.setdefault((row["figure"], row["member"]), []).append(values)
    rows = []
    for array in headings:
        for (figure, member), values in found.items():
            if figure == array:
                means = [Number("", "", tuple(column)) for column in zip(*values, strict=True)]
                # Six digits, so that the page is the same on every machine.
                cells = [Cell(each.text, float(f"{np.mean(each.values):.6g}")) for each in means]
                rows.append([Cell(headings[array]), Cell(names.get(member, member)), *cells])
    caption = f"Over all measured steps of a seed, {TRAINING_MODE}; mean ± standard error over seeds."
    return Table(f"{study}.seeds", "Measures along training", ("measure", "run", *QUANTILES), rows, caption)


def _figures(folder: Path, words: Words, known: dict[str, _Known]) -> Iterator[Figure]:
    for file in sorted(folder.glob(f"{words.name}-*.png")):
        name = file.stem.removeprefix(f"{words.name}-")
        each = known.get(name, _Known(name.replace("-", " ").capitalize(), "", frozenset()))
        caption = "" if each.caption == f"{each.title}." else each.caption
        yield Figure(file.stem, each.title, caption, panels=(), shows=each.shows)


def _picture(figure: Figure) -> str:
    return f'<img src="{figure.name}.png" alt="{html.escape(f"{figure.title}. {figure.caption}")}" loading="lazy">'


def _rows(file: Path) -> list[dict[str, Any]]:
    return list(csv.DictReader(file.open())) if file.is_file() else []


if __name__ == "__main__":
    main()
