"""VGG-A with dropout before the first two linear layers of its head (study 2.1).

Command:  python scripts/run.py --config configs/vgg_dropout.py
Cost:     as vgg_a.py.
Expect:   its test loss stays stable where VGG-A's rises.
"""

from jaxcifar.config import VGG, Adam, Data, Run


def get_config() -> Run:
    return Run(
        name="vgg-a-dropout",
        model=VGG(dropout=0.5),
        data=Data(normalization="half"),
        optimizer=Adam(learning_rate=1e-3),
        epochs=50,
        batch_size=128,
    )
