"""The official archive: an earlier download of it, or a new one that its published checksum proves."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jaxcifar.data import formats
from jaxcifar.data.dataset import Dataset
from jaxcifar.errors import UserError

# The official host first, then copies that Swift for TensorFlow and MindSpore keep for their own tutorials.
MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
)
# A bound, because a host whose connections break after a few bytes would be asked again without end.
TRIES = 12
TIMEOUT = 10.0  # seconds without an answer after which a host is given up
NOTICE_SECONDS = 10.0
WAYS_OUT = (
    "run the same command again to continue, name a copy of your own by --data.dir or $JAXCIFAR_DATA, or take "
    "procedural images by --data.source shapes"
)


@dataclass(frozen=True)
class Archive:
    """A file to download: its name on the disk, published size and SHA-256, and the images in each of six batches."""

    file_name: str
    size: int
    sha256: str
    rows: int = formats.ROWS


OFFICIAL = Archive(
    # The name that tensorflow-datasets gives it, so that either finds what the other has downloaded.
    file_name="cs.toronto.edu_kriz_cifar-10-binaryxKOMUKG8XzocVTfyFVq51o-fJese2Nnd2j2ymlm8od0.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)


class _MirrorError(Exception):
    """Reason why a mirror did not send the archive."""


def earlier(data_dir: Path, notify: Callable[[str], None], archive: Archive = OFFICIAL) -> Dataset | None:
    """Return CIFAR-10 from an archive that we or tensorflow-datasets have downloaded before, or None.

    Args:
        data_dir: tensorflow-datasets' folder.
        notify: told which file is skipped, because it cannot be read or its checksum is not the published one.
        archive: what to look for.
    """
    # Older versions of tensorflow-datasets did not make a folder per data set.
    for folder in (data_dir / "downloads" / "cifar10", data_dir / "downloads"):
        path = folder / archive.file_name
        if path.is_file():
            why = "its checksum is not the published one"
            try:
                with path.open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() == archive.sha256:
                        return formats.read(path, notify, archive.rows)
            except OSError as error:
                why = f"it cannot be read ({error.strerror})"
            notify(f"{path} is skipped: {why}.")
    return None


def fetch(data_dir: Path, notify: Callable[[str], None], archive: Archive = OFFICIAL) -> Dataset:
    """Return CIFAR-10 from a download, which is kept where tensorflow-datasets looks for it.

    Mirrors are tried in order. What arrives before a connection breaks is kept in a file `.part`; the next try, now or
    when the command is run again, asks only for the rest.

    Args:
        data_dir: tensorflow-datasets' folder.
        notify: told where from and where to, and every ten seconds how much has arrived and how fast.
        archive: what to download.

    Raises:
        UserError: no mirror sends the archive, or it cannot be written.
    """
    target = data_dir / "downloads" / "cifar10" / archive.file_name
    created = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, notify):
            _from_mirrors(target, notify, archive)
    except OSError as error:
        told = f"CIFAR-10 cannot be kept in {target.parent} ({error.strerror or error})"
        raise UserError(f"{told}; make room there, name a folder by $TFDS_DATA_DIR, or {WAYS_OUT}.") from error
    finally:
        with contextlib.suppress(OSError):  # stops at the first folder that is not empty
            for folder in created:
                folder.rmdir()
    return formats.read(target, notify, archive.rows)


@contextlib.contextmanager
def _alone(target: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """One process at a time downloads to the target; the others wait, and then find it there."""
    import filelock

    lock = filelock.FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        notify(f"Another process is downloading CIFAR-10 to {target.parent}; this one waits for it.")
        lock.acquire()
    try:
        yield
    finally:
        # Deleted while it is held: after the release, another process may have taken the file.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _from_mirrors(target: Path, notify: Callable[[str], None], archive: Archive) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    part = target.with_name(f"{target.name}.part")
    downloader: Any = functools.partial(_download, part=part, size=archive.size, notify=notify)
    problems: dict[str, str] = {}
    waiting = list(MIRRORS)
    for _ in range(TRIES):
        if not waiting:
            break
        url, before = waiting.pop(0), _size(part)
        try:
            # pooch compares the checksum before it moves the file into place, and throws another file away.
            pooch.retrieve(url, f"sha256:{archive.sha256}", target.name, target.parent, downloader=downloader)
            return _write_info(target, archive)
        except _MirrorError as error:
            problems[url] = str(error)
        except requests.RequestException as error:
            problems[url] = f"no connection ({type(error).__name__})"
        # pooch reports a wrong checksum by a ValueError.
        except ValueError:
            problems[url] = "it sent a file whose SHA-256 is not that of the official archive"
        # A host that sent something is asked for the rest; one that continued a wrong part is asked for the whole.
        if _size(part) != before:
            waiting.append(url)
    told = "; ".join(f"{urlsplit(url).netloc}: {problem}" for url, problem in problems.items())
    raise UserError(f"CIFAR-10 is not on this disk and cannot be downloaded ({told}); {WAYS_OUT}.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _download(url: str, output: str, _: Any, *, part: Path, size: int, notify: Callable[[str], None]) -> None:
    """Complete the part file, from its own end where the host allows it, and move it to the output."""
    import requests

    if _size(part) > size:
        part.unlink()
    if (done := _size(part)) < size:
        # Under a content encoding, Content-Length and ranges would count compressed bytes.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
            if not response.ok:
                raise _MirrorError(f"it answered {response.status_code} {response.reason}")
            # A host may ignore the range and send the whole file; then the part is written again from the beginning.
            done = done if response.headers.get("Content-Range", "").startswith(f"bytes {done}-") else 0
            if done + int(response.headers.get("Content-Length", size - done)) != size:
                raise _MirrorError("it sent a file whose size is not that of the official archive")
            start = f"continues at {done / size:.0%}" if done else f"{size / 2**20:,.0f} MiB"
            notify(f"Downloading CIFAR-10 ({start}) from {url} to {part.parent}.")
            _write(response, part, done, size, notify)
    part.replace(output)


def _write(response, part: Path, first: int, size: int, notify: Callable[[str], None]) -> None:
    """Write the body after the first bytes of the part file, with a notice of percent and speed from time to time."""
    import requests

    done, began = first, time.monotonic()
    told = began
    # A broken connection is not an error here: the part is kept, and its size below says whether it is whole.
    with part.open("ab" if first else "wb") as file, contextlib.suppress(requests.RequestException):
        for block in response.iter_content(1 << 16):
            done += file.write(block)
            now = time.monotonic()
            if done >= size or now - told >= NOTICE_SECONDS:
                told, speed = now, (done - first) / max(now - began, 1e-3) / 2**20
                notify(f"CIFAR-10: {done / size:.0%} of {size / 2**20:,.0f} MiB, {speed:.1f} MiB/s")
            if done >= size:
                break
    if done < size:
        raise _MirrorError(f"the connection broke after {done:,} of {size:,} bytes")


def _write_info(target: Path, archive: Archive) -> None:
    """The file without which tensorflow-datasets ignores the archive."""
    name = MIRRORS[0].rpartition("/")[2]
    url_info = {"size": archive.size, "checksum": archive.sha256, "filename": name}
    info = {"urls": [MIRRORS[0]], "dataset_names": ["cifar10"], "original_fname": name, "url_info": url_info}
    partial = target.with_name(f"{target.name}.INFO.part")
    partial.write_text(json.dumps(info))
    partial.replace(target.with_name(f"{target.name}.INFO"))
