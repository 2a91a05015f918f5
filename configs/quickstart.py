"""Quickstart: the whole chain in a few minutes on two CPU cores.

The study's basic CNN, and a narrow VGG-A with and without BatchNorm at the study's four learning rates, three epochs
each of 5,000 images: the curves, the band of losses over the rates, β-smoothness, step reliability and the distance of
successive gradients, and a report of it all. He initialisation, so that VGG-A trains without BatchNorm too. Takes
CIFAR-10 if it is on the disk, else procedural shapes.

Command:  python scripts/run.py --config configs/quickstart.py
Cost:     about two minutes on two CPU cores.
Expect:   on CIFAR-10 and on shapes, the gradient can be trusted over a larger step with BatchNorm: the largest step
          that does not raise the loss promises to remove all of it (c = 1), without BatchNorm a tenth to a third of it,
          at every rate (medians; report/index.html). Seen with one seed, which decides nothing.
"""

from jaxcifar.config import CNN, VGG, Adam, Data, Norm, Run, Study, Variant
from jaxcifar.measures import Beta, GradientDistance, StepReliability

RATES = (1e-4, 5e-4, 1e-3, 2e-3)
PROBES = (Beta(every=2), GradientDistance(every=2), StepReliability(every=10))


def get_config() -> Study:
    return Study(
        name="quickstart",
        base=Run(
            data=Data(source="auto", train_size=5000, test_size=1000, normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=3,
            batch_size=64,
        ),
        variants=(
            Variant("cnn", {"model": CNN()}),
            *(_vgg("vgg-a", "none", rate) for rate in RATES),
            *(_vgg("vgg-a-bn", "batch", rate) for rate in RATES),
        ),
        varies=("model", "optimizer.learning_rate", "probes"),
    )


def _vgg(name: str, norm: Norm, rate: float) -> Variant:
    """Runs that differ in their rate alone train as one program."""
    changes = {
        "model": VGG(width=16, norm=norm, initialization="he"),
        "optimizer.learning_rate": rate,
        "probes": PROBES,
    }
    return Variant(f"{name}-learning-rate-{rate:g}", changes)
