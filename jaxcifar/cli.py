"""The command `jaxcifar`: parse, dispatch, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcifar import __version__, records
from jaxcifar.config import Paper, Run, Study, UserError, load, shipped, vectorized
from jaxcifar.config.parse import parse
from jaxcifar.config.stored import read_run
from jaxcifar.errors import memory_errors_told
from jaxcifar.options import CopyOptions, ExportOptions, LandscapeOptions, ReportOptions, RunOptions
from jaxcifar.streams import in_huge_pages, open_streams, quiet_when_unread

if TYPE_CHECKING:
    from jaxcifar.records.manifest import Invocation
    from jaxcifar.training.processes import Leader

USAGE = """usage: jaxcifar list
       jaxcifar run NAME [options] [--field value ...]
       jaxcifar plan NAME [--count] [options] [--field value ...]
       jaxcifar run --config FILE [options] [--field value ...]
       jaxcifar copy NAME [FILE]
       jaxcifar report DIR [--config FILE]
       jaxcifar landscape DIR --measure NAME[,NAME] [--data.dir DIR]
       jaxcifar export DIR|CONFIG [--out FILE.onnx|FILE.safetensors] [--field value ...]
       jaxcifar --version

Train the networks of a CIFAR-10 study in JAX and measure what BatchNorm does to their loss landscape.

  jaxcifar run quickstart      train a shipped config; the same command again continues
  jaxcifar run vgg_bn --help   every field of that config, with its value
  jaxcifar run --help          the options of run
  jaxcifar copy vgg_bn         a file of your own to edit, for jaxcifar run --config vgg_bn.py
