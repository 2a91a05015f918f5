"""How far the gradient moves from step to step, VGG-A with and without BatchNorm (study 2.3, Fig. 14).

The weight of the last linear layer and all parameters; on one batch (the honest figure) and across batches,
as the study measured it, with the rounding of the gradient beside it.
Our choice: 25 epochs, batch 128, Adam 1e-3 and SGD 1e-2.

Command:  python scripts/run.py --config configs/gradient_distance.py
          with --epochs 1 --data.train-size 5000 it is a small real version for two CPU cores; --seeds 3 for a figure.
Cost:     100 epochs of VGG-A with two gradients a step (three in bfloat16 or on a GPU), 10 PFLOP; made for a GPU.
Expect:   a shorter distance with BatchNorm, the study says; the same-batch figure may differ.
"""

import numpy as np

from jaxcifar.claims import lowered_by_norm, over_steps
from jaxcifar.config import SGD, VGG, Adam, Claim, Data, Run, Study, Variant
from jaxcifar.measures import GradientDistance, NoiseFloor

BY_SGD = {"optimizer": SGD(learning_rate=1e-2)}
WITH_BATCH_NORM = {"model.norm": "batch"}


def get_config() -> Study:
    return Study(
        name="gradient_distance",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            probes=(GradientDistance(), GradientDistance(batch="cross_batch"), NoiseFloor(every=50)),
        ),
        variants=(
            Variant("vgg-a"),
            Variant("vgg-a-bn", WITH_BATCH_NORM),
            Variant("vgg-a-sgd", BY_SGD),
            Variant("vgg-a-bn-sgd", {**WITH_BATCH_NORM, **BY_SGD}),
        ),
        varies=("model.norm", "optimizer"),
        section="2.3",
        title="Change of the loss gradient",
        says="The distance between the gradients of successive steps, in the last linear layer, is shorter with "
        "BatchNorm. The study compares gradients of different batches; we show that and the same batch, each under its "
        "name.",
        states={"network": "VGG-A"},
        claims=(
            Claim(
                "BatchNorm shortens the distance between successive gradients.",
                "Median over all steps of ‖g(t+1) - g(t)‖ of the last linear layer, both on the same batch, is smaller "
                "with BatchNorm for every optimizer; a quarter is the least that a figure shows.",
                lowered_by_norm(
                    over_steps("gradient_distance/same_batch/last_linear", np.median, "median distance"), by=1.25
                ),
            ),
            Claim(
                "Measured as the study did, on successive batches, BatchNorm shortens the distance too.",
                "The same with each gradient on its own batch, which adds the noise of the batches to both.",
                lowered_by_norm(
                    over_steps("gradient_distance/cross_batch/last_linear", np.median, "median distance"), by=1.25
                ),
            ),
        ),
    )
