"""Plain against residual networks by depth, and what they look like inside (study 1.9, Figs. 1, 7-10).

A plain network is the residual one without its additions: same layers, same number of parameters. The norm of the
gradient of every layer is measured on one batch of 128 training images, in training mode, at initialisation, after an
epoch and at the end. Our choice: depths 18, 34, 50 and 101; batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and
flip; 20 epochs.

Command:  python scripts/run.py --config configs/residual.py
Cost:     69 PFLOP, at most 6 GB of checkpoints; made for a GPU.
Expect:   the study says that gradients shrink without the skip connections.
"""

from jaxcifar.config import SGD, Checkpoint, Data, ResNet, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="residual",
        base=Run(
            name="residual",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
            checkpoint=Checkpoint(snapshots=(0, 1)),
        ),
        variants=(
            Variant("resnet-18", {"model": ResNet(depth=18)}),
            Variant("resnet-34", {"model": ResNet(depth=34)}),
            Variant("resnet-50", {"model": ResNet(depth=50)}),
            Variant("resnet-101", {"model": ResNet(depth=101)}),
            Variant("plain-18", {"model": ResNet(depth=18, skip=False)}),
            Variant("plain-34", {"model": ResNet(depth=34, skip=False)}),
            Variant("plain-50", {"model": ResNet(depth=50, skip=False)}),
            Variant("plain-101", {"model": ResNet(depth=101, skip=False)}),
        ),
        varies=("model",),
        views=("samples", "architecture", "gradients", "features"),
    )
