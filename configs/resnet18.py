"""ResNet-18 over 20 epochs (study 1.4).

Batch, rate, decay and augmentation are our choice where the study is silent.

Command:  python scripts/run.py --config configs/resnet18.py
Cost:     about 10 minutes an epoch on two CPU cores; made for a GPU.
Expect:   83.31% in the study.
"""

from jaxcifar.claims import at_least, best_accuracy, loss_in_any_batch
from jaxcifar.config import SGD, Claim, Data, ResNet, Run, Study


def get_config() -> Study:
    return Study(
        name="resnet18",
        base=Run(
            name="resnet-18",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=20,
            batch_size=128,
        ),
        section="1.4",
        title="Residual network, 20 epochs",
        says="After 20 epochs ResNet reaches 83.31% and a test loss of 0.0024. That loss is the sum of the batches' "
        "means over the number of images: ours, a mean per image, divided by the batch, which it does not state.",
        states={"network": "ResNet", "epochs": "20"},
        reported={"best": "83.31%", "test loss": "0.31 (0.0024 x 128, if the batch was 128)"},
        claims=(
            Claim(
                "ResNet reaches 83.31% in 20 epochs.",
                "Best test accuracy of 20 epochs is at least 83.31%.",
                at_least(best_accuracy(), 83.31 - 0.005, by=2.2),
            ),
            *loss_in_any_batch("Its test loss falls to 0.0024 in 20 epochs", 0.0024),
        ),
    )
