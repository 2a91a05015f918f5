"""A config file with a network, an optimizer, a loss and data of the user's own: flags edit what is a flag."""

from __future__ import annotations

import dataclasses

import pytest

from jaxcifar.config import UserError, from_json, load, to_json

FILE = '''
"""All of one's own."""

import numpy as np
import optax
from flax import linen as nn

import jaxcifar
from jaxcifar.config import Run


class Net(nn.Module):
    """A linear network."""

    classes: int = 2

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.classes)(x.reshape(len(x), -1))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def get_config():
    images, labels = np.zeros((8, 4, 4, 1), np.uint8), np.arange(8) % 2
    return Run(
        model=jaxcifar.Module(Net()),
        data=jaxcifar.arrays(images, labels, images, labels),
        optimizer=jaxcifar.Optax(factory=optax.lion, arguments={"b1": 0.8}),
        loss=loss,
        batch_size=4,
    )
'''


@pytest.fixture
def path(tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    return tmp_path / "own.py"


def test_code_in_a_neighbour_of_the_file_keeps_its_hash(path):
    text = FILE.replace("import jaxcifar\n", "import jaxcifar\nfrom parts import Net, loss\n")
    code = text[text.index("class Net") : text.index("def get_config")]
    (path.parent / "parts.py").write_text("import optax\nfrom flax import linen as nn\n\n\n" + code)
    path.write_text(text.replace(code, ""))
    run = load(path, ["--epochs", "3"])  # makes new configs of the same code, whose module is gone
    fitted = dataclasses.replace(run, model=run.model.for_data((4, 4, 1), 2))
    for found in (fitted.model.source_sha256, fitted.loss.source_sha256):
        assert found is not None
        assert len(found) == 64
    assert fitted.model.source_sha256 == load(path).model.source_sha256
    parts = path.parent / "parts.py"
    parts.write_text(parts.read_text().replace("reshape(len(x), -1)", "mean((1, 2))"))
    assert load(path).model.source_sha256 != fitted.model.source_sha256


def test_flags_change_numbers_and_keep_the_code(path):
    run = load(path, ["--epochs", "3", "--optimizer.learning-rate", "0.5", "--data.flip", "random"])
    assert (run.epochs, run.optimizer.learning_rate, run.data.flip) == (3, 0.5, "random")
    assert run.data.arrays is not None
    assert callable(run.loss.function)
    assert run.model.network.classes == 2
    assert run.optimizer.factory_arguments == "b1=0.8"
    assert run.loss.title == "loss"
    assert load(path) == load(path)


def test_code_is_not_a_flag(path):
    for flag in ("--model.network", "--optimizer.factory", "--data.arrays", "--model.classes"):
        with pytest.raises(UserError):
            load(path, [flag, "3"])


def test_a_record_is_equal_and_holds_no_code(path):
    run = load(path)
    stored = to_json(run)
    assert from_json(stored) == run
    assert not {"network", "arguments"} & set(stored["model"])
    assert not {"factory", "arguments"} & set(stored["optimizer"])
    assert set(stored["loss"]) == {"class", "function_name", "source_sha256"}
