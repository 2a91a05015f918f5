"""What a layer is for: optimizers, measures and pictures ask a layer for its role, never for its name."""

from typing import Literal

Role = Literal["convolution", "shortcut", "linear", "norm", "whitening"]
"""`shortcut`: a convolution beside the main path; `whitening`: a convolution with a frozen kernel."""
KERNELS: tuple[Role, ...] = ("convolution", "shortcut", "linear")
"""The roles of layers whose kernel is trained."""
