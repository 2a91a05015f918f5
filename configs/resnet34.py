"""ResNet-34 over 20 epochs (study 1.5, Table 3).

Batch, rate, decay and augmentation are our choice where the study is silent.

Command:  python scripts/run.py --config configs/resnet34.py
Cost:     about 30 minutes an epoch on two CPU cores; made for a GPU.
Expect:   in the study ResNet-18 converges faster than the deeper ones.
"""

from jaxcifar.config import SGD, Data, ResNet, Run


def get_config() -> Run:
    return Run(
        name="resnet-34",
        model=ResNet(depth=34),
        data=Data(crop=4, flip="random"),
        optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
        epochs=20,
        batch_size=128,
    )
