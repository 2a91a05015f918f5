"""The probes of "How Does Batch Normalization Help Optimization?" (Santurkar et al. 2018), beyond the study.

Along the gradient, from half to four times the learning rate: how far the loss and the gradient move (predictiveness),
and the effective β; the internal covariate shift of every layer; and an arm with noise after each BatchNorm. On VGG-A
and on a linear network of 25 layers. Our choice: SGD 1e-2 with momentum 0.9, batch 128, 25 epochs, one rate for all,
and CIFAR-10 in mini-batches for the linear network too (the paper takes synthetic data and the whole set at once).

Command:  python scripts/run.py --config configs/santurkar.py
          with --epochs 1 --data.train-size 5000 it is a small real version for two CPU cores.
Cost:     75 epochs of VGG-A and 50 of the linear network with two gradients a step, 8 PFLOP; made for a GPU.
Expect:   the paper: with BatchNorm nearly two orders of magnitude more predictive gradients early in training, a
          smaller effective β, no smaller covariate shift, and noise that hardly slows training.
"""

from jaxcifar.config import SGD, VGG, Data, DeepLinear, Probe, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="santurkar",
        base=Run(
            name="santurkar",
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9),
            epochs=25,
            batch_size=128,
            probes=(Probe("gradient_direction", every=10), Probe("covariate_shift", every=25)),
        ),
        variants=(
            Variant("vgg-a"),
            Variant("vgg-a-bn", {"model.norm": "batch"}),
            Variant("vgg-a-noisy-bn", {"model": VGG(norm="batch", noise=True)}),
            Variant("linear-25", {"model": DeepLinear()}),
            Variant("linear-25-bn", {"model": DeepLinear(norm="batch")}),
        ),
        varies=("model",),
    )
