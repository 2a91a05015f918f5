"""Reading a pickle of NumPy arrays and plain containers without running anything that it names."""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np


class UnsafePickleError(Exception):
    """The pickle names something other than a NumPy array; nothing of it was run."""


class _Dtype:
    """Stands in for numpy.dtype: remembers the code, e.g. `u1`, and the byte order."""

    def __init__(self, code: str, *_: Any):
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple):
        self.order = state[1]

    def real(self) -> np.dtype:
        if self.code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
            raise UnsafePickleError(f"an array of type {self.code!r}")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


class _Array:
    """Stands in for numpy.ndarray: remembers shape, type and bytes."""

    def __init__(self, state: tuple | None = None):
        self.state = state

    def __setstate__(self, state: tuple):
        self.state = state

    def real(self) -> np.ndarray:
        match self.state:
            case (_, tuple(shape), _Dtype() as dtype, fortran, bytes() | bytearray() | str() as raw):
                raw = raw.encode("latin1") if isinstance(raw, str) else raw
                if math.prod(shape) * dtype.real().itemsize != len(raw):
                    raise UnsafePickleError("an array whose bytes do not fill its shape")
                return np.frombuffer(raw, dtype.real()).reshape(shape, order="F" if fortran else "C")
        raise UnsafePickleError("an array without its bytes")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(raw: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    return _Array((1, shape, dtype, order == "F", bytes(raw)))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UnsafePickleError(f"text in the encoding {encoding!r}")
    return text.encode("latin1")


_ADMITTED = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise UnsafePickleError(f"{module}.{name}")
        return _ADMITTED[module, name]


def load_plain(raw: bytes) -> Any:
    """The object in a pickle, which may hold arrays of integers, dicts, lists, text, bytes and numbers only.

    NumPy's own names are answered by stand-ins that only remember what they were given, so not even NumPy runs on what
    the file says; arrays are then built from bytes whose number is checked.

    Args:
        raw: the pickle, of any protocol; byte strings of Python 2 are read as Latin-1.

    Returns:
        What was pickled, byte strings that are keys turned into text.

    Raises:
        UnsafePickleError: it names anything else, e.g. os.system.
        ValueError: it is no pickle, or not a whole one.
    """
    try:
        return _plain(_Unpickler(io.BytesIO(raw), encoding="latin1").load())
    except UnsafePickleError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"not a whole pickle ({type(error).__name__})") from error


def _plain(value: Any) -> Any:
    match value:
        case _Array():
            return value.real()
        case dict():
            return {k.decode("latin1") if isinstance(k, bytes) else k: _plain(v) for k, v in value.items()}
        case list() | tuple():
            return type(value)(_plain(item) for item in value)
        case None | bool() | int() | float() | str() | bytes():
            return value
    raise UnsafePickleError(f"a {type(value).__name__}")
