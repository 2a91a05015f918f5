"""What a layer is for: optimizers, measures and pictures ask for a layer's role, not for its name."""

from typing import Literal

Role = Literal["convolution", "shortcut", "linear", "norm", "whitening"]
"""`shortcut`: a convolution on the shortcut of a residual block; `whitening`: a convolution with a frozen kernel."""
KERNELS: tuple[Role, ...] = ("convolution", "shortcut", "linear")
"""The roles of layers whose kernel is trained."""
