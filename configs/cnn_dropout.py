"""The basic network with dropout after its first two linear layers (study 1.3).

Command:  python scripts/run.py --config configs/cnn_dropout.py
Cost:     as cnn.py.
Expect:   the training loss falls more slowly than that of cnn.py.
"""

from jaxcifar.config import CNN, SGD, Data, Run


def get_config() -> Run:
    return Run(
        name="cnn-dropout",
        model=CNN(dropout=0.5),
        data=Data(normalization="half"),
        optimizer=SGD(learning_rate=1e-3, momentum=0.9),
        epochs=6,
        batch_size=4,
    )
