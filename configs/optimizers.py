"""ResNet-18 with SGD, Adagrad, Adadelta and Adam (study 1.8, Fig. 6).

Our choice: PyTorch's default rates (Adagrad 0.01, Adadelta 1.0, Adam 0.001), SGD 0.01 with momentum 0.9; batch 128,
decay 5e-4, crop and flip; 20 epochs.

Command:  python scripts/run.py --config configs/optimizers.py
Cost:     80 epochs of ResNet-18, 14 PFLOP; made for a GPU.
Expect:   Adadelta is best in training, SGD and Adam are steadier in test.
"""

from jaxcifar.claims import ACCURACY, LOSS, both, compare, last, oscillation
from jaxcifar.config import SGD, Adadelta, Adagrad, Adam, Claim, Data, ResNet, Run, Size, Study, Variant


def get_config() -> Study:
    return Study(
        name="optimizers",
        base=Run(
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
        ),
        variants=(
            Variant("sgd"),
            Variant("adagrad", {"optimizer": Adagrad(learning_rate=1e-2, weight_decay=5e-4)}),
            Variant("adadelta", {"optimizer": Adadelta(learning_rate=1.0, weight_decay=5e-4)}),
            Variant("adam", {"optimizer": Adam(learning_rate=1e-3, weight_decay=5e-4)}),
        ),
        varies=("optimizer",),
        section="1.8",
        title="Optimizers",
        says="Adadelta does best in training, SGD and Adam are steadier on the test set.",
        states={"optimizer": "SGD, Adagrad, Adadelta, Adam"},
        claims=(
            Claim(
                "Adadelta is best in training.",
                "Its last train loss is below, and its last train accuracy above, those of every other optimizer.",
                both(
                    compare(last("train_loss"), smaller="adadelta", than=("sgd", "adagrad", "adam"), by=LOSS),
                    compare(last("train_accuracy"), greater="adadelta", than=("sgd", "adagrad", "adam"), by=ACCURACY),
                ),
            ),
            Claim(
                "SGD and Adam are steadier in test.",
                "Standard deviation of the change of test accuracy from epoch to epoch, over the last half, is below "
                "Adagrad's and Adadelta's for both.",
                compare(oscillation(), smaller=("sgd", "adam"), than=("adagrad", "adadelta"), by=0.5),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 8, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 20},
                seeds=5,
                hours=0.55,
                why="1,600 steps; with five seeds, four of five differences of 2.5 seed deviations are "
                "decided (simulated, 50 comparisons).",
            )
        },
    )
