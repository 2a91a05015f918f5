"""ResNet-18 with cross-entropy, MSE, SmoothL1 and BCE with logits, at rates 0.01 and 0.1 (study 1.6, Fig. 4).

MSE, SmoothL1 and BCE take one-hot labels and are means over batch and classes, as in PyTorch: their values are in
units of their own. Our choice: batch 128, momentum 0.9, decay 5e-4, crop and flip; 50 epochs.

Command:  python scripts/run.py --config configs/losses.py
Cost:     400 epochs of ResNet-18, 71 PFLOP; made for a GPU.
Expect:   all but cross-entropy end near zero loss, cross-entropy is the most accurate; the study saw NaN at rate 0.1.
"""

from jaxcifar.config import MSE, SGD, BCEWithLogits, CrossEntropy, Data, ResNet, Run, SmoothL1, Study, Variant


def get_config() -> Study:
    return Study(
        name="losses",
        base=Run(
            name="losses",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=50,
            batch_size=128,
        ),
        variants=(
            Variant("cross-entropy", {"loss": CrossEntropy()}),
            Variant("mse", {"loss": MSE()}),
            Variant("smooth-l1", {"loss": SmoothL1()}),
            Variant("bce-with-logits", {"loss": BCEWithLogits()}),
        ),
        varies=("loss",),
        sweep={"optimizer.learning_rate": (1e-2, 1e-1)},
    )
