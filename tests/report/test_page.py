"""The page: opened in Chromium, wide and narrow; and what it says of finished, scaled, mixed and damaged records."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import Member, study, text_of, write_run, write_study

from jaxcifar import records
from jaxcifar.cli import main
from jaxcifar.config import MSE, SGD, VGG, Adam, BCEWithLogits, Run, Words, shipped
from jaxcifar.config.stored import read_studies
from jaxcifar.records import judged as stored_claims
from jaxcifar.report import store_claims, write_report
from jaxcifar.report.caption import provenance
from jaxcifar.report.epochs import spread
from jaxcifar.report.tables import results

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=10000")

# Runs before the page's own script: collects what goes wrong, and when all is loaded what the page measures.
SPY = """<script>
const wrong = [];
addEventListener("error", (event) => wrong.push(String(event.message || event.target.outerHTML)), true);
addEventListener("securitypolicyviolation", (e) => wrong.push(`${e.violatedDirective}: ${e.sample}`));
console.error = (...words) => wrong.push(words.join(" "));
addEventListener("load", () => {
  const button = document.querySelector("thead button");
  const first = () => document.querySelector("table.sortable tbody").rows[0].cells[0].innerText;
  const before = first();
  button.click(); const up = first(); button.click(); const down = first();
  const images = [...document.images];
  const found = { wrong, before, up, down, width: innerWidth,
    scroll: document.documentElement.scrollWidth, images: images.length,
    broken: images.filter((image) => !image.complete || !image.naturalWidth).map((image) => image.src.slice(0, 60)),
    silent: [...images.filter((i) => !i.alt), ...document.querySelectorAll("svg[role=img]:not([aria-label])")].length,
    plots: [...document.querySelectorAll("svg.plot")].map((plot) => plot.getBoundingClientRect().width),
    requests: performance.getEntriesByType("resource").map((e) => e.name).filter((name) => !name.startsWith("data:")) };
  document.documentElement.dataset.found = JSON.stringify(found);
});
</script>"""


def opened(page: Path, width: int, tmp_path: Path) -> dict[str, Any]:
    """What Chromium found on the page in a window of this width (in a frame: a window has a least width)."""
    spied = tmp_path / f"spied-{width}.html"
    spied.write_text(page.read_text().replace("<head>", "<head>" + SPY, 1))
    frame = tmp_path / f"frame-{width}.html"
    frame.write_text(
        f'<iframe id="f" src="{spied.name}" style="width:{width}px;height:900px;border:0"></iframe><script>'
        "addEventListener('message', (e) => document.documentElement.dataset.found = e.data)</script>"
    )
    spied.write_text(
        spied.read_text().replace(
            "document.documentElement.dataset.found = JSON.stringify(found);",
            "parent.postMessage(JSON.stringify(found), '*');",
        )
    )
    assert CHROMIUM
    profile = tmp_path / f"profile-{width}"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--window-size=1400,1000", "--dump-dom", frame.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    found = re.search(r'data-found="([^"]*)"', dumped)
    assert found, dumped[:500]
    return json.loads(html.unescape(found.group(1)))


def some_studies(folder: Path) -> None:
    """A study with two seeds and probes, one with a diverged member, long names and a run that has not ended."""
    arms = {}
    for name, model, beta in (("vgg-a", VGG(), 30.0), ("vgg-a-bn", VGG(norm="batch"), 3.0)):
        steps = {"beta/same_batch": np.where(np.arange(60) % 10 == 0, beta, np.nan)}
        for suffix, optimizer in (("", Adam()), ("-sgd", SGD())):
            run = Run(model=model, optimizer=optimizer)
            arms[name + suffix] = Member(run=run, spread=(0, 0.1), steps=steps)
    write_study(folder, "gradients", arms)
    losses = {
        "cross-entropy-learning-rate-0.1": Member(),
        "mse-learning-rate-0.1": Member(run=Run(loss=MSE()), status="diverged", epochs=2),
        "bce-with-logits-learning-rate-0.1": Member(run=Run(loss=BCEWithLogits()), status="interrupted", epochs=3),
    }
    write_study(folder, "losses", losses)


@pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="there is no Chromium on this machine")
@pytest.mark.parametrize("width", [380, 1280])
def test_the_page_in_chromium(width: int, tmp_path: Path):
    assert CHROMIUM, "CI has to have Chromium"
    some_studies(tmp_path / "paper")
    found = opened(write_report(tmp_path / "paper"), width, tmp_path)
    assert found["wrong"] == []
    assert found["requests"] == []
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["broken"] == []
    assert found["silent"] == 0
    assert len(found["plots"]) >= 9
    assert all(250 < plot <= width for plot in found["plots"])
    assert (found["before"], found["up"]) == (
        "cross-entropy",
        "BCE with logits (unfinished, 3 of 3 epochs)",
    )
    assert found["down"].startswith("MSE")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Publishes a folder of studies by the script; returns the new folder."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    publish = importlib.import_module("publish")

    def run(source: Path, *options: str, store: bool = True) -> Path:
        if store:
            write_report(source)
            for name in sorted(place.name for place in source.iterdir() if place.name in shipped.names()):
                store_claims(source, shipped.study(name), is_shipped=True)
        target = tmp_path / "published"
        monkeypatch.setattr(sys, "argv", ["publish.py", str(source), str(target), *options])
        publish.main()
        return target

    return run


@pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="there is no Chromium on this machine")
def test_the_page_of_a_published_folder_in_chromium(published: Callable[..., Path], tmp_path: Path):
    """It has no records, and only the chosen figures, as pictures."""
    some_studies(tmp_path / "paper")
    folder = published(tmp_path / "paper", "--figures", "epochs,beta")
    page = folder / "index.html"
    found = opened(page, 1280, folder)
    pictures = {file.name for file in folder.glob("*.png")}
    assert pictures == {"gradients-epochs.png", "gradients-beta-same-batch.png", "losses-epochs.png"}
    assert (found["wrong"], found["broken"], found["silent"]) == ([], [], 0)
    assert found["images"] == len(pictures)
    text = text_of(page)
    assert "10 of 11 runs have come to their end, on CIFAR-10 (a JPEG copy, cifar10-jpeg)." in text
    assert "1 run has not come to the end." in text
    assert "β, same batch VGG-A, Adam" in text
    assert "Repeat:" not in text, "no command trains four of the eight members"
    links = re.findall(r'<dt>Shown in</dt><dd>\s*<a href="#([^"]+)"', page.read_text())
    assert "gradients-beta-same-batch" in links
    assert all(f'id="{link}"' in page.read_text() for link in links)


@pytest.mark.parametrize(("seeds", "flag"), [((0,), " --size cpu ."), ((0, 0.1), " --size cpu --seeds 2 .")])
def test_the_command_of_a_published_study_names_its_seeds(
    seeds, flag: str, published: Callable[..., Path], tmp_path: Path
):
    sized = shipped.study("curvature").sized("cpu")
    members = {each.name: Member(run=each.run, spread=seeds, one_seed=True) for each in sized.members()}
    write_study(tmp_path / "paper", "curvature", members, size="cpu")
    write_study(tmp_path / "paper", "init", {"resnet-18-batch": Member()}, size="cpu")
    stored = {"statement": "s", "definition": "d", "numbers": [], "seeds": 1, "data": "cifar10-jpeg"}
    judged = {**stored, "verdict": "not decided", "reasons": [], "size": "size cpu (small)"}
    published(tmp_path / "paper")
    for name, rows in (("curvature", []), ("init", [judged])):
        words = shipped.study(name).words.to_json()
        stored_claims.write(tmp_path / "paper" / name, words, {"cifar10-jpeg": rows}, shipped=True)
    text = text_of(published(tmp_path / "paper", store=False) / "index.html")
    assert f"Repeat: python scripts/run.py --config configs/curvature.py{flag}" in text
    assert text.count("Repeat:") == 1, "of init one member is there"


def test_a_study_whose_name_begins_anothers_keeps_its_own_figures(published: Callable[..., Path], tmp_path: Path):
    for name in ("mine", "mine-2"):
        write_study(tmp_path / "paper", name, {"a": Member(), "b": Member(test_loss=1.0)}, scale=0.02)
        stored_claims.write(tmp_path / "paper" / name, Words(name).to_json(), {"cifar10-jpeg": []}, shipped=False)
    page = published(tmp_path / "paper", "--figures", "epochs").joinpath("index.html").read_text()
    sections = re.findall(r'<section id="(mine[^"]*)".*?</section>', page, re.DOTALL)
    figures = [re.findall(r'<figure id="([^"]+)"', part) for part in page.split('class="study"')[1:]]
    assert (sections, figures) == (["mine", "mine-2"], [["mine-epochs"], ["mine-2-epochs"]])
    assert "full size" not in page, "nobody knows the size of one's own study"
    assert "Repeat:" not in page


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda paper, target: shutil.rmtree(paper / "report"), "has no report/; give the folder of the report"),
        (lambda paper, target: (paper / "losses" / "claims.json").unlink(), "has no claims.json; give the study's"),
        (lambda paper, target: (target / "cnn.claims.json").write_text("{}"), "has cnn.claims.json too; give another"),
    ],
)
def test_what_cannot_be_published_changes_nothing(spoil, says: str, published, tmp_path: Path, capsys: Any):
    write_study(tmp_path / "paper", "losses", {"mse": Member()})
    target = published(tmp_path / "paper")
    spoil(tmp_path / "paper", target)
    before = {file: file.read_bytes() for file in target.rglob("*")}
    with pytest.raises(SystemExit):
        published(tmp_path / "paper", "--report", store=False)
    assert says in capsys.readouterr().err
    assert {file: file.read_bytes() for file in target.rglob("*")} == before


def test_a_report_is_published_whole_without_files_of_figures(published: Callable[..., Path], tmp_path: Path):
    some_studies(tmp_path / "paper")
    folder = published(tmp_path / "paper", "--report")
    page = folder / "report" / "index.html"
    assert not (folder / "index.html").exists()
    assert page.read_text().count('<svg class="plot"') >= 9
    links = re.findall(r'href="([^"#:]+)"', page.read_text())
    assert links
    assert all(link.startswith("tables/") and (page.parent / link).is_file() for link in links)


def test_a_study_on_two_data_sets_is_not_published_as_one(published: Callable[..., Path], tmp_path: Path, capsys: Any):
    write_study(tmp_path / "paper", "losses", {"mse": Member(), "bce": Member(data="shapes")})
    with pytest.raises(SystemExit):
        published(tmp_path / "paper")
    place = tmp_path / "paper" / "losses"
    told = (
        f"holds losses twice, in {place} (cifar10-jpeg) and {place} (shapes); give a folder of one size and data set."
    )
    assert told in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


def test_every_region_of_several_studies_has_a_name_of_its_own(tmp_path: Path):
    some_studies(tmp_path / "paper")
    names = re.findall(r'role="region" aria-label="([^"]+)"', write_report(tmp_path / "paper").read_text())
    assert len(names) == len(set(names)) >= 4


def test_what_the_page_says(tmp_path: Path):
    some_studies(tmp_path / "paper")
    page = write_report(tmp_path / "paper")
    text = text_of(page)
    assert "10 of 11 runs have come to their end, on CIFAR-10 (a JPEG copy, cifar10-jpeg)" in text
    assert "1 run has not come to the end: BCE with logits (3 of 3 epochs)" in text
    assert "MSE (diverged at step 23)" in text
    assert "A cross marks where the loss stopped being finite" in text
    assert (
        "BatchNorm greatly decreases the maximum difference in gradient over the distance (Xavier initialisation)."
        in text
    )
    assert "Not decided The runs are not the study's: " in text
    assert "The numbers point" in text
    assert "a processor, 2 cores" in text
    assert "jaxcifar 0.1.0, jax 0.10.2" in text
    assert "python scripts/run.py --config configs/losses.py" in text
    assert "batch 128 · seeds 0, 1 ·" in text
    assert "over learning rates and seeds; BatchNorm in training mode." in text
    assert "silent: our choice" in text
    assert "scaled" not in text.lower()
    names = {path.name for path in (page.parent / "figures").iterdir()}
    for figure in ("losses-epochs", "gradients-epochs", "gradients-beta-same-batch"):
        assert {f"{figure}.png", f"{figure}.svg", f"{figure}.csv"} <= names
    rows = (page.parent / "tables" / "losses-results.csv").read_text().splitlines()
    assert rows[0].startswith("run,parameters,epochs,train loss")
    assert len(rows) == 4


def test_a_claim_leads_to_the_figures_of_its_own_numbers(tmp_path: Path):
    some_studies(tmp_path / "paper")
    write_study(tmp_path / "paper", "cnn", {"cnn": Member()})
    page = write_report(tmp_path / "paper").read_text()
    claims = re.findall(r'<article class="claim".*?</article>', page, re.DOTALL)
    links = {claim: re.findall(r'href="#([^"]+)"', claim) for claim in claims}
    assert all(found and all(f'id="{name}"' in page for name in found) for found in links.values())
    led = {words: [found for claim, found in links.items() if words in claim] for words in ("99th", "6 epochs", "NaN")}
    assert led["99th"] == [["gradients-beta-same-batch"], ["gradients"]]  # of He initialisation there is no run
    assert led["6 epochs"] == [["cnn-epochs"]]
    assert led["NaN"] == [["losses"]]


def test_an_unfinished_paper_says_what_it_lacks(tmp_path: Path):
    folder = write_study(tmp_path, "activations", {"relu": Member(), "tanh": Member(), "sigmoid": Member(status=None)})
    shutil.rmtree(folder / "tanh")
    manifest = json.loads((folder / "study.json").read_text())
    manifest["runs"][2]["epochs"] = 10
    (folder / "study.json").write_text(json.dumps(manifest))
    text = text_of(write_report(tmp_path))
    assert "2 of 3 runs have not come to the end: tanh (not begun); sigmoid (6 of 6 epochs)." in text


@pytest.mark.parametrize(
    ("counts", "says"),
    [((1,), "seed 0"), ((2,), "seeds 0, 1"), ((5, 5), "seeds 0 to 4"), ((5, 3), "seeds 0 to 4 (some runs fewer)")],
)
def test_the_seeds_of_a_figure(tmp_path: Path, counts: tuple[int, ...], says: str):
    members = {str(index): Member(spread=(0.0,) * count) for index, count in enumerate(counts)}
    assert provenance(study(tmp_path, "mine", members)).seeds == says


def test_a_scaled_study_says_so_everywhere(tmp_path: Path):
    write_study(tmp_path, "cnn", {"cnn": Member(test_accuracy=0.9)}, scale=0.02)
    page = write_report(tmp_path)
    text = text_of(page)
    assert "not decided (scaled)" in text
    assert text.count("scaled to 0.02") >= 3
    assert "scaled to 0.02" in (page.parent / "figures" / "cnn-epochs.svg").read_text()


def test_mixed_data_sets_are_drawn_apart(tmp_path: Path):
    write_study(tmp_path, "optimizers", {"sgd": Member(), "adam": Member(data="shapes")})
    page = write_report(tmp_path)
    text = text_of(page)
    assert "mixes the data sets cifar10-jpeg and shapes; each is drawn by itself" in text
    assert "Optimizers, on cifar10-jpeg" in text
    assert "Optimizers, on shapes" in text
    names = {path.name for path in (page.parent / "figures").iterdir()}
    assert {"optimizers-cifar10-jpeg-epochs.csv", "optimizers-shapes-epochs.csv"} <= names
    assert "adam" not in (page.parent / "figures" / "optimizers-cifar10-jpeg-epochs.csv").read_text()


def test_sizes_and_folders_of_one_study_are_told_apart(tmp_path: Path):
    for folder, accuracy, size in (("a", 0.5, ""), ("b", 0.6, "cpu"), ("c", 0.7, "cpu")):
        changes = {"size": size} if size else {}
        write_study(tmp_path / folder, "optimizers", {"sgd": Member(test_accuracy=accuracy)}, **changes)
    page = write_report(tmp_path)
    text = text_of(page)
    for title in ("full size", "size cpu, b/optimizers", "size cpu, c/optimizers"):
        assert f"Optimizers, {title}" in text
    for key, accuracy in (("full-size", 0.5), ("size-cpu-b-optimizers", 0.6), ("size-cpu-c-optimizers", 0.7)):
        assert f"{accuracy:.0%}"[:2] in (page.parent / "tables" / f"optimizers-{key}-results.csv").read_text()


def test_damaged_records_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = write_study(tmp_path, "cnn", {"cnn": Member()})
    with open(folder / "cnn" / "seed-0" / records.METRICS, "a") as file:
        file.write('{"epoch": 7, "st')
    (folder / "cnn" / "seed-0" / records.SUMMARY).write_text("{")
    text = text_of(write_report(tmp_path))
    assert "What could not be read" in text
    assert "line 7 is cut off or damaged" in text
    assert "6 of 6 epochs" in text
    assert re.search(
        r"The records have a fault: .*, and \d more\. The end of the page names all\.", capsys.readouterr().err
    )


HOSTILE = '"><img src=x onerror=alert(1)>'


def test_strings_of_a_record_reach_the_page_as_text_only(tmp_path: Path):
    folder = write_study(tmp_path, "mine", {HOSTILE: Member(steps={HOSTILE: np.ones(3), r"\g<9>": np.ones(3)})})
    manifest = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**manifest, "command": HOSTILE, "study": f"x$\\frac{HOSTILE}" * 20}))
    page = write_report(tmp_path)
    text = page.read_text()
    assert "<img" not in text
    assert HOSTILE in text_of(page)
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    assert all(len(path.name.encode()) < 140 and "<" not in path.name for path in files)
    assert sum(path.suffix == ".svg" for path in files) >= 3
    for path in files:
        if path.suffix == ".svg":
            assert "<img" not in path.read_text()
    problems = text_of(page)
    assert "could not be drawn" not in problems


def test_the_page_s_policy_names_its_own_script_and_style_and_nothing_else(tmp_path: Path):
    write_study(tmp_path, "mine", {"a": Member()})
    text = write_report(tmp_path).read_text()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy).split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (own,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)


def test_the_report_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no records of this program" in capsys.readouterr().err
    write_study(tmp_path, "mine", {"<b>&'a": Member(epochs=1), "of equal config": Member(epochs=1)})
    assert main(["report", str(tmp_path)]) == 0
    assert "index.html" in capsys.readouterr().out
    assert "<b>&'a" in text_of(tmp_path / "report" / "index.html")
    assert main(["report", str(tmp_path / "absent")]) == 2


def test_every_file_that_the_page_names_is_there(tmp_path: Path):
    write_study(tmp_path, "1 odd 'name'", {"a": Member(), "b": Member(data="shapes")})
    page = write_report(tmp_path)
    links = [html.unescape(link) for link in re.findall(r'href="([^"#]+)"', page.read_text())]
    files = [link for link in links if not link.startswith("data:")]
    assert len(files) > 8
    assert all((page.parent / link).is_file() for link in files)


def test_a_record_of_an_unknown_class_is_named_and_the_rest_is_drawn(tmp_path: Path):
    folder = write_study(tmp_path, "vgg_family", {"vgg-a": Member(run=Run(model=VGG())), "vgg-a-light": Member()})
    place = folder / "vgg-a-light" / "seed-0"
    stored = json.loads((place / records.CONFIG).read_text())
    stored["model"] = {"class": "GroupNormNet", "groups": 4}
    (place / records.CONFIG).write_text(json.dumps(stored))
    environment = json.loads((place / records.ENVIRONMENT).read_text())
    environment["versions"]["jaxcifar"] = "9.9.0"
    (place / records.ENVIRONMENT).write_text(json.dumps(environment))
    page = write_report(tmp_path)
    text = text_of(page)
    said = text[text.index("What could not be read") :]
    assert "GroupNormNet" in said
    assert "9.9.0" in said
    assert "vgg-a-light" in said
    drawn = (page.parent / "figures" / "vgg_family-epochs.csv").read_text()
    assert drawn.count("\nvgg-a,") == drawn.count("\nvgg-a-light,") == 6


def test_a_figure_that_fails_takes_nothing_else_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    some_studies(tmp_path / "paper")

    def broken(*arguments: object) -> None:
        raise ValueError("no picture")

    monkeypatch.setattr("jaxcifar.report.series._draw", broken)
    page = write_report(tmp_path / "paper")
    text = text_of(page)
    assert "could not be drawn: ValueError: no picture." in text
    assert (page.parent / "figures" / "losses-epochs.png").is_file()
    assert (page.parent / "tables" / "losses-results.csv").is_file()


def test_a_measure_may_have_the_name_of_another_figure(tmp_path: Path):
    steps = {"epochs": np.ones(60), "β": np.ones(60), "γ": np.ones(60)}
    page = write_report(write_study(tmp_path, "mine", {"a": Member(steps=steps)}))
    anchors = re.findall(r'<figure id="([^"]+)"', page.read_text())
    assert sorted(anchors) == ["mine-epochs", "mine-epochs-2", "mine-β", "mine-γ"]
    assert {f"{name}.png" for name in anchors} <= {path.name for path in (page.parent / "figures").iterdir()}


def test_a_seed_that_diverged_is_left_out_of_the_others_means(tmp_path: Path):
    folder = write_study(tmp_path, "mine", {"a": Member(spread=(0, 0.01, 0.02))})
    shutil.rmtree(folder / "a" / "seed-2")
    write_run(folder / "a" / "seed-2", "a", Member(spread=(0, 0, 0), test_accuracy=0.1, epochs=1, status="diverged"), 2)
    (found,) = read_studies(folder)
    (row,) = results(found, Words("mine")).rows
    assert row[0].text.startswith("a (1 of 3 seeds left out; diverged at step ")
    assert next(cell.text for cell in row if "%" in cell.text).startswith("70.5")
    assert len(spread(found.runs, "test_accuracy")[0]) == 6


def test_a_loss_that_exploded_does_not_widen_the_table(tmp_path: Path):
    found = study(tmp_path, "mine", {"a": Member(train_loss=0.6, test_loss=23727074.7)})
    texts = [cell.text for cell in results(found, Words("mine")).rows[0]]
    assert texts[3:5] == ["0.600", "2.37e+07"]
