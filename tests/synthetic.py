"""Run folders with figures of one's own choice, written as training writes them."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar import records
from jaxcifar.config import Run
from jaxcifar.config.stored import begin_records, read_studies
from jaxcifar.records.study import StudyResults

ENVIRONMENT = {
    "versions": {"python": "3.11.0", "jaxcifar": "0.1.0", "jax": "0.10.2", "jaxlib": "0.10.2", "flax": "0.12.8"},
    "device": {"platform": "cpu", "kind": "a processor, 2 cores", "count": 1},
    "git_commit": "0123abc",
}


@dataclass
class Member:
    """The figures of a member: a list has one for each epoch, a scalar is that of all; `spread` shifts each seed."""

    epochs: int = 6
    test_accuracy: Any = 0.7
    train_accuracy: Any = 0.8
    test_loss: Any = 0.9
    train_loss: Any = 0.6
    train_eval_loss: Any = None
    """The train loss where it is None."""
    seconds: Any = 10.0
    status: str | None = "finished"
    parameters: int = 1000
    steps: dict[str, Any] = field(default_factory=dict)
    run: Run = field(default_factory=Run)
    spread: Sequence[float] = (0.0,)
    """An offset for each seed."""
    one_seed: bool = False
    """One seed is meant, where more would be the default."""
    own_epochs: bool = False
    """The config keeps its own number of epochs, whatever is on record."""
    data: str = "cifar10-jpeg"


def write_run(folder: Path, name: str, member: Member, seed: int = 0) -> None:
    """A run folder as training leaves it."""
    offset = member.spread[seed]
    run = dataclasses.replace(member.run, name=name, seed=seed)
    if not member.own_epochs:
        run = dataclasses.replace(run, epochs=max(member.epochs, 1))
    begin_records(folder, run)
    environment = {**ENVIRONMENT, "data": {"name": member.data, "sha256": "0" * 64}}
    records.write_environment(folder, environment)
    keys = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "train_eval_loss")
    # It differs a little from epoch to epoch, so that changes between epochs differ between seeds too.
    offsets = offset * (1 + 0.01 * (-1.0) ** np.arange(member.epochs))
    given = {key: getattr(member, key) for key in keys}
    if member.train_eval_loss is None:
        given["train_eval_loss"] = member.train_loss
    columns = {key: np.asarray(values, float) + offsets for key, values in given.items()}
    rows: list[dict[str, Any]] = []
    for epoch in range(1, member.epochs + 1):
        figures = {key: float(columns[key][epoch - 1]) for key in keys}
        rows.append({"epoch": epoch, "step": 10 * epoch, **figures, "images_per_second": 100.0, "learning_rate": 0.1})
    records.write_metrics(folder, rows)
    loss = np.linspace(2.3, 0.5, 10 * max(member.epochs, 1)) + offset
    steps = {"loss": loss, "accuracy": 1 - loss / 2.5}
    steps |= {key: np.asarray(value) * (1 + offset) for key, value in member.steps.items()}
    records.write_steps(folder, {key: np.asarray(value, np.float32) for key, value in steps.items()})
    if member.status is not None:
        summary: dict[str, Any] = {"status": member.status, "epochs": len(rows), "steps": 10 * len(rows)}
        summary |= {"parameters": member.parameters, "training_seconds": 60.0, "compile_seconds": 5.0}
        if member.status == "diverged":
            summary["diverged_step"] = 10 * len(rows) + 3
        if rows:
            best = max(rows, key=lambda row: row["test_accuracy"])
            summary["best"] = {key: best[key] for key in ("epoch", "test_accuracy", "test_loss")}
            summary["last"] = {key: rows[-1][key] for key in ("epoch", *keys[:4])}
            summary["seconds_per_epoch"] = float(np.median(columns["seconds"]))
        records.write_summary(folder, summary)


def write_study(folder: Path, name: str, members: dict[str, Member], manifest: bool = True, **changes: Any) -> Path:
    """OUT/<study>/<member>/seed-<n>/ with a manifest; returns the study's folder."""
    rows = []
    for member, figures in members.items():
        for seed in range(len(figures.spread)):
            place = f"{member}/seed-{seed}"
            write_run(folder / name / place, member, figures, seed)
            network = type(figures.run.model).__name__
            row = {"member": member, "seed": seed, "folder": place, "network": network}
            rows.append({**row, "epochs": figures.epochs, "steps": 10 * figures.epochs, "flops": 1e9})
    value = {"study": name, "command": f"python scripts/run.py --config configs/{name}.py", "changed": [], "scale": 1.0}
    if manifest:
        (folder / name / "study.json").write_text(json.dumps({**value, "alone": False, "runs": rows, **changes}))
    return folder / name


def study(folder: Path, name: str, members: dict[str, Member], **changes: Any) -> StudyResults:
    """A study written and read back."""
    (found,) = read_studies(write_study(folder, name, members, **changes))
    return found


def text_of(page: Path) -> str:
    """The page's words."""
    body = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))
