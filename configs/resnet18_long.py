"""ResNet-18 over 200 epochs, cosine from 0.1 (study 1.4).

Batch, rate, decay and augmentation are our choice where the study is silent.

Command:  python scripts/run.py --config configs/resnet18_long.py
Cost:     made for a GPU.
Expect:   96.68% in the study; published runs of this network reach 95.3 to 95.7%.
"""

from jaxcifar.config import SGD, Cosine, Data, ResNet, Run


def get_config() -> Run:
    return Run(
        name="resnet-18-long",
        model=ResNet(depth=18),
        data=Data(crop=4, flip="random"),
        optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule=Cosine()),
        epochs=200,
        batch_size=128,
    )
