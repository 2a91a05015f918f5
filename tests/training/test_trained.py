"""A trained network comes back: it predicts, is evaluated, and starts another run."""

from __future__ import annotations

import dataclasses
import json
import struct

import numpy as np
import own_networks
import pytest

import jaxcifar
from jaxcifar.cli import main
from jaxcifar.config import CNN, Data, Module, Run, UserError
from jaxcifar.config.stored import begin_records, read_records
from jaxcifar.data import load as load_data
from jaxcifar.records.restart import clear
from jaxcifar.training.start import check

SHAPES = Data(source="shapes", train_size=128, test_size=60)


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(name="first", model=CNN(widths=(4, 8), head=(16,), norm="batch"), data=SHAPES, epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def records(run, tmp_path_factory):
    return jaxcifar.train(run, tmp_path_factory.mktemp("trained") / "run")


def test_it_predicts_and_evaluates_as_training_did(records, run):
    network = jaxcifar.load(records.folder)
    images, labels = load_data(run.data).test_images, load_data(run.data).test_labels
    probabilities = network.predict(images)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    last = records.metrics[-1]
    assert (probabilities.argmax(1) == labels).mean() == pytest.approx(last["test_accuracy"])
    found = network.evaluate()
    assert found["loss"] == pytest.approx(last["test_loss"], rel=1e-5)
    assert found == network.evaluate((images, labels)) == network.evaluate(run.data)
    assert found["accuracy"] == pytest.approx(last["test_accuracy"])
    np.testing.assert_allclose(network.predict(images[:3]), probabilities[:3], rtol=1e-4, atol=1e-6)
    assert network.class_names == load_data(run.data).class_names
    assert network.step == 8


def test_it_refuses_other_images_steps_and_folders(records, tmp_path):
    network = jaxcifar.load(records.folder)
    for images in (np.zeros((2, 28, 28, 1), np.uint8), np.zeros((2, 32, 32, 3), np.float32)):
        with pytest.raises(UserError, match=r"takes uint8 \[N, 32, 32, 3\]"):
            network.predict(images)
    with pytest.raises(UserError, match=r"the label 10 at index 1; this network has 10 classes"):
        network.evaluate((np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 10])))
    images = np.zeros((4, 32, 32, 3), np.uint8)
    for labels in (np.zeros(2, int), np.zeros(4), np.zeros((4, 10), int)):
        with pytest.raises(UserError, match=r"evaluate\(…\) has"):
            network.evaluate((images, labels))
    with pytest.raises(UserError, match="got no images"):
        network.evaluate((images[:0], np.zeros(0, int)))
    column = np.arange(4)[:, None]
    assert network.evaluate((images, column)) == network.evaluate((images, column[:, 0]))
    with pytest.raises(UserError, match="has no checkpoint of step 3; it has"):
        jaxcifar.load(records.folder, step=3)
    with pytest.raises(UserError, match="is not a run folder; give the folder that holds"):
        jaxcifar.load(tmp_path)
    for seed in (0, 1):
        begin_records(tmp_path / "study" / "member" / f"seed-{seed}", Run(seed=seed))
    with pytest.raises(UserError, match=r"2 runs are in it, such as 'member/seed-0': give the folder"):
        jaxcifar.load(tmp_path / "study")


