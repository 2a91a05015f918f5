"""A config file and the command line's overrides become a Run, a Study or a Paper."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcifar.config.paper import Paper
from jaxcifar.config.parse import parse
from jaxcifar.config.paths import get_path, set_path
from jaxcifar.config.run import Run
from jaxcifar.config.study import Study, Variant
from jaxcifar.errors import UserError


def load(
    path: str | Path, argv: Sequence[str] = (), *, prog: str | None = None, usage: str = ""
) -> Run | Study | Paper:
    """Reads a config file and applies overrides such as `--epochs 1 --optimizer.learning-rate 1e-3`.

    Args:
        path: a Python file with `get_config() -> Run | Study | Paper`.
        argv: flags for the fields of the Run, or of a study's base Run, where they win in every member of every study.
        prog: the command's name in messages of the parser.
        usage: text that `--help` shows before the fields.

    Returns:
        The Run, the Study or the Paper.

    Raises:
        UserError: the file is missing, broken or returns something else, a flag does not exist or does not parse, a
            value is out of its range, or a flag names what a study varies.
        SystemExit: with 0 after `--help`.
    """
    config, docstring = _execute(Path(path))
    description = f"{docstring}\n\n{usage}".strip()
    match config:
        case Run():
            return _parse(config, argv, prog, description)
        case Study():
            return _apply(config, argv, prog, description)
        case Paper():
            if {"-h", "--help"} & {*argv}:
                _parse(Run(), argv, prog, description)
            return Paper(config.name, tuple(_apply(study, argv, prog, description) for study in config.studies))


def _apply(study: Study, argv: Sequence[str], prog: str | None, description: str) -> Study:
    parsed = _parse(study.base, argv, prog, description)
    return override(study, {flag: get_path(parsed, flag) for flag in flags(argv)})


def override(study: Study, changes: dict[str, Any]) -> Study:
    """A copy of the study in which dotted paths have these values in the base and in every variant.

    Raises:
        UserError: a path is what the study varies, or a variant has no such field.
    """
    base, variants = study.base, study.variants
    for path, value in changes.items():
        for varied in (*study.varies, *study.sweep):
            if path == varied or path.startswith(f"{varied}.") or varied.startswith(f"{path}."):
                flag = path.replace("_", "-")
                raise UserError(
                    f"--{flag} is what the study {study.name!r} varies; leave it out or write your own config file."
                )
        base = set_path(base, path, value)
        variants = tuple(_override_variant(variant, path, value) for variant in variants)
    return dataclasses.replace(study, base=base, variants=variants)


def _override_variant(variant: Variant, path: str, value: Any) -> Variant:
    """The flag comes after the variant's own changes, so it wins."""
    changes = {key: item for key, item in variant.changes.items() if key != path}
    return dataclasses.replace(variant, changes={**changes, path: value})


def _execute(path: Path) -> tuple[Run | Study | Paper, str]:
    """The object that the file's get_config returns, and the file's docstring."""
    if not path.is_file():
        raise UserError(f"There is no config file {str(path)!r}; see the folder configs/ for the project's own.")
    spec = importlib.util.spec_from_file_location(f"jaxcifar_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"The config file {str(path)!r} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise UserError(
                f"The config file {str(path)!r} has no function get_config() that returns a Run or a Study."
            )
        config = module.get_config()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        message = f"The config file {str(path)!r} fails with {type(error).__name__}: {error}; mend it and try again."
        raise UserError(message) from error
    if not isinstance(config, Run | Study | Paper):
        kind = type(config).__name__
        raise UserError(f"get_config() of {str(path)!r} returned {kind}; it must return a Run, a Study or a Paper.")
    return config, (module.__doc__ or "").strip()


def _parse(base: Run, argv: Sequence[str], prog: str | None, description: str) -> Run:
    if not argv:
        return base
    from tyro.conf import AvoidSubcommands

    way_out = "--help beside the config file" if prog is None else f"{prog} --config FILE --help"
    return parse(Run, argv, way_out, default=base, config=(AvoidSubcommands,), prog=prog, description=description)


def flags(argv: Sequence[str]) -> list[str]:
    """The dotted paths that the command line names: `--data.no-flip` -> `data.flip`."""
    found = []
    for token in argv:
        if not token.startswith("--"):
            continue
        *parents, last = token[2:].partition("=")[0].replace("-", "_").split(".")
        found.append(".".join([*parents, last.removeprefix("no_")]))
    return found
