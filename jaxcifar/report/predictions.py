"""Figures of a trained network's predictions: accuracy per class, confusion, most confident mistakes, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxcifar import records
from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults
from jaxcifar.report import style
from jaxcifar.report.figure import Figure, Panel
from jaxcifar.report.names import file_name
from jaxcifar.report.pictures import sheet, show
from jaxcifar.report.tables import Cell, Table

ARRAYS = ("confusion", "names", "images", "mistakes_label", "mistakes_answer", "mistakes_confidence")
BINS = ("bin_count", "bin_confidence", "bin_accuracy", "ece")
MOST_NAMES = 20
"""Classes up to which a matrix has names and counts."""
COLUMNS = 8


def tables(study: StudyResults) -> Table | None:
    """Return the accuracy of each class, a column for each member; None where no answers are stored."""
    found = dict(_answers(study))
    if not found:
        return None
    names = [str(name) for name in next(iter(found.values()))["names"]]
    shares = {member: _by_class(arrays["confusion"]) for member, arrays in found.items()}
    rows = [
        [Cell(name), *(_percent(share[index]) if index < len(share) else Cell("-") for share in shares.values())]
        for index, name in enumerate(names)
    ]
    caption = "Share of the test images of each class that is answered rightly, at the newest checkpoint."
    return Table("classes", "Accuracy of each class", ("class", *shares), rows, caption)


def figures(study: StudyResults, common: dict[str, Any]) -> list[Figure]:
    """Return confusion matrix, mistakes and calibration of every member whose answers are stored."""
    found = []
    for member, arrays in _answers(study):
        names = [str(name) for name in arrays["names"]]
        made = (_confusion(member, arrays, names), _calibration(member, arrays), _mistakes(member, arrays, names))
        for name, title, caption, panel, columns, rows in filter(None, made):
            key = file_name(f"{name}-{member}")
            found.append(Figure(key, title, caption, (panel,), columns=columns, rows=rows, **common))
    return found


def _answers(study: StudyResults) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The stored answers of each member's first run that has any, by the member's label."""
    for member, runs in study.members.items():
        for run in runs:
            arrays = records.read_arrays(run.folder / pictures.PREDICTIONS)
            if {*ARRAYS, *BINS} <= set(arrays):
                yield study.label(member), arrays
                break


def _by_class(confusion: np.ndarray) -> np.ndarray:
    total = confusion.sum(1)
    return np.where(total > 0, np.diag(confusion) / np.maximum(total, 1), np.nan)


def _percent(share: float) -> Cell:
    return Cell("-" if np.isnan(share) else f"{share:.1%}", float(share))


def _confusion(member: str, arrays: dict[str, np.ndarray], names: list[str]) -> tuple[Any, ...]:
    confusion = arrays["confusion"]
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    few = len(names) <= MOST_NAMES

    def draw(axis: Any) -> None:
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.grid(False)
        axis.set_xlabel("answer")
        axis.set_ylabel("class")
        if few:
            axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
            axis.set_yticks(range(len(names)), names)
            for (row, column), count in np.ndenumerate(confusion):
                if count:
                    # The cells keep their colours on a dark page, so their numbers do too.
                    color = "#ffffff" if shares[row, column] > 0.55 else "#404040"
                    axis.text(column, row, f"{count}", ha="center", va="center", fontsize=6, color=color)

    off = confusion - np.diag(np.diag(confusion))
    row, column = np.unravel_index(off.argmax(), off.shape)
    most = f"{names[row]} taken for {names[column]}, {off[row, column]} images" if off.any() else "no mistake"
    alt = f"Confusion matrix of {len(names)} classes; most frequent mistake: {most}."
    panel = Panel("", draw, alt, (5.2, 4.6), (1.1, 0.1, 0.9, 0.1))
    caption = (
        f"Test images of each class (row) by the answer of {member} (column); darker is a larger share of the class. "
        f"Most frequent mistake: {most}."
    )
    rows = [(names[i], names[j], int(n)) for (i, j), n in np.ndenumerate(confusion)]
    return "confusion", f"Confusion matrix: {member}", caption, panel, ("class", "answer", "images"), rows


def _calibration(member: str, arrays: dict[str, np.ndarray]) -> tuple[Any, ...]:
    count, confidence, accuracy = (arrays[name] for name in BINS[:3])
    bins, ece = len(count), float(arrays["ece"])

    def draw(axis: Any) -> None:
        middles = (np.arange(bins) + 0.5) / bins
        # A bin without images has no accuracy.
        axis.bar(middles, np.nan_to_num(accuracy), width=0.92 / bins, color=style.LIGHT["blue"], alpha=0.35)
        axis.plot([0, 1], [0, 1], color=style.INK, linestyle="dashed", linewidth=1)
        axis.plot(confidence, accuracy, color=style.LIGHT["blue"], marker=".")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        axis.set_xlabel("confidence: probability of the answer")
        axis.set_ylabel("share of right answers")

    alt = f"Reliability diagram in {bins} bins; the expected calibration error is {ece:.3f}."
    panel = Panel("", draw, alt, (4.4, 3.4), (0.56, 0.14, 0.44, 0.14))
    caption = (
        f"Answers of {member} on the test images, in {bins} bins of their probability; on the dashed line they are "
        f"right as often as they claim. Expected calibration error (ECE): {ece:.3f}. Guo et al. 2017, arXiv 1706.04599."
    )
    rows = [(i / bins, (i + 1) / bins, int(count[i]), float(confidence[i]), float(accuracy[i])) for i in range(bins)]
    columns = ("from", "to", "images", "mean confidence", "accuracy")
    return "calibration", f"Calibration: {member}", caption, panel, columns, rows


def _mistakes(member: str, arrays: dict[str, np.ndarray], names: list[str]) -> tuple[Any, ...] | None:
    images = arrays["images"]
    if not len(images):
        return None
    words = [
        (names[int(label)], names[int(answer)], float(confidence))
        for label, answer, confidence in zip(*(arrays[f"mistakes_{part}"] for part in PARTS), strict=True)
    ]
    rows = -(-len(images) // COLUMNS)
    # The gap has room for the two lines of text below each image.
    gap = max(12, images.shape[1] // 2)

    def draw(axis: Any) -> None:
        show(axis, sheet(images / 255, COLUMNS, gap))
        height, width = images.shape[1] + gap, images.shape[2] + gap
        for index, (label, answer, confidence) in enumerate(words):
            top, left = index // COLUMNS * height, index % COLUMNS * width
            text = f"{label}\n→ {answer} {confidence:.0%}"
            axis.text(left, top + images.shape[1] + 1, text, fontsize=5.5, va="top")

    alt = (
        "The surest wrong answers: " + "; ".join(f"{label} taken for {answer}" for label, answer, _ in words[:8]) + "."
    )
    panel = Panel("", draw, alt, (7.4, 1.15 * rows + 0.3), (0.1, 0.1, 0.3, 0.1))
    caption = f"Test images that {member} answers wrongly with the highest probability: class → answer."
    return "mistakes", f"Surest mistakes: {member}", caption, panel, ("class", "answer", "probability"), words


PARTS = ("label", "answer", "confidence")
