"""VGG-A-light: two stages and a narrow head (study 2.1).

Command:  python scripts/run.py --config configs/vgg_a_light.py
Cost:     about six seconds an epoch on two CPU cores.
Expect:   poorer than VGG-A.
"""

from jaxcifar.config import VGG, Adam, Data, Run


def get_config() -> Run:
    return Run(
        name="vgg-a-light",
        model=VGG(form="light"),
        data=Data(normalization="half"),
        optimizer=Adam(learning_rate=1e-3),
        epochs=50,
        batch_size=128,
    )
