"""What BatchNorm does, in half an hour on two cores: sections 2.1 to 2.4 in small, ending with verdicts.

VGG-A of width 16 with He initialisation on 5,000 images, three seeds: the family with dropout and BatchNorm by Adam and
SGD, the band of losses over learning rates, and how the gradient changes along training. The claims are those of the
study; every verdict names this size.

Command:  python scripts/run.py --config configs/course.py
Cost:     72 runs of 390 to 585 steps, 26 minutes on two CPU cores (AMD EPYC, empty caches).
Expect:   with BatchNorm faster training and gradients that can be trusted over larger steps, but a wider band of losses
          over the learning rates (docs/results).
"""

from jaxcifar.config import Paper, shipped


def get_config() -> Paper:
    names = ("vgg_family", "loss_landscape", "gradients")
    return Paper("course", tuple(shipped.study(name).sized("course") for name in names))
