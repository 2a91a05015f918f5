"""Make hostile pickles and archives from a seed and read them: run by test_hostile.py in a folder of its own."""

from __future__ import annotations

import collections
import gzip
import io
import json
import os
import pickle
import random
import resource
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np

from jaxcifar.data import formats
from jaxcifar.errors import UserError

generator = random.Random(int(sys.argv[1]))
ran = os.path.abspath("ran")


class Call:
    def __init__(self, function, *arguments, state=None):
        self.called = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.called


CALLS = [
    lambda: Call(os.system, f"touch {ran}"),
    lambda: Call(eval, f"open({ran!r}, 'w')"),
    lambda: Call(exec, f"open({ran!r}, 'w')"),
    lambda: Call(open, ran, "w"),
    lambda: Call(os.mkdir, ran),
    lambda: Call(getattr, "x", "join"),
    lambda: Call(np.fromfile, "/dev/zero", "u1"),
    lambda: Call(np.memmap, ran, "u1", "w+", 0, (10,)),
    lambda: Call(np.save, ran, np.zeros(3)),
    lambda: Call(np.zeros, 1 << 40),
    lambda: Call(bytes, 1 << 40),
    lambda: Call(pickle.loads, pickle.dumps(Call(os.mkdir, ran))),
    lambda: Call(np.dtype, "O"),
    lambda: np.array([Call(os.mkdir, ran)], dtype=object),
    lambda: collections.OrderedDict(a=1),
]


def by_hand():
    """Instructions that no pickler writes."""
    core, tail = b"cnumpy.core.multiarray\n", b"."
    huge = struct.pack("<Q", generator.randrange(1 << 32, 1 << 62))
    index = struct.pack("<I", generator.randrange(1 << 27, 1 << 32))
    count = generator.randrange(1_000_001, 2_000_000)
    text = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20)
    encoded = b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R"
    return generator.choice(
        [
            b"\x80\x04]r" + index + tail,
            b"\x80\x04]p" + str(generator.randrange(10**7, 10**30)).encode() + b"\n" + tail,
            b"\x80\x04\x8e" + huge + tail,
            b"\x80\x05\x96" + huge + tail,
            b"\x80\x04\x95" + huge + tail,
            b"\x80\x04(" + b"\x8f" * count + b"l" + tail,
            b"\x80\x04(" + b"]" * count + b"l" + tail,
            b"\x80\x02" + text + b"q\x000c_codecs\nencode\nq\x010(" + encoded * 20_000 + b"l" + tail,
            b"\x80\x02" + core + b"_reconstruct\ncnumpy\nndarray\nM\xff\xff\x85U\x01b\x87R" + tail,
            b"\x80\x02" + core + b"_reconstruct\n}U\x08__code__K\x01sb" + tail,
            b"\x80\x02" + core + b"_reconstruct\nN}U\x0c__defaults__K\x01\x85s\x86b" + tail,
            b"\x80\x02cnumpy\ndtype\n]]\x86R" + tail,
            b"\x80\x02cnumpy\nload\n" + b"(U\x01x" + b"tR" + tail,
            b"(S'touch %s'\nios\nsystem\n." % ran.encode(),
            b"cos\nsystem\n(S'touch %s'\ntR." % ran.encode(),
            b"\x80\x02\x82\x01.",
            b"Pnumber\n.",
            b"\x80\x02K\x01Q.",
        ]
    )


def nest(depth):
    """A list that would have 10^depth items if it were copied."""
    value = [0] * 10
    for _ in range(depth):
        value = [value] * 10
    return value


def hostile_pickle():
    good = {"data": np.zeros((100, 3072), np.uint8), "labels": [0] * 100, "filenames": []}
    kind = generator.randrange(4)
    if kind == 0:
        return by_hand()
    if kind == 1:
        good[generator.choice(list(good))] = generator.choice(CALLS)()
    elif kind == 2:
        good[generator.choice(list(good))] = generator.choice([nest(12), {"x": nest(12)}, [nest(12)] * 100])
    raw = bytearray(pickle.dumps(good, generator.randrange(6)))
    if kind == 3:
        for _ in range(generator.randrange(1, 5)):
            raw[generator.choice([generator.randrange(200), generator.randrange(len(raw))])] = generator.randrange(256)
    return bytes(raw)


def header(name, kind=tarfile.REGTYPE, size=0, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def hostile_archive():
    names = ["cifar-10-batches-bin/data_batch_1.bin", "../../ran", "/tmp/../" + ran, ran, "\udcff\x1b[2J/../x"]
    name = generator.choice(names)
    extended = generator.choice([tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
    kind = generator.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE])
    zeros = bytes(1 << 20)
    blocks = generator.choice(
        [
            lambda: [header(name, kind, 0, "../../ran"), header("ran/x", size=10), b"x" * 512],
            lambda: [header(name, extended, 2 << 30)] + [zeros] * 300,
            lambda: [header("x", tarfile.XHDTYPE, 512), b"30 GNU.sparse.major=1\n".ljust(512, b"\0")] * 3000,
            lambda: [header("x", tarfile.GNUTYPE_LONGNAME, 512) + bytes(512)] * 3000,
            lambda: [header(f"d/{i}") for i in range(20_000)],
            lambda: [header("cifar-10-batches-bin/data_batch_1.bin", size=8 << 30)] + [zeros] * 50,
            lambda: [header("big", size=8 << 30)] + [zeros] * 200,
            lambda: [header("name.txt", size=50 << 20)] + [b"x" * (1 << 20)] * 50,
            lambda: [header("data_batch_1", size=len(raw := hostile_pickle())), raw, bytes(-len(raw) % 512)],
            lambda: [generator.randbytes(generator.randrange(1, 5000))],
            lambda: [header("x")[:124] + generator.randbytes(12) + header("x")[136:]],
        ]
    )()
    stream = io.BytesIO()
    with gzip.open(stream, "wb", 1) as file:
        for block in blocks:
            file.write(block)
    return stream.getvalue()


def tree():
    return sorted(str(path) for path in Path("..").resolve().rglob("*"))


outcomes = {}
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
Path("folder").mkdir()
for name in formats.PYTHON:
    Path("folder", name).touch()
for trial in range(int(sys.argv[2])):
    if trial % 2:
        path = Path("x.tar.gz")
        path.write_bytes(hostile_archive())
    else:
        path = Path("folder")
        (path / "data_batch_1").write_bytes(hostile_pickle())
    before = tree()
    try:
        formats.read(path, lambda text: None, 100)
        outcome = "read"
    except UserError as error:
        message = str(error).encode()  # one sentence, which any terminal can show
        outcome = "refused" if b"\n" not in message and len(message) < 600 else str(error)
    assert tree() == before, trial
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
outcomes["MiB"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024
print(json.dumps(outcomes))
