"""The content of a page: a study's records, its words and the verdicts on its claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.claims import Judged, judge_page
from jaxcifar.claims.together import decided_together
from jaxcifar.claims.verdict import with_absent
from jaxcifar.config import Paper, Run, Study, UserError, Words, shipped
from jaxcifar.config.stored import read_studies
from jaxcifar.records import judged as stored_claims
from jaxcifar.records.study import StudyResults, Wanted
from jaxcifar.report.caption import labels
from jaxcifar.report.line_styles import by_rate


@dataclass(frozen=True)
class Source:
    """A study's results on one data set, its words, and the verdicts on its claims."""

    results: StudyResults
    words: Words
    claims: tuple[Judged, ...]
    shipped: bool = True


def gather(folder: Path, config: Run | Study | Paper | None = None) -> list[Source]:
    """Return every study below a folder with its words and verdicts, in the order of the text.

    They come from the given config; else from the shipped study of that name; else, and where the study was trained
    from a user's own file, from claims.json. A record never names code that is then run.

    Args:
        folder: a paper's, a study's or a run's folder, or one above several of them.
        config: a user's own study, or a paper of them.

    Raises:
        UserError: the folder holds no records, or the config is of none of its studies.
    """
    found = read_studies(folder)
    own = _own(config, found)
    told = [_told(results, own) for results in found]
    # All studies are judged in one call, because p values are adjusted for all comparisons of a page.
    judged = iter(judge_page([(one.study, one.results) for one in told if one.study]))
    claims = [tuple(next(judged)) if one.study else one.stored for one in told]
    if any(one.stored for one in told):
        # Those that a file keeps were decided for another page.
        again = iter(decided_together([claim for row in claims for claim in row]))
        claims = [tuple(next(again) for _ in row) for row in claims]
    sources = [
        Source(one.results, one.words, row, one.study is not None) for one, row in zip(told, claims, strict=True)
    ]
    return sorted(sources, key=lambda source: source.words.order)


def store_claims(folder: Path, config: Study | Paper, *, is_shipped: bool) -> None:
    """Write claims.json into the folders of a config's studies, with what can be judged now."""
    by_folder: dict[Path, list[Source]] = {}
    studies = {study.name for study in (config.studies if isinstance(config, Paper) else (config,))}
    for source in gather(folder, config):
        # Other studies may lie below the folder; their claims are theirs.
        if source.results.name in studies:
            by_folder.setdefault(source.results.folder, []).append(source)
    for place, sources in by_folder.items():
        judged = {source.results.data: [claim.to_json() for claim in source.claims] for source in sources}
        stored_claims.write(place, sources[0].words.to_json(), judged, shipped=is_shipped)


def _own(config: Run | Study | Paper | None, found: Sequence[StudyResults]) -> dict[str, Study]:
    match config:
        case None:
            return {}
        case Run():
            raise UserError(f"The config is the run {config.name!r}; a report takes the words and claims of a Study.")
        case Study():
            own = {config.name: config}
        case Paper():
            own = {study.name: study for study in config.studies}
    names = list(dict.fromkeys(results.name for results in found))
    if not set(names) & set(own):
        # The name of a study may be what is damaged.
        damage = "".join(f" {problem}" for results in found for problem in results.problems)
        raise UserError(f"The config is of {', '.join(own)}; the folder has the records of {', '.join(names)}.{damage}")
    return own


@dataclass(frozen=True)
class _Told:
    """A study's results with its words, and the study itself where its claims can be judged."""

    results: StudyResults
    words: Words
    study: Study | None = None
    stored: tuple[Judged, ...] = ()
    """The verdicts of claims.json, where there is no study to judge by."""


def _told(results: StudyResults, own: dict[str, Study]) -> _Told:
    problems = list(results.problems)
    stored = stored_claims.read(results.folder, problems)
    study = own.get(results.name)
    # A user's own study may have a shipped one's name; that one's claims must not judge it.
    if study is None and (not stored or stored["shipped"]):
        study = shipped.find(results.name)
    if study is not None and results.size in study.sizes:
        study = study.sized(results.size)
    if study is not None:
        return _Told(with_absent(study, _described(results, study.words)), study.words, study)
    try:
        words = Words.from_json(stored["words"]) if stored else _plain_words(results)
        claims = tuple(Judged.from_json(row) for row in stored["judged"].get(results.data, ())) if stored else ()
    except (LookupError, TypeError, AttributeError) as error:
        problems.append(f"{results.folder / stored_claims.FILE} is of another form and was left out: {error!r}")
        words, claims = Words(results.name), ()
    results = dataclasses.replace(results, problems=tuple(problems))
    return _Told(_described(results, words), words, stored=claims)


def _plain_words(results: StudyResults) -> Words:
    """The words of runs that no study tells of: they have as many images as they were meant to have."""
    first = next((run.config for run in results.runs if run.config), None)
    if first is None or first.name in shipped.names():
        return Words(results.name)
    return Words(
        results.name, source=first.data.source, train_size=first.data.train_size, test_size=first.data.test_size
    )


def _described(results: StudyResults, words: Words) -> StudyResults:
    """The results with labels and the images that the study asks for, members in the order of their rates."""
    named = labels(results, {member: said.label for member, said in words.members.items() if said.label})
    wanted = Wanted(words.source, words.train_size, words.test_size)
    return by_rate(dataclasses.replace(results, labels=named, wanted=wanted))
