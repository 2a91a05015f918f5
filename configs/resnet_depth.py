"""ResNet-18, 34, 50, 101 and 152 (study 1.5, Table 3, Fig. 3), each trained alone because seconds are compared.

Our choice: batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and flip; 20 epochs, no schedule.

Command:  python scripts/run.py --config configs/resnet_depth.py
Cost:     59 PFLOP, at most 2.5 GB of checkpoints; made for a GPU.
Expect:   ResNet-18 converges fastest; ResNet-50 fluctuates on the test set; an epoch takes longer with depth.
"""

from jaxcifar.config import SGD, Data, ResNet, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="resnet_depth",
        base=Run(
            name="resnet_depth",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
        ),
        variants=(
            Variant("resnet-18", {"model.depth": 18}),
            Variant("resnet-34", {"model.depth": 34}),
            Variant("resnet-50", {"model.depth": 50}),
            Variant("resnet-101", {"model.depth": 101}),
            Variant("resnet-152", {"model.depth": 152}),
        ),
        varies=("model.depth",),
        alone=True,
    )
