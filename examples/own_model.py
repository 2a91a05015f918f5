"""Train a Flax network, an Optax optimizer and a loss of your own, with measures of the loss landscape."""

import optax
from flax import linen as nn

import jaxcifar
from jaxcifar.config import Data, Run
from jaxcifar.measures import Beta, GradientDistance


class Net(nn.Module):
    """Images [N, H, W, C] to logits [N, classes]; `train` is found in the signature."""

    classes: int = 10

    @nn.compact
    def __call__(self, x, train: bool):
        for width in (16, 32):
            x = nn.Conv(width, (3, 3), strides=2, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(self.classes, name="head")(x.mean((1, 2)))


def loss(logits, labels):
    """Cross-entropy with confident errors clipped; one value for each example."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).clip(max=3.0)


run = Run(
    model=jaxcifar.Module(Net()),
    optimizer=jaxcifar.Optax(factory=optax.lion, learning_rate=1e-3, arguments={"weight_decay": 0.1}),
    loss=loss,
    data=Data(source="shapes", train_size=2000, test_size=500, flip="random"),
    epochs=2,
    probes=(Beta(every=5), GradientDistance(every=5)),
)
records = jaxcifar.train(run, "runs/own_model")
print(records.summary["best"], records.load().evaluate())
