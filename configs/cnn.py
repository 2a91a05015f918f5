"""The study's basic network (study 1.1, Table 1): batch 4, SGD 0.001 with momentum 0.9, no augmentation.

Command:  python scripts/run.py --config configs/cnn.py
Cost:     COST_CNN
Expect:   EXPECT_CNN
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
