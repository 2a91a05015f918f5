"""The page of a published folder, from its files alone: claims, tables and pictures, without the records.

It lacks what only records hold, such as panels whose lines can be hidden, so that a folder of a few megabytes shows
what a study of many hours found. `scripts/publish.py` writes it. After a change of the page's form or of a study's
words, write those of all folders again:

python scripts/published_page.py docs/results/*/
"""

from __future__ import annotations

import argparse
import csv
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jaxcifar.claims import Judged, Number
from jaxcifar.config import Run, Study, Words, labels, shipped
from jaxcifar.measures import Axis
from jaxcifar.report.caption import DATA_NAMES, TRAINING_MODE, Provenance, seeds_told
from jaxcifar.report.figure import Figure
from jaxcifar.report.names import file_name
from jaxcifar.report.page import Files, compose
from jaxcifar.report.sections import Section
from jaxcifar.report.tables import Cell, Table, leading, settings_of

CLAIMS, RESULTS, SEEDS = ".claims.json", "-results.csv", ".seeds.csv"
"""The ends of a study's files."""
QUANTILES = {"median": "q0.5", "90%": "q0.9", "99%": "q0.99", "maximum": "q1"}
"""The columns of the table of measures, and those of a file of seeds."""
FILES = Files(figures="", tables="", formats=("png",), images="'self' file: data:", is_whole=False)
Row = dict[str, str]
"""Of a file of seeds."""


def main() -> None:
    """Write the pages of published folders that have no report of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders; those without verdicts are passed over")
    folders = parser.parse_args().folders
    for folder in folders:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder; give those that scripts/publish.py wrote.")
    for folder in folders:
        if any(folder.glob(f"*{CLAIMS}")) and not (folder / "report").is_dir():
            (folder / "index.html").write_text(page(folder), encoding="utf-8")


@dataclass(frozen=True)
class Published:
    """A study in a published folder."""

    words: Words
    data: str
    claims: tuple[Judged, ...]
    is_shipped: bool

    @property
    def file(self) -> str:
        """How the names of its files begin."""
        return file_name(self.words.name)

    @property
    def size(self) -> str:
        """The name of its size, as far as its claims tell it."""
        return next((claim.size.split()[1] for claim in self.claims if claim.size), "").rstrip(":")


def studies(folder: Path) -> list[Published]:
    """Return the studies of a published folder, in the order of the text."""
    found = []
    for file in sorted(folder.glob(f"*{CLAIMS}")):
        stored = json.loads(file.read_text(encoding="utf-8"))
        words = Words.from_json(stored["words"])
        for data, rows in stored["judged"].items():
            found.append(Published(words, data, tuple(map(Judged.from_json, rows)), stored["shipped"]))
    return sorted(found, key=lambda each: each.words.order)


def page(folder: Path) -> str:
    """Return the page of a published folder, in HTML.

    Args:
        folder: of files NAME.claims.json and, where there are any, NAME-results.csv, NAME.seeds.csv and NAME-*.png.
    """
    found = studies(folder)
    # A study without claims does not tell its size, which is that of the others.
    size = next((each.size for each in found if each.size), "")
    figures = _by_study(folder, [each.file for each in found])
    rows = {each.file: rows_of(folder / f"{each.file}{SEEDS}") for each in found}
    sections = [_section(folder, each, each.size or size, rows[each.file], figures[each.file]) for each in found]
    ended = {(name, row["member"], row["seed"]): _has_ended(row) for name, own in rows.items() for row in own}
    told = f"{len(found)} stud{'y' if len(found) == 1 else 'ies'}"
    if not all(ended.values()):
        told = f"{sum(ended.values()):,} of {len(ended):,} runs have come to their end"
    elif ended:
        told += f" of {len(ended):,} runs"
    return compose(
        folder.resolve().name,
        sections,
        {each.name: [_picture(each)] for section in sections for each in section.figures},
        data=", ".join(dict.fromkeys(section.provenance.data for section in sections)),
        runs=told,
        scaled=any(claim.scaled for each in found for claim in each.claims),
        files=FILES,
    )


def _by_study(folder: Path, names: Sequence[str]) -> dict[str, list[Path]]:
    """The pictures of each study: a file belongs to the longest name with which it begins."""
    found: dict[str, list[Path]] = {name: [] for name in names}
    for file in sorted(folder.glob("*.png"), key=lambda file: file.stem):
        own = [name for name in names if file.stem.startswith(f"{name}-")]
        if own:
            found[max(own, key=len)].append(file)
    return found


def _section(folder: Path, published: Published, size: str, rows: list[Row], pictures: list[Path]) -> Section:
    words, claims = published.words, published.claims
    study = study_of(published, size)
    is_scaled = any(claim.scaled for claim in claims)
    runs = _runs(study, rows)
    names = names_of(published, study, rows)
    known = _known(published, study)
    measured = _measured(published.file, rows, known, names)
    unfinished = len({(row["member"], row["seed"]) for row in rows if not _has_ended(row)})
    several = "runs have" if unfinished > 1 else "run has"
    # Those of the study's file, which scaled runs do not have.
    settings = None if is_scaled else settings_of(list(runs.values()), words)
    return Section(
        key=published.file,
        words=words,
        title=words.title,
        provenance=_provenance(published, study, size, rows),
        missing=f"{unfinished} {several} not come to the end." if unfinished else "",
        results=_results(folder / f"{published.file}{RESULTS}", rows, study),
        tables=(measured,) if measured.rows else (),
        settings=replace(settings, name="") if settings else None,
        figures=tuple(_figures(published, pictures, known)),
        claims=claims,
    )


def _runs(study: Study | None, rows: list[Row]) -> dict[str, Run]:
    """The configs of the shipped study's members that are there; all where no seeds are."""
    there = {row["member"] for row in rows}
    return {each.name: each.run for each in study.members() if not there or each.name in there} if study else {}


