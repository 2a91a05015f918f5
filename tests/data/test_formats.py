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

from jaxcifar.data import formats
from jaxcifar.errors import UserError

ROWS = 100


def read(path, notify=pytest.fail):
    return formats.read(path, notify, ROWS)


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


def test_published_checksums_give_the_plain_name(binary_folder, archive, python_folder, images, labels, monkeypatch):
    assert not formats.official_pixels(images, labels)
    known = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in binary_folder.glob("*.bin")}
    monkeypatch.setattr(formats, "BATCH_MD5", known)
    assert {read(place).name for place in (binary_folder, archive, python_folder)} == {"cifar10"}
    assert formats.official_pixels(images, labels)
    monkeypatch.setattr(formats, "BATCH_MD5", known | {"test_batch.bin": "0"})
    assert {read(place).name for place in (binary_folder, archive, python_folder)} == {"cifar10-unverified"}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("cifar10-jpeg\n", "cifar10-jpeg"),
        ("\ufeffmine\r\nA second line, with <remarks>.", "mine"),
        ("\nmine", "cifar10-unverified"),
        ("cifar10", "cifar10-unverified"),
        ("CIFAR10", "cifar10-unverified"),
        ("shapes", "cifar10-unverified"),
        ("", "cifar10-unverified"),
    ],
)
def test_name_txt(line, name, tmp_path):
    (tmp_path / "name.txt").write_text(line)
    assert formats.given_name(formats.name_line(tmp_path), tmp_path) == name


def test_name_txt_travels_with_the_folder_and_must_be_one_word(copied):
    (copied / "name.txt").write_text("cifar10-jpeg\n")
    assert read(copied).name == "cifar10-jpeg"
    (copied / "name.txt").write_text("<b>my own</b>")
    with pytest.raises(UserError, match="one word"):
        read(copied)


def test_name_txt_in_an_archive_or_in_its_folder(binary_folder, archive, tmp_path):
    beside = tmp_path / archive.name
    shutil.copy(archive, beside)
    (tmp_path / "name.txt").write_text("mine\n")
    assert read(beside).name == read(tmp_path).name == "mine"
    copied = shutil.copytree(binary_folder, tmp_path / "copied")
    (copied / "name.txt").write_text("inside\n")
    with tarfile.open(beside, "w:gz") as tar:
        tar.add(copied, "cifar-10-batches-bin")
    assert read(beside).name == "inside"


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
        (wrong_label, r"data_batch_4\.bin has a label 10 at index 50"),
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
    with pytest.raises(UserError, match=r"not a whole \.tar\.gz"):
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
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * (ROWS - 1)}, "has 99 labels for 100 images"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * (ROWS - 1) + [10]}, "has a label 10 at index 99"),
        (
            {"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * 7 + [-1] + [0] * (ROWS - 8)},
            "has a label -1 at index 7",
        ),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": np.full(ROWS, np.nan)}, "has a label nan at index 0"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": np.full(ROWS, 3.0)}, "has a label 3.0 at index 0"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [np.float32(1)] * ROWS}, "has a label 1.0 at index 0"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [True] * ROWS}, r"has a label \(bool\) at index 0"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": ["cat"] * ROWS}, r"has a label \(str\) at index 0"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [10**5000] * ROWS}, r"has a label \(int\) at index 0"),
        ({"data": np.full((ROWS, 3072), np.nan), "labels": [0] * ROWS}, "has images float64"),
        ({"data": np.zeros((ROWS, 3072), np.uint8)}, "not a whole batch"),
        ({"data": [[0] * 3072] * ROWS, "labels": [0] * ROWS}, "not a whole batch"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0] * ROWS}, "has no training image of class 1"),
        ({"data": np.zeros((ROWS, 3072), np.uint8), "fine_labels": [0] * ROWS}, "has labels of 100 classes.*CIFAR-100"),
        ([1, 2], "not a whole batch"),
    ],
)
def test_a_damaged_python_batch_is_named(tmp_path, batch, says):
    python_layout(tmp_path, pickle.dumps(batch))
    with pytest.raises(UserError, match=says):
        read(tmp_path)


