"""The download from a real server on this machine: kept where tensorflow-datasets looks, or refused in a sentence."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from dataclasses import replace

import pytest

from jaxcifar.config import UserError
from jaxcifar.data import download

pytest.importorskip("tensorflow_datasets")


@pytest.fixture
def hits():
    """Every path that the server was asked for."""
    return []


@pytest.fixture
def server(archive, hits):
    """Serves the archive at /cifar-10-binary.tar.gz, and half of it, as if cut off, at /short/..."""
    content = archive.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            if not self.path.endswith(archive.name):
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if "short" in self.path else content)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            """A client that only asks whether we are there hangs up early."""

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def offered(server, archive):
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return download.Archive(f"{server}/{archive.name}", len(content), digest, rows=100)


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() or path.name.startswith("incomplete"))


def test_download_then_the_earlier_one(offered, images, tmp_path, notices, capfd):
    assert download.earlier(tmp_path, offered, notices) is None
    data = download.fetch(tmp_path, offered, notices)
    assert data.name == "cifar10"
    assert (data.train_images == images[:500]).all()
    assert len(notices) == 1
    assert "Downloading CIFAR-10 (2 MiB) from http://127.0.0.1" in notices[0]
    file, info = left(tmp_path)
    assert info == f"{file}.INFO"
    assert file.endswith(".tar.gz")
    found = download.earlier(tmp_path, offered, notices)
    assert found is not None
    assert found.fingerprint == data.fingerprint
    assert found.name == "cifar10"
    assert capfd.readouterr() == ("", "")


def test_tensorflow_datasets_finds_the_download_itself(offered, archive, hits, tmp_path, notices):
    """Its own manager, asked for the same address, answers with our file and asks nobody."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.checksums import UrlInfo

    download.fetch(tmp_path, offered, notices)
    known = UrlInfo(size=tfds.core.utils.Size(offered.size), checksum=offered.sha256, filename=None)
    manager = tfds.download.DownloadManager(
        download_dir=tmp_path / "downloads", dataset_name="cifar10", url_infos={offered.url: known}
    )
    asked = len(hits)
    assert manager.download(offered.url).read_bytes() == archive.read_bytes()
    assert len(hits) == asked


def test_a_damaged_earlier_download_is_passed_over_and_replaced(offered, tmp_path, notices):
    download.fetch(tmp_path, offered, notices)
    (path,) = tmp_path.rglob("*.tar.gz")
    path.write_bytes(path.read_bytes()[:-1])
    assert download.earlier(tmp_path, offered, notices) is None
    assert "its checksum is not the published one" in notices[-1]
    assert download.fetch(tmp_path, offered, notices).name == "cifar10"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "is not the official archive"),
        ({"size": 1}, "is not the official archive"),
    ],
)
def test_a_wrong_checksum_is_thrown_away(offered, tmp_path, notices, changes, says):
    with pytest.raises(UserError, match=says):
        download.fetch(tmp_path, replace(offered, **changes), notices)
    assert left(tmp_path) == []


def test_a_broken_connection_is_one_sentence(offered, tmp_path, notices, capfd):
    with pytest.raises(UserError, match=r"The download of .* broke off .*--data\.dir"):
        download.fetch(tmp_path, replace(offered, url=offered.url.replace("/cifar", "/short/cifar")), notices)
    assert left(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_one_sentence(offered, tmp_path, notices):
    with pytest.raises(UserError, match="it answered 404"):
        download.fetch(tmp_path, replace(offered, url=offered.url + ".gone"), notices)
    assert not notices
    assert left(tmp_path) == []


def test_a_refused_connection_is_one_quick_sentence(offered, tmp_path, notices, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/x.tar.gz"
        with pytest.raises(UserError, match="cannot be asked for it") as refusal:
            download.fetch(tmp_path, replace(offered, url=closed), notices)
    for way_out in ("--data.dir", "$JAXCIFAR_DATA", "--data.source shapes"):
        assert way_out in str(refusal.value)
    assert not notices
    assert capfd.readouterr() == ("", "")


def test_a_silent_host_is_given_up(offered, tmp_path, notices):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.tar.gz"
        with pytest.raises(UserError, match="cannot be asked for it"):
            download.fetch(tmp_path, replace(offered, url=url), notices, timeout=0.3)


def test_a_folder_that_cannot_be_written_is_one_sentence(offered, tmp_path, notices):
    (tmp_path / "downloads").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"broke off \(.*downloads"):
        download.fetch(tmp_path, offered, notices)


def test_the_registered_archive():
    official = download.official()
    assert official.url.endswith("/cifar-10-binary.tar.gz")
    assert (official.size, len(official.sha256), official.rows) == (170_052_171, 64, 10_000)
