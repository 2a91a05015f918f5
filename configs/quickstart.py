"""Quickstart: the whole chain in a few minutes on two CPU cores.

The study's basic CNN, and VGG-A-light with and without BatchNorm, two epochs each of 5,000 images. Takes CIFAR-10 if it
lies on the disk, else procedural shapes.

Command:  python scripts/run.py --config configs/quickstart.py
Cost:     about two minutes on two CPU cores.
Expect:   VGG-A-light learns faster with BatchNorm than without (curves.png).
"""

from jaxcifar.config import CNN, VGG, Adam, Data, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="quickstart",
        base=Run(
            name="quickstart",
            data=Data(source="auto", train_size=5000, test_size=1000, normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=3,
            batch_size=64,
        ),
        variants=(
            Variant("cnn", {"model": CNN()}),
            Variant("vgg-a-light", {"model": VGG(form="light")}),
            Variant("vgg-a-light-bn", {"model": VGG(form="light", batch_norm=True)}),
        ),
        varies=("model",),
    )
