"""VGG-A, light, dropout, BatchNorm, BatchNorm with dropout, by Adam; three of them by SGD too (study 2.1, Figs. 11-12).

Our choice: 50 epochs, batch 128, Adam 0.001; SGD 0.01 without momentum; dropout 0.5; no augmentation.

Command:  python scripts/run.py --config configs/vgg_family.py
Cost:     400 epochs, 15 PFLOP; made for a GPU (an epoch of VGG-A takes about 1.5 minutes on two CPU cores).
Expect:   light is poorer; without dropout the test loss rises; by SGD plain VGG-A stays where it began while light and
          BatchNorm learn; BatchNorm learns faster and, with dropout, its late test loss falls.
"""

from jaxcifar.config import SGD, VGG, Adam, Data, Run, Study, Variant

BY_SGD = {"optimizer": SGD(learning_rate=1e-2)}


def get_config() -> Study:
    return Study(
        name="vgg_family",
        base=Run(
            name="vgg_family",
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=50,
            batch_size=128,
        ),
        variants=(
            Variant("vgg-a"),
            Variant("vgg-a-light", {"model": VGG(form="light")}),
            Variant("vgg-a-dropout", {"model": VGG(dropout=0.5)}),
            Variant("vgg-a-bn", {"model": VGG(norm="batch")}),
            Variant("vgg-a-bn-dropout", {"model": VGG(norm="batch", dropout=0.5)}),
            Variant("vgg-a-sgd", BY_SGD),
            Variant("vgg-a-light-sgd", {"model": VGG(form="light"), **BY_SGD}),
            Variant("vgg-a-bn-sgd", {"model": VGG(norm="batch"), **BY_SGD}),
        ),
        varies=("model", "optimizer"),
    )
