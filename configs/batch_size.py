"""The basic CNN at batch 4, 128 and 256 (study 1.2, Table 2), each trained alone because seconds are compared.

Rate 0.001 with momentum 0.9 at every batch, as in Table 1. Our choice: a fourth member, batch 256 at rate 0.01 for 12
epochs, because the study says that a larger batch wants more epochs or a larger rate; it needs 8 to the level compared.

Command:  python scripts/run.py --config configs/batch_size.py
Cost:     88 epochs of the CNN; about 40 minutes on two CPU cores.
Expect:   71% at batch 4 within 6 epochs, 73% at 128 within 20 and at 256 within 50; epochs of 128 and 256 take alike.
"""

from jaxcifar.claims import (
    ACCURACY,
    about,
    at_least,
    best_accuracy,
    both,
    compare,
    epochs_to_common_level,
    ratio,
    seconds_per_epoch,
)
from jaxcifar.config import CNN, SGD, Claim, Data, Run, Size, Study, Variant

EPOCHS = epochs_to_common_level("test_accuracy", ("batch-4", "batch-128", "batch-256"))


def get_config() -> Study:
    return Study(
        name="batch_size",
        base=Run(
            model=CNN(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-3, momentum=0.9),
            epochs=6,
            batch_size=4,
        ),
        variants=(
            Variant("batch-4", {"batch_size": 4, "epochs": 6}, reported={"best": "71%", "s per epoch": "68.856"}),
            Variant("batch-128", {"batch_size": 128, "epochs": 20}, reported={"best": "73%", "s per epoch": "32.288"}),
            Variant("batch-256", {"batch_size": 256, "epochs": 50}, reported={"best": "73%", "s per epoch": "30.678"}),
            Variant("batch-256-rate-0.01", {"batch_size": 256, "epochs": 12, "optimizer.learning_rate": 1e-2}),
        ),
        varies=("batch_size", "optimizer.learning_rate"),
        alone=True,
        section="1.2",
        title="Increasing the batch size",
        says="A larger batch shortens an epoch to a certain level; at 128 the network reaches 64% after 6 epochs and "
        "73% after about 20; at 256 more epochs or a larger learning rate are needed. Seconds are of the study's "
        "machine.",
        states={
            "batch size": "4, 128, 256",
            "epochs": "6, 20, 50",
            "optimizer": "SGD",
            "learning rate": "0.001",
            "momentum": "0.9",
            "augmentation": "none",
        },
        claims=(
            Claim(
                "An epoch takes less time at a larger batch, down to a certain level.",
                "Median seconds per epoch: batch 4 takes at least 1.1 times batch 128, and batch 256 between 0.8 and "
                "1.1 times it.",
                both(
                    ratio(seconds_per_epoch, "batch-4", "batch-128", least=1.1),
                    ratio(seconds_per_epoch, "batch-256", "batch-128", least=0.8, most=1.1),
                ),
            ),
            Claim(
                "Best accuracies are 71% at batch 4, 73% at 128 and 73% at 256.",
                "Best test accuracy within 6, 20 and 50 epochs is at least 70.5, 72.5 and 72.5%.",
                both(
                    at_least(best_accuracy(), 70.5, of="batch-4", by=2.6),
                    at_least(best_accuracy(), 72.5, of=("batch-128", "batch-256"), by=2.6),
                ),
            ),
            Claim(
                "After 6 epochs, batch 128 has reached only 64%.",
                "Best test accuracy of epochs 1 to 6 at batch 128 is 64 ± 2%, and below that at batch 4.",
                both(
                    about(best_accuracy(until=6), 64, within=2, of="batch-128"),
                    compare(best_accuracy(until=6), smaller="batch-128", than="batch-4", by=ACCURACY),
                ),
            ),
            Claim(
                "A larger batch needs more epochs.",
                "Epochs to the highest test accuracy that all three reach grow from batch 4 to 128 and from 128 to "
                "256.",
                both(
                    compare(EPOCHS, greater="batch-128", than="batch-4", by=1),
                    compare(EPOCHS, greater="batch-256", than="batch-128", by=1),
                ),
            ),
            Claim(
                "A larger learning rate makes up for a larger batch.",
                "Batch 256 at rate 0.01 needs fewer epochs than at 0.001 to the highest test accuracy that both reach.",
                compare(
                    epochs_to_common_level("test_accuracy", ("batch-256", "batch-256-rate-0.01")),
                    smaller="batch-256-rate-0.01",
                    than="batch-256",
                    by=1,
                ),
            ),
        ),
        sizes={
            "cpu": Size(
                changes={},
                seeds=3,
                hours=1.9,
                why="The full size: the text's levels are of all images. Three seeds, because epochs to a "
                "level differ by a factor between the batches.",
            )
        },
    )
