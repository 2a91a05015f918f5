"""A copy that tensorflow-datasets itself prepares here (images given as PNG need no TensorFlow), read back."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jaxcifar.data import formats, prepared
from jaxcifar.data.dataset import fingerprint

ROWS = 100


@pytest.fixture(scope="module")
def data_dir(images, labels, tmp_path_factory):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("array_record")

    class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """The registered builder's features and ids."""

        VERSION = tfds.core.Version("3.0.2")

        def _info(self):
            features = {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(names=formats.CLASS_NAMES),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, _):
            return {"train": self.examples("train", 0, 5 * ROWS), "test": self.examples("test", 5 * ROWS, 6 * ROWS)}

        def examples(self, split, start, stop):
            for place in range(start, stop):
                file = io.BytesIO()
                Image.fromarray(images[place]).save(file, "PNG")
                name = f"{split}_{place - start:05d}"
                yield place, {"id": name, "image": file.getvalue(), "label": int(labels[place])}

        _generate_examples = examples

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    Cifar10(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture
def changed(data_dir, tmp_path):
    """A copy of the prepared folder that a test may damage."""
    return shutil.copytree(data_dir, tmp_path / "changed")


def test_a_prepared_copy_is_sorted_by_its_ids(data_dir, images, labels, notices):
    data = prepared.find(data_dir, notices, ROWS)
    assert data is not None
    assert not notices
    np.testing.assert_array_equal(np.concatenate([data.train_images, data.test_images]), images)
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.test_labels]), labels)
    assert data.fingerprint == fingerprint([images], [labels])
    assert data.name == "cifar10-unverified"


def test_name_txt_and_checksums_name_it(changed, binary_folder, notices, monkeypatch):
    (changed / "cifar10" / "3.0.2" / "name.txt").write_text("cifar10-jpeg\n")
    data = prepared.find(changed, notices, ROWS)
    assert data is not None
    assert data.name == "cifar10-jpeg"
    known = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in binary_folder.glob("*.bin")}
    monkeypatch.setattr(formats, "BATCH_MD5", known)
    data = prepared.find(changed, notices, ROWS)
    assert data is not None
    assert data.name == "cifar10"


def test_a_tfrecord_copy_is_skipped_with_a_notice(changed, notices):
    info = changed / "cifar10" / "3.0.2" / "dataset_info.json"
    newer = shutil.copytree(info.parent, changed / "cifar10" / "3.0.10")
    (newer / "dataset_info.json").write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    assert prepared.find(changed, notices, ROWS) is not None
    assert len(notices) == 1
    assert "3.0.10 is skipped: only TensorFlow reads a tfrecord copy" in notices[0]
    shutil.rmtree(info.parent)
    assert prepared.find(changed, notices, ROWS) is None


@pytest.mark.parametrize("damage", ["truncated", "other size", "no json"])
def test_a_damaged_copy_is_skipped_with_a_notice(changed, notices, damage):
    folder = changed / "cifar10" / "3.0.2"
    match damage:
        case "truncated":
            (shard,) = folder.glob("*-test.*")
            shard.write_bytes(shard.read_bytes()[:70_000])
        case "no json":
            (folder / "dataset_info.json").write_text("{")
    assert prepared.find(changed, notices, ROWS + (damage == "other size")) is None
    assert len(notices) == 1
    assert "skipped" in notices[0]


def test_nothing_there_imports_nothing(tmp_path):
    code = f"""if True:
        import sys, pathlib
        from jaxcifar.data import prepared
        assert prepared.find(pathlib.Path({str(tmp_path)!r}), print) is None
        assert "tensorflow_datasets" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True)
