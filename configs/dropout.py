"""The basic CNN without dropout, with it after its first two linear layers, and after all three (study 1.3).

Our choice: probability 0.5 and Table 1's settings, which the study does not repeat here.

Command:  python scripts/run.py --config configs/dropout.py
Cost:     18 epochs of the CNN at batch 4; about 25 minutes on two CPU cores.
Expect:   the training loss falls more slowly with dropout: underfitting.
"""

from jaxcifar.claims import LOSS, both, compare, last, mean
from jaxcifar.config import CNN, SGD, Claim, Data, Run, Size, Study, Variant

ARMS = ("cnn-dropout", "cnn-dropout-all")


def get_config() -> Study:
    return Study(
        name="dropout",
        base=Run(
            model=CNN(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-3, momentum=0.9),
            epochs=6,
            batch_size=4,
            evaluate_train=True,
        ),
        variants=(
            Variant("cnn", label="CNN"),
            Variant("cnn-dropout", {"model": CNN(dropout=0.5)}, label="CNN, dropout after two"),
            Variant("cnn-dropout-all", {"model": CNN(dropout=0.5, dropout_layers=3)}, label="CNN, dropout after all"),
        ),
        varies=("model",),
        section="1.3",
        title="Dropout",
        says="Dropout after every linear layer slows the fall of the loss, perhaps by excessive regularisation. We "
        "place it after the first two linear layers, and in a second arm after all three, the output included.",
        states={"network": "the basic network, dropout after every linear layer"},
        claims=(
            Claim(
                "With dropout the loss falls more slowly.",
                "Train loss, measured without dropout after every epoch, mean over all epochs, is higher in both arms.",
                compare(mean("train_eval_loss"), greater=ARMS, than="cnn", by=LOSS),
            ),
            Claim(
                "Dropout leads to underfitting.",
                "At the last epoch, the train loss, measured without dropout, and the test loss are both higher than "
                "the CNN's, in both arms.",
                both(
                    compare(last("train_eval_loss"), greater=ARMS, than="cnn", by=LOSS),
                    compare(last("test_loss"), greater=ARMS, than="cnn", by=LOSS),
                ),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={},
                seeds=3,
                hours=0.55,
                why="The full size: two cores train it in minutes per seed, and seeds differ by about 0.01 nats.",
            )
        },
    )
