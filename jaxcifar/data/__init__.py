"""Images: CIFAR-10, the procedural `shapes`, other data sets and the user's own, and augmentation on the device."""

from jaxcifar.data.augment import augment as augment
from jaxcifar.data.augment import normalize as normalize
from jaxcifar.data.augment import statistics as statistics
from jaxcifar.data.augment import views as views
from jaxcifar.data.dataset import Dataset as Dataset
from jaxcifar.data.dataset import train_size as train_size
from jaxcifar.data.fit import fit as fit
from jaxcifar.data.fit import fitted as fitted
from jaxcifar.data.own import arrays as arrays
from jaxcifar.data.sources import load as load
from jaxcifar.data.sources import located as located
