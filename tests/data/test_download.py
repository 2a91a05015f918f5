"""The download from real servers on this machine: resumed, from mirrors, proven by its checksum, or one sentence."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from jaxcifar.config import Data
from jaxcifar.data import download, formats, load
from jaxcifar.errors import UserError


class Server(http.server.ThreadingHTTPServer):
    """Serves the archive; the first part of the path says how."""

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.asked: list[tuple[str, str | None]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, how: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{how}/cifar-10-binary.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        how, wanted = self.path.split("/")[1], self.headers["Range"]
        self.server.asked.append((how, wanted))
        content = self.server.content
        first = int(wanted[6:-1]) if wanted and "no-ranges" not in how else 0
        match how:
            case "gone":
                return self.send_error(404)
            case "wrong":
                content = bytes(len(content))
            case "short":
                content = b"<html>Please log in.</html>"
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if how != "no-length":
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        # A server that cuts the connection sends at most 0.4 of the archive each time.
        sent = len(content) * 2 // 5 if how.startswith("cut") else len(content)
        self.wfile.write(content[first : first + sent])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(archive):
    with Server(archive.read_bytes()) as running:
        yield running
        running.shutdown()


@pytest.fixture
def mirrors(server, monkeypatch):
    """Sets how each mirror in turn behaves; what they were asked is in `server.asked`."""
    server.asked.clear()
    return lambda *hows: monkeypatch.setattr(download, "MIRRORS", tuple(server.url(how) for how in hows))


@pytest.fixture(autouse=True)
def small_archive(archive, binary_folder, monkeypatch):
    content = archive.read_bytes()
    small = download.Archive("cifar-10.tar.gz", len(content), hashlib.sha256(content).hexdigest(), rows=100)
    monkeypatch.setattr(download, "OFFICIAL", small)
    known = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in binary_folder.glob("*.bin")}
    monkeypatch.setattr(formats, "BATCH_MD5", known)
    return small


def fetch(folder, notices, archive=None):
    return download.fetch(folder, notices, archive or download.OFFICIAL)


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


WHOLE = ["cifar-10.tar.gz", "cifar-10.tar.gz.INFO"]


def test_download_then_the_earlier_one(mirrors, images, tmp_path, notices, capfd, small_archive):
    mirrors("whole")
    assert download.earlier(tmp_path, notices, small_archive) is None
    data = fetch(tmp_path, notices)
    assert data.name == "cifar10"
    assert (data.train_images == images[:500]).all()
    start, end = notices
    assert re.fullmatch(r"Downloading CIFAR-10 \(2 MiB\) from http://127\.0\.0\.1\S+ to \S+/downloads/cifar10\.", start)
    assert re.fullmatch(r"CIFAR-10: 100% of 2 MiB, [\d.]+ MiB/s", end)
    assert left(tmp_path) == WHOLE
    found = download.earlier(tmp_path, notices, small_archive)
    assert found is not None
    assert (found.name, found.fingerprint) == ("cifar10", data.fingerprint)
    assert capfd.readouterr() == ("", "")


def test_percent_and_speed_are_told_on_the_way(mirrors, tmp_path, notices, monkeypatch):
    monkeypatch.setattr(download, "NOTICE_SECONDS", 0.0)
    mirrors("whole")
    fetch(tmp_path, notices)
    percents = [int(found[1]) for text in notices if (found := re.match(r"CIFAR-10: (\d+)% of", text))]
    assert len(percents) > 10
    assert percents == sorted(percents)


def test_load_goes_all_the_way(mirrors, tmp_path, notices, monkeypatch):
    """An archive of the wrong size for `load`: 100 images a batch, which is told after the download."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("JAXCIFAR_DATA", raising=False)
    monkeypatch.setattr(download.fetch, "__defaults__", (replace(download.OFFICIAL, rows=10_000),))
    mirrors("whole")
    with pytest.raises(UserError, match=r"data_batch_1\.bin has 307,300 bytes"):
        load(Data(), notices)
    assert left(tmp_path) == WHOLE


