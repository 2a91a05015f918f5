"""ResNet-18 with cross-entropy, MSE, SmoothL1 and BCE with logits, at rates 0.01 and 0.1 (study 1.6, Fig. 4).

MSE, SmoothL1 and BCE take one-hot labels and are means over batch and classes, as in PyTorch: their values are in
units of their own. Our choice: batch 128, momentum 0.9, decay 5e-4, crop and flip; 50 epochs.

Command:  python scripts/run.py --config configs/losses.py
Cost:     400 epochs of ResNet-18, 71 PFLOP; made for a GPU.
Expect:   all but cross-entropy end near zero loss, cross-entropy is the most accurate; the study saw NaN at rate 0.1.
"""

from jaxcifar.claims import (
    ACCURACY,
    above,
    at_most,
    best_accuracy,
    both,
    compare,
    diverged,
    every_run,
    last,
    share_of_guessing,
)
from jaxcifar.config import (
    MSE,
    SGD,
    BCEWithLogits,
    Claim,
    CrossEntropy,
    Data,
    ResNet,
    Run,
    Size,
    SmoothL1,
    Study,
    Variant,
)

LOSSES = ("cross-entropy", "mse", "smooth-l1", "bce-with-logits")
ENTROPY, *OTHERS = (f"{name}-learning-rate-0.01" for name in LOSSES)


def get_config() -> Study:
    return Study(
        name="losses",
        base=Run(
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=50,
            batch_size=128,
        ),
        variants=(
            Variant("cross-entropy", {"loss": CrossEntropy()}),
            Variant("mse", {"loss": MSE()}),
            Variant("smooth-l1", {"loss": SmoothL1()}),
            Variant("bce-with-logits", {"loss": BCEWithLogits()}),
        ),
        varies=("loss",),
        sweep={"optimizer.learning_rate": (1e-2, 1e-1)},
        section="1.6",
        title="Loss functions",
        says="The losses of all but cross-entropy converge close to zero, yet cross-entropy is the most accurate; at a "
        "learning rate of 0.1 the study saw the loss become NaN. Each loss has a unit of its own: the curves of two "
        "losses are not comparable in height.",
        states={"loss": "MSE, cross-entropy, SmoothL1, BCE with logits", "learning rate": "one not stated, and 0.1"},
        loss_unit="each in its own unit",
        log_loss=True,
        claims=(
            Claim(
                "All losses but cross-entropy converge close to zero.",
                "At the last epoch of rate 0.01, train and test loss of MSE, SmoothL1 and BCE are at most a tenth of "
                "what guessing gives (0.09, 0.045 and 0.325), and the test loss of cross-entropy is above a tenth.",
                both(
                    at_most(share_of_guessing("train_loss"), 0.1, of=OTHERS, by=0.05),
                    at_most(share_of_guessing("test_loss"), 0.1, of=OTHERS, by=0.05),
                    above(share_of_guessing("test_loss"), 0.1, of=ENTROPY, by=0.15),
                ),
            ),
            Claim(
                "Cross-entropy is the most accurate, in training and in test.",
                "At rate 0.01, best test accuracy and last train accuracy are above those of every other loss.",
                both(
                    compare(best_accuracy(), greater=ENTROPY, than=OTHERS, by=ACCURACY),
                    compare(last("train_accuracy"), greater=ENTROPY, than=OTHERS, by=ACCURACY),
                ),
            ),
            Claim(
                "At learning rate 0.1 the loss becomes NaN.",
                "With every loss, the run at rate 0.1 ends with a loss that is not finite.",
                every_run(diverged, [f"{name}-learning-rate-0.1" for name in LOSSES]),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 8, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 12},
                seeds=3,
                hours=0.4,
                why="940 steps; the losses differ by ten and more seed deviations, and every choice of three of five "
                "seeds gives the same verdicts. Losses are shares of what guessing gives, so that their level does "
                "not depend on the width.",
            )
        },
    )
