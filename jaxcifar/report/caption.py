"""Notes below every figure and table: data set, network, batch, seeds, device, versions, the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxcifar import config
from jaxcifar.records.study import TRAIN_SIZE, Result, StudyResults

DATA_NAMES = {
    "cifar10": "CIFAR-10",
    "cifar10-jpeg": "CIFAR-10 (a JPEG copy, cifar10-jpeg)",
    "cifar10-unverified": "CIFAR-10 (unverified files)",
    "shapes": "shapes (procedural images, not CIFAR-10)",
}


TRAINING_MODE = "BatchNorm in training mode"
"""Of every measure of the loss that training sees."""


@dataclass(frozen=True)
class Provenance:
    """Where a study's numbers come from."""

    data: str
    networks: str
    batch: str
    device: str
    versions: str
    seeds: str
    command: str
    scaled: str
    """Says that the runs are smaller than the full study's; empty where they are not."""

    @property
    def line(self) -> str:
        """All but the command, in one line."""
        parts = (self.scaled, self.data, self.networks, self.batch, self.seeds, self.device, self.versions)
        return " · ".join(part for part in parts if part)

    @property
    def short(self) -> str:
        """For a figure's file: data, networks where they are one or two, scaling, batch, seeds."""
        networks = self.networks if self.networks.count(",") < 2 else ""
        return ", ".join(part for part in (self.data, networks, self.scaled, self.batch, self.seeds) if part)


def provenance(study: StudyResults) -> Provenance:
    """Return where a study's numbers come from, as far as the records say it."""
    runs = [run for run in study.runs if run.records]
    networks = dict.fromkeys(run.config.model.title for run in runs if run.config)
    batches = sorted({run.config.batch_size for run in runs if run.config})
    return Provenance(
        data=data_name(study),
        networks=", ".join(networks),
        batch=f"batch {_listed(batches)}" if batches else "",
        device=", ".join(dict.fromkeys(_device(run) for run in runs if _device(run))),
        versions=", ".join(dict.fromkeys(_versions(run) for run in runs if _versions(run))),
        seeds=seeds_told([{run.seed for run in runs if run.records} for runs in study.members.values()]),
        command=study.command,
        scaled=scaled(study),
    )


def measured_how(study: StudyResults) -> str:
    """Return the mode and the precision of the measures along training."""
    configs = [run.config for run in study.runs if run.config and run.config.step_measures]
    rounded = dict.fromkeys(each.measure_precision for each in configs if each.measure_precision != "float32")
    return ", ".join([TRAINING_MODE, *(f"gradients of measures in {precision}" for precision in rounded)])


def scaled(study: StudyResults) -> str:
    """`scaled to 0.02: 1,000 images, 1 epoch`, `size cpu: 10,000 images, 30 epochs`, or nothing."""
    if not (study.is_scaled or study.size):
        return ""
    configs = [run.config for run in study.runs if run.config]
    images = _span([config.data.train_size or TRAIN_SIZE for config in configs])
    epochs = _span([config.epochs for config in configs])
    how = f"size {study.size}" if study.size else f"scaled to {study.scale:g}" if study.scale < 1 else "scaled"
    return f"{how}: {images} images, {epochs} epoch{'' if epochs == '1' else 's'}"


def data_name(study: StudyResults) -> str:
    """Return the data set's name for readers."""
    return DATA_NAMES.get(study.data, study.data)


def labels(study: StudyResults, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the members' names for readers; see `config.labels`. A member without a config keeps its own name."""
    configs = {member: runs[0].config for member, runs in study.members.items()}
    found = config.labels({member: run for member, run in configs.items() if run}, overrides)
    return {member: found.get(member) or overrides.get(member, member) for member in configs}


def seeds_told(of_members: Sequence[set[int]]) -> str:
    """Return `seed 0`, `seeds 0, 2` or `seeds 0 to 4`, and whether some members have fewer."""
    of_members = [own for own in of_members if own]
    seeds = sorted(set().union(*of_members))
    if not seeds:
        return ""
    if len(seeds) < 2:
        return f"seed {_listed(seeds)}"
    in_a_row = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
    text = f"seeds {_span(seeds) if in_a_row else _listed(seeds)}"
    return text if all(own == set(seeds) for own in of_members) else f"{text} (some runs fewer)"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def _span(values: Sequence[int]) -> str:
    if not values:
        return "?"
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _device(run: Result) -> str:
    environment = run.records.environment if run.records else {}
    return str(environment.get("device", {}).get("kind", ""))


def _versions(run: Result) -> str:
    environment = run.records.environment if run.records else {}
    versions = environment.get("versions", {})
    wanted = ("jaxcifar", "jax", "flax", "python")
    return ", ".join(f"{name} {versions[name]}" for name in wanted if versions.get(name))
