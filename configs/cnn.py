"""The study's basic network (study 1.1, Table 1): batch 4, SGD 0.001 with momentum 0.9, no augmentation.

The study names neither widths nor kernels. Ours: 3x3 convolutions of 64 and 128 channels, linear layers of 256 and 128;
of these and half as many channels, the better on 5,000 held-out training images (73.1% against 71.0%).

Command:  python scripts/run.py --config configs/cnn.py
Cost:     about a minute an epoch on two CPU cores.
Expect:   about 72% of the test images as the best of six epochs; 71% in the study.
"""

from jaxcifar.config import CNN, SGD, Data, Run


def get_config() -> Run:
    return Run(
        name="cnn",
        model=CNN(),
        data=Data(normalization="half"),
        optimizer=SGD(learning_rate=1e-3, momentum=0.9),
        epochs=6,
        batch_size=4,
    )
