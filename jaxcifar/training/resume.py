"""Where a run starts or continues: its folder is checked, and a step is looked for up to which everything is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxcifar import records
from jaxcifar.config import Run, UserError
from jaxcifar.config.run import check_batch_size
from jaxcifar.config.stored import begin_records, read_records
from jaxcifar.data import Dataset
from jaxcifar.training.checkpoint import sound_steps
from jaxcifar.training.environment import continued, environment
from jaxcifar.training.history import History


def begin(run: Run, folder: Path, dataset: Dataset) -> None:
    """Write config.json, or check that a folder holds this run on these data.

    Raises:
        UserError: the folder holds another run or other data, or a batch exceeds the training images.
    """
    check_batch_size(run, len(dataset.train_labels))
    begin_records(folder, run)
    check_data(folder, dataset, ", or --restart to begin again")


def check_data(folder: Path, dataset: Dataset, otherwise: str = "") -> None:
    """Check that these are the data that a run folder was begun on.

    Args:
        folder: the run's; one that nothing was recorded in yet is taken.
        dataset: what was loaded now.
        otherwise: another way out, appended to the message.

    Raises:
        UserError: the fingerprints differ, or the folder does not say its own.
    """
    name, fingerprint = _trained_on(folder)
    if fingerprint == UNKNOWN:
        raise UserError(
            f"{folder / records.ENVIRONMENT} does not say the data set of this run, so it cannot be compared with the "
            f"data found now; put the file back as it was{otherwise}."
        )
    if fingerprint and fingerprint != dataset.fingerprint:
        # A damaged file may differ in one digit.
        digits = 12 if fingerprint[:12] != dataset.fingerprint[:12] else None
        raise UserError(
            f"{folder} was begun on the data set {name} with SHA-256 {fingerprint[:digits]}, not on this "
            f"{dataset.name} with {dataset.fingerprint[:digits]}; give the same data by --data.dir or "
            f"$JAXCIFAR_DATA{otherwise}."
        )


UNKNOWN = "unknown"


def _trained_on(folder: Path) -> tuple[str, str]:
    """Name and fingerprint of a run's data, empty where nothing was recorded yet."""
    found = read_records(folder)
    if found.data:
        return f"{found.data['name']} that its {records.ENVIRONMENT} names", found.data["sha256"]
    # environment.json is damaged, or the run was killed before it wrote one; then it has no epoch and no checkpoint.
    steps = sound_steps(folder, lambda problem: None)
    named = [extra["data"] for extra in steps.values() if "data" in extra]
    if named:
        return "that its checkpoints name", named[-1]
    return ("", UNKNOWN) if steps or found.metrics else ("", "")


def record_environment(folder: Path, dataset: Dataset, step: int, used: int = 1) -> None:
    """Write environment.json, with the earlier environments of a run that continues from a step on `used` devices."""
    now = environment(dataset.name, dataset.fingerprint, dataset.class_names, used)
    records.write_environment(folder, continued(now, read_records(folder).environment, step))


def common_steps(histories: Sequence[History], notify: Callable[[str], None]) -> dict[int, dict[str, Any]]:
    """Return the steps whose checkpoint, and all records before it, are complete for every member.

    Args:
        histories: one for each member.
        notify: called with a sentence for each step that is skipped.

    Returns:
        From a step to what was stored beside the state.
    """
    sound = [sound_steps(history.folder, notify) for history in histories]
    found = {}
    for step in sorted(set.intersection(*(set(steps) for steps in sound))):
        wholes = [history.holds(step, steps[step].get("rows")) for history, steps in zip(histories, sound, strict=True)]
        damaged = next((h.folder for h, whole in zip(histories, wholes, strict=True) if not whole), None)
        if damaged is None:
            # Only the rows' digest differs between members, and it has been compared.
            found[step] = sound[0][step]
        else:
            notify(f"The records in {damaged} are damaged before step {step}, which is passed over.")
    return found
