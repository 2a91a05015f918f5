"""The probes of "How Does Batch Normalization Help Optimization?" (Santurkar et al. 2018), beyond the study.

Along the gradient, over the paper's steps of 0.05 to 0.4: how far the loss and the gradient move (predictiveness), and
the effective β; the internal covariate shift of every layer; and an arm with noise after each BatchNorm. On VGG-A,
under Xavier and He initialisation (under Xavier it may stay on a plateau without BatchNorm, and a plateau is smooth),
and on a linear network of 25 layers. Our choice: SGD 1e-2 with momentum 0.9, batch 128, 25 epochs, one rate for all,
and CIFAR-10 in mini-batches for the linear network too (the paper takes synthetic data and the whole set at once).

Command:  python scripts/run.py --config configs/santurkar.py
          with --size cpu it is decided on two CPU cores.
Cost:     125 epochs of VGG-A and 50 of the linear network with two gradients a step, 16 PFLOP; made for a GPU.
Expect:   the paper: with BatchNorm nearly two orders of magnitude more predictive gradients early in training, a
          smaller effective β, no smaller covariate shift, and noise that hardly slows training.
"""

import numpy as np

from jaxcifar.claims import (
    LOSS,
    compare,
    lowered_by_norm,
    mean,
    mean_over_layers,
    median_width,
    not_lowered_by_norm,
    orders_of_magnitude,
    over_steps,
)
from jaxcifar.config import SGD, VGG, Claim, Data, DeepLinear, Run, Size, Study, Variant
from jaxcifar.measures import CovariateShift, GradientDirection

VGG_HE = ("vgg-a-he", "vgg-a-bn-he")
PLAIN = ("vgg-a", "vgg-a-bn", "linear-25", "linear-25-bn")
WITH_BATCH_NORM = {"model.norm": "batch"}
BY_HE = {"model.initialization": "he"}


def get_config() -> Study:
    return Study(
        name="santurkar",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9),
            epochs=25,
            batch_size=128,
            evaluate_train=True,
            probes=(GradientDirection(every=10, steps=(0.05, 0.4)), CovariateShift(every=25)),
        ),
        variants=(
            Variant("vgg-a", color="vermillion"),
            Variant("vgg-a-bn", WITH_BATCH_NORM, color="blue"),
            Variant("vgg-a-he", BY_HE, color="vermillion", dash="dashed"),
            Variant("vgg-a-bn-he", {**WITH_BATCH_NORM, **BY_HE}, color="blue", dash="dashed"),
            Variant("vgg-a-noisy-bn", {"model": VGG(norm="batch", noise=True)}, color="purple"),
            Variant("linear-25", {"model": DeepLinear()}, color="brown"),
            Variant("linear-25-bn", {"model": DeepLinear(norm="batch")}, color="grey"),
        ),
        varies=("model",),
        section="2+",
        title="The original paper's probes",
        says="Beyond the study: the probes along the gradient, the noisy BatchNorm and the covariate shift of "
        "Santurkar et al. 2018 (arXiv 1805.11604).",
        claims=(
            *(_predictive(pair) for pair in (("vgg-a", "vgg-a-bn"), VGG_HE)),
            *(_smooth_loss(pair) for pair in (PLAIN, VGG_HE)),
            *(_smooth_gradient(pair) for pair in (PLAIN, VGG_HE)),
            Claim(
                "BatchNorm does not reduce the internal covariate shift.",
                "Distance of a layer's gradients before and after the layers below it have taken their step: the "
                "geometric mean over layers of its median over steps is not smaller with BatchNorm, on all networks.",
                not_lowered_by_norm(
                    mean_over_layers("covariate_shift/distance/", "covariate shift"), by=1.25, among=(*PLAIN, *VGG_HE)
                ),
            ),
            Claim(
                "Noise after BatchNorm, which unsettles the distributions of activations, leaves training faster than "
                "without.",
                "Train loss as training sees it, mean over all epochs, is lower with noisy BatchNorm than without "
                "BatchNorm. Evaluation mode has no noise, and running statistics that are of noisy activations.",
                compare(mean("train_loss"), smaller="vgg-a-noisy-bn", than="vgg-a", shown="vgg-a-bn", by=LOSS),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 10},
                seeds=5,
                hours=0.5,
                why="780 steps, in which VGG-A of this width trains under both initialisations (a pilot of "
                "configs/gradients.py); with five seeds, four of five differences of 2.5 seed deviations "
                "are decided (simulated, 50 comparisons).",
            )
        },
    )


def _under(among: tuple[str, ...]) -> str:
    return "He initialisation" if among == VGG_HE else "Xavier initialisation"


def _predictive(pair: tuple[str, str]) -> Claim:
    without, with_norm = pair
    return Claim(
        f"Early in training, gradients are nearly two orders of magnitude more predictive with BatchNorm "
        f"({_under(pair)}).",
        "Greatest distance of the gradient along its own direction to the one at the start, α from 0.05 to 0.4: its "
        "median over the first tenth of the steps of VGG-A is at least 10^1.5 times greater without BatchNorm (nearer "
        "to two orders than to one).",
        orders_of_magnitude(
            over_steps("gradient_direction/distance_high", np.median, "early gradient distance", share=0.1),
            without,
            with_norm,
            least=1.5,
            by=0.8,
        ),
    )


def _smooth_loss(among: tuple[str, ...]) -> Claim:
    return Claim(
        f"The loss varies less along the gradient with BatchNorm ({_under(among)}).",
        "Greatest minus least loss for α from 0.05 to 0.4, median over all measured steps, is smaller with BatchNorm "
        "on every network.",
        lowered_by_norm(
            median_width("gradient_direction/loss_low", "gradient_direction/loss_high", "width of the loss"),
            by=1.25,
            among=among,
        ),
    )


def _smooth_gradient(among: tuple[str, ...]) -> Claim:
    return Claim(
        f"The effective β along the gradient is smaller with BatchNorm ({_under(among)}).",
        "Greatest gradient distance over the way, median over all measured steps, is smaller with BatchNorm on every "
        "network.",
        lowered_by_norm(over_steps("gradient_direction/beta", np.median, "effective β"), by=1.25, among=among),
    )
