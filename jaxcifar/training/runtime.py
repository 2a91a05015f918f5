"""Settings made once per process: JAX's switches, the compilation cache, and which warnings reach the user."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxcifar.errors import UserError

_SWITCHES = {
    "jax_enable_x64": (False,),
    "jax_disable_jit": (False,),
    "jax_numpy_rank_promotion": ("warn", "allow"),
    "jax_transfer_guard": (None, "log", "allow"),
    "jax_threefry_partitionable": (True,),
}
"""JAX's switches that other code may have set, and the values with which training works and repeats its numbers."""


def configure() -> None:
    """Prepare the process for training: cache compiled programs and silence warnings that a user cannot act on.

    The cache is $JAX_COMPILATION_CACHE_DIR, else $XDG_CACHE_HOME/jaxcifar/compiled (~/.cache by default); without a
    home there is none.

    Raises:
        UserError: JAX finds no device, or one of its switches is set so that training cannot work.
    """
    _check_switches()
    if not jax.config.values["jax_compilation_cache_dir"] and (cache := cache_folder()) is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache / "compiled"))
    # Below JAX's 1 s, so that a later start need not compile the smaller programs again either.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    for name in ("jax", "orbax", "tensorflow", "tensorflow_datasets", "etils"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Orbax logs by absl whatever it also raises.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = _without_closed_loops(sys.unraisablehook)
    for module in ("jax", "flax", "orbax", "tensorflow_datasets", "tyro"):
        warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
    _check_device()


def cache_folder() -> Path | None:
    """Return $XDG_CACHE_HOME/jaxcifar, ~/.cache/jaxcifar by default; None without a home."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "jaxcifar" if os.path.isabs(cache) else None  # without a home it still begins with ~


def _check_switches() -> None:
    for name, allowed in _SWITCHES.items():
        value = jax.config.values[name]
        if value not in allowed:
            raise UserError(
                f"JAX's switch {name} is {value}, with which training does not work or gives other numbers; unset "
                f"{name.upper()} in the environment, or set it to {allowed[-1]}."
            )


def _check_device() -> None:
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a platform is known, but its plugin is missing
        wanted = os.environ.get("JAX_PLATFORMS", "")
        reason = f" ({text})" if (text := " ".join(str(error).split())) else ""
        raise UserError(
            f"JAX finds no device with JAX_PLATFORMS={wanted}{reason}; unset that variable, or set it to cpu."
        ) from None


def _without_closed_loops(shown: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The hook without what tensorstore reports after a failed save: its event loop is closed."""

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            shown(unraisable)

    return hook


def peak_memory() -> dict[str, int | None]:
    """Return the most bytes that the process and the first device have held; None for a device without a count."""
    stats = jax.local_devices()[0].memory_stats()
    return {"host_bytes": _peak_of_host(), "device_bytes": stats["peak_bytes_in_use"] if stats else None}


def _peak_of_host() -> int:
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB
