"""The original paper's probes on the linear network of 25 layers, for two CPU cores."""

from jaxcifar.config import SGD, Data, DeepLinear, Run, Study, Variant
from jaxcifar.measures import CovariateShift, GradientDirection


def get_config() -> Study:
    return Study(
        name="santurkar",
        base=Run(
            name="linear_25",
            model=DeepLinear(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9),
            epochs=2,
            batch_size=128,
            probes=(GradientDirection(every=10), CovariateShift(every=25)),
        ),
        variants=(Variant("linear-25"), Variant("linear-25-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        seeds=(0, 1, 2),
    )
