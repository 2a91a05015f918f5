"""What a trained network answers on the test images, and how the page shows it."""

from __future__ import annotations

import numpy as np
import pytest

from jaxcifar import records
from jaxcifar.cli import main
from jaxcifar.records import pictures
from jaxcifar.runner.predictions import answers

CONFIG = '''
"""Three kinds of images."""

from jaxcifar.config import CNN, Data, Run


def get_config():
    data = Data(source="npz", dir={path!r})
    return Run(model=CNN(widths=(4,), head=(8,)), data=data, epochs=1, batch_size=10)
'''


def test_answers_against_a_count_by_hand():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4], [0.0, 0.7, 0.3]])
    labels = np.array([0, 1, 1, 2, 2])
    found = answers(probabilities, labels)
    assert found["confusion"].tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert found["mistakes"].tolist() == [1, 4]
    assert found["mistakes_answer"].tolist() == [0, 1]
    assert found["mistakes_confidence"].tolist() == [0.9, 0.7]
    # Bins of 1/15: 0.9 twice (half right), 0.6, 0.4 (right) and 0.7 (wrong).
    assert found["bin_count"].sum() == 5
    ece = 2 / 5 * abs(0.5 - 0.9) + 1 / 5 * (abs(1 - 0.6) + abs(1 - 0.4) + abs(0 - 0.7))
    assert found["ece"] == pytest.approx(ece)


def test_a_perfect_network_has_no_mistakes():
    found = answers(np.eye(4)[[0, 1, 2, 3, 3]], np.array([0, 1, 2, 3, 3]))
    assert found["mistakes"].size == 0
    assert found["ece"] == 0
    assert found["bin_count"].tolist() == [0] * 14 + [5]


def test_a_single_run_has_them_on_its_page(tmp_path):
    generator, labels = np.random.default_rng(0), np.arange(60) % 3
    images = np.clip(70 * labels[:, None, None, None] + generator.integers(0, 90, (60, 12, 12, 3)), 0, 255)
    images = images.astype(np.uint8)
    names = np.array(["ant & bee", "cow", "<dog>"])
    np.savez(
        tmp_path / "kinds.npz",
        x_train=images,
        y_train=labels,
        x_test=images[:31],
        y_test=labels[:31],
        class_names=names,
    )
    (tmp_path / "kinds.py").write_text(CONFIG.format(path=str(tmp_path / "kinds.npz")))
    assert main(["run", "--config", str(tmp_path / "kinds.py"), "--out", str(tmp_path / "out")]) == 0
    stored = records.read_arrays(tmp_path / "out" / pictures.PREDICTIONS)
    assert stored["confusion"].sum(1).tolist() == [11, 10, 10]
    accuracy = records.read_summary(tmp_path / "out")["last"]["test_accuracy"]
    assert np.trace(stored["confusion"]) / 31 == pytest.approx(accuracy)
    assert stored["images"].dtype == np.uint8
    assert main(["report", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Accuracy of each class" in page
    assert "ant &amp; bee" in page
    assert "<dog>" not in page
    assert f"(ECE): {stored['ece']:.3f}" in page
    assert "Confusion matrix" in page
    (csv,) = (tmp_path / "out" / "report" / "figures").glob("*confusion*.csv")
    assert len(csv.read_text().splitlines()) == 1 + 9
    before = (tmp_path / "out" / pictures.PREDICTIONS).stat().st_mtime_ns
    assert main(["run", "--config", str(tmp_path / "kinds.py"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / pictures.PREDICTIONS).stat().st_mtime_ns == before
