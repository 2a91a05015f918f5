"""What BatchNorm and skip connections do before training (beyond the study).

Four measures at initialisation on 512 training images: the gradient's norm by layer (He et al. 2015, arXiv 1502.01852;
Yang et al. 2019, arXiv 1902.08129), the rank of the features by depth (Daneshmand et al. 2020, arXiv 2003.01652), the
correlation of input gradients (Balduzzi et al. 2017, arXiv 1702.08591) and the share of the residual branch (De and
Smith 2020, arXiv 2002.10444). Plain and residual networks of 18 and 34 layers, with and without BatchNorm. He
initialisation; one network has PyTorch's. A run also takes four steps, which nothing here is about. Our choice: width
16.

Command:  python scripts/run.py --config configs/init.py
          with --size cpu it is decided on two CPU cores.
Cost:     seconds per run and measure once compiled; 27 runs.
Expect:   BatchNorm keeps the rank of the features, but by itself makes gradients grow with depth and shatter; skip
          connections keep them from growing, and with BatchNorm their branches shrink from block to block of a stage.
"""

import numpy as np

from jaxcifar.claims import at_initialization, compare, first_over_last_gradient
from jaxcifar.config import SGD, Checkpoint, Claim, Color, Data, Depth, Norm, ResNet, Run, Size, Study, Variant
from jaxcifar.config.words import Dash
from jaxcifar.measures import FeatureRank, InputGradients, ResidualShare

DEPTHS: dict[Depth, Dash] = {18: "dashed", 34: "solid"}
COLORS: dict[tuple[bool, Norm], Color] = {
    (True, "batch"): "blue",
    (True, "none"): "vermillion",
    (False, "batch"): "sky",
    (False, "none"): "orange",
}
GRADIENT = first_over_last_gradient(at_start=True)
RANK = at_initialization(
    "feature_rank", "rank", lambda ranks: ranks[-2], "rank of the features of the last convolution"
)
# A cosine near 0 may be negative, so it has no logarithm.
NEAR = at_initialization(
    "input_gradients", "cosine", lambda cosines: cosines[4], "cosine at an eighth of the way", log=False
)
SHARE = at_initialization("residual_share", "share", np.mean, "share of the residual branch, mean over blocks")


def get_config() -> Study:
    return Study(
        name="init",
        base=Run(
            model=ResNet(depth=18, width=16, initialization="he"),
            data=Data(train_size=512, test_size=128),
            optimizer=SGD(learning_rate=1e-3),
            epochs=1,
            batch_size=128,
            checkpoint=Checkpoint(snapshots=(0,)),
        ),
        variants=(
            *(_network(skip, norm, depth) for skip, norm in COLORS for depth in DEPTHS),
            _network(False, "none", 34, "torch"),
        ),
        varies=("model", "probes"),
        seeds=(0, 1, 2),
        pictures=("gradients",),
        section="2+",
        title="Before training",
        says="Beyond the study: what is known of BatchNorm and skip connections at initialisation.",
        claims=(
            Claim(
                "BatchNorm alone makes gradients grow with depth (Yang et al.).",
                "Norm of the gradient of the first convolution over that of the last one is greater in the plain "
                "network of 34 layers than in that of 18, both with BatchNorm, by a factor of 2 or more.",
                compare(GRADIENT, greater="plain-34-batch", than="plain-18-batch", by=2),
            ),
            Claim(
                "Skip connections keep them from growing.",
                "The same ratio is smaller in ResNet-34 than in the plain network of 34 layers, both with BatchNorm.",
                compare(GRADIENT, smaller="resnet-34-batch", than="plain-34-batch", by=2),
            ),
            Claim(
                "He initialisation keeps gradients from shrinking without BatchNorm (He et al.).",
                "The same ratio in the plain network of 34 layers without BatchNorm is greater than with PyTorch's "
                "initialisation.",
                compare(GRADIENT, greater="plain-34-none", than="plain-34-none-torch", by=2),
            ),
            Claim(
                "BatchNorm keeps the features of a deep network from collapsing (Daneshmand et al.).",
                "Rank of the features after the last convolution is greater with BatchNorm in the plain network of 34 "
                "layers, by a factor of 2 or more.",
                compare(RANK, greater="plain-34-batch", than="plain-34-none", by=2),
            ),
            *(
                Claim(
                    f"Skip connections keep input gradients from shattering, {words} BatchNorm (Balduzzi et al.).",
                    "Cosine of the input gradients at two points an eighth of the way between two images apart is "
                    f"greater in ResNet-34 than in the plain network of 34 layers, both {words} BatchNorm.",
                    compare(NEAR, greater=f"resnet-34-{norm}", than=f"plain-34-{norm}", by=0.05),
                )
                for norm, words in (("none", "without"), ("batch", "with"))
            ),
            Claim(
                "BatchNorm makes residual branches small (De and Smith).",
                "Variance of the branch over that of branch and shortcut, mean over the blocks of ResNet-34, is "
                "smaller with BatchNorm than without.",
                compare(SHARE, smaller="resnet-34-batch", than="resnet-34-none", by=1.25),
            ),
            Claim(
                "The deeper the network, the smaller (De and Smith).",
                "The same share, with BatchNorm, is smaller in ResNet-34 than in ResNet-18.",
                compare(SHARE, smaller="resnet-34-batch", than="resnet-18-batch", by=1.05),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={"model.width": 16},
                seeds=3,
                hours=0.1,
                why="It is the full size: it takes no training.",
            )
        },
    )


def _network(skip: bool, norm: Norm, depth: Depth, initialization: str = "he") -> Variant:
    """A plain or residual network, with its share of branches where it has them."""
    own = "" if initialization == "he" else f"-{initialization}"
    changes = {
        "model.depth": depth,
        "model.skip": skip,
        "model.norm": norm,
        "model.initialization": initialization,
        "probes": (FeatureRank(), InputGradients(), *((ResidualShare(),) if skip else ())),
    }
    color: Color = COLORS[skip, norm] if not own else "purple"
    return Variant(f"{'resnet' if skip else 'plain'}-{depth}-{norm}{own}", changes, color=color, dash=DEPTHS[depth])
