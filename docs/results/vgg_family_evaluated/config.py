"""VGG-A with and without BatchNorm and dropout (study 2.1), its train losses taken in evaluation mode.

Command:  python scripts/run.py --config docs/results/vgg_family_evaluated/config.py --size cpu
Expect:   the verdicts of configs/vgg_family.py, whose train losses are the running ones of training mode.
"""

import dataclasses
import math

from jaxcifar.claims import at_least, at_most, both, compare, epochs_to_common_level, last
from jaxcifar.config import Study
from jaxcifar.config.shipped import study

LOSS = last("train_eval_loss")
PLATEAU, HALF = 0.95 * math.log(10), 0.5 * math.log(10)
JUDGES = {
    "With SGD, VGG-A does not converge, while VGG-A-light and VGG-A with BatchNorm do.": both(
        at_least(LOSS, PLATEAU, of="vgg-a-sgd", by=0.3),
        at_most(LOSS, PLATEAU, of=("vgg-a-light-sgd", "vgg-a-bn-sgd"), by=0.1),
    ),
    "With Adam, VGG-A begins to converge.": at_most(LOSS, HALF, of="vgg-a", by=0.1),
    "With BatchNorm, training converges faster.": compare(
        epochs_to_common_level("train_eval_loss", ("vgg-a-bn", "vgg-a")), smaller="vgg-a-bn", than="vgg-a", by=1
    ),
}


def get_config() -> Study:
    found = study("vgg_family")
    claims = (dataclasses.replace(each, judge=JUDGES.get(each.statement, each.judge)) for each in found.claims)
    return dataclasses.replace(found, base=dataclasses.replace(found.base, evaluate_train=True), claims=tuple(claims))
