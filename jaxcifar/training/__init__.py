"""Training: losses, optimizers, the step, the loop, checkpoints."""

from jaxcifar.training.interrupt import Interrupted as Interrupted
from jaxcifar.training.loop import Member as Member
from jaxcifar.training.loop import train_members as train_members
from jaxcifar.training.train import train as train
from jaxcifar.training.trained import Trained as Trained
from jaxcifar.training.trained import load as load
from jaxcifar.training.watched import record as record