@pytest.mark.parametrize(
    "model", [Module(own_networks.Small()), Module(own_networks.SmallNNX, {"width": 4})], ids=["linen", "nnx"]
)
def test_an_own_network_comes_back_with_its_code(model, tmp_path):
    run = Run(name="own", model=model, data=SHAPES, loss=own_networks.focal, epochs=1, batch_size=32)
    records = jaxcifar.train(run, tmp_path)
    with pytest.raises(UserError, match="which a record describes but does not hold"):
        jaxcifar.load(tmp_path)
    with pytest.raises(UserError, match="another network than the record's"):
        jaxcifar.load(tmp_path, model=Module(own_networks.Small(width=3)))
    network = jaxcifar.load(tmp_path, model=model)
    assert network.evaluate()["accuracy"] == pytest.approx(records.metrics[-1]["test_accuracy"])
    assert records.load().evaluate()["loss"] == pytest.approx(records.metrics[-1]["test_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_run_starts_from_another(records, run, tmp_path):
    start = dataclasses.replace(run, init_from=str(records.folder), epochs=1)
    found = jaxcifar.train(start, tmp_path / "next")
    again = jaxcifar.train(dataclasses.replace(run, epochs=1), tmp_path / "new")
    assert found.metrics[0]["train_loss"] < again.metrics[0]["train_loss"]
    # A rate of 0 leaves the weights that it starts from.
    still = dataclasses.replace(start, optimizer=dataclasses.replace(run.optimizer, learning_rate=0.0))
    before, after = records.load().params, jaxcifar.train(still, tmp_path / "still").load().params
    for layer in before:
        for name in before[layer]:
            np.testing.assert_array_equal(before[layer][name], after[layer][name])


def test_another_number_of_classes_gets_a_new_head(records, run, tmp_path):
    images, labels = load_data(run.data).train_images, load_data(run.data).train_labels % 3
    few = jaxcifar.arrays(images, labels, images[:30], labels[:30])
    still = dataclasses.replace(
        run, data=few, init_from=str(records.folder), optimizer=dataclasses.replace(run.optimizer, learning_rate=0.0)
    )
    before, after = records.load(), jaxcifar.train(still, tmp_path).load()
    assert after.params["output"]["kernel"].shape == (16, 3)
    np.testing.assert_array_equal(before.params["conv1"]["kernel"], after.params["conv1"]["kernel"])


def test_another_network_is_refused_by_its_first_leaf(records, run, tmp_path):
    other = dataclasses.replace(run, model=CNN(widths=(4, 6), head=(16,), norm="batch"), init_from=str(records.folder))
    with pytest.raises(UserError, match=r"conv2/(bias|kernel) is \(.*8.?\) there and \(.*6.?\) in this one"):
        jaxcifar.train(other, tmp_path / "other")
    assert not (tmp_path / "other").exists() or not list((tmp_path / "other").glob("config.json"))
    with pytest.raises(UserError, match=r"norm1/.*not there in this one"):
        jaxcifar.train(dataclasses.replace(other, model=CNN(widths=(4, 8), head=(16,))), tmp_path / "plain")
    with pytest.raises(UserError, match="is not a run folder"):
        jaxcifar.train(dataclasses.replace(run, init_from=str(tmp_path / "nowhere")), tmp_path / "none")


def test_what_cannot_be_evaluated_is_told(records):
    with pytest.raises(UserError, match=r"evaluate\(…\) got 'shapes'; it takes a Data"):
        records.load().evaluate("shapes")


@pytest.mark.parametrize("name", ["", "..", "a/../../b"])
def test_a_name_that_leads_elsewhere_needs_a_folder(run, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="which is none of a folder"):
        jaxcifar.train(dataclasses.replace(run, name=name))
    assert not list(tmp_path.iterdir())


def test_results_are_read_from_another_working_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = jaxcifar.train(dataclasses.replace(run, epochs=1), "here")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert results.load().step == results.steps["loss"].size


def test_records_show_themselves(records):
    shown = records._repr_html_()
    assert "<b>first</b> CNN 4-8-16 + BatchNorm" in shown
    assert shown.count("<polyline") == 2
    assert f"{records.summary['best']['test_accuracy']:.2%}" in shown
    risky = dataclasses.replace(records, config=dataclasses.replace(records.config, name="<script>"))
    assert "<script>" not in risky._repr_html_()
    axes = records.plot().axes
    assert [axis.get_title() for axis in axes] == ["loss", "accuracy"]
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), [row["train_loss"] for row in records.metrics])


def test_weights_as_safetensors(records, tmp_path, capsys):
    path = tmp_path / "weights.safetensors"
    assert main(["export", str(records.folder), "--out", str(path)]) == 0
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    assert header.pop("__metadata__")["origin"] == "first, seed 0, step 8"
    network = records.load()
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        assert entry["dtype"] == "F32"
        array = np.frombuffer(body[start:end], "<f4").reshape(entry["shape"])
        collection, *path = name.split(".")
        expected = getattr(network, collection)
        for part in path:
            expected = expected[part]
        np.testing.assert_array_equal(array, expected)
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(body)
    assert main(["export", str(records.folder), "--out", str(tmp_path / "weights.pt")]) == 2
    assert "must end in .onnx or .safetensors" in capsys.readouterr().err


def test_restart_trains_anew_and_deletes_records_alone(run, tmp_path):
    jaxcifar.train(dataclasses.replace(run, seed=1), tmp_path / "out")
    with pytest.raises(UserError, match="seed: 1 -> 0"):
        jaxcifar.train(run, tmp_path / "out")
    with pytest.raises(UserError, match=r"batch_size is 999"):
        jaxcifar.train(dataclasses.replace(run, batch_size=999), tmp_path / "out", restart=True)
    continued = dataclasses.replace(run, init_from=str(tmp_path / "out"))
    with pytest.raises(UserError, match="from whose weights the run starts"):
        jaxcifar.train(continued, tmp_path / "out", restart=True)
    foreign = tmp_path / "out" / "notes.txt"
    foreign.write_text("mine")
    with pytest.raises(UserError, match=r"would delete 'notes.txt'"):
        jaxcifar.train(run, tmp_path / "out", restart=True)
    assert read_records(tmp_path / "out").config == dataclasses.replace(run, seed=1)
    foreign.unlink()
    records = jaxcifar.train(run, tmp_path / "out", restart=True)
    assert (records.status, records.config) == ("finished", run)
    assert jaxcifar.train(run, tmp_path / "out").summary == records.summary


def test_the_folder_to_start_from_may_be_below_the_home(records, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(records.folder.parent))
    start = dataclasses.replace(run, init_from=f"~/{records.folder.name}", epochs=1)
    check(start)
    with pytest.raises(UserError, match="would delete ~/"):
        clear(records.folder, needed=(start.init_from,))


def test_images_in_another_range_are_refused(records, run):
    found = load_data(run.data)
    network = records.load()
    with pytest.raises(UserError, match=r"evaluate\(…\) got images float64"):
        network.evaluate((found.test_images / 255, found.test_labels))
    assert network.evaluate((found.test_images, found.test_labels)) == network.evaluate()
