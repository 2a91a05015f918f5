"""VGG-A, light, dropout, BatchNorm, BatchNorm with dropout, by Adam; three of them by SGD too (study 2.1, Figs. 11-12).

Our choice: 50 epochs, batch 128, Adam 0.001; SGD 0.01 without momentum; dropout 0.5; no augmentation. Train losses are
those of evaluation mode, since BatchNorm and dropout change those of training mode (but in the course, to save time).

Command:  python scripts/run.py --config configs/vgg_family.py
Cost:     400 epochs, 19 PFLOP; made for a GPU (an epoch of VGG-A takes about 1.5 minutes on two CPU cores).
Expect:   light is poorer; without dropout the test loss rises; by SGD plain VGG-A stays where it began while light and
          BatchNorm learn; BatchNorm learns faster and, with dropout, its late test loss is lower.
"""

import math

from jaxcifar.claims import (
    ACCURACY,
    LOSS,
    alike,
    at_least,
    at_most,
    best_accuracy,
    both,
    compare,
    epochs_to_common_level,
    last,
    of_train_loss,
    rise,
)
from jaxcifar.config import SGD, VGG, Adam, Claim, Data, Run, Size, Study, Variant

GUESSING = math.log(10)
"""The cross-entropy of ten equal probabilities."""
LAST = of_train_loss(last)
"""The last train loss, in evaluation mode."""
TO_LEVEL = of_train_loss(lambda key: epochs_to_common_level(key, ("vgg-a-bn", "vgg-a")))

BY_SGD = {"optimizer": SGD(learning_rate=1e-2)}


def get_config() -> Study:
    return Study(
        name="vgg_family",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=50,
            batch_size=128,
            evaluate_train=True,
        ),
        variants=(
            Variant("vgg-a", color="vermillion"),
            Variant("vgg-a-light", {"model": VGG(form="light")}, color="green"),
            Variant("vgg-a-dropout", {"model": VGG(dropout=0.5)}, color="vermillion", dash="dashed"),
            Variant("vgg-a-bn", {"model": VGG(norm="batch")}, color="blue"),
            Variant("vgg-a-bn-dropout", {"model": VGG(norm="batch", dropout=0.5)}, color="blue", dash="dashed"),
            Variant("vgg-a-sgd", BY_SGD),
            Variant("vgg-a-light-sgd", {"model": VGG(form="light"), **BY_SGD}),
            Variant("vgg-a-bn-sgd", {"model": VGG(norm="batch"), **BY_SGD}),
        ),
        varies=("model", "optimizer"),
        section="2.1",
        title="VGG-A with and without BatchNorm",
        says="VGG-A-light is poorer; without dropout the test loss of VGG-A rises, with it it stays; by SGD VGG-A does "
        "not converge while light and BatchNorm do; BatchNorm converges faster, and with dropout its late test loss "
        "falls.",
        states={"network": "VGG-A, light, dropout, BatchNorm, both", "optimizer": "Adam; SGD"},
        claims=(
            Claim(
                "VGG-A-light performs more poorly than the others.",
                "Its best test accuracy (Adam) is below that of VGG-A, with dropout, with BatchNorm and with both.",
                compare(
                    best_accuracy(),
                    smaller="vgg-a-light",
                    than=("vgg-a", "vgg-a-dropout", "vgg-a-bn", "vgg-a-bn-dropout"),
                    by=ACCURACY,
                ),
            ),
            Claim(
                "Without dropout VGG-A's test loss begins to rise.",
                "Mean test loss of the last three epochs is at least 1.1 times the least.",
                at_least(rise("test_loss"), 1.1, of="vgg-a", by=0.5),
            ),
            Claim(
                "With dropout VGG-A's test loss remains stable.",
                "Mean test loss of the last three epochs is at most 1.1 times the least.",
                at_most(rise("test_loss"), 1.1, of="vgg-a-dropout", by=0.5),
            ),
            Claim(
                "With SGD, VGG-A does not converge, while VGG-A-light and VGG-A with BatchNorm do.",
                "Last train loss is at least 0.95 ln 10 = 2.187 (what guessing gives, minus 5%) for VGG-A, and at most "
                "that for the other two.",
                both(
                    at_least(LAST, 0.95 * GUESSING, of="vgg-a-sgd", by=0.3),
                    at_most(LAST, 0.95 * GUESSING, of=("vgg-a-light-sgd", "vgg-a-bn-sgd"), by=0.1),
                ),
            ),
            Claim(
                "With Adam, VGG-A begins to converge.",
                "Its last train loss is at most half of ln 10 = 1.151.",
                at_most(LAST, 0.5 * GUESSING, of="vgg-a", by=0.1),
            ),
            Claim(
                "With BatchNorm, training converges faster.",
                "VGG-A with BatchNorm needs fewer epochs to the lowest train loss that both reach.",
                compare(TO_LEVEL, smaller="vgg-a-bn", than="vgg-a", by=1),
            ),
            Claim(
                "With BatchNorm, the test accuracy, too, converges faster.",
                "VGG-A with BatchNorm needs fewer epochs to the highest test accuracy that both reach.",
                compare(
                    epochs_to_common_level("test_accuracy", ("vgg-a-bn", "vgg-a")),
                    smaller="vgg-a-bn",
                    than="vgg-a",
                    by=1,
                ),
            ),
            Claim(
                "VGG-A with BatchNorm outperforms VGG-A, light and dropout without doubt.",
                "Its best test accuracy (Adam) is above each of theirs.",
                compare(
                    best_accuracy(),
                    greater="vgg-a-bn",
                    than=("vgg-a", "vgg-a-light", "vgg-a-dropout"),
                    by=ACCURACY,
                ),
            ),
            Claim(
                "As epochs increase, the test loss of VGG-A with BatchNorm overfits.",
                "Mean test loss of the last three epochs is at least 1.1 times the least.",
                at_least(rise("test_loss"), 1.1, of="vgg-a-bn", by=0.5),
            ),
            Claim(
                "With dropout, the test loss of VGG-A with BatchNorm falls as epochs increase.",
                "Mean test loss of the last three epochs is at most 1.1 times the least: a loss that falls ends near "
                "its least.",
                at_most(rise("test_loss"), 1.1, of="vgg-a-bn-dropout", by=0.5),
            ),
            Claim(
                "With dropout, the late test loss of VGG-A with BatchNorm is lower than without.",
                "Mean test loss of the last five epochs is lower with dropout than without.",
                compare(last("test_loss", epochs=5), smaller="vgg-a-bn-dropout", than="vgg-a-bn", by=LOSS),
            ),
            Claim(
                "With and without dropout, the accuracies of VGG-A with BatchNorm tend to become the same.",
                "Mean test accuracies of the last five epochs differ by at most 1 point.",
                alike(last("test_accuracy", epochs=5), "vgg-a-bn-dropout", "vgg-a-bn", within=1.0),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 30},
                seeds=5,
                hours=0.75,
                why="2,300 steps, four times the course's, at whose end train losses without dropout are "
                "below 0.3 with Adam; with five seeds, four of five differences of 2.5 seed deviations "
                "are decided (simulated, 50 comparisons).",
            ),
            "course": Size(
                changes={
                    "model.width": 16,
                    "model.initialization": "he",
                    "data.train_size": 5_000,
                    "data.test_size": 1_000,
                    "epochs": 15,
                    "evaluate_train": False,
                },
                seeds=3,
                hours=0.15,
                why="He initialisation: VGG-A trains without BatchNorm within 585 steps (last train loss 0.14 "
                "with Adam).",
            ),
        },
    )
