"""The loss band, β and gradient distance of VGG-A on 2,560 images, one seed, for two CPU cores."""

from jaxcifar.config import VGG, Adam, Data, Run, Study, Variant
from jaxcifar.measures import Beta, GradientDistance, NoiseFloor


def get_config() -> Study:
    return Study(
        name="vgg_a_2560",
        base=Run(
            name="vgg_a_2560",
            model=VGG(),
            data=Data(normalization="half", train_size=2560, test_size=1000),
            optimizer=Adam(learning_rate=1e-3),
            epochs=2,
            batch_size=128,
            probes=(
                Beta(),
                Beta(batch="cross_batch"),
                GradientDistance(),
                GradientDistance(batch="cross_batch"),
                NoiseFloor(every=10),
            ),
        ),
        variants=(Variant("vgg-a"), Variant("vgg-a-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        sweep={"optimizer.learning_rate": (1e-3, 2e-3, 1e-4, 5e-4)},
    )