"""


def main(argv: Sequence[str] | None = None, program: Sequence[str] = ("jaxcifar", "run")) -> int:
    """Run the command and return its exit code: 0, 2 for a user's slip, 128 + signal after an interruption.

    Args:
        argv: the arguments; those of the process by default.
        program: the words before the arguments of `run`, by which a report tells how to repeat it.
    """
    open_streams()
    with quiet_when_unread():
        try:
            with memory_errors_told():
                return _dispatch(list(sys.argv[1:] if argv is None else argv), program)
        except UserError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Stopped at once; the same command continues from the last checkpoint.", file=sys.stderr)
            return 130  # 128 + 2, the number of SIGINT


def command() -> int:
    """Run the installed command `jaxcifar` or `python -m jaxcifar`."""
    if Path(sys.argv[0]).name in ("jaxcifar", "__main__.py"):
        in_huge_pages(sys.argv[0])
    return main()


def _dispatch(arguments: list[str], program: Sequence[str]) -> int:
    match arguments:
        case ["run", *rest]:
            return _run(rest, program)
        case ["plan", *rest]:
            return _run([*rest, "--plan"], program)
        case ["list"]:
            return _list()
        case ["copy", *rest]:
            return _copy(rest)
        case ["report", *rest]:
            return _report(rest)
        case ["landscape", *rest]:
            return _landscape(rest)
        case ["export", *rest]:
            return _export(rest)
        case ["-h" | "--help"]:
            print(USAGE)
            return 0
        case ["--version"]:
            print(f"jaxcifar {__version__}")
            return 0
        case _:
            raise UserError(f"jaxcifar got {' '.join(arguments) or 'no command'!r}; try `jaxcifar --help`.")


def _landscape(argv: list[str]) -> int:
    # Modules that import JAX follow after the arguments are read, so that help and refusals come at once.
    options = parse(LandscapeOptions, argv, "jaxcifar landscape --help", prog="jaxcifar landscape")
    from jaxcifar import data
    from jaxcifar.records import lock, manifest, snapshots
    from jaxcifar.report.curvature import write_figures
    from jaxcifar.runner.snapshots import check_names, measure_run
    from jaxcifar.training import progress, runtime

    measures, failed = check_names(options.measure), []
    for folder in manifest.measured(options.folder):
        run = read_run(folder)
        run = replace(run, data=data.located(run.data, options.data_dir))
        runtime.configure()
        # Not the lock of training where that has ended: other runs of its program may be about to start.
        name = lock.MEASURES if records.is_complete(folder) else lock.RUN
        with records.disk_errors_told(folder), records.locked(folder, name):
            records.remove_partial(folder / snapshots.FOLDER)
            with progress.counting() as advance:
                told = progress.PlainProgress().message
                failed += measure_run(run, folder, folder, measures, data.load, told, advance)
            for path in write_figures(folder):
                print(f"Figure:  {os.path.relpath(path)}")
    if failed:
        raise UserError(" ".join(failed))
    return 0


def _export(argv: list[str]) -> int:
    options, rest = parse(
        ExportOptions, argv, "jaxcifar export --help", prog="jaxcifar export", return_unknown_args=True
    )
    from jaxcifar.runner import export
    from jaxcifar.training import progress, runtime

    file = options.file
    weights_alone = file.suffix == ".safetensors"
    if not weights_alone:
        export.check_installed()
    runtime.configure()
    with records.disk_errors_told(file):
        network = export.read(options.network, rest, progress.PlainProgress().message)
        if weights_alone:
            export.write_weights(network, file)
            print(f"Network: {network.origin}; its weights alone")
        else:
            difference = export.export(network, file)
            print(f"Network: {network.origin}; onnxruntime's logits differ from ours by {difference:.1e} at most")
    print(f"File:    {os.path.relpath(file)}")
    return 0


def _list() -> int:
    from jaxcifar.report.terminal import config_table

    config_table([shipped.describe(name) for name in shipped.names()])
    return 0


def _copy(argv: list[str]) -> int:
    options = parse(CopyOptions, argv, "jaxcifar copy --help", prog="jaxcifar copy")
    source = shipped.path(options.name)
    file = records.local_path("FILE", options.file or Path(source.name))
    if file.suffix != ".py":
        raise UserError(f"The copy's name is {str(file)!r}; a config file's name ends in .py.")
    if file.exists():
        raise UserError(f"{str(file)!r} exists already; give another file name after the config's.")
    with records.disk_errors_told(file), records.replacing(file) as copy:
        copy.write(source.read_bytes())
    print(f"Config:  {os.path.relpath(file)}; train it by jaxcifar run --config {os.path.relpath(file)}")
    return 0


def _run(argv: list[str], program: Sequence[str]) -> int:
    # The report repeats the command as it was typed.
    given, argv = argv, _with_file(argv)
    wants_help = "-h" in argv or "--help" in argv
    # Without a config there are only the options of `run` to show; tyro ends the process after them.
    if wants_help and "--config" not in {token.partition("=")[0] for token in argv}:
        parse(RunOptions, ["--help"], "jaxcifar run --help", prog="jaxcifar run")
    # Help is left to the config, which shows its fields too.
    plain = [token for token in argv if token not in ("-h", "--help")]
    options, rest = parse(RunOptions, plain, "jaxcifar run --help", prog="jaxcifar run", return_unknown_args=True)
    usage = (
        "Options besides the fields below: --out DIR, --restart, --summary, --plan, --count, --seeds N, --size NAME, "
        "--scale S, --only NAMES, --vectorize KIND, --max-minutes M, --worker K/N, --wait, --log TOOL, --coordinator "
        "HOST:PORT, --processes N, --process I, --connect-seconds S (see jaxcifar run --help)."
    )
    flagged = [*rest, *(["--help"] if wants_help else [])]
    config = load(options.config, flagged, prog="jaxcifar run", usage=usage, size=options.size)
    # A study has a name of its own, a run is named by its file.
    name = options.config.stem if isinstance(config, Run) else ""
    if options.vectorize:
        config = vectorized(config, options.vectorize)
    if options.summary:
        return _summary(config, options)
    if options.plan or options.count:
        return _plan(config, options)
    from jaxcifar.records.manifest import Invocation

    return _train(config, options, Invocation.of(given, options.scale, name, program), rest)


def _with_file(argv: list[str]) -> list[str]:
    """The arguments of `run` with the file of a shipped config in place of its name."""
    if not argv or argv[0].startswith("-"):
        return argv
    if any(token.partition("=")[0] == "--config" for token in argv):
        raise UserError(f"jaxcifar run got the name {argv[0]!r} and --config; give one of the two.")
    name = Path(argv[0])
    if name.suffix == ".py" or len(name.parts) > 1:
        raise UserError(f"jaxcifar run got {argv[0]!r}, which is not a name of `jaxcifar list`; give --config {name}.")
    return ["--config", str(shipped.path(argv[0])), *argv[1:]]


def _summary(config: Run | Study | Paper, options: RunOptions) -> int:
    from jaxcifar.models import layer_rows
    from jaxcifar.report.terminal import layer_table
    from jaxcifar.runner.deduplicate import plan
    from jaxcifar.training import runtime

    runtime.configure()
    runs = [item.run for study in plan(config, only=options.studies) for item in study.runs]
    for model in dict.fromkeys(run.model for run in runs):
        layer_table(str(model), layer_rows(model))
    return 0


def _plan(config: Run | Study | Paper, options: RunOptions) -> int:
    from jaxcifar.report.terminal import plan_table
    from jaxcifar.runner import speed
    from jaxcifar.runner.deduplicate import plan
    from jaxcifar.runner.estimate import outline
    from jaxcifar.runner.pictures import decided_untrained
    from jaxcifar.runner.plan import programs
    from jaxcifar.training import runtime

    runtime.configure()
    planned = plan(config, options.folder, options.chosen_seeds, options.scale, options.studies)
    if options.count:
        print(sum(len(programs(study)) for study in planned))
        return 0
    plan_table(outline(planned, speed.of_plan(planned)))
    for judged in [judged for study in planned for judged in decided_untrained(study.study)]:
        print(f"Without training, {judged.label}: {judged.statement} {judged.decides}.")
    return 0


def _train(config: Run | Study | Paper, options: RunOptions, invocation: Invocation, rest: Sequence[str]) -> int:
    from jaxcifar.runner.follow import follow, met
    from jaxcifar.training import Interrupted, runtime
    from jaxcifar.training.processes import Follower

    planned = config, options.chosen_seeds, options.scale, options.studies
    try:
        with met(options.place, options.config, [*options.common, *rest], *planned) as team:
            runtime.configure()
            if isinstance(team, Follower):
                return follow(team, *planned)
            _execute(config, options, invocation, team)
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return 128 + stopped.signal_number
    return 0


def _execute(config: Run | Study | Paper, options: RunOptions, invocation: Invocation, leader: Leader | None) -> None:
    from jaxcifar.report.ending import show
    from jaxcifar.runner.execute import execute
    from jaxcifar.runner.worker import joined

    out = options.folder
    with records.disk_errors_told(out), joined(out, options.part, options.wait) as worker:
        folders = execute(
            config,
            out,
            options.chosen_seeds,
            scale=options.scale,
            only=options.studies,
            max_minutes=options.max_minutes,
            invocation=invocation,
            restart=options.restart,
            log=options.log,
            worker=worker,
            leader=leader,
        )
        # The study as its file has it: flags do not change what it asks for.
        with worker.ending() as is_last:
            if is_last:
                show(load(options.config), out, folders, is_shipped=shipped.holds(options.config))


def _report(argv: list[str]) -> int:
    options = parse(ReportOptions, argv, "jaxcifar report --help", prog="jaxcifar report")
    from jaxcifar.report import write_report

    study = load(options.config) if options.config else None
    with records.disk_errors_told(options.folder):
        page = write_report(options.folder, study)
    print(f"Report:  {os.path.relpath(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
