"""Is BatchNorm alone in this? VGG-A with six normalisations over learning rates, beyond the study.

BatchNorm, GroupNorm (8 channels per group), LayerNorm, InstanceNorm, and the batch's mean with its l1 or maximum norm,
which Santurkar et al. 2018 (arXiv 1805.11604, section 3.3) found to help as BatchNorm does: the band of losses over
SGD's learning rates, step reliability and accuracy. He initialisation, so that the network without any trains too. Our
choice: SGD with momentum 0.9, batch 128, 25 epochs.

Command:  python scripts/run.py --config configs/normalizations.py
          with --size cpu it is decided on two CPU cores.
Cost:     525 epochs of VGG-A, 43 PFLOP; made for a GPU.
Expect:   the paper: other normalisations train as fast as BatchNorm does, and widen the range of rates as it does.
"""

import numpy as np

from jaxcifar.claims import ACCURACY, LOSS, best_accuracy, compare, mean, of_train_loss, over_steps
from jaxcifar.config import SGD, VGG, Claim, Color, Data, Run, Size, Study, Variant
from jaxcifar.measures import GammaOverSigma, ScaleFreeNorm, StepReliability

COLORS: dict[str, Color] = {
    "batch": "blue",
    "group": "green",
    "layer": "purple",
    "instance": "orange",
    "l1": "sky",
    "linf": "brown",
}
RATES = (1e-3, 1e-2, 1e-1)
NONE, BATCH = (f"vgg-a-{norm}-learning-rate-0.01" for norm in ("none", "batch"))
OTHERS = tuple(f"vgg-a-{norm}-learning-rate-0.01" for norm in COLORS if norm != "batch")
FAST = of_train_loss(mean)
"""Low for a train loss, in evaluation mode, that falls fast."""
CHANGE = over_steps("step_reliability/gradient_change/0.1", np.median, "median κ at c = 0.1")


def get_config() -> Study:
    return Study(
        name="normalizations",
        base=Run(
            model=VGG(initialization="he"),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9),
            epochs=25,
            batch_size=128,
            evaluate_train=True,
            probes=(StepReliability(every=20), GammaOverSigma(every=20), ScaleFreeNorm(every=20)),
        ),
        variants=(
            Variant("vgg-a-none", {"model.norm": "none"}, color="vermillion"),
            *(Variant(f"vgg-a-{norm}", {"model.norm": norm}, color=color) for norm, color in COLORS.items()),
        ),
        varies=("model.norm",),
        sweep={"optimizer.learning_rate": RATES},
        section="2+",
        title="Other normalisations",
        says="Beyond the study: Santurkar et al. 2018 find that other ways to normalise help as BatchNorm does.",
        claims=(
            Claim(
                "Every normalisation makes training faster.",
                "Train loss in evaluation mode, mean over all epochs, at rate 0.01, is lower with each than without.",
                compare(FAST, smaller=(BATCH, *OTHERS), than=NONE, by=LOSS),
            ),
            Claim(
                "None makes it faster than BatchNorm does.",
                "The same mean is with no other normalisation lower than with BatchNorm.",
                compare(FAST, smaller=OTHERS, than=BATCH, by=LOSS, negated=True),
            ),
            Claim(
                "With every normalisation the gradient can be trusted over a larger step.",
                "κ, the relative change of the gradient over the step that should lower the loss by a tenth, median "
                "over the measured steps at rate 0.01, is smaller with each than without any.",
                compare(CHANGE, smaller=(BATCH, *OTHERS), than=NONE, by=1.25),
            ),
            Claim(
                "BatchNorm is the most accurate.",
                "Best test accuracy at rate 0.01 is above that of each other normalisation.",
                compare(best_accuracy(), greater=BATCH, than=OTHERS, by=ACCURACY),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 5},
                seeds=5,
                hours=0.8,
                why="390 steps, in which VGG-A of this width lowers its loss by more than a nat with and "
                "without BatchNorm (the course); with five seeds, four of five differences of 2.5 seed "
                "deviations are decided (simulated, 50 comparisons).",
            )
        },
    )
