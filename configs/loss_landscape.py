"""The loss band over learning rates, VGG-A with and without BatchNorm (study 2.2, Fig. 13).

The study's rates 1e-3, 2e-3, 1e-4 and 5e-4 make the band; 1e-2 and 1e-1 are added for the range of usable rates. Each
network trains all its rates as one program. Our choice: Adam, batch 128, as in 2.1.

Command:  python scripts/run.py --config configs/loss_landscape.py
          with --model.form light --epochs 2 it is a small real version for two CPU cores.
Cost:     300 epochs of VGG-A, 15 PFLOP; made for a GPU.
Expect:   a narrower band, a lower loss and more usable rates with BatchNorm.
"""

from jaxcifar.config import VGG, Adam, Data, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="loss_landscape",
        base=Run(
            name="loss_landscape",
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
        ),
        variants=(Variant("vgg-a"), Variant("vgg-a-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        sweep={"optimizer.learning_rate": (1e-3, 2e-3, 1e-4, 5e-4, 1e-2, 1e-1)},
    )
