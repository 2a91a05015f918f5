"""A run's records while it trains: per-step values, epoch rows, and where it diverged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar import records
from jaxcifar.config import Run
from jaxcifar.config.stored import read_records
from jaxcifar.records import seal
from jaxcifar.training.loggers import Logger
from jaxcifar.training.metrics import Sums


class History:
    """Collect what each chunk measured and write it to the run folder."""

    def __init__(self, run: Run, folder: Path, steps_per_epoch: int):
        self.run = run
        self.folder = folder
        self.steps_per_epoch = steps_per_epoch
        self.values: dict[str, np.ndarray] = {}
        self.rows: list[dict[str, Any]] = []
        self.diverged_step: int | None = None
        self.logger: Logger | None = None

    @property
    def done(self) -> int:
        """Steps recorded so far."""
        return len(self.values["loss"]) if self.values else 0

    def digest(self) -> str:
        """Return the SHA-256 of the epochs' rows, to be kept with a checkpoint."""
        return seal.of_rows(self.rows)

    def holds(self, step: int, digest: str | None = None) -> bool:
        """Return whether the folder has every step and epoch up to this step, or up to where the run diverged.

        Args:
            step: of a checkpoint.
            digest: of the rows up to there; None for a checkpoint of a version that did not keep it.
        """
        values, rows, diverged = self._recorded(step)
        if digest is not None and digest != seal.of_rows(rows):
            return False
        done = len(values["loss"]) if "loss" in values else 0
        whole = (done == step or diverged) and all(len(array) == done for array in values.values())
        # An epoch in which a training loss was not finite has no row, even where that was its last step.
        epochs = (done - diverged) // self.steps_per_epoch
        return whole and [row["epoch"] for row in rows] == [*range(1, epochs + 1)]

    def restore(self, step: int) -> None:
        """Go back to a step: read what was recorded up to it, and drop what came after."""
        self.values, self.rows, diverged = self._recorded(step)
        self.diverged_step = self.done if diverged or self._exploded_at_the_end() else None
        records.write_metrics(self.folder, self.rows)

    def _recorded(self, step: int) -> tuple[dict[str, np.ndarray], list[dict[str, Any]], bool]:
        """Per-step values and rows up to a step, and whether the run had diverged by then."""
        if step == 0:
            return {}, [], False
        # A killed process may have recorded more than its last checkpoint: steps.npz and metrics.jsonl are cut back to
        # the checkpoint's step. Behind the first loss that is not finite nothing is recorded.
        stored = read_records(self.folder)
        bad = np.flatnonzero(~np.isfinite(stored.steps.get("loss", np.zeros(0))[:step]))
        done = int(bad[0]) + 1 if bad.size else step
        values = {name: array[:done] for name, array in stored.steps.items()}
        return values, [row for row in stored.metrics if row.get("step", math.inf) <= done], bool(bad.size)

    def extend(self, measured: Mapping[str, np.ndarray]) -> None:
        """Add the values of a chunk's steps, up to and including the first loss that is not finite."""
        if self.diverged_step is not None:
            return
        bad = np.flatnonzero(~np.isfinite(measured["loss"]))
        count = int(bad[0]) + 1 if bad.size else len(measured["loss"])
        new = {name: np.asarray(array[:count]) for name, array in measured.items()}
        self.values = {name: np.concatenate([self.values[name], new[name]]) for name in new} if self.values else new
        if bad.size:
            self.diverged_step = self.done

    def end_epoch(
        self, sums: Sums | None, seconds: float, learning_rate: float, train_sums: Sums | None = None
    ) -> None:
        """Add an epoch's row: means over its steps, the sums of the evaluations that there were, training seconds."""
        if self.diverged_step is not None:
            return
        last = {name: self.values[name][-self.steps_per_epoch :] for name in ("loss", "accuracy")}
        row = {
            "epoch": self.done // self.steps_per_epoch,
            "step": self.done,
            "train_loss": float(np.mean(last["loss"], dtype=np.float64)),
            "train_accuracy": float(np.mean(last["accuracy"], dtype=np.float64)),
            "test_loss": float(sums.loss) / float(sums.count) if sums else None,
            "test_accuracy": float(sums.correct) / float(sums.count) if sums else None,
            "seconds": seconds,
            "images_per_second": self.steps_per_epoch * self.run.batch_size / seconds if seconds else math.nan,
            "learning_rate": learning_rate,
        }
        if train_sums:
            count = float(train_sums.count)
            row["train_eval_loss"] = float(train_sums.loss) / count
            row["train_eval_accuracy"] = float(train_sums.correct) / count
        if sums:
            row |= {f"test_accuracy_{name}": float(n) / float(sums.count) for name, n in sums.others.items()}
        self.rows.append(row)
        records.append_metrics(self.folder, row)
        if self._exploded_at_the_end():
            self.diverged_step = self.done
        if self.logger is not None:
            self.logger.row(row)

    def _exploded_at_the_end(self) -> bool:
        """Whether the last test loss is not finite: no later step would tell that the last one exploded the weights."""
        last = self.rows[-1] if self.rows else {}
        loss = last.get("test_loss")
        return last.get("step") == self.run.epochs * self.steps_per_epoch and (loss is None or not math.isfinite(loss))

    def flush(self) -> None:
        """Write steps.npz."""
        if self.values:
            records.write_steps(self.folder, self.values)

    def summarize(self, status: records.Status, extra: Mapping[str, Any]) -> None:
        """Write steps.npz and summary.json."""
        # steps.npz comes before summary.json, which says that the run has ended and has the digests of its other files.
        self.flush()
        if self.diverged_step is not None:
            status = "diverged"
        summary: dict[str, Any] = {"status": status, "epochs": len(self.rows), "steps": self.done}
        if self.diverged_step is not None:
            summary["diverged_step"] = self.diverged_step
        tested = [row for row in self.rows if row["test_accuracy"] is not None]
        if tested:
            best = max(tested, key=lambda row: row["test_accuracy"])
            summary["best"] = {key: best[key] for key in ("epoch", "test_accuracy", "test_loss")}
        if self.rows:
            last = self.rows[-1]
            figures = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
            others = [key for key in last if key.startswith("test_accuracy_")]
            summary["last"] = {key: last[key] for key in (*figures, *others)}
            summary["seconds_per_epoch"] = float(np.median([row["seconds"] for row in self.rows]))
        summary = {**summary, **extra}
        # A run that is continued changes its files again.
        write = records.write_summary if status == "interrupted" else records.write_sealed_summary
        write(self.folder, summary)
