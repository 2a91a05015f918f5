"""ResNet-18 over 200 epochs, cosine from 0.1 (study 1.4).

Batch, rate, decay and augmentation are our choice where the study is silent.

Command:  python scripts/run.py --config configs/resnet18_long.py
Cost:     made for a GPU.
Expect:   96.68% in the study; published runs of this network reach 95.3 to 95.7%.
"""

from jaxcifar.claims import at_least, best_accuracy, loss_in_any_batch
from jaxcifar.config import SGD, Claim, Cosine, Data, ResNet, Run, Study


def get_config() -> Study:
    return Study(
        name="resnet18_long",
        base=Run(
            name="resnet-18-long",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule=Cosine()),
            epochs=200,
            batch_size=128,
        ),
        section="1.4",
        title="Residual network, 200 epochs",
        says="After 200 epochs the accuracy reaches 96.68% and the test loss 0.0012, a mean per image divided by the "
        "batch. Published runs of ResNet-18 with these augmentations reach 95.3 to 95.7%.",
        states={"network": "ResNet", "epochs": "200"},
        reported={"best": "96.68%", "test loss": "0.15 (0.0012 x 128, if the batch was 128)"},
        claims=(
            Claim(
                "ResNet reaches 96.68% in 200 epochs.",
                "Best test accuracy of 200 epochs is at least 96.68%.",
                at_least(best_accuracy(), 96.68 - 0.005, by=2.2),
            ),
            *loss_in_any_batch("Its test loss falls to 0.0012 in 200 epochs", 0.0012),
        ),
    )
