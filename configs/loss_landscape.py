"""The loss band over learning rates, VGG-A with and without BatchNorm (study 2.2, Fig. 13).

The study's rates 1e-3, 2e-3, 1e-4 and 5e-4 make the band; 1e-2 and 1e-1 are added for the range of usable rates. Each
network trains all its rates as one program. Our choice: Adam, batch 128, as in 2.1.

Command:  python scripts/run.py --config configs/loss_landscape.py
          with --model.form light --epochs 2 it is a small real version for two CPU cores.
Cost:     300 epochs of VGG-A, 15 PFLOP; made for a GPU.
Expect:   a narrower band, a lower loss and more usable rates with BatchNorm.
"""

from jaxcifar.claims import band_mean, band_variance, band_width, lowered_by_norm, raised_by_norm, usable_decades
from jaxcifar.config import VGG, Adam, Claim, Data, Run, Study, Variant

STUDY_RATES = (1e-3, 2e-3, 1e-4, 5e-4)


def get_config() -> Study:
    return Study(
        name="loss_landscape",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
        ),
        variants=(Variant("vgg-a"), Variant("vgg-a-bn", {"model.norm": "batch"})),
        varies=("model.norm",),
        sweep={"optimizer.learning_rate": (*STUDY_RATES, 1e-2, 1e-1)},
        section="2.2",
        title="Loss landscape",
        says="Trained at four learning rates, the greatest minus the least loss at a step is a band; BatchNorm narrows "
        "it, speeds training and allows a wider range of rates. The rates 1e-2 and 1e-1 are added here for the last.",
        states={"network": "VGG-A", "learning rate": "1e-3, 2e-3, 1e-4, 5e-4", "epochs": "25"},
        band_rates=STUDY_RATES,
        claims=(
            Claim(
                "BatchNorm narrows the band of losses over the learning rates 1e-3, 2e-3, 1e-4 and 5e-4.",
                "Greatest minus least train loss of the four runs at a step, mean over all steps, is smaller with "
                "BatchNorm.",
                lowered_by_norm(band_width(*STUDY_RATES), by=0.05),
            ),
            Claim(
                "BatchNorm reduces the variance of the loss.",
                "Variance of the train loss over the four rates at a step, mean over all steps, is smaller with "
                "BatchNorm.",
                lowered_by_norm(band_variance(*STUDY_RATES), by=0.005),
            ),
            Claim(
                "BatchNorm makes training faster.",
                "Train loss, mean over all steps and the four rates, is lower with BatchNorm.",
                lowered_by_norm(band_mean(*STUDY_RATES), by=0.05),
            ),
            Claim(
                "BatchNorm allows a wider range of learning rates without compromising convergence.",
                "The highest rate over the lowest, of those that end with a train loss within 0.1 nats of the best run "
                "of both networks, in decades; a factor of 2 is the smallest step between the rates.",
                raised_by_norm(usable_decades(), by=0.3),
            ),
        ),
    )
