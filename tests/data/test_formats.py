"""The official layouts, read back exactly; every damage is one sentence that names the file."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import struct
import tarfile

import numpy as np
import pytest

from jaxcifar.config import UserError
from jaxcifar.data import formats

ROWS = 100


def read(path):
    return formats.read(path, rows=ROWS)


def same(data, images, labels):
    np.testing.assert_array_equal(np.concatenate([data.train_images, data.test_images]), images)
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.test_labels]), labels)
    return len(data.train_images) == 5 * ROWS


def python2_batch(records):
    """What Python 2 with an old NumPy wrote: protocol 2, byte strings, names of numpy.core."""
    pixels = records[:, 1:].tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01(K\x64M\x00\x0ct" + dtype + b"\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in records[:, 0]) + b"e"
    return b"\x80\x02}(U\x04data" + array + state + b"U\x06labels" + labels + b"u."


@pytest.fixture(scope="module")
def python_folder(batches, tmp_path_factory):
    """Batches as Python 2 wrote them, and as a newer Python writes them, in every protocol."""
    folder = tmp_path_factory.mktemp("python") / "cifar-10-batches-py"
    folder.mkdir()
    for protocol, (name, records) in enumerate(batches.items()):
        batch = {b"data": records[:, 1:].copy(), b"labels": records[:, 0].tolist(), b"filenames": ["a.png"]}
        (folder / name).write_bytes(
            python2_batch(records) if name == "test_batch" else pickle.dumps(batch, max(protocol, 2))
        )
    return folder


def test_binary_folder(binary_folder, images, labels):
    data = read(binary_folder)
    assert same(data, images, labels)
    assert data.name == "cifar10-unverified"
    assert data.fingerprint == hashlib.sha256(images.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    assert data.class_names[3] == "cat"


@pytest.mark.parametrize("place", ["folder", "parent"])
def test_python_layout_is_the_same_data(python_folder, binary_folder, place):
    data = read(python_folder if place == "folder" else python_folder.parent)
    assert data.fingerprint == read(binary_folder.parent).fingerprint
    assert data.name == "cifar10-unverified"


@pytest.mark.parametrize("place", ["file", "folder"])
def test_archive_is_the_same_data(archive, images, labels, place, tmp_path):
    (tmp_path / archive.name).symlink_to(archive)
    assert same(read(archive if place == "file" else tmp_path), images, labels)


def test_published_checksums_give_the_plain_name(binary_folder, archive, images, labels, monkeypatch):
    assert not formats.official_pixels(images, labels)
    known = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in binary_folder.glob("*.bin")}
    monkeypatch.setattr(formats, "BATCH_MD5", known)
    assert read(binary_folder).name == read(archive).name == "cifar10"
    assert formats.official_pixels(images, labels)
    monkeypatch.setattr(formats, "BATCH_MD5", known | {"test_batch.bin": "0"})
    assert read(binary_folder).name == "cifar10-unverified"
    monkeypatch.setattr(formats, "ARCHIVE_MD5", (hashlib.md5(archive.read_bytes()).hexdigest(),))
    assert read(archive).name == "cifar10"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("cifar10-jpeg\n", "cifar10-jpeg"),
        ("cifar10", "cifar10-unverified"),
        ("shapes", "cifar10-unverified"),
        ("", "cifar10-unverified"),
    ],
)
def test_name_txt(line, name, tmp_path):
    assert formats.given_name(line.encode(), tmp_path) == name


def test_name_txt_travels_with_the_folder_and_must_be_one_word(copied):
    (copied / "name.txt").write_text("cifar10-jpeg\n")
    assert read(copied).name == "cifar10-jpeg"
    (copied / "name.txt").write_text("<b>my own</b>")
    with pytest.raises(UserError, match="one word"):
        read(copied)


def wrong_label(raw):
    return raw[: 50 * 3073] + b"\n" + raw[50 * 3073 + 1 :]


@pytest.fixture
def copied(binary_folder, tmp_path):
    return shutil.copytree(binary_folder, tmp_path / "copied")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda raw: raw[:-1], r"data_batch_4\.bin has 307,299 bytes; a whole one has 307,300"),
        (lambda raw: raw + b"\0", r"data_batch_4\.bin has 307,301 bytes"),
        (lambda raw: None, r"data_batch_4\.bin is missing"),
        (wrong_label, r"data_batch_4\.bin has a label 10"),
    ],
)
def test_a_damaged_binary_batch_is_named(copied, damage, says):
    path = copied / "data_batch_4.bin"
    content = damage(path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        read(copied)


def test_missing_and_empty_places(tmp_path):
    with pytest.raises(UserError, match=r"There is no .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no CIFAR-10"):
        read(tmp_path)
    (tmp_path / "file").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"no whole \.tar\.gz"):
        read(tmp_path / "file")


class Attack:
    """Runs a command when it is unpickled freely."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def python_layout(folder, first):
    for name in formats.PYTHON:
        (folder / name).write_bytes(first)


def test_a_pickle_that_calls_os_system_is_refused_and_never_runs(tmp_path):
    ran = tmp_path / "ran"
    python_layout(tmp_path, pickle.dumps({"data": Attack(f"touch {ran}"), "labels": []}))
    with pytest.raises(UserError, match=r"data_batch_1 is refused and was not run: its pickle holds \w+\.system"):
        read(tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"data": np.zeros((ROWS - 1, 3072), np.uint8), "labels": [0] * ROWS}, "has images uint8"),
        ({"data": np.zeros((ROWS, 3072), np.int16), "labels": [0] * ROWS}, "has images int16"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * (ROWS - 1)}, "has labels"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * (ROWS - 1) + [10]}, "has a label 10"),
        ({"data": np.zeros((ROWS, 3072), np.uint8)}, "no whole batch"),
        ([1, 2], "no whole batch"),
    ],
)
def test_a_damaged_python_batch_is_named(tmp_path, batch, says):
    python_layout(tmp_path, pickle.dumps(batch))
    with pytest.raises(UserError, match=f"data_batch_1 {says}|data_batch_1 is {says}"):
        read(tmp_path)


def test_a_truncated_python_batch_is_named(tmp_path, batches):
    python_layout(tmp_path, python2_batch(batches["test_batch"])[:-1])
    with pytest.raises(UserError, match="data_batch_1 is no whole batch"):
        read(tmp_path)


def test_a_truncated_archive_is_named(archive, tmp_path):
    short = tmp_path / "short.tar.gz"
    short.write_bytes(archive.read_bytes()[:-1_000])
    with pytest.raises(UserError, match=r"short\.tar\.gz is no whole \.tar\.gz"):
        read(short)


def one_member(path, name, kind, content=b""):
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("cifar-10-batches-bin/data_batch_1.bin", tarfile.SYMTYPE, "link or a device"),
        ("cifar-10-batches-bin/data_batch_1.bin", tarfile.LNKTYPE, "link or a device"),
        ("../../escaped", tarfile.REGTYPE, "unsafe"),
        ("cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, "has 0 bytes"),
        ("cifar-10-batches-bin/readme.html", tarfile.REGTYPE, "has no data_batch_1"),
    ],
)
def test_a_hostile_or_foreign_archive_is_refused(tmp_path, name, kind, says):
    with pytest.raises(UserError, match=says):
        read(one_member(tmp_path / "x.tar.gz", name, kind))
