"""ResNet-18, 34, 50, 101 and 152 (study 1.5, Table 3, Fig. 3), each trained alone because seconds are compared.

Our choice: batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and flip; 20 epochs, no schedule.

Command:  python scripts/run.py --config configs/resnet_depth.py
Cost:     59 PFLOP, at most 2.5 GB of checkpoints; made for a GPU.
Expect:   ResNet-18 converges fastest; ResNet-50 fluctuates on the test set; an epoch takes longer with depth.
"""

from jaxcifar.claims import (
    ACCURACY,
    best_accuracy,
    compare,
    epochs_to_common_level,
    grows,
    oscillation,
    seconds_per_epoch,
    table_says,
)
from jaxcifar.config import SGD, Claim, Data, ResNet, Run, Size, Study, Variant
from jaxcifar.config.words import Color

TABLE_3 = {18: 11.174, 34: 21.282, 50: 23.521, 101: 42.513, 152: 58.157}
"""Depth -> million parameters."""
FIGURE_8 = {18: 1.8, 34: 3.6, 50: 3.8, 101: 7.6, 152: 11.3}
"""Depth -> billion multiply-adds."""
SECONDS = {18: "23.025", 34: "73.043", 50: "84.950", 101: "135.262", 152: "248.403"}
"""Depth -> seconds per epoch (Table 3)."""
COLORS: dict[int, Color] = {18: "blue", 34: "green", 50: "vermillion", 101: "purple", 152: "orange"}
ALL = tuple(f"resnet-{depth}" for depth in TABLE_3)
DEEPER = ALL[1:]


def get_config() -> Study:
    return Study(
        name="resnet_depth",
        base=Run(
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
        ),
        variants=tuple(
            Variant(
                f"resnet-{depth}",
                {"model.depth": depth},
                color=COLORS[depth],
                reported={"parameters": f"{millions:.3f} M", "s per epoch": SECONDS[depth]},
            )
            for depth, millions in TABLE_3.items()
        ),
        varies=("model.depth",),
        alone=True,
        pictures=("architecture",),
        section="1.5",
        title="Number of layers",
        says="ResNet-18 converges fastest in training and in test; ResNet-50 fluctuates on the test set. Seconds are "
        "of the study's machine.",
        states={"network": "ResNet-18, 34, 50, 101, 152"},
        claims=(
            Claim(
                "The networks have 11.174, 21.282, 23.521, 42.513 and 58.157 million parameters (Table 3).",
                "The parameters of the full networks, rounded to thousands, are equal to the table's.",
                table_says("cifar", "parameters", TABLE_3, unit="million", digits=3),
            ),
            Claim(
                "They need 1.8, 3.6, 3.8, 7.6 and 11.3 x 10^9 operations per image (Fig. 8).",
                "Multiply-adds of an image of 224 x 224 in the networks' ImageNet form, within 10%: the table's source "
                "puts the stride of a bottleneck block into its first convolution, ours, as PyTorch, into the second.",
                table_says("imagenet", "multiply_adds", FIGURE_8, unit="billion", within=0.1),
            ),
            Claim(
                "An epoch takes longer the deeper the network.",
                "Median seconds per epoch grow from each depth to the next, by 5% at least.",
                grows(seconds_per_epoch, ALL, by=1.05),
            ),
            Claim(
                "ResNet-18 converges faster than the deeper ones in training.",
                "It needs the fewest epochs to the lowest train loss that all five reach.",
                compare(epochs_to_common_level("train_loss", ALL), smaller="resnet-18", than=DEEPER, by=1),
            ),
            Claim(
                "ResNet-18 converges faster than the deeper ones in test.",
                "It needs the fewest epochs to the highest test accuracy that all five reach.",
                compare(epochs_to_common_level("test_accuracy", ALL), smaller="resnet-18", than=DEEPER, by=1),
            ),
            Claim(
                "ResNet-50 fluctuates on the test set.",
                "Standard deviation of the change of test accuracy from epoch to epoch, over the last half, is above "
                "ResNet-18's.",
                compare(oscillation(), greater="resnet-50", than="resnet-18", by=0.5),
            ),
            Claim(
                "ResNet-50 performs poorly on the test set.",
                "Its best test accuracy is below ResNet-18's.",
                compare(best_accuracy(), smaller="resnet-50", than="resnet-18", by=ACCURACY),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 8, "data.train_size": 5_000, "data.test_size": 2_000, "epochs": 15},
                seeds=5,
                hours=1.1,
                why="600 steps; with five seeds, four of five differences of 2.5 seed deviations are decided "
                "(simulated, 50 comparisons). Parameters are those of the full width.",
            )
        },
    )
