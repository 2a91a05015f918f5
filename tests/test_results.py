"""The published results: every table is written again from the committed numbers, every p value computed again."""

from __future__ import annotations

import csv
import dataclasses
import html
import importlib
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jaxcifar.claims.together import decided_together
from jaxcifar.config import shipped
from jaxcifar.report.tables import leading

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))
publish = importlib.import_module("publish")
published_page = importlib.import_module("published_page")

FOLDERS = sorted(file.parent for file in (ROOT / "docs" / "results").glob("*/VERDICTS.md"))


def comparisons_of(folder: Path) -> list[dict[str, Any]]:
    """The comparisons of all claims of a page, in the page's order."""
    files = [json.loads(file.read_text()) for file in folder.glob("*.claims.json")]
    return [test for stored in files for rows in stored["judged"].values() for row in rows for test in row["tests"]]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_table_of_verdicts_says_what_the_claims_say(folder: Path):
    assert (folder / "VERDICTS.md").read_text() == publish.verdicts(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_page_is_that_of_the_files(folder: Path):
    """The report itself, or a page from the committed files, of which every picture and table is there."""
    if (folder / "report").is_dir():
        page = folder / "report" / "index.html"
    else:
        page = folder / "index.html"
        assert page.read_text() == published_page.page(folder)
    named = re.findall(r'(?:href|src)="([^"#:]+)"', page.read_text())
    assert [name for name in named if not (page.parent / name).is_file()] == []
    assert not ((folder / "report").is_dir() and (folder / "index.html").exists())
    told = html.unescape(page.read_text())
    for claim in chain.from_iterable(study.claims for study in published_page.studies(folder)):
        texts = [claim.statement, claim.definition, claim.label, *claim.reasons, *claim.others]
        assert [text for text in (*texts, *(number.text for number in claim.numbers)) if text not in told] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_deciding_again_changes_nothing(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    publish.join(tmp_path)
    for file in folder.glob("*.claims.json"):
        assert (tmp_path / file.name).read_text() == file.read_text()


def test_a_stored_value_that_was_not_finite_is_read(tmp_path: Path):
    values = {"what": "x", "relation": "greater", "a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0], "by": 0.1, "log": False}
    test = {"kind": "Order", **values, "resolution": 0.0, "negated": False}
    own = {"statement": "s", "definition": "d", "numbers": [], "seeds": 3, "data": "cifar10", "verdict": "holds"}
    rows = [{**own, "reasons": [], "tests": [test]}, {**own, "reasons": ["of old"]}]
    (tmp_path / "x.claims.json").write_text(json.dumps({"judged": {"cifar10": rows}}))
    publish.join(tmp_path)
    first, second = json.loads((tmp_path / "x.claims.json").read_text())["judged"]["cifar10"]
    assert (first["verdict"], first["reasons"]) == ("not decided", ["x: not finite"])
    assert second == rows[1]


def one_sided(test: dict[str, Any], shift: float, alternative: str) -> float:
    """SciPy's p value of a difference, or of a mean and its level, after a shift."""
    if "a" in test:
        a, b = np.array(test["a"]), np.array(test["b"])
        # The rounding of epochs widens the error.
        rounding = test.get("resolution", 0) ** 2 / 12
        spread = [np.sqrt(np.var(arm, ddof=1) + rounding) for arm in (a, b)]
        arms = np.mean(a) + shift, spread[0], len(a), np.mean(b), spread[1], len(b)
        return stats.ttest_ind_from_stats(*arms, False, alternative).pvalue
    return stats.ttest_1samp(np.array(test["values"]) + shift, test["level"], alternative=alternative).pvalue


def margin(test: dict[str, Any]) -> float:
    """The difference that a claim of equality allows; 0 for other claims."""
    return test["within"] if test["kind"] == "Equivalence" else test["by"] if test.get("side") == "about" else 0.0


def p_value(test: dict[str, Any]) -> float:
    """The two-sided p value of a difference or, in a claim of equality, of one beyond its margin."""
    return min(1.0, 2 * min(one_sided(test, -margin(test), "greater"), one_sided(test, margin(test), "less")))


def p_of_equality(test: dict[str, Any]) -> float:
    """The p value of a difference of the smallest size that counts, or more (Schuirmann 1987)."""
    limit = test.get("within", test.get("by"))
    return max(one_sided(test, limit, "greater"), one_sided(test, -limit, "less"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_p_values_are_those_of_the_numbers(folder: Path):
    for test in comparisons_of(folder):
        if test["p"] is not None:
            assert test["p"] == pytest.approx(p_value(test), rel=1e-6, abs=1e-12)
        if test["p_equal"] is not None:
            assert test["p_equal"] == pytest.approx(p_of_equality(test), rel=1e-6, abs=1e-12)
    for name in ("p", "p_equal"):
        family = [test for test in comparisons_of(folder) if test[name] is not None]
        if family:
            adjusted = stats.false_discovery_control([test[name] for test in family])
            np.testing.assert_allclose([test[f"{name}_adjusted"] for test in family], adjusted, rtol=1e-6)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_answers_follow_from_the_p_values(folder: Path):
    for test in comparisons_of(folder):
        p, same = (test[name] if test[name] is not None else math.nan for name in ("p_adjusted", "p_equal_adjusted"))
        if test["p"] is None:
            continue
        if test["kind"] == "Equivalence" or test.get("side") == "about":
            expected = "holds" if same < 0.05 else "does not hold" if p < 0.05 else "not decided"
        elif test["kind"] == "Level":
            reached = bool(np.mean(test["values"]) >= test["level"]) == (test["side"] == "at least")
            expected = "not decided" if p >= 0.05 else "holds" if reached else "does not hold"
        elif same < 0.05:
            expected = "holds" if test["negated"] else "no difference"
        elif p < 0.05:
            is_greater = bool(np.mean(test["a"]) > np.mean(test["b"]))
            found = is_greater == (test["relation"] == "greater")
            expected = "holds" if found is not test["negated"] else "does not hold"
            if found and abs(np.mean(test["a"]) - np.mean(test["b"])) < test["by"]:
                expected = "not decided"
        else:
            expected = "not decided"
        assert test["answer"] == expected


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_number_is_of_one_size_and_data_set(folder: Path):
    stored = [json.loads(file.read_text()) for file in folder.glob("*.claims.json")]
    assert {data for each in stored for data in each["judged"]} == {"cifar10-jpeg"}
    rows = chain.from_iterable(each["judged"]["cifar10-jpeg"] for each in stored)
    assert len({row["size"].split(" ")[1] for row in rows if row["size"]}) <= 1


def test_usable_rates_are_those_of_the_losses():
    """Rates that end within 0.1 nats of the best of the seed and initialisation, in decades, by either train loss."""
    folder = ROOT / "docs" / "results" / "usable_rates"
    found: dict[tuple[str, ...], list[float]] = {}
    losses = list(csv.DictReader((folder / "losses.csv").open()))
    for row in csv.DictReader((folder / "decades.csv").open()):
        same = ("initialization", "seed")
        of_seed = [each for each in losses if all(each[key] == row[key] for key in same)]
        level = min(float(each[row["loss"]]) for each in of_seed) + 0.1
        own = [each for each in of_seed if each["network"] == row["network"]]
        assert (len(of_seed), len(own)) == (18, 9)
        rates = [float(each["rate"]) for each in own if float(each[row["loss"]]) <= level]
        decades = math.log10(max(rates) / min(rates)) if rates else 0.0
        assert float(row["decades"]) == pytest.approx(decades, abs=1e-3)
        found.setdefault((row["initialization"], row["network"], row["loss"]), []).append(decades)
    for row in csv.DictReader((folder / "epochs.csv").open()):
        for key in ("mean_evaluated", "band_evaluated", "fluctuation_evaluated", "fluctuation_running"):
            found.setdefault((row["initialization"], row["network"], key), []).append(float(row[key]))

    def told(*key: str, digits: int = 2) -> str:
        values = found[key]
        return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) / math.sqrt(len(values)):.{digits}f}"

    text = " ".join((folder.parent / "size_cpu.md").read_text().split())
    running, evaluated = (told("xavier", "vgg-a-bn", loss) for loss in ("running", "evaluated"))
    assert f"{running} decades by the running losses and {evaluated} in evaluation mode under Xavier" in text
    running, evaluated = (told("he", "vgg-a-bn", loss) for loss in ("running", "evaluated"))
    assert f"and {running} and {evaluated} under He" in text
    again = json.loads((folder.parent / "evaluation_mode" / "loss_landscape.claims.json").read_text())
    (claim,) = (
        row
        for row in again["judged"]["cifar10-jpeg"]
        if "wider range" in row["statement"] and "Xavier" in row["statement"]
    )
    found["xavier", "again"] = next(each["values"] for each in claim["numbers"] if "BatchNorm" in each["label"])
    assert f"give {told('xavier', 'again')} in evaluation mode" in text
    networks = "vgg-a-bn", "vgg-a"
    xavier, he = ([told(of, network, "band_evaluated", digits=3) for network in networks] for of in ("xavier", "he"))
    assert f"{xavier[0]} against {xavier[1]} nats under Xavier and {he[0]} against {he[1]} under He" in text
    xavier, he = (
        [f"{np.mean(found[of, network, 'mean_evaluated']):.3f}" for network in networks] for of in ("xavier", "he")
    )
    assert (
        f"is {xavier[0]} with BatchNorm against {xavier[1]} under Xavier and {he[0]} against {he[1]} under He" in text
    )
    for of in ("xavier", "he"):
        changes = [f"{np.mean(found[of, 'vgg-a-bn', f'fluctuation_{loss}']):.2f}" for loss in ("evaluated", "running")]
        assert changes == ["0.12", "0.04"]
        assert f"{np.mean(found[of, 'vgg-a', 'fluctuation_evaluated']):.2f}" == "0.05"
    assert "changes from one epoch to the next by 0.12 nats" in text


def test_the_bands_of_the_last_epoch_are_those_that_the_text_tells():
    """The greatest minus the least train loss of the study's four rates, mean over seeds."""
    results = ROOT / "docs" / "results"

    def width(folder: str, network: str) -> str:
        losses: dict[str, list[float]] = {}
        for row in csv.DictReader((results / folder / "loss_landscape.seeds.csv").open()):
            name, _, rate = row["member"].partition("-learning-rate-")
            if (
                name == network
                and rate in ("0.0001", "0.0005", "0.001", "0.002")
                and row["figure"] == "last train_loss"
            ):
                losses.setdefault(row["seed"], []).append(float(row["mean"]))
        assert {len(found) for found in losses.values()} == {4}
        return f"{np.mean([max(found) - min(found) for found in losses.values()]):.2f}"

    readme, cpu = (" ".join((results / name).read_text().split()) for name in ("README.md", "size_cpu.md"))
    top = " ".join((ROOT / "README.md").read_text().split())
    course = f"{width('course', 'vgg-a-bn-he')} against {width('course', 'vgg-a-he')} nats"
    assert readme.count(course) == 2
    assert f"in the last epoch it is narrower, {course.removesuffix(' nats')})" in top
    xavier, he = (
        [width("paper_cpu", f"{network}{start}") for network in ("vgg-a-bn", "vgg-a")] for start in ("", "-he")
    )
    assert f"({xavier[0]} against {xavier[1]} nats under Xavier, {he[0]} against {he[1]} under He)" in readme
    assert f"({xavier[0]} against {xavier[1]}, {he[0]} against {he[1]})" in top
    assert f"{xavier[0]} against {xavier[1]} nats (Xavier) and {he[0]} against {he[1]} (He)" in cpu


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_tables_of_results_are_of_the_seeds_that_the_page_names(folder: Path):
    """The last losses and accuracies of every row that is named by a member's label."""
    checked = 0
    for each in published_page.studies(folder):
        study = published_page.study_of(each, each.size)
        rows = published_page.rows_of(folder / f"{each.file}{published_page.SEEDS}")
        names = published_page.names_of(each, study, rows)
        table = list(csv.DictReader((folder / f"{each.file}{published_page.RESULTS}").open()))
        for member, label in names.items():
            for line in (line for line in table if line["run"] == label):
                for column, key, scale in (("test loss", "test_loss", 1), ("test accuracy", "test_accuracy", 100)):
                    own = [row for row in rows if row["member"] == member and row["figure"] == f"last {key}"]
                    values = [scale * float(row["mean"]) for row in own if row["status"] == "finished"]
                    if values:
                        # Three decimals, two of accuracies, and three digits of losses that exploded.
                        shown, mean = leading(line[column]), np.mean(values)
                        assert shown == pytest.approx(mean, rel=5e-3 if mean > 1e3 else 1e-9, abs=6e-4 * scale**0.5)
                        checked += 1
    assert checked or not any(folder.glob(f"*{published_page.SEEDS}"))


def test_the_gradients_of_full_size_are_those_that_the_text_tells():
    """Ratios with to without BatchNorm: of medians of an epoch (means over seeds), and of what the claims measure."""
    results = ROOT / "docs" / "results"
    text = " ".join((results / "README.md").read_text().split())
    found: dict[tuple[str, str, int], list[float]] = {}
    for row in csv.DictReader((results / "full_size_vgg_h200" / "gradients-by-epoch.csv").open()):
        for name in (name for name in row if name not in ("member", "seed", "epoch")):
            found.setdefault((row["member"], name, int(row["epoch"])), []).append(float(row[name]))
    assert {len(values) for values in found.values()} == {3}

    def mean(member: str, name: str, epoch: int) -> float:
        return float(np.mean(found[member, name, epoch]))

    def ratio(name: str, epoch: int, end: str = "") -> float:
        return mean(f"vgg-a-bn{end}", name, epoch) / mean(f"vgg-a{end}", name, epoch)

    adam, sgd = (
        f"{mean(f'vgg-a-bn{end}', 'median_kappa', 1):.2f} against {mean(f'vgg-a{end}', 'median_kappa', 1):.2f}"
        for end in ("", "-sgd")
    )
    first = [ratio("median_kappa", 1), ratio("median_kappa", 1, "-sgd")]
    safe = [ratio("mean_largest_safe", 1), ratio("mean_largest_safe", 1, "-sgd")]
    longer = [ratio("median_distance", 1), ratio("median_distance", 1, "-sgd")]
    for told in (
        f"changes {first[0]:.2f} times as much with it (Adam; κ {adam}) and {first[1]:.2f} times (SGD; {sgd})",
        f"the largest safe step is {safe[0]:.1f} and {safe[1]:.0f} times as large",
        f"shrinks to {ratio('median_kappa', 5, '-sgd'):.2f} in the fifth epoch",
        f"In the first epoch it is {longer[0]:.1f} and {longer[1]:.1f} times as *long*",
        f"the median β is {ratio('median_beta', 25):.2f} times as large",
        f"weights, {ratio('median_kappa', 25):.2f} times",
    ):
        assert told in text, told
    ranges = {("-sgd", 12, 25): "0.92 to 1.08", ("", 2, 7): "1.06 to 1.37", ("", 8, 25): "0.72 to 0.98"}
    for (end, start, stop), told in ranges.items():
        part = [ratio("median_kappa", epoch, end) for epoch in range(start, stop + 1)]
        assert f"{min(part):.2f} to {max(part):.2f}" == told
        assert told in text
    claims = json.loads((results / "full_size_vgg_h200" / "gradients.claims.json").read_text())
    tests = [test for row in claims["judged"]["cifar10-jpeg"] for test in row["tests"]]
    factors = [10 ** (np.mean(test["a"]) - np.mean(test["b"])) for test in tests]
    assert [f"{factor:.2f}" for factor in factors[:10]] == [
        *("0.83", "0.99", "0.87", "1.11", "0.58", "0.69", "0.41", "0.89", "0.75", "0.67")
    ]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "lowers the largest β to 0.58 (Adam) and 0.69 times (SGD; three seeds)" in readme


def test_the_curvatures_are_those_that_the_text_tells():
    results = ROOT / "docs" / "results"
    text = " ".join((results / "size_cpu.md").read_text().split())

    def last(figure: str, measure: str, member: str) -> tuple[float, float]:
        rows = csv.DictReader((results / "paper_cpu" / f"curvature-{figure}.csv").open())
        *_, row = (row for row in rows if (row["measure"], row["member"]) == (measure, member))
        return float(row["value"]), float(row["error"])

    networks = "vgg-a", "vgg-a-bn"
    top = [last("eigenvalues", "top", network)[0] for network in networks]
    assert f"is {top[0]:.0f} without BatchNorm and {top[1]:.0f} with it" in text
    trace = [f"{value:,.0f} ± {error:.0f}" for value, error in (last("trace", "mean", network) for network in networks)]
    assert f"the trace {trace[0]} and {trace[1]}" in text
    sharp = [last("sharpness", "sharpness", network)[0] for network in networks]
    assert f"is {sharp[0] / sharp[1]:.1f} times as sharp: {sharp[0]:,.0f} against {sharp[1]:,.0f}" in text


def test_the_losses_by_mode_are_those_that_the_text_tells():
    folder = ROOT / "docs" / "results"
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in csv.DictReader((folder / "evaluation_mode" / "modes.csv").open()):
        study, network = row.pop("study"), row.pop("network")
        for column, value in row.items():
            if column != "seed" and value:
                found.setdefault((study, network, column), []).append(float(value))
    assert {len(values) for values in found.values()} == {5}

    def mean(study: str, network: str, column: str, digits: int = 2) -> str:
        return f"{np.mean(found[study, network, column]):.{digits}f}"

    noisy, plain, batch = "vgg-a-noisy-bn", "vgg-a", "vgg-a-bn"
    running = [mean("santurkar", network, "mean_running") for network in (noisy, plain)]
    evaluated = [mean("santurkar", network, "mean_evaluated") for network in (noisy, plain)]
    ends = [mean("vgg_family", network, "training", 3) for network in (batch, plain)]
    own = mean("santurkar", noisy, "training"), mean("santurkar", noisy, "batch_statistics_without_noise")
    text = " ".join((folder / "size_cpu.md").read_text().split())
    for told in (
        f"the mean running loss is {running[0]} nats with noisy BatchNorm against {running[1]} without any",
        f"in evaluation mode it is {evaluated[0]} against {evaluated[1]}",
        f"is {own[0]} nats on 2,560 training images with the noise and each batch's own statistics, {own[1]} without",
        f"and {mean('santurkar', noisy, 'evaluation')} with the running statistics",
        f"{mean('santurkar', batch, 'evaluation')} nats in evaluation mode, "
        f"{mean('santurkar', batch, 'training')} with the batch's own statistics",
        f"it ends at {ends[0]}, where VGG-A has {ends[1]}",
    ):
        assert told in text, told


def stored_claims(study: str) -> list[dict[str, Any]]:
    """The claims of a study at size cpu."""
    stored = json.loads((ROOT / "docs" / "results" / "paper_cpu" / f"{study}.claims.json").read_text())
    return stored["judged"]["cifar10-jpeg"]


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of the tables in a text."""
    for line in text.splitlines():
        if line.startswith("| ") and line.endswith(" |"):
            yield [cell.strip() for cell in line[1:-1].split("|")]


def numbers_of(study: str) -> list[float]:
    """The means of a study's claims, the levels that their quantities name, differences, factors and p values."""
    numbers: list[float] = []
    for row in stored_claims(study):
        for each in row["numbers"]:
            numbers += [float(np.mean(each["values"])), *map(float, re.findall(r"\d+\.\d+", each["quantity"]))]
        for test in row["tests"]:
            numbers += [test["p_adjusted"] or 0.0, test["p_equal_adjusted"] or 0.0]
            numbers += [float(np.mean(test["values"]))] if "values" in test else []
            if "a" in test:
                difference = float(np.mean(test["a"]) - np.mean(test["b"]))
                numbers += [10**difference if test["log"] else abs(difference)]
    return numbers


def test_the_counts_are_those_of_the_claims():
    results = ROOT / "docs" / "results"
    table = (results / "size_cpu.md").read_text().split("<!-- counts -->")[1].split("<!--")[0]
    told = {row[0].split()[-1]: [int(cell) for cell in row[-5:]] for row in list(table_rows(table))[1:]}
    found = {}
    for file in (results / "paper_cpu").glob("*.claims.json"):
        verdicts = [row["verdict"] for row in stored_claims(file.name.split(".")[0])]
        kinds = [verdicts.count(kind) for kind in ("holds", "does not hold", "no difference", "not decided")]
        found[file.name.split(".")[0]] = [len(verdicts), *kinds]
    found["all"] = np.sum(list(found.values()), axis=0).tolist()
    assert told == {study: counts for study, counts in found.items() if counts[0]}

    claims, holds, wrong, same, undecided = found["all"]
    assert claims == holds + wrong + same + undecided
    sentence = f"{claims} claims {holds} hold, {wrong} do not hold, {same} show no difference "
    sentence += f"of the size that they claim, and {undecided} are not decided"
    for text in (results / "README.md", ROOT / "README.md"):
        assert sentence in " ".join(text.read_text().split())


def test_fewer_seeds_decide_fewer_claims_as_the_text_tells():
    """The page judged again on the first seeds alone: as many as the files ask for, at most four, at most three."""
    folder = ROOT / "docs" / "results" / "paper_cpu"
    studies = published_page.studies(folder)
    sized = {each.words.name: shipped.study(each.words.name).sized("cpu") for each in studies}
    decided, hours = [], []
    for most in (5, 4, 3):
        claims, spent = [], 0.0
        for each in studies:
            study = sized[each.words.name]
            count = min(most, len(study.seeds))
            spent += shipped.study(study.name).sizes["cpu"].hours * count / len(study.seeds)
            for claim in each.claims:
                cut = [
                    {key: value[:count] if isinstance(value, list) else value for key, value in test.items()}
                    for test in claim.tests
                ]
                claims.append(dataclasses.replace(claim, tests=tuple(cut)))
        decided.append(sum(claim.verdict != "not decided" for claim in decided_together(claims)))
        hours.append(spent)
    text = " ".join((folder.parent / "size_cpu.md").read_text().split())
    told = (
        f"takes {hours[2]:.1f} hours: judged again on the first three seeds alone, {decided[2]} of 82 claims would be "
    )
    told += f"decided, on four ({hours[1]:.1f} hours) {decided[1]}, and on those that the files ask for, mostly five, "
    assert f"{told}{decided[0]}" in text


def test_the_numbers_of_the_summary_are_those_of_the_claims():
    rows = [row for row in table_rows((ROOT / "docs" / "results" / "README.md").read_text()) if row[1][:1] == "`"]
    assert len(rows) == 28
    superscript = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    for claim, study, told, _, p in rows:
        numbers = numbers_of(study.strip("`"))
        for number in re.findall(r"\d+\.\d+", told):
            digits = len(number.split(".")[1])
            assert any(f"{each:.{digits}f}" == number for each in numbers), (claim, number)
        if power := re.fullmatch(r"(?:(\d)·)?10(⁻\S+)", p):
            p = f"{power[1] or 1}e{power[2].translate(superscript)}"
        digits = len(p.lstrip("0.").split("e")[0])
        assert not p or any(f"{each:.{digits}g}" == f"{float(p):.{digits}g}" for each in numbers), (claim, p)
