"""Images of a user's own: read, checked, and what they decide of a run."""

from __future__ import annotations

import dataclasses
import gzip
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import jaxcifar
from jaxcifar.config import CNN, VGG, Data, Paper, Run, Study, UserError, Variant, to_json
from jaxcifar.config.serialize import from_json
from jaxcifar.config.stored import read_records
from jaxcifar.data import augment, fitted, load, normalize
from jaxcifar.runner.execute import execute

NAMES = ("ant", "bee", "cow", "dog", "eel")


@pytest.fixture(scope="session")
def parts():
    """28 x 28 x 1 images in five classes, whose brightness tells the class."""
    generator = np.random.default_rng(0)
    labels = [np.arange(n) % 5 for n in (60, 20)]
    images = [
        np.clip(50 * y[:, None, None, None] + generator.integers(0, 30, (len(y), 28, 28, 1)), 0, 255).astype(np.uint8)
        for y in labels
    ]
    return images[0], labels[0], images[1], labels[1]


@pytest.fixture
def npz(parts, tmp_path):
    keys = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "animals.npz", class_names=np.array(NAMES), **dict(zip(keys, parts, strict=True)))
    return tmp_path / "animals.npz"


def test_arrays_become_data_that_differ_by_their_fingerprint(parts):
    data = jaxcifar.arrays(*parts, class_names=NAMES, flip="random")
    assert load(data).class_names == NAMES
    assert data == jaxcifar.arrays(*parts, class_names=NAMES, flip="random")
    assert hash(data) == hash(jaxcifar.arrays(*parts, class_names=NAMES, flip="random"))
    assert data != jaxcifar.arrays(parts[0] + 1, *parts[1:], class_names=NAMES, flip="random")
    stored = to_json(Run(data=data))
    assert "arrays" not in stored["data"]
    with pytest.raises(UserError, match="were arrays in Python"):
        load(from_json(stored).data)


def test_an_npz_decides_the_network_and_its_normalisation(npz, parts):
    run = fitted(Run(data=Data(source="npz", dir=str(npz), train_size=50)), load)
    assert (run.model.image, run.model.classes) == ((28, 28, 1), 5)
    assert (run.data.train_size, run.data.test_size) == (50, 20)
    images = parts[0][:50] / 255
    np.testing.assert_allclose(run.data.mean, images.mean(), atol=1e-4)
    np.testing.assert_allclose(run.data.deviation, images.std(), atol=1e-4)
    assert fitted(run, load) == run
    given = dataclasses.replace(run.data, mean=(0.1,), deviation=(0.2,))
    assert fitted(dataclasses.replace(run, data=given), load).data.mean == (0.1,)
    seen = normalize(parts[0][:50], run.data)
    np.testing.assert_allclose([seen.mean(), seen.std()], [0, 1], atol=2e-3)


def test_held_out_images_are_the_last(parts, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=parts[0], y_train=parts[1])
    data = Data(source="npz", dir=str(tmp_path / "a.npz"), holdout=10)
    found = load(data)
    assert (len(found.train_labels), len(found.test_labels)) == (50, 10)
    np.testing.assert_array_equal(found.test_images, parts[0][50:])
    run = fitted(Run(data=data), load)
    assert (run.data.train_size, run.data.test_size) == (50, 10)
    assert load(run.data).train_labels.tolist() == found.train_labels.tolist()


def test_cutout_falls_inside_of_images_of_other_sides():
    import jax

    images = np.full((64, 8, 20, 1), 255, np.uint8)
    config = Data(source="arrays", cutout=2, mean=(0.5,), deviation=(0.5,))
    seen = np.asarray(augment(images, np.arange(64), 0, jax.random.key(0), config))
    columns = {int(np.flatnonzero((image == 0).any(axis=(0, 2)))[0]) for image in seen if (image == 0).any()}
    assert max(columns) > 12
    assert seen.shape == images.shape


def test_networks_are_built_for_the_images_or_refused(npz):
    data = Data(source="npz", dir=str(npz))
    with pytest.raises(UserError, match="VGG-A needs images of at least 32 x 32 pixels, and these have 28 x 28"):
        fitted(Run(model=VGG(), data=data), load)
    with pytest.raises(UserError, match="needs images of at least"):
        fitted(Run(model=CNN(widths=(4, 4, 4, 4), kernel=4), data=data), load)


