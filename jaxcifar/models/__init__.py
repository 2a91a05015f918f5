"""The networks of the study as Flax modules."""

from jaxcifar.models.build import build as build
from jaxcifar.models.summary import Roles as Roles
from jaxcifar.models.summary import at as at
from jaxcifar.models.summary import count_parameters as count_parameters
from jaxcifar.models.summary import kernel as kernel
from jaxcifar.models.summary import layer_groups as layer_groups
from jaxcifar.models.summary import layer_rows as layer_rows
from jaxcifar.models.summary import module_rows as module_rows
from jaxcifar.models.summary import roles as roles
from jaxcifar.models.summary import training_flops as training_flops
from jaxcifar.models.whitened import whitening_kernel as whitening_kernel
