"""VGG-A with BatchNorm after each convolution (study 2.1).

Command:  python scripts/run.py --config configs/vgg_bn.py
Cost:     about two minutes an epoch on two CPU cores.
Expect:   over half of the test images right after one epoch.
"""

from jaxcifar.config import VGG, Adam, Data, Run


def get_config() -> Run:
    return Run(
        name="vgg-a-bn",
        model=VGG(norm="batch"),
        data=Data(normalization="half"),
        optimizer=Adam(learning_rate=1e-3),
        epochs=50,
        batch_size=128,
    )
