"""Read a pickle of plain values and NumPy numbers; nothing that the pickle names is imported or called."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
MOST_OPCODES = 1_000_000
"""An official batch has about 40,000; no opcode creates more than a few hundred bytes that are not in the file."""


class UnsafePickleError(Exception):
    """The pickle holds something other than plain values and NumPy numbers; none of it was run."""


def load_dict(raw: bytes, *keys: str) -> dict[str, Any]:
    """Return the wanted entries of a pickled dict; keys and texts of Python 2 are bytes in the file.

    Raises:
        UnsafePickleError: it names anything but NumPy's numbers and arrays, or needs far more memory than its size.
        ValueError: it is not a pickle of a dict, or not a whole one.
    """
    try:
        # `genops` only parses, so the limits are checked before any instruction is carried out.
        for count, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
            # A million empty sets, or a memo with one huge index, would be a few bytes in the file.
            if count >= MOST_OPCODES or ("PUT" in opcode.name and int(argument or 0) >= MOST_OPCODES):
                raise UnsafePickleError(f"more than {MOST_OPCODES:,} instructions")
        found = _Unpickler(raw).load()
        # Only the wanted entries are looked at: a walk over lists that share their items might not end.
        wanted = {key: found.get(key, found.get(key.encode())) for key in keys}
        return {key: _filled(value) for key, value in wanted.items() if value is not None}
    except UnsafePickleError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"not a whole pickle of a dict ({type(error).__name__})") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, raw: bytes):
        # Texts of Python 2 can hold the bytes of arrays, which no decoding may change.
        super().__init__(io.BytesIO(raw), encoding="bytes")
        self._encodable = len(raw)

    def find_class(self, module: str, name: str) -> Callable | str:
        # Stand-ins, so that a file never reaches NumPy's own code; new ones each time, as a pickle may set attributes.
        match module.replace("numpy._core.", "numpy.core."), name:
            case "numpy", "ndarray":
                # Only passed to _reconstruct, so it need not be callable.
                return "numpy.ndarray"
            case "numpy", "dtype":
                return lambda code, *_: _Dtype(code)
            case "numpy.core.multiarray", "_reconstruct":
                return lambda *_: _Array()
            case "numpy.core.multiarray", "scalar":
                return lambda dtype, raw: _view(raw, dtype, ())[()]
            case "numpy.core.numeric", "_frombuffer":
                return lambda *state: _Array(_view(*state))
            case "_codecs", "encode":
                return lambda text, encoding: self._encode(text, encoding)
        raise UnsafePickleError(f"{module}.{name}"[:80])

    def _encode(self, text: str, encoding: str) -> bytes:
        """Protocols 0 to 2 write bytes as Latin-1 text, each once; one text encoded many times would fill memory."""
        self._encodable -= len(text)
        if encoding != "latin1" or self._encodable < 0:
            raise UnsafePickleError("text that is not the bytes of an array")
        return text.encode("latin1")


class _Dtype:
    """Stands in for numpy.dtype; pickle sets the byte order by `__setstate__`."""

    def __init__(self, code: str | bytes):
        code = code.decode() if isinstance(code, bytes) else code
        if not isinstance(code, str) or code not in NUMBERS:
            raise UnsafePickleError("an array that is not of numbers")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple):
        self.value = self.value.newbyteorder(">" if state[1] in (">", b">") else "<")


class _Array:
    """Stands in for numpy.ndarray; pickle sets shape, type and bytes by `__setstate__`."""

    def __init__(self, value: np.ndarray | None = None):
        self.value = value

    def __setstate__(self, state: tuple):
        _, shape, dtype, fortran, raw = state
        self.value = _view(raw, dtype, shape, "F" if fortran else "C")


def _view(raw: bytes, dtype: _Dtype, shape: tuple[int, ...], order: Any = "C") -> np.ndarray:
    """The bytes as an array, not copied; a ValueError where their number does not fit the shape."""
    return np.frombuffer(raw, dtype.value).reshape(shape, order=order)


def _filled(value: Any) -> Any:
    """A value, or a list of values, with arrays in place of their stand-ins."""
    if isinstance(value, list | tuple):
        return [item.value[()] if isinstance(item, _Array) and item.value is not None else item for item in value]
    return value.value if isinstance(value, _Array) else value
