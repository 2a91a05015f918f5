"""The loss band, β and gradient distance of VGG-A-light with and without BatchNorm, for two CPU cores."""

from jaxcifar.config import VGG, Adam, Data, Run, Study, Variant
from jaxcifar.measures import Beta, GradientDistance, NoiseFloor


def get_config() -> Study:
    return Study(
        name="band_small",
        base=Run(
            name="band_small",
            model=VGG(form="light"),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=2,
            batch_size=128,
            probes=(
                Beta(every=10),
                Beta(every=10, batch="cross_batch"),
                GradientDistance(every=10),
                GradientDistance(every=10, batch="cross_batch"),
                NoiseFloor(every=50),
            ),
        ),
        variants=(Variant("vgg-a-light"), Variant("vgg-a-light-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        sweep={"optimizer.learning_rate": (1e-3, 2e-3, 1e-4, 5e-4)},
    )
