"""β-smoothness along training, VGG-A with and without BatchNorm (study 2.4, Fig. 15).

max over t of |g(w_t+1) - g(w_t)| / |w_t+1 - w_t|, on one batch (the honest figure) and across batches, as the study
measured it, with the rounding of the gradient beside it.
Our choice: 25 epochs, batch 128, Adam 1e-3 and SGD 1e-2.

Command:  python scripts/run.py --config configs/beta_smoothness.py
          with --epochs 1 --data.train-size 5000 it is a small real version for two CPU cores; --seeds 3 for a figure.
Cost:     100 epochs of VGG-A with two gradients a step (three in bfloat16 or on a GPU), 10 PFLOP; made for a GPU.
Expect:   a lower maximum with BatchNorm, the study says; the same-batch figure may differ.
"""

from jaxcifar.config import SGD, VGG, Adam, Data, Probe, Run, Study, Variant

BY_SGD = {"optimizer": SGD(learning_rate=1e-2)}
WITH_BATCH_NORM = {"model.norm": "batch"}


def get_config() -> Study:
    return Study(
        name="beta_smoothness",
        base=Run(
            name="beta_smoothness",
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            probes=(Probe("beta"), Probe("beta", "cross_batch"), Probe("noise_floor", every=50)),
        ),
        variants=(
            Variant("vgg-a"),
            Variant("vgg-a-bn", WITH_BATCH_NORM),
            Variant("vgg-a-sgd", BY_SGD),
            Variant("vgg-a-bn-sgd", {**WITH_BATCH_NORM, **BY_SGD}),
        ),
        varies=("model.norm", "optimizer"),
    )
