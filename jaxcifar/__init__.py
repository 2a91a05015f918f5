"""Train the networks of a CIFAR-10 study in JAX and measure what BatchNorm does to their loss landscape."""

__version__ = "0.1.0"