def names_of(published: Published, study: Study | None, rows: list[Row]) -> dict[str, str]:
    """Return the labels of the members, as far as they are known."""
    named = {member: said.label for member, said in published.words.members.items() if said.label}
    return labels(_runs(study, rows), study.own_labels) if study else named


def study_of(published: Published, size: str) -> Study | None:
    """Return the shipped study at a size; None for one's own."""
    study = shipped.find(published.words.name) if published.is_shipped else None
    if study is None or not size:
        return study
    return study.sized(size) if size in study.sizes else None


def _provenance(published: Published, study: Study | None, size: str, rows: list[Row]) -> Provenance:
    of_members: dict[str, set[int]] = {}
    for row in rows:
        of_members.setdefault(row["member"], set()).add(int(row["seed"]))
    scaled = "scaled" if any(claim.scaled for claim in published.claims) else ""
    return Provenance(
        data=DATA_NAMES.get(published.data, published.data),
        networks="",
        batch="",
        device="",
        versions="",
        seeds=seeds_told(list(of_members.values())),
        command="" if scaled else _command(study, size, of_members),
        scaled=scaled or (study.size_title or "full size" if study else ""),
    )


def _command(study: Study | None, size: str, of_members: Mapping[str, set[int]]) -> str:
    """What trains the same members and seeds, or more seeds of some; empty where no command does."""
    seeds = sorted(set().union(*of_members.values()))
    if study is None or not seeds or seeds[-1] - seeds[0] != len(seeds) - 1:
        return ""
    if {member.name for member in study.members()} != set(of_members):
        return ""
    command = f"python scripts/run.py --config configs/{study.name}.py" + (f" --size {size}" if size else "")
    if tuple(seeds) == study.seeds:
        return command
    return f"{command} --seeds {len(seeds) if seeds[0] == 0 else f'{seeds[0]}-{seeds[-1]}'}"


@dataclass(frozen=True)
class _Known:
    """Title, caption and content of a figure, as known without records."""

    title: str
    caption: str
    shows: frozenset[str]
    """As in `Figure`."""
    series: tuple[Axis, ...] = ()
    """The axes of a step measure that has one value a step."""


def _known(published: Published, study: Study | None) -> dict[str, _Known]:
    """The figures of training, and those that a study's measures ask for, by the ends of their files' names."""
    said = "After each epoch. Line: mean over seeds; band, where there are several: least to greatest."
    columns = frozenset(f"{kind}_{what}" for kind in ("train", "train_eval", "test") for what in ("loss", "accuracy"))
    found = {"epochs": _Known(f"{published.words.title}: loss and accuracy", said, columns)}
    said = f"Least and greatest at each step, mean over seeds; {TRAINING_MODE}. The picture names the network."
    for name, which in (("band", ""), ("band-2", ", other settings")):
        found[name] = _Known(f"Band of the train loss over learning rates{which}", said, frozenset({"loss"}))
    found["gradients"] = _Known("The gradient's way through the layers", "", frozenset({"gradients"}))
    # Nothing else is known of the measures of one's own, whose figures bear the names of their arrays.
    records = {number.record for claim in published.claims for number in claim.numbers if "/" in number.record}
    for record in sorted(records) if study is None else ():
        title = record.replace("/", ", ").replace("_", " ").strip(", ")
        found[_end(record)] = _Known(title, "", frozenset({record}), (Axis(title, (record,)),))
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