def test_a_truncated_python_batch_is_named(tmp_path, batches):
    python_layout(tmp_path, python2_batch(batches["test_batch"])[:-1])
    with pytest.raises(UserError, match="data_batch_1 is not a whole batch"):
        read(tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        lambda labels: np.array(labels, ">i4"),
        lambda labels: [np.array(label) for label in labels],
    ],
)
@pytest.mark.parametrize("number", [int, np.int64, np.uint8])
@pytest.mark.parametrize("protocol", [1, 2, 4, 5])
def test_labels_of_every_kind_of_whole_number(batches, images, labels, tmp_path, kind, number, protocol):
    for name, records in batches.items():
        batch = {"data": records[:, 1:], "labels": kind([number(label) for label in records[:, 0]])}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol))
    assert same(read(tmp_path), images, labels)


def test_an_archive_beside_a_link_that_leads_nowhere(archive, images, labels, tmp_path):
    shutil.copy(archive, tmp_path)
    (tmp_path / "cifar-10-batches-bin").symlink_to(tmp_path / "gone")
    (tmp_path / "cifar-10-python.tar.gz").symlink_to(tmp_path / "gone too")
    assert same(read(tmp_path), images, labels)


@pytest.mark.parametrize("damage", ["missing", "short", "a link", "a folder", "short archive"])
def test_a_half_copied_one_does_not_hide_a_whole_one(archive, python_folder, images, labels, tmp_path, notices, damage):
    part = tmp_path / "cifar-10-batches-py"
    shutil.copy(archive, tmp_path)
    if damage == "short archive":
        (tmp_path / archive.name).write_bytes(archive.read_bytes()[:-50_000])
        shutil.copytree(python_folder, tmp_path / "whole")
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "whole", part.name)
    else:
        shutil.copytree(python_folder, part)
        last = part / "data_batch_5"
        content = last.read_bytes()
        last.unlink()
        match damage:
            case "short":
                last.write_bytes(content[:-9])
            case "a link":
                last.symlink_to("/nowhere")
            case "a folder":
                last.mkdir()
    assert same(read(tmp_path, notices), images, labels)
    (notice,) = notices
    assert ("tar.gz" if damage == "short archive" else "data_batch_5") in notice
    assert "is read instead" in notice


def test_alone_a_half_copied_one_is_an_error(archive, copied):
    (copied / "test_batch.bin").unlink()
    with pytest.raises(UserError, match=r"test_batch\.bin is missing"):
        read(copied)


def test_cifar100_is_called_by_its_name(copied, tmp_path):
    (copied / "data_batch_1.bin").write_bytes(bytes(3074 * 5 * ROWS))
    with pytest.raises(UserError, match=r"data_batch_1\.bin has records of 3,074 bytes.*CIFAR-100; only CIFAR-10"):
        read(copied)
    for size, says in ((155_249_918, "CIFAR-100's training images"), (255_249_918, "another file")):
        for name in formats.PYTHON:
            with (tmp_path / name).open("wb") as file:
                file.truncate(size)
        with pytest.raises(UserError, match=f"data_batch_1 has {size:,} bytes; .* it is {says}"):
            read(tmp_path)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        tar.add(copied, "cifar-100-binary")
    with pytest.raises(UserError, match=r"binary\.tar\.gz holds CIFAR-100"):
        read(tmp_path / "cifar-10-binary.tar.gz")
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    with pytest.raises(UserError, match="cifar-100-python holds CIFAR-100"):
        read(folder)


def test_an_archive_with_a_flipped_bit_is_named(archive, tmp_path):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.tar\.gz|data_batch"):
        read(tmp_path / "x.tar.gz")


def test_an_archive_without_compression_or_with_other_files(binary_folder, images, labels, tmp_path):
    (tmp_path / "._data_batch_1.bin").write_bytes(b"what a Mac adds")
    for mode, form in (("w", tarfile.GNU_FORMAT), ("w:gz", tarfile.PAX_FORMAT)):
        with tarfile.open(tmp_path / "x.tar", mode, format=form) as tar:
            tar.add(tmp_path / "._data_batch_1.bin", "./cifar-10-batches-bin/" + "long" * 30 + "/._data_batch_1.bin")
            tar.add(binary_folder, "./cifar-10-batches-bin")
        assert same(read(tmp_path / "x.tar"), images, labels)


def test_a_truncated_archive_is_named(archive, tmp_path):
    short = tmp_path / "short.tar.gz"
    short.write_bytes(archive.read_bytes()[:-1_000])
    with pytest.raises(UserError, match=r"short\.tar\.gz is not a whole \.tar\.gz"):
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
