"""Images: CIFAR-10 from wherever it lies, the procedural `shapes`, and augmentation on the device."""

from jaxcifar.data.augment import augment as augment
from jaxcifar.data.augment import normalize as normalize
from jaxcifar.data.augment import statistics as statistics
from jaxcifar.data.augment import views as views
from jaxcifar.data.cifar10 import load as load
from jaxcifar.data.dataset import Dataset as Dataset
from jaxcifar.data.dataset import train_size as train_size
