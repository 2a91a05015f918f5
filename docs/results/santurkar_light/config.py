"""The original paper's probes on VGG-A-light with and without BatchNorm and with noise after it, for two CPU cores."""

from jaxcifar.config import SGD, VGG, Data, Run, Study, Variant
from jaxcifar.measures import CovariateShift, GradientDirection


def get_config() -> Study:
    return Study(
        name="santurkar_light",
        base=Run(
            name="santurkar_light",
            model=VGG(form="light"),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9),
            epochs=3,
            batch_size=128,
            probes=(GradientDirection(every=10), CovariateShift(every=25)),
        ),
        variants=(
            Variant("vgg-a-light"),
            Variant("vgg-a-light-bn", {"model.norm": "batch"}),
            Variant("vgg-a-light-noisy-bn", {"model": VGG(form="light", norm="batch", noise=True)}),
        ),
        varies=("model",),
    )