@pytest.mark.parametrize("how", ["cut", "cut-no-ranges"])
def test_another_mirror_sends_the_rest_after_a_cut_connection(server, mirrors, tmp_path, notices, how):
    mirrors(how, "whole")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert left(tmp_path) == WHOLE
    first, (second, rest) = server.asked
    assert first == (how, None)
    assert second == "whole"
    assert int(rest[6:-1]) > len(server.content) // 3


def test_one_host_that_cuts_is_asked_for_the_rest(server, mirrors, tmp_path, notices):
    mirrors("cut")
    assert fetch(tmp_path, notices).name == "cifar10"
    starts = [int(wanted[6:-1]) for _, wanted in server.asked[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1]
    assert re.search(r"continues at (3[5-9]|40)%", " ".join(notices))


def test_a_later_start_continues(server, mirrors, tmp_path, notices, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    mirrors("cut")
    with pytest.raises(
        UserError, match=r"the connection broke after [\d,]+ of [\d,]+ bytes.*same command.*--data\.dir"
    ):
        fetch(tmp_path, notices)
    assert left(tmp_path) == ["cifar-10.tar.gz.part"]
    mirrors("whole")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert server.asked[-1][1] is not None
    assert left(tmp_path) == WHOLE


def test_no_ranges_and_no_length(mirrors, tmp_path, notices, small_archive):
    part = tmp_path / "downloads" / "cifar10" / "cifar-10.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"garbage")
    mirrors("no-ranges")
    assert fetch(tmp_path, notices).name == "cifar10"
    part.with_suffix("").unlink()
    mirrors("no-length")
    assert fetch(tmp_path, notices).name == "cifar10"


@pytest.mark.parametrize("size", [7, 10_000_000])
def test_a_wrong_part_is_thrown_away(mirrors, tmp_path, notices, size):
    part = tmp_path / "downloads" / "cifar10" / "cifar-10.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(size))
    mirrors("whole")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert left(tmp_path) == WHOLE


def test_a_part_that_is_already_whole(server, archive, mirrors, tmp_path, notices):
    part = tmp_path / "downloads" / "cifar10" / "cifar-10.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.read_bytes())
    mirrors("gone")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert not server.asked


def test_mirrors_in_order_past_those_that_fail(server, mirrors, tmp_path, notices):
    mirrors("gone", "wrong", "short", "whole", "never")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert [how for how, _ in server.asked] == ["gone", "wrong", "short", "whole"]
    assert left(tmp_path) == WHOLE


def test_all_mirrors_fail_in_one_sentence(mirrors, tmp_path, notices, capfd):
    mirrors("gone", "wrong", "short")
    with pytest.raises(UserError) as refusal:
        fetch(tmp_path / "new", notices)
    for reason in ("it answered 404 Not Found", "whose SHA-256 is not", "whose size is not"):
        assert reason in str(refusal.value)
    for way_out in ("--data.dir", "$JAXCIFAR_DATA", "--data.source shapes"):
        assert way_out in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "new").exists()
    assert capfd.readouterr() == ("", "")


def test_tensorflow_datasets_finds_the_download_itself(server, archive, mirrors, tmp_path, notices, small_archive):
    """Its own manager, asked for the same address, answers with our file and asks nobody."""
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.core.download import checksums, resource

    mirrors("whole")
    named = resource.get_dl_fname(download.MIRRORS[0], small_archive.sha256)
    fetch(tmp_path, notices, replace(small_archive, file_name=named))
    known = checksums.UrlInfo(tfds.core.utils.Size(small_archive.size), small_archive.sha256, filename=None)
    manager = tfds.download.DownloadManager(
        download_dir=tmp_path / "downloads", dataset_name="cifar10", url_infos={download.MIRRORS[0]: known}
    )
    server.asked.clear()
    assert manager.download(download.MIRRORS[0]).read_bytes() == archive.read_bytes()
    assert not server.asked


def test_a_damaged_earlier_download_is_skipped_and_replaced(mirrors, tmp_path, notices, small_archive):
    mirrors("whole")
    fetch(tmp_path, notices)
    (path,) = tmp_path.rglob("*.tar.gz")
    path.write_bytes(path.read_bytes()[:-1])
    assert download.earlier(tmp_path, notices, small_archive) is None
    assert "its checksum is not the published one" in notices[-1]
    assert fetch(tmp_path, notices).name == "cifar10"


def test_a_refused_connection_is_one_quick_sentence(tmp_path, notices, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(download, "MIRRORS", (f"http://127.0.0.1:{taken.getsockname()[1]}/x.tar.gz",))
        with pytest.raises(
            UserError, match=r"cannot be downloaded \(127\.0\.0\.1:\d+: no connection \(ConnectionError\)\)"
        ):
            fetch(tmp_path, notices)
    assert not notices
    assert left(tmp_path) == []


def test_a_silent_host_is_given_up(tmp_path, notices, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(download, "MIRRORS", (f"http://127.0.0.1:{silent.getsockname()[1]}/x.tar.gz",))
        with pytest.raises(UserError, match=r"no connection \(ReadTimeout\)"):
            fetch(tmp_path, notices)


def test_a_folder_that_cannot_be_written_is_one_sentence(mirrors, tmp_path, notices):
    mirrors("whole")
    (tmp_path / "downloads").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"cannot be kept in .*/downloads/cifar10 \(.*--data\.dir"):
        fetch(tmp_path, notices)


CHILD = """if True:
    import json, pathlib, resource, sys
    from jaxcifar.data import download, formats
    from jaxcifar.errors import UserError
    mirror, folder, archive, most = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    download.MIRRORS = (mirror,)
    try:
        found = download.fetch(pathlib.Path(folder), lambda text: None, download.Archive(**archive))
        print(found.fingerprint)
    except UserError as error:
        print(error)"""


def start(server, folder: Path, archive: download.Archive, most: int = -1) -> subprocess.CompletedProcess[str]:
    arguments = json.dumps([server.url("whole"), str(folder), vars(archive), most])
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([sys.executable, "-c", CHILD, arguments], env=environment, capture_output=True, text=True)


def test_no_room_for_the_file_is_one_sentence_and_then_continues(server, mirrors, tmp_path, notices, small_archive):
    """A process that may write no file of over 1 MB; the kernel refuses as a full disk does."""
    done = start(server, tmp_path, small_archive, most=1_000_000)
    assert re.fullmatch(
        r"CIFAR-10 cannot be kept in \S+ \(File too large\); make room there, name .*, or .*\n", done.stdout
    ), done.stderr
    assert left(tmp_path) == ["cifar-10.tar.gz.part"]
    mirrors("whole")
    assert fetch(tmp_path, notices).name == "cifar10"
    assert "continues at" in notices[0]


def test_processes_that_start_together_ask_once(server, mirrors, tmp_path, small_archive):
    mirrors("whole")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: start(server, tmp_path, small_archive), range(4)))
    assert len({done.stdout for done in found}) == 1, [done.stderr for done in found]
    assert re.fullmatch(r"[0-9a-f]{64}\n", found[0].stdout), found[0].stdout
    assert server.asked == [("whole", None)]
    assert left(tmp_path) == WHOLE


def test_the_official_archive_is_what_tensorflow_datasets_registers():
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.core.download.resource import get_dl_fname

    ((url, info),) = tfds.builder_cls("cifar10").url_infos.items()
    official = download.fetch.__defaults__[0]
    assert url == download.MIRRORS[0]
    assert official == download.Archive(get_dl_fname(url, info.checksum), int(info.size), info.checksum, 10_000)
