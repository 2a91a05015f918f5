"""`jaxcifar.train`: one run from Python, for example in a notebook."""

from __future__ import annotations

import functools
from pathlib import Path

import jax

from jaxcifar import data, records
from jaxcifar.config import Run, UserError
from jaxcifar.config.run import check_batch_size
from jaxcifar.config.stored import begin_records, read_records
from jaxcifar.errors import memory_errors_told
from jaxcifar.records import lock
from jaxcifar.records.restart import clear
from jaxcifar.training import interrupt, progress, runtime, start
from jaxcifar.training.loggers import Log, check_installed
from jaxcifar.training.loop import Member, train_members
from jaxcifar.training.results import Results
from jaxcifar.training.resume import check_data
from jaxcifar.training.step import check_parts


def train(run: Run, out: str | Path | None = None, log: Log | None = None, restart: bool = False) -> Results:
    """Train a run, or continue it, and return its records.

    Args:
        run: what to train, e.g. `Run(model=VGG(norm="batch"), optimizer=Adam(), epochs=1)`.
        out: the run folder; `runs/<name>` by default. A finished run there is read, not repeated.
        log: `tensorboard`, `wandb` or `mlflow`, which then gets every row of `metrics` as well.
        restart: delete what the folder holds of this or another run, and begin again.

    Returns:
        The run folder's records: `metrics` has a row per epoch, `steps` the arrays with an entry per step.

    Raises:
        UserError: the data cannot be found or downloaded, the folder holds another run or is in use, or the disk or
            the device's memory is full, or a restart would delete other files than records.
        Interrupted: after Ctrl-C or SIGTERM, once the state is saved.

    Examples:
        >>> import jaxcifar
        >>> from jaxcifar.config import CNN, Data, Run
        >>> run = Run(model=CNN(), data=Data(source="shapes", train_size=1000, test_size=200), epochs=1)
        >>> jaxcifar.train(run, "runs/example").summary["status"]  # doctest: +SKIP
        'finished'
    """
    if not isinstance(run, Run):
        raise UserError(
            f"train(…) got {type(run).__name__}; it takes a Run. Train a study or a config file by `jaxcifar run`."
        )
    if log is not None:
        check_installed(log)
    runtime.configure()
    if jax.process_count() > 1:
        raise UserError(
            f"train(…) was called in one of {jax.process_count()} processes of jax.distributed; give each of them the "
            "command `jaxcifar run --config FILE --coordinator HOST:PORT` instead."
        )
    if out is None and (not run.name or run.name == ".." or Path(run.name).name != run.name):
        raise UserError(f"The run has the name {run.name!r}, which is none of a folder; give it another, or give out.")
    folder = records.local_path("out", out) if out is not None else Path("runs") / run.name
    with (
        memory_errors_told(),
        records.disk_errors_told(folder),
        records.locked(folder) as locks,
        interrupt.handling() as stop,
        progress.showing() as shown,
    ):
        records.remove_partial(folder)
        stop.may_continue = locks.check
        load = functools.lru_cache(maxsize=2)(lambda wanted: data.load(wanted, shown.message))
        given, run = run.data, data.fitted(run, load)
        if restart:
            check_batch_size(run, data.train_size(run.data))
            load(given)
            start.check(run)
            with records.locked(folder, lock.MEASURES):
                clear(folder, needed=(run.init_from,))  # after all checks that need no folder
        if records.is_complete(folder):
            # Nothing is left to train, but the folder must hold this very run.
            begin_records(folder, run)
            if not run.data.has_cifar_form:
                check_data(folder, load(given), ", or another folder by out")
        else:
            if not records.read_config(folder):
                check_parts(run)
            train_members([Member(run, folder, log=log)], load(given), "off", shown, stop)
            if run.snapshot_measures:
                names = ",".join(measure.name for measure in run.snapshot_measures)
                shown.message(f"Not taken yet: {names}. Give `jaxcifar landscape {folder} --measure {names}`.")
    # The working directory may change before the results are read.
    return Results.of(read_records(folder.absolute()), run)
