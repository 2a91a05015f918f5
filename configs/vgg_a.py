"""VGG-A (study 2.1).

Command:  python scripts/run.py --config configs/vgg_a.py
Cost:     about a minute and a half an epoch on two CPU cores.
Expect:   it learns more slowly than with BatchNorm.
"""

from jaxcifar.config import VGG, Adam, Data, Run


def get_config() -> Run:
    return Run(
        name="vgg-a",
        model=VGG(),
        data=Data(normalization="half"),
        optimizer=Adam(learning_rate=1e-3),
        epochs=50,
        batch_size=128,
    )
