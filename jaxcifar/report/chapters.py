"""The study's own words and numbers, section by section: what our records stand beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Chapter:
    """A section of the study."""

    number: str
    title: str
    says: str
    """What the study did and saw."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings that the study states; the others are our choice."""
    numbers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column of the result table -> member -> the study's number."""
    loss_unit: str = "nats an image"
    log_loss: bool = False


_SGD = {"optimizer": "SGD", "momentum": "0.9"}

CHAPTERS = {
    "cnn": Chapter(
        "1.1",
        "A basic convolutional network",
        "A network of convolutions, max-pooling, ReLU and three fully-connected layers reaches 71% with 6 epochs. "
        "Table 1 gives 42 epochs, the text 6. The study does not state the widths: ours were chosen on 5,000 images "
        "held out of the training set.",
        {
            "network": "convolutions, max-pooling, three fully-connected layers",
            "epochs": "42 in Table 1, 6 in the text",
            "batch size": "4",
            "learning rate": "0.001",
            "weight decay": "0",
            "activation": "ReLU",
            "augmentation": "none",
            **_SGD,
        },
        {"best": {"cnn": "71%"}},
    ),
    "batch_size": Chapter(
        "1.2",
        "Increasing the batch size",
        "A larger batch shortens an epoch to a certain level; at 128 the network reaches 64% after 6 epochs and 73% "
        "after about 20; at 256 more epochs or a larger learning rate are needed. Seconds are of the study's machine.",
        {"batch size": "4, 128, 256", "epochs": "6, 20, 50", "augmentation": "none", "learning rate": "0.001", **_SGD},
        {
            "best": {"batch-4": "71%", "batch-128": "73%", "batch-256": "73%"},
            "s an epoch": {"batch-4": "68.856", "batch-128": "32.288", "batch-256": "30.678"},
        },
    ),
    "dropout": Chapter(
        "1.3",
        "Dropout",
        "Dropout after every linear layer slows the fall of the loss, perhaps by excessive regularisation. We place it "
        "after the first two linear layers, and in a second arm after all three, the output included.",
        {"network": "the basic network, dropout after every linear layer"},
    ),
    "resnet18": Chapter(
        "1.4",
        "Residual network, 20 epochs",
        "After 20 epochs ResNet reaches 83.31% and a test loss of 0.0024. That loss is the sum of the batches' means "
        "over the number of images: about 1/128 of ours, which is a mean per image.",
        {"network": "ResNet", "epochs": "20"},
        {"best": {"resnet-18": "83.31%"}, "test loss": {"resnet-18": "0.31 (0.0024 x 128)"}},
    ),
    "resnet18_long": Chapter(
        "1.4",
        "Residual network, 200 epochs",
        "After 200 epochs the accuracy reaches 96.68% and the test loss 0.0012, about 1/128 of a mean per image. "
        "Published runs of ResNet-18 with these augmentations reach 95.3 to 95.7%.",
        {"network": "ResNet", "epochs": "200"},
        {"best": {"resnet-18-long": "96.68%"}, "test loss": {"resnet-18-long": "0.15 (0.0012 x 128)"}},
    ),
    "resnet_depth": Chapter(
        "1.5",
        "Number of layers",
        "ResNet-18 converges fastest in training and in test; ResNet-50 fluctuates on the test set. Seconds are of the "
        "study's machine.",
        {"network": "ResNet-18, 34, 50, 101, 152"},
        {
            "parameters": {
                "resnet-18": "11.174 M",
                "resnet-34": "21.282 M",
                "resnet-50": "23.521 M",
                "resnet-101": "42.513 M",
                "resnet-152": "58.157 M",
            },
            "s an epoch": {
                "resnet-18": "23.025",
                "resnet-34": "73.043",
                "resnet-50": "84.950",
                "resnet-101": "135.262",
                "resnet-152": "248.403",
            },
        },
    ),
    "losses": Chapter(
        "1.6",
        "Loss functions",
        "The losses of all but cross-entropy converge close to zero, yet cross-entropy is the most accurate; at a "
        "learning rate of 0.1 the study saw the loss become NaN. Each loss has a unit of its own: the curves of two "
        "losses are not comparable in height.",
        {"loss": "MSE, cross-entropy, SmoothL1, BCE with logits", "learning rate": "one not stated, and 0.1"},
        loss_unit="each in its own unit",
        log_loss=True,
    ),
    "activations": Chapter(
        "1.7",
        "Activations",
        "Sigmoid and softplus oscillate in test loss and accuracy; ReLU and leaky ReLU are alike and overtake the "
        "others in convergence and stability.",
        {"activation": "ReLU, sigmoid, leaky ReLU, tanh, softplus", "epochs": "50"},
    ),
    "optimizers": Chapter(
        "1.8",
        "Optimizers",
        "Adadelta does best in training, SGD and Adam are steadier on the test set.",
        {"optimizer": "SGD, Adagrad, Adadelta, Adam"},
    ),
    "residual": Chapter(
        "1.9",
        "Network interpretation",
        "In a deep network the gradient shrinks on its way back to the first layers; skip connections let it through. "
        "A plain network here is the residual one without its additions, BatchNorm included.",
        {"network": "plain and residual networks"},
    ),
    "vgg_family": Chapter(
        "2.1",
        "VGG-A with and without BatchNorm",
        "VGG-A-light is poorer; without dropout the test loss of VGG-A rises, with it it stays; by SGD VGG-A does not "
        "converge while light and BatchNorm do; BatchNorm converges faster, and with dropout its late test loss falls.",
        {"network": "VGG-A, light, dropout, BatchNorm, both", "optimizer": "Adam; SGD"},
    ),
    "loss_landscape": Chapter(
        "2.2",
        "Loss landscape",
        "Trained at four learning rates, the greatest less the least loss at a step is a band; BatchNorm narrows it, "
        "speeds training and allows a wider range of rates. The rates 1e-2 and 1e-1 are added here for the last.",
        {"network": "VGG-A", "learning rate": "1e-3, 2e-3, 1e-4, 5e-4", "epochs": "25"},
    ),
    "gradient_distance": Chapter(
        "2.3",
        "Change of the loss gradient",
        "The distance between the gradients of successive steps, in the last linear layer, is shorter with BatchNorm. "
        "The study compares gradients of different batches; we show that and the same batch, each under its name.",
        {"network": "VGG-A"},
    ),
    "beta_smoothness": Chapter(
        "2.4",
        "Difference of gradients over the distance",
        "β, the greatest change of the gradient over the distance moved, is much smaller with BatchNorm. With a batch "
        "of its own for each gradient, as in the study, the noise of the batches alone makes β large.",
        {"network": "VGG-A"},
    ),
    "santurkar": Chapter(
        "2+",
        "The original paper's probes",
        "Beyond the study: the probes along the gradient, the noisy BatchNorm and the covariate shift of Santurkar et "
        "al. 2018 (arXiv 1805.11604).",
    ),
    "curvature": Chapter(
        "2+",
        "Curvature along training",
        "Beyond the study: eigenvalues, spectrum and planes of the loss along one run, with and without BatchNorm.",
    ),
    "best": Chapter("3", "The highest accuracy", "Beyond the study: ResNet-18 with today's recipe."),
    "speedrun_94": Chapter("3", "94% in the least time", "Beyond the study."),
    "speedrun_96": Chapter("3", "96% in the least time", "Beyond the study."),
}
ORDER = list(CHAPTERS)


def chapter(name: str) -> Chapter:
    """The section of a study; one's own study has neither number nor words of the text."""
    return CHAPTERS[name] if name in CHAPTERS else Chapter("", name.replace("_", " ").replace("-", " "), "")


def rank(name: str) -> int:
    """Where a study stands in the report: in the text's order, one's own after it."""
    return ORDER.index(name) if name in ORDER else len(ORDER)
