"""The official archive: an earlier download of it, or tensorflow-datasets' checksummed one."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jaxcifar.config import UserError
from jaxcifar.data import formats
from jaxcifar.data.dataset import Dataset
from jaxcifar.data.library import tensorflow_datasets

WAYS_OUT = "name a copy of your own by --data.dir or $JAXCIFAR_DATA, or take procedural images by --data.source shapes"


@dataclass(frozen=True)
class Archive:
    """A file to download, the published size and SHA-256 that prove it, and the images in each of its six batches."""

    url: str
    size: int
    sha256: str
    rows: int = formats.ROWS


def official() -> Archive:
    """The archive that tensorflow-datasets has registered for CIFAR-10."""
    with tensorflow_datasets() as tfds:
        ((url, info),) = tfds.builder_cls("cifar10").url_infos.items()
    return Archive(url, int(info.size), info.checksum)


def earlier(data_dir: Path, archive: Archive, notify: Callable[[str], None]) -> Dataset | None:
    """CIFAR-10 from an archive that tensorflow-datasets has downloaded before, if its checksum still holds.

    Args:
        data_dir: tensorflow-datasets' folder.
        archive: what to look for.
        notify: told of a damaged one, which is passed over.
    """
    for path in _places(data_dir, archive):
        if path.is_file():
            try:
                with path.open("rb") as stream:
                    whole = hashlib.file_digest(stream, "sha256").hexdigest() == archive.sha256
            except OSError:
                whole = False
            if whole:
                return formats.read(path, proven=True, rows=archive.rows)
            notify(f"{path} is passed over: its checksum is not the published one.")
    return None


def fetch(data_dir: Path, archive: Archive, notify: Callable[[str], None], timeout: float = 10) -> Dataset:
    """CIFAR-10 downloaded, checked by size and SHA-256, and kept where tensorflow-datasets looks for it.

    Args:
        data_dir: tensorflow-datasets' folder.
        archive: what to download.
        notify: told that a download begins.
        timeout: seconds the host has to answer.

    Raises:
        UserError: the host does not answer, the connection breaks, the checksum is wrong, or nothing can be written.
    """
    target = _places(data_dir, archive)[0]
    with tensorflow_datasets() as tfds:
        _ask(archive.url, timeout)
        notify(f"Downloading CIFAR-10 ({archive.size / 2**20:,.0f} MiB) from {archive.url} to {target.parent}.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="incomplete.", dir=target.parent) as folder:
                path = _download(tfds, Path(folder), archive)
                for suffix in (".INFO", ""):
                    Path(f"{path}{suffix}").replace(f"{target}{suffix}")
        except tfds.download.DownloadError as error:
            raise UserError(f"The download of {archive.url} failed ({error}); {WAYS_OUT}.") from error
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else type(error).__name__
            raise UserError(f"The download of {archive.url} broke off ({reason}); try again, or {WAYS_OUT}.") from error
    return formats.read(target, proven=True, rows=archive.rows)


def _places(data_dir: Path, archive: Archive) -> list[Path]:
    """Where tensorflow-datasets keeps the archive, and where its older versions did."""
    with tensorflow_datasets():
        from tensorflow_datasets.core.download.resource import get_dl_fname

        name = get_dl_fname(archive.url, archive.sha256)
    return [data_dir / "downloads" / "cifar10" / name, data_dir / "downloads" / name]


def _download(tfds, folder: Path, archive: Archive) -> Path:
    """The archive in `folder`; a progress bar where somebody watches."""
    from tensorflow_datasets.core.download.checksums import UrlInfo
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    expected = UrlInfo(size=tfds.core.utils.Size(archive.size), checksum=archive.sha256, filename=None)
    manager = tfds.download.DownloadManager(
        download_dir=folder, dataset_name="cifar10", url_infos={archive.url: expected}, force_checksums_validation=True
    )
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        return Path(manager.download(archive.url))
    except NonMatchingChecksumError as error:
        raise UserError(
            f"What {archive.url} sent is not the official archive (size or SHA-256 differ from the published ones) and "
            f"was thrown away; try again, or {WAYS_OUT}."
        ) from error
    finally:
        tfds.display_progress_bar(True)


def _ask(url: str, timeout: float) -> None:
    """Raises UserError unless the host answers this very request within the time, name look-up and proxies included."""
    import requests

    outcome: list[str] = []

    def ask() -> None:
        try:
            with requests.get(url, stream=True, timeout=timeout) as response:
                outcome.append("" if response.ok else f"it answered {response.status_code} {response.reason}")
        except requests.RequestException as error:
            outcome.append(f"no connection ({type(error).__name__})")

    # A look-up of names has no time-out of its own; a daemon thread does not hold the program up.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    problem = outcome[0] if outcome else f"no answer in {timeout:g} seconds"
    if problem:
        host = urlsplit(url).netloc
        raise UserError(f"CIFAR-10 is not on this disk and {host} cannot be asked for it ({problem}); {WAYS_OUT}.")
