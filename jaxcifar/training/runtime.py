"""What is set once per process: the compilation cache, and which warnings reach the user."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax


def configure() -> None:
    """Keeps compiled programs in the user's cache folder and silences what a user can do nothing about.

    The folder is $JAX_COMPILATION_CACHE_DIR, else $XDG_CACHE_HOME/jaxcifar/compiled (~/.cache by default).
    """
    if not jax.config.values["jax_compilation_cache_dir"]:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "jaxcifar" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    for name in ("jax", "orbax", "tensorflow", "tensorflow_datasets", "etils"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Orbax logs by absl whatever it also raises.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = _without_closed_loops(sys.unraisablehook)
    for module in ("jax", "flax", "orbax", "tensorflow_datasets", "tyro"):
        warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")


def _without_closed_loops(shown: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The hook less what tensorstore says of a save that failed elsewhere already: its event loop is closed."""

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            shown(unraisable)

    return hook
