"""The restricted unpickler: arrays and plain containers come back, nothing else is even called."""

from __future__ import annotations

import collections
import contextlib
import pickle
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxcifar.data.unpickle import UnsafePickleError, load_dict

ARRAYS = [np.arange(6, dtype=code).reshape(2, 3) for code in ("u1", "i8", ">i4")]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_numbers_and_containers_come_back(protocol):
    for array in (*ARRAYS, np.asfortranarray(ARRAYS[1]), np.array([0.5, np.nan]), np.array(3)):
        value = {"data": array, "list": [1, 2.5, None, True, "text"], "bytes": b"\xff\x00x", "pair": ("a", {"b": 1})}
        value["numbers"] = [np.int64(-3), np.uint8(200), np.float32(0.5), np.bool_(True), np.array(7, ">i2")]
        found = load_dict(pickle.dumps(value, protocol), *value)
        np.testing.assert_array_equal(found.pop("data"), value.pop("data"))
        assert found == value | {"pair": list(value["pair"])}
        assert [type(number) for number in found["numbers"][:3]] == [np.int64, np.uint8, np.float32]


def test_only_wanted_entries_by_text_or_bytes():
    assert load_dict(pickle.dumps({b"a": 1, "b": 2, "c": 3}), "a", "b", "d") == {"a": 1, "b": 2}


def test_names_of_old_numpy():
    raw = pickle.dumps({"data": ARRAYS[0]}, 2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in raw
    np.testing.assert_array_equal(load_dict(raw, "data")["data"], ARRAYS[0])


class Call:
    """Pickles as a call of the function."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


@pytest.mark.parametrize(
    "value",
    [
        Call(eval, "1 + 1"),
        Call(getattr, "a", "upper"),
        Call(np.load, "file"),
        Call(np.fromfile, "file"),
        subprocess.Popen,
        collections.OrderedDict(a=1),
        np.array([1, "a"], dtype=object),
        np.zeros(2, [("a", "i4")]),
        np.complex64(1),
        np.str_(1),
        np.datetime64(1, "s"),
        frozenset,
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_else_is_refused(value):
    with pytest.raises(UnsafePickleError):
        load_dict(pickle.dumps({"data": value}), "data")


def test_bytes_that_do_not_fill_the_shape_are_refused():
    raw = pickle.dumps({"data": ARRAYS[0]}, 4)
    with pytest.raises(ValueError, match="not a whole pickle"):
        load_dict(raw.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"), "data")


GOOD = pickle.dumps({"data": ARRAYS[1], "labels": [1, 2, 3]}, 4)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.booleans())
def test_a_damaged_pickle_is_an_error_or_plain(place, byte, cut):
    raw = GOOD[:place] if cut else GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    with contextlib.suppress(UnsafePickleError, ValueError):
        assert isinstance(load_dict(raw, "data", "labels"), dict)
