"""The basic CNN without dropout, with it after its first two linear layers, and after all three (study 1.3).

Our choice: probability 0.5 and Table 1's settings, which the study does not repeat here.

Command:  python scripts/run.py --config configs/dropout.py
Cost:     18 epochs of the CNN at batch 4; about 25 minutes on two CPU cores.
Expect:   the training loss falls more slowly with dropout: underfitting.
"""

from jaxcifar.config import CNN, SGD, Data, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="dropout",
        base=Run(
            name="dropout",
            model=CNN(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-3, momentum=0.9),
            epochs=6,
            batch_size=4,
        ),
        variants=(
            Variant("cnn"),
            Variant("cnn-dropout", {"model": CNN(dropout=0.5)}),
            Variant("cnn-dropout-all", {"model": CNN(dropout=0.5, dropout_layers=3)}),
        ),
        varies=("model",),
    )
