"""The JSON of older versions' configs in today's form: one function per class that has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Stored = dict[str, Any]


def upgrade(stored: Mapping[str, Any]) -> Stored:
    """Return one JSON object of a config as today's version would have written it; inner objects are left as they are.

    A field that a class has lost is dropped where its value had no effect. Fields that an older version did not have
    are absent and take their defaults.
    """
    change = _CHANGES.get(str(stored.get("class")))
    return change(dict(stored)) if change else dict(stored)


def _norm(stored: Stored) -> Stored:
    """`batch_norm: bool` became `norm`."""
    if "batch_norm" in stored:
        stored["norm"] = "batch" if stored.pop("batch_norm") else "none"
    return stored


def _loss(stored: Stored) -> Stored:
    """`Loss(kind, label_smoothing)` became one class per kind."""
    return _one_of(
        stored,
        {
            "cross_entropy": ("CrossEntropy", {"label_smoothing": "label_smoothing"}),
            "mse": ("MSE", {}),
            "smooth_l1": ("SmoothL1", {}),
            "bce_with_logits": ("BCEWithLogits", {}),
        },
    )


def _schedule(stored: Stored) -> Stored:
    """`Schedule(kind, ...)` with the fields of all kinds became one class per kind."""
    falling = {"warmup": "warmup", "final_factor": "final_factor"}
    return _one_of(
        stored,
        {
            "constant": ("Constant", {"warmup": "warmup"}),
            "step": ("StepDecay", {"warmup": "warmup", "step_epochs": "epochs", "step_factor": "factor"}),
            "cosine": ("Cosine", falling),
            "triangular": ("Triangular", falling),
        },
    )


def _average(stored: Stored) -> Stored:
    """`Average(kind, decay, every)` became one class per kind."""
    both = {"decay": "decay", "every": "every"}
    return _one_of(stored, {"none": ("NoAverage", {}), "ema": ("EMA", both), "lookahead": ("Lookahead", both)})


def _probe(stored: Stored) -> Stored:
    """`Probe(measure, batch, every)` became one class per measure."""
    name = {
        "beta": "Beta",
        "gradient_distance": "GradientDistance",
        "noise_floor": "NoiseFloor",
        "gradient_direction": "GradientDirection",
        "update_direction": "UpdateDirection",
        "covariate_shift": "CovariateShift",
    }.get(stored.get("measure", "beta"), "Probe")
    kept = ("every", "batch") if name in ("Beta", "GradientDistance") else ("every",)
    return {"class": name, **{key: stored[key] for key in kept if key in stored}}


def _one_of(stored: Stored, kinds: Mapping[str, tuple[str, Mapping[str, str]]]) -> Stored:
    """The class of the stored kind (by default the first) with those fields that apply, under their new names."""
    kind = stored.get("kind", next(iter(kinds)))
    if kind not in kinds:
        return stored
    name, fields = kinds[kind]
    return {"class": name, **{new: stored[old] for old, new in fields.items() if old in stored}}


_CHANGES: Mapping[str, Callable[[Stored], Stored]] = {
    "CNN": _norm,
    "ResNet": _norm,
    "VGG": _norm,
    "DeepLinear": _norm,
    "Loss": _loss,
    "Schedule": _schedule,
    "Average": _average,
    "Probe": _probe,
}
