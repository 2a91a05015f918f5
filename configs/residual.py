"""Plain against residual networks by depth, and what they look like inside (study 1.9, Figs. 1, 7-10).

A plain network is the residual one without its additions: same layers, same number of parameters. BatchNorm by itself
keeps gradients from shrinking (He et al. 2015), so both kinds are also built without it; these arms train one epoch,
since what counts is their start. The norm of the gradient of every layer is measured on one batch of 128 training
images, in training mode, at initialisation, after an epoch and at the end. Our choice: depths 18, 34, 50 and 101; batch
128, SGD 0.01, momentum 0.9, decay 5e-4, crop and flip; 20 epochs.

Command:  python scripts/run.py --config configs/residual.py
          with --size cpu it is decided on two CPU cores.
Cost:     72 PFLOP, at most 12 GB of checkpoints; made for a GPU.
Expect:   the study says that gradients shrink without the skip connections.
"""

from jaxcifar.claims import LOSS, Judge, both, compare, first_over_last_gradient, last
from jaxcifar.config import SGD, Checkpoint, Claim, Color, Data, Depth, ResNet, Run, Size, Study, Variant

COLORS: dict[Depth, Color] = {18: "blue", 34: "green", 50: "vermillion", 101: "purple"}


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
            *(Variant(f"resnet-{d}", {"model": ResNet(depth=d)}, color=c) for d, c in COLORS.items()),
            *(
                Variant(f"plain-{d}", {"model": ResNet(depth=d, skip=False)}, color=c, dash="dashed")
                for d, c in COLORS.items()
            ),
            *(_bare("resnet", d, skip=True) for d in COLORS),
            *(_bare("plain", d, skip=False) for d in COLORS),
        ),
        varies=("model",),
        pictures=("samples", "architecture", "gradients", "features"),
        section="1.9",
        title="Network interpretation",
        says="In a deep network the gradient shrinks on its way back to the first layers; skip connections let it "
        "through. Networks that are too deep learn worse (1.4). A plain network here is the residual one without its "
        "additions, with and without BatchNorm.",
        states={"network": "plain and residual networks"},
        claims=(
            Claim(
                "Without skip connections gradients shrink on their way to the first layer (without BatchNorm).",
                "Norm of the gradient of the first convolution over that of the last one, at initialisation, is "
                "smaller in the plain network than in the residual one of the same depth, at every depth; the layers "
                "have the same sizes, and a factor below 2 is no shrinking.",
                both(*(_shrinks(f"plain-{d}-no-bn", f"resnet-{d}-no-bn") for d in COLORS)),
            ),
            Claim(
                "The deeper the network without skip connections, the more (without BatchNorm).",
                "The same ratio is smaller at 101 layers than at 18, by a factor of 2 or more.",
                _shrinks("plain-101-no-bn", "plain-18-no-bn"),
            ),
            Claim(
                "With BatchNorm, too, gradients shrink without skip connections.",
                "As the first claim, of the networks with BatchNorm.",
                both(*(_shrinks(f"plain-{d}", f"resnet-{d}") for d in COLORS)),
            ),
            Claim(
                "During training, too, gradients shrink without skip connections.",
                "The same ratio, with BatchNorm, at the last snapshot of the run.",
                both(*(_shrinks(f"plain-{d}", f"resnet-{d}", at_start=False) for d in COLORS)),
            ),
            Claim(
                "A network that is too deep learns worse (1.4).",
                "The last train loss of the plain network of 101 layers is above that of 18 layers, both with "
                "BatchNorm.",
                compare(last("train_loss"), greater="plain-101", than="plain-18", by=LOSS),
            ),
            Claim(
                "Skip connections let deep networks learn (1.4).",
                "The last train loss of ResNet-101 is below that of the plain network of 101 layers.",
                compare(last("train_loss"), smaller="resnet-101", than="plain-101", by=LOSS),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 8, "data.train_size": 5_000, "data.test_size": 2_000},
                seeds=3,
                hours=1.1,
                why="Gradients at initialisation differ by factors between the depths; 800 steps show whether "
                "a depth learns. Every choice of three of five seeds gives the same verdicts "
                "(the claim on gradients during training stays open).",
            )
        },
    )


def _bare(kind: str, depth: Depth, *, skip: bool) -> Variant:
    """A network without BatchNorm, for the gradients of its first epoch."""
    network = ResNet(depth=depth, skip=skip, norm="none")
    dash = "dotted" if skip else "dashdot"
    return Variant(f"{kind}-{depth}-no-bn", {"model": network, "epochs": 1}, color=COLORS[depth], dash=dash)


def _shrinks(less: str, more: str, *, at_start: bool = True) -> Judge:
    return compare(first_over_last_gradient(at_start=at_start), smaller=less, than=more, by=2)
