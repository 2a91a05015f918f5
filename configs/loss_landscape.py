"""The loss band over learning rates, VGG-A with and without BatchNorm (study 2.2, Fig. 13).

The study's rates 1e-3, 2e-3, 1e-4 and 5e-4 make the band; rates from 3e-3 to 3e-1 are added for the range of usable
rates. Each network trains all its rates as one program. Xavier initialisation as in the other studies, and He's, under
which VGG-A trains without BatchNorm too. A rate is usable by the last train loss in evaluation mode (in the course, to
save time, by the running one); the band is of the losses of training mode, as in the study. Our choice: Adam, batch
128, as in 2.1.

Command:  python scripts/run.py --config configs/loss_landscape.py
          with --size cpu it is decided on two CPU cores.
Cost:     900 epochs of VGG-A, 58 PFLOP; made for a GPU.
Expect:   a narrower band, a lower loss and more usable rates with BatchNorm.
"""

from jaxcifar.claims import band_mean, band_variance, band_width, lowered_by_norm, raised_by_norm, usable_decades
from jaxcifar.config import VGG, Adam, Claim, Data, Run, Size, Study, Variant

STUDY_RATES = (1e-3, 2e-3, 1e-4, 5e-4)
WITH_BATCH_NORM = {"model.norm": "batch"}
BY_HE = {"model.initialization": "he"}


def get_config() -> Study:
    return Study(
        name="loss_landscape",
        base=Run(
            model=VGG(),
            data=Data(normalization="half"),
            optimizer=Adam(learning_rate=1e-3),
            epochs=25,
            batch_size=128,
            evaluate_train=True,
        ),
        variants=(
            Variant("vgg-a", color="vermillion"),
            Variant("vgg-a-bn", WITH_BATCH_NORM, color="blue"),
            Variant("vgg-a-he", BY_HE, color="vermillion", dash="dashed"),
            Variant("vgg-a-bn-he", {**WITH_BATCH_NORM, **BY_HE}, color="blue", dash="dashed"),
        ),
        varies=("model.norm", "model.initialization"),
        sweep={"optimizer.learning_rate": (*STUDY_RATES, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)},
        section="2.2",
        title="Loss landscape",
        says="Trained at four learning rates, the greatest minus the least loss at a step is a band; BatchNorm narrows "
        "it, speeds training and allows a wider range of rates. The rates 3e-3 to 3e-1 are added here for the last.",
        states={"network": "VGG-A", "learning rate": "1e-3, 2e-3, 1e-4, 5e-4", "epochs": "25"},
        band_rates=STUDY_RATES,
        claims=(*_claims("Xavier", ("vgg-a", "vgg-a-bn")), *_claims("He", ("vgg-a-he", "vgg-a-bn-he"))),
        sizes={
            "cpu": Size(
                changes={"model.width": 16, "data.train_size": 10_000, "data.test_size": 2_000, "epochs": 10},
                seeds=5,
                hours=1.3,
                why="780 steps, twice the course's, in which the loss at the study's rates falls by a nat; "
                "the rates span 3.5 decades; with five seeds, four of five differences of 2.5 seed "
                "deviations are decided (simulated, 50 comparisons).",
            ),
            "course": Size(
                changes={
                    "model.width": 16,
                    "data.train_size": 5_000,
                    "data.test_size": 1_000,
                    "epochs": 10,
                    "evaluate_train": False,
                },
                seeds=3,
                hours=0.15,
                why="With He initialisation both networks lower their mean loss by more than a nat within 390 steps.",
                sweep={"optimizer.learning_rate": (*STUDY_RATES, 1e-2, 1e-1)},
                without=("vgg-a", "vgg-a-bn"),
            ),
        },
    )


def _claims(initialization: str, among: tuple[str, ...]) -> tuple[Claim, ...]:
    """The study's four statements for one initialisation."""
    under = f"({initialization} initialisation)"
    return (
        Claim(
            f"BatchNorm narrows the band of losses over the learning rates 1e-3, 2e-3, 1e-4 and 5e-4 {under}.",
            "Greatest minus least train loss of the four runs at a step, mean over all steps, is smaller with "
            "BatchNorm.",
            lowered_by_norm(band_width(*STUDY_RATES), by=0.05, among=among),
            members=among,
        ),
        Claim(
            f"BatchNorm reduces the variance of the loss {under}.",
            "Variance of the train loss over the four rates at a step, mean over all steps, is smaller with BatchNorm.",
            lowered_by_norm(band_variance(*STUDY_RATES), by=0.005, among=among),
            members=among,
        ),
        Claim(
            f"BatchNorm makes training faster {under}.",
            "Train loss, mean over all steps and the four rates, is lower with BatchNorm.",
            lowered_by_norm(band_mean(*STUDY_RATES), by=0.05, among=among),
            members=among,
        ),
        Claim(
            f"BatchNorm allows a wider range of learning rates without compromising convergence {under}.",
            "The highest rate over the lowest, in decades, of those that end with a train loss within 0.1 nats of the "
            "best run, with or without BatchNorm, of the same seed and initialisation. Neighbouring rates are factors "
            "of 1.5 to 5 apart.",
            raised_by_norm(usable_decades(), by=0.3, among=among),
            members=among,
        ),
    )
