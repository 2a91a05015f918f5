"""The residual networks as tables, from what the modules gave (study 1.9, Fig. 8)."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults
from jaxcifar.report.tables import Cell, Table

STUDY_FLOPS = {"18": "1.8×10⁹", "34": "3.6×10⁹", "50": "3.8×10⁹", "101": "7.6×10⁹", "152": "11.3×10⁹"}


def tables(study: StudyResults) -> list[Table]:
    """Return the table in the ImageNet form and in the CIFAR form; none where the study stored none."""
    value = pictures.read_architecture(study.folder)
    if not {"imagenet", "cifar"} <= set(value):
        return []
    caption = (
        "Computed from the modules; FLOPs are multiply-adds, as in the study's table. Our bottlenecks stride in the "
        "3×3 convolution, as PyTorch's do, and so cost a little more than the study's."
    )
    imagenet = _table(value["imagenet"], "imagenet", "Residual networks in the ImageNet form", caption)
    theirs = [Cell(STUDY_FLOPS.get(depth, ""), study=True) for depth in value["imagenet"]]
    imagenet = dataclasses.replace(imagenet, rows=[*imagenet.rows, [Cell("FLOPs, study"), Cell(""), *theirs]])
    caption = "Computed from the modules that are trained: 3×3 first convolution, no max-pool."
    return [imagenet, _table(value["cifar"], "cifar", "Residual networks in the CIFAR form", caption)]


def _table(table: dict[str, Any], form: str, title: str, caption: str) -> Table:
    depths = list(table)
    first = table[depths[0]]
    stem, imagenet = first["conv1"], form == "imagenet"
    conv1 = f"{_square(stem['kernel'])}, {stem['channels']}" + (
        ", stride 2; 3×3 max-pool, stride 2" if imagenet else ""
    )
    rows = [[Cell("conv1"), Cell(_square(stem["side"])), *[Cell(conv1)] * len(depths)]]
    for stage, shape in first["stages"].items():
        blocks = [Cell(_block(table[depth]["stages"][stage])) for depth in depths]
        rows.append([Cell(stage), Cell(_square(shape["side"])), *blocks])
    rows.append([Cell("end"), Cell("1×1"), *[Cell(f"average pool, {first['classes']}-d fc, softmax")] * len(depths)])
    rows.append([Cell("parameters"), Cell(""), *(Cell(f"{table[d]['parameters']:,}") for d in depths)])
    rows.append([Cell("FLOPs"), Cell(""), *(Cell(f"{table[d]['multiply_adds'] / 1e9:.2f}×10⁹") for d in depths)])
    columns = ("layer", "output", *(f"{depth} layers" for depth in depths))
    return Table(f"architecture-{form}", title, columns, rows, caption)


def _block(stage: dict[str, Any]) -> str:
    kernels = "; ".join(f"{_square(side)}, {channels}" for side, channels in stage["kernels"])
    return f"[{kernels}] × {stage['blocks']}"


def _square(side: int) -> str:
    return f"{side}×{side}"