def test_a_folder_of_pictures(parts, tmp_path):
    for split, images, labels in (("train", *parts[:2]), ("test", *parts[2:])):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            (tmp_path / split / NAMES[label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(tmp_path / split / NAMES[label] / f"{index}.png")
    found = load(Data(source="folder", dir=str(tmp_path)))
    assert found.class_names == NAMES
    assert found.train_images.shape == (60, 28, 28, 1)
    assert sorted(found.train_labels) == sorted(parts[1])
    # Brightness still tells the class.
    assert all(50 * y <= x.mean() < 50 * y + 30 for x, y in zip(found.train_images, found.train_labels, strict=True))
    held = load(Data(source="folder", dir=str(tmp_path / "train"), holdout=20))
    assert set(held.test_labels) == set(range(5))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "test" / "ant" / "odd.png")
    with pytest.raises(UserError, match=r"resize them"):
        load(Data(source="folder", dir=str(tmp_path)))


def test_a_class_without_pictures_is_named_where_it_is_needed(parts, tmp_path):
    for split in ("train", "test"):
        for name in ("ant", "bee", "cow"):
            (tmp_path / split / name).mkdir(parents=True)
            if (split, name) != ("test", "cow"):
                Image.fromarray(parts[0][0, ..., 0]).save(tmp_path / split / name / "0.png")
    assert set(load(Data(source="folder", dir=str(tmp_path))).test_labels) == {0, 1}
    (tmp_path / "test" / "cow").rmdir()
    assert set(load(Data(source="folder", dir=str(tmp_path))).test_labels) == {0, 1}
    (tmp_path / "train" / "cow" / "0.png").unlink()
    with pytest.raises(UserError, match=f"^{tmp_path}/train/cow holds no pictures"):
        load(Data(source="folder", dir=str(tmp_path)))


@pytest.mark.parametrize("content", [b"BM" + b"\xff" * 60, b"GIF89a" + b"\xff" * 60, b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_a_damaged_picture_is_named(parts, tmp_path, content):
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(parts[0][0, ..., 0]).save(tmp_path / split / name / "0.png")
    (tmp_path / "train" / "bee" / "1.png").write_bytes(content)
    with pytest.raises(UserError, match=r"train/bee/1\.png (cannot be read as a picture|has .* pixels)"):
        load(Data(source="folder", dir=str(tmp_path)))


def _changed(parts, **changes):
    names = ("x_train", "y_train", "x_test", "y_test")
    return [changes.get(name, part) for name, part in zip(names, parts, strict=True)]


def test_bad_arrays_are_refused(parts):
    x, y, x_test, y_test = parts
    nan = x / 255.0
    nan[7, 0, 0, 0] = np.nan
    wrong = y.copy()
    wrong[3] = 5
    negative = y.copy()
    negative[4] = -1
    cases = [
        ({"x_train": nan}, "nan in the image at index 7"),
        ({"x_train": x / 255.0}, "images float64 .*give uint8"),
        ({"x_train": np.zeros((60, 97, 97, 1), np.uint8)}, "at most 96 pixels"),
        ({"y_train": wrong}, r"x_train, y_train has the label 5 at index 3; with 5 classes labels are 0 to 4"),
        ({"y_test": y_test + 1}, r"x_test, y_test has the label 5 at index 4"),
        ({"y_train": negative}, "label -1 at index 4"),
        ({"y_train": y.astype(float)}, "whole numbers"),
        ({"y_train": np.eye(5)[y]}, "look one-hot: give labels.argmax"),
        ({"y_train": y[:-1]}, "60 images and 59 labels"),
        ({"y_train": np.zeros(60, int)}, "images of one class"),
        ({"x_test": x_test[:, :20]}, "both must have one shape"),
    ]
    for changes, message in cases:
        with pytest.raises(UserError, match=message):
            jaxcifar.arrays(*_changed(parts, **changes), class_names=NAMES)


def test_a_wrong_label_makes_no_millions_of_classes(parts):
    y = parts[1].astype(np.int64)
    y[3] = 2_000_000_000
    with pytest.raises(UserError, match="has the label 2,000,000,000 at index 3; without class names labels are below"):
        jaxcifar.arrays(*_changed(parts, y_train=y))


class Trap:
    """Its pickle would make a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_bad_files_are_refused(parts, tmp_path):
    x, y, *_ = parts
    trap = tmp_path / "sprung"
    np.savez(tmp_path / "pickle.npz", x_train=np.array([Trap(trap)], object), y_train=y)
    with pytest.raises(UserError, match="holds a pickle, which can run code and is never loaded"):
        load(Data(source="npz", dir=str(tmp_path / "pickle.npz")))
    assert not trap.exists()
    np.savez(tmp_path / "half.npz", x_train=x, y_train=y)
    with pytest.raises(UserError, match=r"has no array 'x_test'.*data\.holdout"):
        load(Data(source="npz", dir=str(tmp_path / "half.npz")))
    np.savez(tmp_path / "some.npz", x_train=x, y_train=y, x_test=x)
    for holdout in (0, 10):
        with pytest.raises(UserError, match="has no array 'y_test'"):
            load(Data(source="npz", dir=str(tmp_path / "some.npz"), holdout=holdout))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be read"):
        load(Data(source="npz", dir=str(tmp_path / "broken.npz")))
    (tmp_path / "one" / "train" / "ant").mkdir(parents=True)
    (tmp_path / "one" / "test").mkdir()
    with pytest.raises(UserError, match="has 1 folders of pictures"):
        load(Data(source="folder", dir=str(tmp_path / "one")))
    for source, message in (("npz", "no file"), ("folder", "no folder"), ("svhn", "no folder")):
        with pytest.raises(UserError, match=message):
            load(Data(source=source, dir=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match=r"without data\.dir"):
        load(Data(source="cifar100"))


def test_cifar100_in_both_layouts(tmp_path):
    generator = np.random.default_rng(0)
    pixels = {name: generator.integers(0, 256, (200, 3072)).astype(np.uint8) for name in ("train", "test")}
    fine = np.arange(200) % 100
    names = [f"thing{i}" for i in range(100)]
    import pickle

    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "binary").mkdir()
    for name, x in pixels.items():
        batch = {b"data": x, b"fine_labels": fine.tolist(), b"coarse_labels": [0] * 200}
        (tmp_path / "cifar-100-python" / name).write_bytes(pickle.dumps(batch, protocol=2))
        records = np.hstack([np.zeros((200, 1), np.uint8), fine[:, None].astype(np.uint8), x])
        (tmp_path / "binary" / f"{name}.bin").write_bytes(records.tobytes())
    (tmp_path / "cifar-100-python" / "meta").write_bytes(
        pickle.dumps({b"fine_label_names": [n.encode() for n in names]})
    )
    found = load(Data(source="cifar100", dir=str(tmp_path)))
    other = load(Data(source="cifar100", dir=str(tmp_path / "binary")))
    assert found.name == "cifar100-unverified"
    assert found.class_names == tuple(names)
    assert found.fingerprint == other.fingerprint
    assert found.train_images[3, 1, 2].tolist() == pixels["train"][3].reshape(3, 32, 32)[:, 1, 2].tolist()
    run = fitted(Run(data=Data(source="cifar100", dir=str(tmp_path))), load)
    assert run.model.classes == 100
    (tmp_path / "cifar-100-python" / "meta").write_bytes(pickle.dumps({b"fine_label_names": 7}))
    with pytest.raises(UserError, match="meta is not a file of CIFAR-100"):
        load(Data(source="cifar100", dir=str(tmp_path)))
    (tmp_path / "binary" / "test.bin").write_bytes(b"12")
    with pytest.raises(UserError, match="not a multiple of"):
        load(Data(source="cifar100", dir=str(tmp_path / "binary")))


def test_svhn(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 20)).astype(np.uint8)
    labels = (np.arange(20) % 10 + 1)[:, None].astype(np.uint8)
    for name in ("train", "test"):
        savemat(tmp_path / f"{name}_32x32.mat", {"X": images, "y": labels})
    found = load(Data(source="svhn", dir=str(tmp_path)))
    assert found.train_labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    np.testing.assert_array_equal(found.train_images[4], images[..., 4])
    labels[2] = 11
    savemat(tmp_path / "test_32x32.mat", {"X": images, "y": labels})
    with pytest.raises(UserError, match="label 11 at index 2"):
        load(Data(source="svhn", dir=str(tmp_path)))


def test_fashion_mnist(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    for name in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            (tmp_path / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    found = load(Data(source="fashion_mnist", dir=str(tmp_path)))
    assert found.class_names[9] == "ankle boot"
    np.testing.assert_array_equal(found.test_images[..., 0], images)
    labels_file = tmp_path / "train-labels-idx1-ubyte.gz"
    whole = labels_file.read_bytes()
    for damaged in (whole[:-9], whole[:12] + b"\xff" * 8 + whole[20:], b"\x1f\x8b\x08"):
        labels_file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz"):
            load(Data(source="fashion_mnist", dir=str(tmp_path)))
    labels_file.write_bytes(whole)
    for header in (b"\0\0\x08\x03", b"\0\0\x08\x03\0\0\0"):
        (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header))
        with pytest.raises(UserError, match="not a whole IDX file"):
            load(Data(source="fashion_mnist", dir=str(tmp_path)))


def test_an_npz_trains_and_its_record_names_the_classes(npz, tmp_path):
    run = Run(
        name="animals",
        model=CNN(widths=(4, 8), head=(16,)),
        data=Data(source="npz", dir=str(npz), flip="random", crop=2),
        batch_size=20,
        epochs=2,
    )
    records = jaxcifar.train(run, tmp_path / "out")
    assert records.environment["data"]["classes"] == list(NAMES)
    assert records.config.model.classes == 5
    assert jaxcifar.train(run, tmp_path / "out").steps["loss"].tolist() == records.steps["loss"].tolist()


def test_the_run_of_one_file_is_not_taken_for_that_of_another(npz, parts, tmp_path):
    """Images and sizes are equal, only the labels differ, so all that is filled in is equal too."""
    other = tmp_path / "other.npz"
    images, labels, test_images, test_labels = parts
    np.savez(other, x_train=images, y_train=labels[::-1], x_test=test_images, y_test=test_labels, class_names=NAMES)
    runs = [
        Run(model=CNN(widths=(4, 8), head=(16,)), data=Data(source="npz", dir=str(file)), batch_size=20, epochs=1)
        for file in (npz, other)
    ]
    studies = tuple(Study(name, run, (Variant("only"),)) for name, run in zip(("mine", "yours"), runs, strict=True))
    execute(Paper("both", studies), tmp_path / "both")
    losses = [read_records(tmp_path / "both" / study.name / "only" / "seed-0").steps["loss"] for study in studies]
    assert losses[0].tolist() != losses[1].tolist()
    with pytest.raises(UserError, match=r"was begun on the data set animals .* not on this other"):
        execute(Study("mine", runs[1], (Variant("only"),)), tmp_path / "both" / "mine")
    jaxcifar.train(runs[0], tmp_path / "one")
    with pytest.raises(UserError, match=r"was begun on the data set animals .* not on this other"):
        jaxcifar.train(runs[1], tmp_path / "one")


def test_arrays_are_copied_and_evaluated_without_naming_them_again(parts, tmp_path):
    images = parts[0].copy()
    data = jaxcifar.arrays(images, *parts[1:])
    images[:] = 0
    np.testing.assert_array_equal(load(data).train_images, parts[0])
    run = Run(model=CNN(widths=(4, 8), head=(16,)), data=data, batch_size=20, epochs=1)
    records = jaxcifar.train(run, tmp_path)
    assert records.load().evaluate()["accuracy"] == pytest.approx(records.metrics[-1]["test_accuracy"])


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_pictures_of_more_than_8_bits_are_refused(dtype, tmp_path):
    for split, name in itertools.product(("train", "test"), ("ant", "bee")):
        (tmp_path / split / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 40000, dtype)).save(tmp_path / split / name / "0.tiff")
    with pytest.raises(UserError, match=r"0\.tiff has more than 8 bits per channel"):
        load(Data(source="folder", dir=str(tmp_path)))


def test_statistics_have_a_number_for_each_channel_or_one_for_all(parts):
    run = Run(model=CNN(widths=(4, 8), head=(16,)))
    with pytest.raises(UserError, match="have 3 numbers and the images 1 channels"):
        fitted(dataclasses.replace(run, data=jaxcifar.arrays(*parts, mean=(0, 0, 0), deviation=(1, 1, 1))), load)
    with pytest.raises(UserError, match="have 2 numbers and the images 3 channels"):
        fitted(dataclasses.replace(run, data=Data(mean=(0, 0), deviation=(1, 1))), load)
    one = Data(mean=0.5, deviation=0.25)
    assert fitted(dataclasses.replace(run, data=one), load).data.mean == (0.5,)
    np.testing.assert_allclose(normalize(np.full((1, 2, 2, 3), 255, np.uint8), one), 2.0)
