"""ResNet-18 with ReLU, sigmoid, leaky ReLU, tanh and softplus over 50 epochs (study 1.7, Fig. 5).

Our choice: batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and flip.

Command:  python scripts/run.py --config configs/activations.py
Cost:     250 epochs of ResNet-18, 44 PFLOP; made for a GPU.
Expect:   sigmoid and softplus oscillate on the test set; ReLU and leaky ReLU are alike and best.
"""

from jaxcifar.claims import ACCURACY, LOSS, alike, best_accuracy, both, compare, oscillation
from jaxcifar.config import SGD, Claim, Data, ResNet, Run, Size, Study, Variant


def get_config() -> Study:
    return Study(
        name="activations",
        base=Run(
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=50,
            batch_size=128,
        ),
        variants=(
            Variant("relu", {"model.activation": "relu"}),
            Variant("sigmoid", {"model.activation": "sigmoid"}),
            Variant("leaky-relu", {"model.activation": "leaky_relu"}),
            Variant("tanh", {"model.activation": "tanh"}),
            Variant("softplus", {"model.activation": "softplus"}),
        ),
        varies=("model.activation",),
        section="1.7",
        title="Activations",
        says="Sigmoid and softplus oscillate in test loss and accuracy; ReLU and leaky ReLU are alike and overtake the "
        "others in convergence and stability.",
        states={"activation": "ReLU, sigmoid, leaky ReLU, tanh, softplus", "epochs": "50"},
        claims=(
            Claim(
                "Sigmoid and softplus oscillate on the test set.",
                "Standard deviation of the change of test accuracy and of test loss from epoch to epoch, over the last "
                "half: above ReLU's for both activations.",
                both(
                    compare(oscillation(), greater=("sigmoid", "softplus"), than="relu", by=0.5),
                    compare(oscillation("test_loss"), greater=("sigmoid", "softplus"), than="relu", by=LOSS),
                ),
            ),
            Claim(
                "ReLU and leaky ReLU perform alike.",
                "Their best test accuracies differ by at most 1 point.",
                alike(best_accuracy(), "relu", "leaky-relu", within=1.0),
            ),
            Claim(
                "ReLU and leaky ReLU overtake the other activations.",
                "The best test accuracy of each is above those of sigmoid, tanh and softplus.",
                compare(
                    best_accuracy(), greater=("relu", "leaky-relu"), than=("sigmoid", "tanh", "softplus"), by=ACCURACY
                ),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 8, "data.train_size": 5_000, "data.test_size": 2_000, "epochs": 40},
                seeds=4,
                hours=0.65,
                why="1,600 steps, and 20 epochs in the last half, over which fluctuations are taken; every choice "
                "of four of five seeds gives the same verdicts (that two are alike needs about 20).",
            )
        },
    )
