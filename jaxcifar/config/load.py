"""A config file and the command line's overrides become a Run, a Study or a Paper."""

from __future__ import annotations

import dataclasses
import os
import sys
import traceback
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxcifar.config.paper import Paper, sized
from jaxcifar.config.parse import parse
from jaxcifar.config.paths import get_path, set_path
from jaxcifar.config.run import Run
from jaxcifar.config.study import Study, Variant
from jaxcifar.errors import UserError


def load(
    path: str | Path, argv: Sequence[str] = (), *, prog: str | None = None, usage: str = "", size: str = ""
) -> Run | Study | Paper:
    """Read a config file and apply overrides such as `--epochs 1 --optimizer.learning-rate 1e-3`.

    Args:
        path: a Python file with `get_config() -> Run | Study | Paper`.
        argv: flags for the fields of the Run, or of a study's base Run, where they win in every member of every study.
        prog: the command's name in messages of the parser.
        usage: text that `--help` shows before the fields.
        size: name of a study's size, in place of the full one; flags win over it. A paper keeps the studies that have
            the size.

    Returns:
        The Run, the Study or the Paper.

    Raises:
        UserError: the file is missing, broken or returns something else, a flag does not exist or does not parse, a
            value is out of its range, or a flag names what a study varies.
        SystemExit: with 0 after `--help`.
    """
    config, docstring = read_file(Path(path))
    if size:
        config = sized(config, size)
    description = f"{docstring}\n\n{usage}".strip()
    match config:
        case Run():
            return _parse(config, argv, prog, description)
        case Study():
            return _apply(config, argv, prog, description)
        case Paper():
            if {"-h", "--help"} & {*argv}:
                # The studies of a paper have bases of their own, so --help shows the fields of a default run.
                _parse(Run(), argv, prog, description)
            return Paper(config.name, tuple(_apply(study, argv, prog, description) for study in config.studies))


def _apply(study: Study, argv: Sequence[str], prog: str | None, description: str) -> Study:
    parsed = _parse(study.base, argv, prog, description)
    return override(study, {flag: get_path(parsed, flag) for flag in flags(argv)})


def override(study: Study, changes: dict[str, Any]) -> Study:
    """Return a copy of the study in which dotted paths have these values in the base and in every variant.

    Raises:
        UserError: a path is what the study varies, or a variant has no such field.
    """
    base, variants, seeds = study.base, study.variants, study.seeds
    for path, value in changes.items():
        for varied in (*study.varies, *study.sweep):
            if path == varied or path.startswith(f"{varied}.") or varied.startswith(f"{path}."):
                flag = path.replace("_", "-")
                raise UserError(
                    f"--{flag} is what the study {study.name!r} varies; leave it out or write your own config file."
                )
        base = set_path(base, path, value)
        if path == "seed":
            seeds = _override_seeds(study, value)
        variants = tuple(_override_variant(variant, path, value) for variant in variants)
    return dataclasses.replace(study, base=base, variants=variants, seeds=seeds)


def _override_seeds(study: Study, seed: int) -> tuple[int, ...]:
    if len(study.seeds) > 1:
        raise UserError(
            f"--seed is what the study {study.name!r} varies, with the seeds {study.seeds}; leave it out or give "
            "--seeds."
        )
    return (seed,)


def _override_variant(variant: Variant, path: str, value: Any) -> Variant:
    """The variant with a change put last, so that the flag wins."""
    changes = {key: item for key, item in variant.changes.items() if key != path}
    return dataclasses.replace(variant, changes={**changes, path: value})


def read_file(path: Path) -> tuple[Run | Study | Paper, str]:
    """Return what get_config() of a config file returns, and the file's docstring; errors as in `load`."""
    if not path.is_file():
        raise UserError(f"There is no config file {str(path)!r}; `jaxcifar list` shows the names of the shipped ones.")
    if path.suffix != ".py":
        raise UserError(f"The config file {str(path)!r} is not a Python file; its name must end in .py.")
    with _importing(path) as module, _telling_the_line(path):
        # Compiled from its text each time: a .pyc is taken for current if the file was edited within a second.
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        if not hasattr(module, "get_config"):
            raise UserError(
                f"The config file {str(path)!r} has no function get_config() that returns a Run or a Study."
            )
        config = module.get_config()
    if not isinstance(config, Run | Study | Paper):
        kind = type(config).__name__
        raise UserError(f"get_config() of {str(path)!r} returned {kind}; it must return a Run, a Study or a Paper.")
    return config, (module.__doc__ or "").strip()


@contextmanager
def _importing(path: Path) -> Iterator[types.ModuleType]:
    """A new module for a file, known to `sys.modules` as dataclasses need it, with the file's folder importable."""
    folder = str(path.resolve().parent)
    module = types.ModuleType(f"jaxcifar_config_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.path.insert(0, folder)
    # Taken after the module is registered, so that it stays there: dataclasses and `inspect` look it up later.
    before = set(sys.modules)
    try:
        yield module
    finally:
        sys.path.remove(folder)
        # Another folder's config file may import a neighbour of the same name.
        for name in set(sys.modules) - before:
            if os.path.dirname(getattr(sys.modules[name], "__file__", None) or "") == folder:
                del sys.modules[name]


@contextmanager
def _telling_the_line(path: Path) -> Iterator[None]:
    """Turn an error raised by a config file into one sentence that names the file and the line."""
    try:
        yield
    except UserError as error:
        where = _place(error, path)
        raise (UserError(f"{str(error).rstrip('.')} ({where} of {path}).") if where else error) from None
    except (Exception, SystemExit) as error:
        where = " in ".join(filter(None, (_place(error, path), repr(str(path)))))
        message = f"The config file fails with {type(error).__name__}: {error} ({where}); correct it and try again."
        raise UserError(message) from error


def _place(error: BaseException, path: Path) -> str:
    """The last line of the file through which the error came; empty where it came through none."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}"
    frames = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    return f"line {frames[-1]}" if frames else ""


def _parse(base: Run, argv: Sequence[str], prog: str | None, description: str) -> Run:
    if not argv:
        return base
    from tyro.conf import AvoidSubcommands

    way_out = "--help after the config file" if prog is None else f"{prog} --config FILE --help"
    return parse(Run, argv, way_out, default=base, config=(AvoidSubcommands,), prog=prog, description=description)


def flags(argv: Sequence[str]) -> list[str]:
    """Return the dotted paths that the command line names: `--data.no-flip` -> `data.flip`."""
    found = []
    for token in argv:
        if not token.startswith("--"):
            continue
        *parents, last = token[2:].partition("=")[0].replace("-", "_").split(".")
        found.append(".".join([*parents, last.removeprefix("no_")]))
    return found
