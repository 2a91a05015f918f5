"""Train on images of your own: here 28 x 28 x 1 in five classes, from a .npz file."""

import numpy as np

import jaxcifar
from jaxcifar.config import CNN, Adam, Data, Run

NAMES = ("disc", "ring", "bar", "cross", "noise")


def images(count, seed):
    """Draw noisy pictures of the five classes."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 5
    y, x = np.mgrid[-14:14, -14:14]
    far = np.hypot(x, y)
    forms = np.stack([far < 8, abs(far - 8) < 2, abs(x) < 3, (abs(x) < 3) | (abs(y) < 3), far < 0])
    noisy = 160 * forms[labels] + random.integers(0, 95, (count, 28, 28))
    return noisy.astype(np.uint8)[..., None], labels


x_train, y_train = images(1000, seed=0)
x_test, y_test = images(200, seed=1)
np.savez("five.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, class_names=NAMES)

# The file decides the number of classes, the images' shape and how they are normalised.
run = Run(model=CNN(widths=(8, 16), head=(32,)), data=Data(source="npz", dir="five.npz"), optimizer=Adam(), epochs=3)
network = jaxcifar.train(run, "runs/own_data").load()
print(network.evaluate())
for probabilities in network.predict(x_test[:5]):
    print(network.class_names[probabilities.argmax()], round(float(probabilities.max()), 3))
