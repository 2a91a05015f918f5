"""Figures answer: values can be read off a picture by its scales, a legend's entry hides its line."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from synthetic import Member, write_study

from jaxcifar.config import VGG, Run
from jaxcifar.report import write_report

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
LOSSES = np.array([2.0, 0.5, 0.125, 0.0625, 0.05, 0.04])
TRY = """<script>
addEventListener("load", () => {
  const figure = document.querySelector("figure"), button = figure.querySelector(".legend button");
  const hidden = () => figure.querySelectorAll("svg .hidden").length;
  const before = hidden(); button.click(); const off = hidden(); button.click(); const on = hidden();
  const plot = figure.querySelector("svg[data-axis]");
  const tip = document.querySelector(".tip"), scale = figure.querySelector("button.scale");
  const point = () => {
    const path = plot.querySelector("g[data-line] > path[fill=none]");
    const at = path.getAttribute("d").match(/-?\\d+(\\.\\d+)?/g).map(Number).slice(2, 4);
    const place = new DOMPoint(...at).matrixTransform(plot.getScreenCTM());
    plot.dispatchEvent(new PointerEvent("pointermove", { clientX: place.x + 2, clientY: place.y - 2 }));
    return { at, tip: tip.textContent, shown: !tip.hidden };
  };
  const linear = point(), drawn = plot.innerHTML;
  scale.click();
  const log = point(), kind = JSON.parse(plot.dataset.axis).y[4];
  const ticks = [...plot.querySelectorAll("g[id*=ytick] text")].map((text) => text.textContent);
  scale.click();
  const restored = plot.innerHTML === drawn;
  const found = { before, off, on, ...linear, log, kind, ticks, restored };
  document.documentElement.dataset.found = JSON.stringify(found);
});
</script>"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    members = {
        "vgg-a": Member(run=Run(model=VGG()), train_loss=LOSSES),
        "vgg-a-bn": Member(run=Run(model=VGG(norm="batch")), train_loss=LOSSES / 2, spread=(0, 0.1)),
    }
    return write_report(write_study(tmp_path, "vgg", members))


def test_values_are_read_off_a_picture_by_its_scales(page: Path):
    text = page.read_text()
    svg = next(part for part in re.findall(r"<svg class=\"plot\".*?</svg>", text, flags=re.DOTALL))
    found = re.search(r'data-axis="([^"]+)"', svg)
    assert found
    scales = json.loads(html.unescape(found[1]))
    marks = re.findall(r'data-line="([^"]+)"', svg)
    line = re.search(r'data-line="of-VGG-A">\s*<path d="([^"]+)"', svg)
    assert line
    points = np.array(re.findall(r"-?[\d.]+", line[1]), float).reshape(-1, 2)

    def values(low, high, start, end, kind, places):
        assert kind == "linear"
        return low + (places - start) / (end - start) * (high - low)

    np.testing.assert_allclose(values(*scales["x"], points[:, 0]), np.arange(1, 7), atol=1e-3)
    np.testing.assert_allclose(values(*scales["y"], points[:, 1]), LOSSES, atol=1e-3)
    legend = re.findall(r'<li data-line="([^"]+)"', text)
    assert set(marks) <= set(legend)


@pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="there is no Chromium on this machine")
def test_hover_and_legend_in_chromium(page: Path, tmp_path: Path):
    assert CHROMIUM, "CI has to have Chromium"
    tried = tmp_path / "tried.html"
    tried.write_text(page.read_text().replace("<head>", "<head>" + TRY, 1))
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom")
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", tried.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    result = re.search(r'data-found="([^"]*)"', dumped)
    assert result, dumped[:500]
    found = json.loads(html.unescape(result[1]))
    assert found["before"] == found["on"] == 0
    assert found["off"] >= 4
    assert found["shown"]
    assert found["tip"] == "VGG-A: 2, 0.5"
    # On the logarithmic scale the point is elsewhere and has the same value; the second click draws it as before.
    assert found["kind"] == "log"
    assert found["log"]["at"] != found["at"]
    assert found["log"]["tip"] == found["tip"]
    assert {"0.05", "0.5", "2"} <= set(found["ticks"])
    assert found["restored"]