def _end(record: str) -> str:
    """How the name of the figure of an array ends."""
    return file_name(record).replace("_", "-")


def _results(file: Path, rows: list[Row], study: Study | None) -> Table:
    lines = list(csv.reader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else [["run"]]
    # A column such as the seconds, of which no run has a comparable one, says nothing.
    told = [column for column in zip(*lines, strict=True) if {*column[1:]} != {"-"}]
    columns, *bodies = zip(*told, strict=True)
    theirs = [column.endswith(", study") for column in columns]
    cells = [
        [Cell(body[0]), *(Cell(text, leading(text), study=of) for text, of in zip(body[1:], theirs[1:], strict=True))]
        for body in bodies
    ]
    caption = "Losses and accuracies of the last epoch; best: highest test accuracy of all epochs."
    if _is_evaluated(rows):
        caption += " Train losses are of evaluation mode."
    elif rows:
        caption += " Train losses are means over the steps, of training mode."
        if study and any(member.run.evaluate_train for member in study.members()):
            caption += " A new training has those of evaluation mode too, and is judged by them."
    if any("= " in body[0] for body in bodies):
        caption += " = names the run of another study that was trained instead, for the seeds that both have."
    caption += " Mean ± standard error over seeds." if any("±" in text for body in bodies for text in body) else ""
    return Table(file.stem, "Results", columns, cells, caption)


def _is_evaluated(rows: list[Row]) -> bool:
    """Whether every run has a train loss of evaluation mode, which the table of results then shows."""
    running, evaluated = (
        {(row["member"], row["seed"]) for row in rows if row["figure"] == f"last {key}"}
        for key in ("train_loss", "train_eval_loss")
    )
    return bool(evaluated) and running == evaluated


def _measured(name: str, rows: list[Row], known: dict[str, _Known], names: dict[str, str]) -> Table:
    """Quantiles of each seed's measured steps, averaged over seeds."""
    headings = {axis.arrays[0]: axis.heading for each in known.values() for axis in each.series}
    found: dict[tuple[str, str], list[list[float]]] = {}
    trained = {row["member"] for row in rows if row["status"] == "finished"}
    for row in rows:
        # As in claims, a seed that diverged does not enter where others did not.
        if row["figure"] in headings and row["q1"] and (row["status"] == "finished" or row["member"] not in trained):
            values = [float(row[column]) for column in QUANTILES.values()]
            found.setdefault((row["figure"], row["member"]), []).append(values)
    cells = []
    for array in headings:
        for (figure, member), values in found.items():
            if figure == array:
                means = [Number("", "", tuple(column)) for column in zip(*values, strict=True)]
                # Six digits, so that the page is the same on every machine.
                own = [Cell(each.text, float(f"{np.mean(each.values):.6g}")) for each in means]
                cells.append([Cell(headings[array]), Cell(names.get(member, member)), *own])
    caption = f"Over all measured steps of a seed, {TRAINING_MODE}; mean ± standard error over seeds."
    return Table(f"{name}.seeds", "Measures along training", ("measure", "run", *QUANTILES), cells, caption)


def _figures(published: Published, files: list[Path], known: dict[str, _Known]) -> Iterator[Figure]:
    for file in files:
        name = file.stem.removeprefix(f"{published.file}-")
        each = known.get(name, _Known(name.replace("-", " ").capitalize(), "", frozenset()))
        caption = "" if each.caption == f"{each.title}." else f"{each.caption} "
        caption += "The picture names its own seeds."
        yield Figure(file.stem, each.title, caption, panels=(), shows=each.shows)


def _picture(figure: Figure) -> str:
    """The picture, which a click shows in its full size."""
    alt = html.escape(f"{figure.title}. {figure.caption}")
    return f'<a href="{figure.name}.png"><img src="{figure.name}.png" alt="{alt}" loading="lazy"></a>'


def _has_ended(row: Row) -> bool:
    return row["status"] in ("finished", "diverged")


def rows_of(file: Path) -> list[Row]:
    """Return the rows of a seeds file, or an empty list if the file is missing."""
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []


if __name__ == "__main__":
    main()
