"""ResNet-18 with ReLU, sigmoid, leaky ReLU, tanh and softplus over 50 epochs (study 1.7, Fig. 5).

Our choice: batch 128, SGD 0.01, momentum 0.9, decay 5e-4, crop and flip.

Command:  python scripts/run.py --config configs/activations.py
Cost:     250 epochs of ResNet-18, 44 PFLOP; made for a GPU.
Expect:   sigmoid and softplus oscillate on the test set; ReLU and leaky ReLU are alike and best.
"""

from jaxcifar.config import SGD, Data, ResNet, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="activations",
        base=Run(
            name="activations",
            model=ResNet(depth=18),
            data=Data(crop=4, flip="random"),
            optimizer=SGD(learning_rate=1e-2, momentum=0.9, weight_decay=5e-4),
            epochs=50,
            batch_size=128,
        ),
        variants=(
            Variant("relu", {"model.activation": "relu"}),
            Variant("sigmoid", {"model.activation": "sigmoid"}),
            Variant("leaky-relu", {"model.activation": "leaky_relu"}),
            Variant("tanh", {"model.activation": "tanh"}),
            Variant("softplus", {"model.activation": "softplus"}),
        ),
        varies=("model.activation",),
    )
