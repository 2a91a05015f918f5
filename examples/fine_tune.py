"""Train a network in three classes of shapes, then start from it to learn all ten."""

from dataclasses import replace

import numpy as np

import jaxcifar
from jaxcifar import data
from jaxcifar.config import CNN, Adam, Data, Run

shapes = data.load(Data(source="shapes", train_size=3000, test_size=500))
few, few_test = shapes.train_labels < 3, shapes.test_labels < 3
three = jaxcifar.arrays(
    shapes.train_images[few],
    shapes.train_labels[few],
    shapes.test_images[few_test],
    shapes.test_labels[few_test],
    class_names=shapes.class_names[:3],
)
first = Run(name="three", model=CNN(widths=(16, 32), norm="batch"), data=three, optimizer=Adam(), epochs=3)
jaxcifar.train(first, "runs/three")

ten = Data(source="shapes", train_size=1000, test_size=500)
alone = replace(first, name="alone", data=ten)
tuned = replace(alone, name="tuned", init_from="runs/three")  # all layers but the output layer
for run in (alone, tuned):
    records = jaxcifar.train(run, f"runs/{run.name}")
    print(run.name, [round(row["test_accuracy"], 3) for row in records.metrics])
network = jaxcifar.load("runs/tuned")
print(np.round(network.predict(shapes.test_images[:1]), 2), network.class_names)
