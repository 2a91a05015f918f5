"""VGG-A with BatchNorm and dropout (study 2.1).

Command:  python scripts/run.py --config configs/vgg_bn_dropout.py
Cost:     as vgg_bn.py.
Expect:   its late test loss lies below that of vgg_bn.py.
"""

from jaxcifar.config import VGG, Adam, Data, Run


def get_config() -> Run:
    return Run(
        name="vgg-a-bn-dropout",
        model=VGG(norm="batch", dropout=0.5),
        data=Data(normalization="half"),
        optimizer=Adam(learning_rate=1e-3),
        epochs=50,
        batch_size=128,
    )
