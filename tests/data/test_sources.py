"""Which source is taken, in which order, and what the user is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcifar.config import Data
from jaxcifar.data import download, load, located, sources
from jaxcifar.errors import UserError


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch, tmp_path):
    """No data on the disk, and a network that refuses every connection at once."""
    monkeypatch.delenv("JAXCIFAR_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tensorflow_datasets"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


SMALL = {"train_size": 20, "test_size": 10}


def test_auto_without_data_is_shapes_and_says_so(notices):
    data = load(Data(source="auto", **SMALL), notices)
    assert data.name == "shapes"
    assert len(data.train_images) == 20
    (notice,) = notices
    assert "shapes" in notice
    assert "--data.source cifar10" in notice
    assert notice.count("\n") > 3


def test_cifar10_without_data_or_network_is_one_sentence(tmp_path, notices, capfd):
    with pytest.raises(UserError) as refusal:
        load(Data(source="cifar10"), notices)
    for way_out in ("--data.dir", "$JAXCIFAR_DATA", "--data.source shapes"):
        assert way_out in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not notices
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "tensorflow_datasets").exists()


@pytest.mark.parametrize("source", ["auto", "cifar10"])
@pytest.mark.parametrize("way", ["data.dir", "variable"])
def test_a_given_place_is_final(tmp_path, monkeypatch, notices, source, way):
    """A bad place is an error, never a reason to look elsewhere."""
    empty = tmp_path / "empty"
    empty.mkdir()
    if way == "variable":
        monkeypatch.setenv("JAXCIFAR_DATA", str(empty))
    config = Data(source=source, dir=str(empty) if way == "data.dir" else None, **SMALL)
    with pytest.raises(UserError, match="empty holds no CIFAR-10"):
        load(config, notices)
    assert not notices


def test_data_dir_goes_before_the_variable(tmp_path, monkeypatch, notices):
    monkeypatch.setenv("JAXCIFAR_DATA", str(tmp_path / "variable"))
    with pytest.raises(UserError, match="flag"):
        load(Data(dir=str(tmp_path / "flag")), notices)


def test_a_truncated_batch_of_the_official_size_is_named(tmp_path, notices):
    """Sizes are looked at before anything is read."""
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(30_730_000 - (name == "test_batch.bin"))
    with pytest.raises(UserError, match=r"test_batch\.bin has 30,729,999 bytes; a whole one has 30,730,000"):
        load(Data(dir=str(tmp_path)), notices)


def test_shapes_reads_no_files(notices):
    with pytest.raises(UserError, match=r"data\.source is shapes"):
        load(Data(source="shapes", dir="somewhere"), notices)
    assert load(Data(source="shapes", **SMALL), notices).name == "shapes"
    assert not notices


def test_too_many_images_are_refused_before_anything_is_looked_for(notices):
    with pytest.raises(UserError, match="at most 50,000"):
        load(Data(train_size=50_001), notices)


def test_without_tensorflow_datasets(tmp_path, monkeypatch, notices):
    """A prepared copy is then skipped: auto falls back, cifar10 downloads."""
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    folder = tmp_path / "tensorflow_datasets" / "cifar10" / "3.0.2"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text('{"fileFormat": "array_record"}')
    assert load(Data(source="auto", **SMALL), notices).name == "shapes"
    assert "3.0.2 is skipped" in notices[0]
    assert "tensorflow_datasets" in notices[0]
    with pytest.raises(UserError, match=r"cannot be downloaded.*--data\.dir"):
        load(Data(), notices)


def test_a_bad_earlier_download_is_skipped(tmp_path, notices):
    """auto then falls back, cifar10 then asks the network."""
    path = tmp_path / "tensorflow_datasets" / "downloads" / "cifar10" / download.OFFICIAL.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    assert load(Data(source="auto", **SMALL), notices).name == "shapes"
    assert "its checksum is not the published one" in notices[0]
    with pytest.raises(UserError, match="cannot be downloaded"):
        load(Data(), notices)


def homeless(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code as a user id that has neither HOME nor an entry in the password database."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR", "JAXCIFAR_DATA")
    }
    kept["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = ["unshare", "-U", "--map-user=54321", "--map-group=54321", sys.executable, "-c", code]
    if subprocess.run([*command[:4], "true"], capture_output=True).returncode:
        pytest.skip("this system does not let a user become another one")
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True)


@pytest.mark.parametrize("variable", [{}, {"TFDS_DATA_DIR": "~/data"}])
def test_a_user_without_a_home_folder(tmp_path, variable):
    code = """if True:
        from jaxcifar.config import Data
        from jaxcifar.data import load
        print(load(Data(source="auto", train_size=4, test_size=4)).name)"""
    done = homeless(code, TMPDIR=str(tmp_path), **variable)
    assert done.stdout == "shapes\n", done.stderr
    assert f"is kept in {tmp_path}/tensorflow_datasets-54321; $TFDS_DATA_DIR can name another folder." in done.stderr


def test_a_given_home_that_does_not_exist(notices):
    with pytest.raises(UserError, match="'~no-such-user/x', but there is no such home folder"):
        load(Data(dir="~no-such-user/x"), notices)


def test_a_bucket_is_not_a_folder(tmp_path, monkeypatch, notices):
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/data")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = tmp_path / f"tensorflow_datasets-{os.getuid()}"
    assert sources.data_folder(notices) == own
    assert "gs://bucket/data" in notices[0]
    (tmp_path / "elsewhere").mkdir()
    own.symlink_to(tmp_path / "elsewhere")
    other = sources.data_folder(notices)
    assert other != own
    assert other.is_dir()


@pytest.mark.parametrize("source", ["npz", "folder", "cifar100"])
def test_only_a_folder_of_cifar10_that_is_gone_is_looked_for_elsewhere(tmp_path, source):
    gone = Data(source=source, dir=str(tmp_path / "gone"))
    assert located(gone, None) == gone
    with pytest.raises(UserError, match=f"{tmp_path}/gone"):
        load(located(gone, None))
    cifar = Data(source="cifar10", dir=str(tmp_path / "gone"))
    assert located(cifar, None).dir is None
    assert located(gone, tmp_path / "new").dir == str(tmp_path / "new")


def test_a_file_that_the_system_refuses_is_named(tmp_path):
    # Nothing is forbidden to root, but a name can be too long for it too.
    with pytest.raises(UserError, match=r"cannot be read \(File name too long\); mend it, or give another data\.dir"):
        load(Data(source="npz", dir=str(tmp_path / ("x" * 300))))
