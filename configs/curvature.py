"""The curvature of the loss along one run, VGG-A with and without BatchNorm (beyond the study).

At six snapshots: the largest and the smallest Hessian eigenvalues with residuals, the trace, the spectral density, the
optimizer's stability line, each layer's scale-free sharpness; a filter-normalised plane at the end; and the path in its
two principal directions with the true losses. The loss is that of 512 training images in one batch, in training mode.

Command:  python scripts/run.py --config configs/curvature.py
          with --model.form light --epochs 4 it is a small real version for two CPU cores.
Cost:     50 epochs of VGG-A and about 5,000 gradients of 512 images; made for a GPU.
Expect:   figures for both; in a short run of VGG-A-light the trace and the scale-free sharpness are larger with
          BatchNorm, the largest eigenvalues at the end alike within three seeds' errors.
"""

from jaxcifar.config import VGG, Adam, Checkpoint, Data, Run, Size, Study, Variant
from jaxcifar.measures import Density, Eigenvalues, Plane, Sharpness, Trace, Trajectory


def get_config() -> Study:
    return Study(
        name="curvature",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            evaluate_train=True,  # as in loss_landscape, which shares these runs
            probes=(Eigenvalues(), Trace(), Density(), Sharpness(), Plane(), Trajectory()),
            checkpoint=Checkpoint(snapshots=(0, 1, 2, 5, 12, 25)),
        ),
        variants=(Variant("vgg-a"), Variant("vgg-a-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        section="2+",
        title="Curvature along training",
        says="Beyond the study: eigenvalues, spectrum and planes of the loss along one run, with and without "
        "BatchNorm.",
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000},
                seeds=1,
                hours=0.3,
                why="One seed, as at full size: it has no claims.",
            )
        },
    )
