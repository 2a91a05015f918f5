"""Plain against residual networks by depth, and what they look like inside (study 1.9, Figs. 1, 7-10).

A plain network is the residual one without its additions: same layers, same number of parameters. The norm of the
gradient of every layer is measured on one batch of 128 training images, in training mode, at initialisation, after an
epoch and at the end. Our choice: depths 18, 34, 50 and 101; batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and
flip; 20 epochs.

Command:  python scripts/run.py --config configs/residual.py
Cost:     69 PFLOP, at most 6 GB of checkpoints; made for a GPU.
Expect:   the study says that gradients shrink without the skip connections.
"""

from jaxcifar.claims import Judge, at_most, both, compare, first_over_last_gradient, for_every
from jaxcifar.config import SGD, Checkpoint, Claim, Data, ResNet, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="residual",
        base=Run(
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
            checkpoint=Checkpoint(snapshots=(0, 1)),
        ),
        variants=(
            Variant("resnet-18", {"model": ResNet(depth=18)}, color="blue"),
            Variant("resnet-34", {"model": ResNet(depth=34)}, color="green"),
            Variant("resnet-50", {"model": ResNet(depth=50)}, color="vermillion"),
            Variant("resnet-101", {"model": ResNet(depth=101)}, color="purple"),
            Variant("plain-18", {"model": ResNet(depth=18, skip=False)}, color="blue", dash="dashed"),
            Variant("plain-34", {"model": ResNet(depth=34, skip=False)}, color="green", dash="dashed"),
            Variant("plain-50", {"model": ResNet(depth=50, skip=False)}, color="vermillion", dash="dashed"),
            Variant("plain-101", {"model": ResNet(depth=101, skip=False)}, color="purple", dash="dashed"),
        ),
        varies=("model",),
        pictures=("samples", "architecture", "gradients", "features"),
        section="1.9",
        title="Network interpretation",
        says="In a deep network the gradient shrinks on its way back to the first layers; skip connections let it "
        "through. A plain network here is the residual one without its additions, BatchNorm included.",
        states={"network": "plain and residual networks"},
        claims=(
            Claim(
                "Without skip connections gradients shrink on their way to the first layer.",
                "Norm of the gradient of the first convolution over that of the last one, at initialisation: below 0.1 "
                "in the plain network, and below the residual network's, at every depth.",
                for_every("plain-*", lambda depth: _vanishes(depth, at_start=True)),
            ),
            Claim(
                "During training, too, gradients shrink without skip connections.",
                "The same ratio at the last snapshot of the run.",
                for_every("plain-*", lambda depth: _vanishes(depth, at_start=False)),
            ),
        ),
    )


def _vanishes(depth: str, at_start: bool) -> Judge:
    ratio = first_over_last_gradient(at_start=at_start)
    plain = f"plain-{depth}"
    return both(at_most(ratio, 0.1, of=plain, by=0), compare(ratio, smaller=plain, than=f"resnet-{depth}", by=1.25))
