"""Layers that are fast on the platform at hand: convolution, max-pooling, batch normalisation, linear."""

from jaxcifar.models.layers.blocks import computed_once as computed_once
from jaxcifar.models.layers.convolution import conv2d as conv2d
from jaxcifar.models.layers.modules import Conv as Conv
from jaxcifar.models.layers.modules import Linear as Linear
from jaxcifar.models.layers.noise import ActivationNoise as ActivationNoise
from jaxcifar.models.layers.noise import without_noise as without_noise
from jaxcifar.models.layers.norm import BatchNorm as BatchNorm
from jaxcifar.models.layers.norm import normalized as normalized
from jaxcifar.models.layers.norm import without_norm as without_norm
from jaxcifar.models.layers.other_norms import GroupNorm as GroupNorm
from jaxcifar.models.layers.other_norms import LpNorm as LpNorm
from jaxcifar.models.layers.pool import max_pool_2x2 as max_pool_2x2
from jaxcifar.models.layers.roles import KERNELS as KERNELS
from jaxcifar.models.layers.roles import Role as Role
