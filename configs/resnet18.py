"""ResNet-18 over 20 epochs (study 1.4).

Batch, rate, decay and augmentation are our choice where the study is silent.

Command:  python scripts/run.py --config configs/resnet18.py
Cost:     about 10 minutes an epoch on two CPU cores; made for a GPU.
Expect:   83.31% in the study.
"""

from jaxcifar.config import SGD, Data, ResNet, Run


def get_config() -> Run:
    return Run(
        name="resnet-18",
        model=ResNet(depth=18),
        data=Data(crop=4, flip="random"),
        optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
        epochs=20,
        batch_size=128,
    )
