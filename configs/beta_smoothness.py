"""β-smoothness along training, VGG-A with and without BatchNorm (study 2.4, Fig. 15).

max over t of |g(w_t+1) - g(w_t)| / |w_t+1 - w_t|, on one batch (the honest figure) and across batches, as the study
measured it, with the rounding of the gradient beside it.
Our choice: 25 epochs, batch 128, Adam 1e-3 and SGD 1e-2.

Command:  python scripts/run.py --config configs/beta_smoothness.py
          with --epochs 1 --data.train-size 5000 it is a small real version for two CPU cores; --seeds 3 for a figure.
Cost:     100 epochs of VGG-A with two gradients a step (three in bfloat16 or on a GPU), 10 PFLOP; made for a GPU.
Expect:   a lower maximum with BatchNorm, the study says; the same-batch figure may differ.
"""

import numpy as np

from jaxcifar.claims import lowered_by_norm, over_steps
from jaxcifar.config import SGD, VGG, Adam, Claim, Data, Run, Study, Variant
from jaxcifar.measures import Beta, NoiseFloor

BY_SGD = {"optimizer": SGD(learning_rate=1e-2)}
WITH_BATCH_NORM = {"model.norm": "batch"}


def get_config() -> Study:
    return Study(
        name="beta_smoothness",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            probes=(Beta(), Beta(batch="cross_batch"), NoiseFloor(every=50)),
        ),
        variants=(
            Variant("vgg-a"),
            Variant("vgg-a-bn", WITH_BATCH_NORM),
            Variant("vgg-a-sgd", BY_SGD),
            Variant("vgg-a-bn-sgd", {**WITH_BATCH_NORM, **BY_SGD}),
        ),
        varies=("model.norm", "optimizer"),
        section="2.4",
        title="Difference of gradients over the distance",
        says="β, the greatest change of the gradient over the distance moved, is much smaller with BatchNorm. With a "
        "batch of its own for each gradient, as in the study, the noise of the batches alone makes β large.",
        states={"network": "VGG-A"},
        claims=(
            Claim(
                "BatchNorm greatly decreases the maximum difference in gradient over the distance.",
                "Largest β over all steps, both gradients on the same batch, is smaller with BatchNorm for every "
                "optimizer; a factor below 2 is not great.",
                lowered_by_norm(over_steps("beta/same_batch", np.max, "largest β"), by=2),
            ),
            Claim(
                "The 99th percentile of β, which no single outlier makes, is smaller too.",
                "99th percentile of β over all steps, same batch, is smaller with BatchNorm for every optimizer.",
                lowered_by_norm(
                    over_steps("beta/same_batch", lambda values: np.quantile(values, 0.99), "99th percentile of β"),
                    by=2,
                ),
            ),
            Claim(
                "Measured as the study did, on successive batches, BatchNorm lowers the maximum too.",
                "The same maximum with each gradient on its own batch; gradient noise alone gives about √2 over the "
                "rate.",
                lowered_by_norm(over_steps("beta/cross_batch", np.max, "largest β"), by=2),
            ),
        ),
    )
