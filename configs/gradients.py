"""How the gradient changes along training, VGG-A with and without BatchNorm (studies 2.3 and 2.4, Figs. 14 and 15).

Gradient distance ‖g(t+1) - g(t)‖ and β-smoothness ‖g(t+1) - g(t)‖ / ‖w(t+1) - w(t)‖, on one batch (the honest figures)
and across batches, as the study measured them; step reliability, which does not change with the scale of weights that
BatchNorm makes free; and the rounding of the gradient. Xavier initialisation as in the other studies, and He's, since
VGG-A without BatchNorm may stay on a plateau under Xavier, where a flat loss looks smooth.
Our choice: 25 epochs, batch 128, Adam 1e-3, SGD 1e-2 with momentum 0.9.

Command:  python scripts/run.py --config configs/gradients.py
          with --size cpu it is decided on two CPU cores.
Cost:     200 epochs of VGG-A with about three gradients a step, 29 PFLOP; made for a GPU.
Expect:   the study says: a shorter distance and a lower maximum of β with BatchNorm; the same-batch figures may differ.
"""

import numpy as np

from jaxcifar.claims import both, lowered_by_norm, over_steps, raised_by_norm
from jaxcifar.config import SGD, VGG, Adam, Claim, Data, Run, Size, Study, Variant
from jaxcifar.measures import Beta, GradientDistance, NoiseFloor, StepReliability

BY_SGD = {"optimizer": SGD(learning_rate=1e-2, momentum=0.9)}
WITH_BATCH_NORM = {"model.norm": "batch"}
BY_HE = {"model.initialization": "he"}

XAVIER = ("vgg-a", "vgg-a-bn", "vgg-a-sgd", "vgg-a-bn-sgd")
HE = tuple(f"{name}-he" for name in XAVIER)

DISTANCE = over_steps("gradient_distance/same_batch/last_linear", np.median, "median distance")
DISTANCE_ACROSS = over_steps("gradient_distance/cross_batch/last_linear", np.median, "median distance across batches")
LARGEST = over_steps("beta/same_batch", np.max, "largest β")
QUANTILE = over_steps("beta/same_batch", lambda values: np.quantile(values, 0.99), "99th percentile of β")
LARGEST_ACROSS = over_steps("beta/cross_batch", np.max, "largest β across batches")
CHANGE = over_steps("step_reliability/gradient_change/0.1", np.median, "median κ at c = 0.1")
SAFE = over_steps("step_reliability/largest_safe", np.mean, "largest safe c, mean over steps")


def get_config() -> Study:
    return Study(
        name="gradients",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            evaluate_train=True,  # as in santurkar, which shares these runs
            probes=(
                Beta(),
                Beta(batch="cross_batch"),
                GradientDistance(),
                GradientDistance(batch="cross_batch"),
                StepReliability(every=10),
                NoiseFloor(every=50),
            ),
        ),
        variants=(
            Variant("vgg-a", color="vermillion"),
            Variant("vgg-a-bn", WITH_BATCH_NORM, color="blue"),
            Variant("vgg-a-sgd", BY_SGD, color="vermillion"),
            Variant("vgg-a-bn-sgd", {**WITH_BATCH_NORM, **BY_SGD}, color="blue"),
            Variant("vgg-a-he", BY_HE, color="vermillion", dash="dashed"),
            Variant("vgg-a-bn-he", {**WITH_BATCH_NORM, **BY_HE}, color="blue", dash="dashed"),
            Variant("vgg-a-sgd-he", {**BY_SGD, **BY_HE}, color="vermillion", dash="dashdot"),
            Variant("vgg-a-bn-sgd-he", {**WITH_BATCH_NORM, **BY_SGD, **BY_HE}, color="blue", dash="dashdot"),
        ),
        varies=("model.norm", "model.initialization", "optimizer"),
        section="2.3",
        title="Change of the loss gradient, and over the distance (2.3 and 2.4)",
        says="The distance between the gradients of successive steps, in the last linear layer, is shorter with "
        "BatchNorm (2.3), and β, the greatest change of the gradient over the distance moved, is much smaller (2.4). "
        "The study compares gradients of different batches, which adds the noise of the batches; we show that and the "
        "same batch, each under its name.",
        states={"network": "VGG-A"},
        claims=(*_claims("Xavier", XAVIER), *_claims("He", HE)),
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 10},
                seeds=5,
                hours=1.0,
                why="780 steps: in a pilot of one seed every arm left its plateau (last train loss 0.23 to "
                "1.39). In the course, half this size, the seed deviations of medians over steps are 2 to "
                "18%; with five seeds, four of five differences of 2.5 seed deviations are decided "
                "(simulated, 50 comparisons), so a factor of 1.25 may stay open.",
            ),
            "course": Size(
                changes={
                    "model.width": 16,
                    "data.train_size": 5_000,
                    "data.test_size": 1_000,
                    "epochs": 10,
                    "evaluate_train": False,
                },
                seeds=3,
                hours=0.15,
                why="With He initialisation every arm trains within 390 steps (last train loss at most 1.07).",
                without=XAVIER,
            ),
        },
    )


def _claims(initialization: str, among: tuple[str, ...]) -> tuple[Claim, ...]:
    """The claims of both sections, and what explains them, for one initialisation."""
    under = f"{initialization} initialisation"
    return (
        Claim(
            f"BatchNorm shortens the distance between successive gradients ({under}).",
            "Median over all steps of ‖g(t+1) - g(t)‖ of the last linear layer, both on the same batch, is smaller "
            "with BatchNorm for every optimizer; a quarter is the least that a figure shows.",
            lowered_by_norm(DISTANCE, by=1.25, among=among),
            members=among,
        ),
        Claim(
            f"Measured as the study did, on successive batches, BatchNorm shortens the distance too ({under}).",
            "The same with each gradient on its own batch, which adds the noise of the batches to both.",
            lowered_by_norm(DISTANCE_ACROSS, by=1.25, among=among),
            members=among,
        ),
        Claim(
            f"BatchNorm greatly decreases the maximum difference in gradient over the distance ({under}).",
            "Largest β over all steps, both gradients on the same batch, is smaller with BatchNorm for every "
            "optimizer; a factor below 2 is not great.",
            lowered_by_norm(LARGEST, by=2, among=among),
            members=among,
        ),
        Claim(
            f"The 99th percentile of β, which no single outlier makes, greatly decreases too ({under}).",
            "99th percentile of β over all steps, same batch, is smaller by a factor of 2 or more for every optimizer.",
            lowered_by_norm(QUANTILE, by=2, among=among),
            members=among,
        ),
        Claim(
            f"Measured as the study did, on successive batches, BatchNorm greatly decreases the maximum too ({under}).",
            "The same maximum with each gradient on its own batch, which adds the noise of the batches to both.",
            lowered_by_norm(LARGEST_ACROSS, by=2, among=among),
            members=among,
        ),
        Claim(
            f"With BatchNorm the gradient can be trusted over a larger step ({under}; ours).",
            "κ, the relative change of the gradient over the step that should lower the loss by a tenth, median over "
            "the measured steps, is smaller with BatchNorm, and the largest step that does not raise the loss is "
            "larger, for every optimizer. Neither depends on the scale of weights that BatchNorm makes free.",
            both(lowered_by_norm(CHANGE, by=1.25, among=among), raised_by_norm(SAFE, by=1.25, among=among)),
            members=among,
        ),
    )
