"""Another name of configs/gradients.py, which measures study 2.4 together with its neighbour on the same runs.

Command:  python scripts/run.py --config configs/beta_smoothness.py
Cost:     as configs/gradients.py.
Expect:   as configs/gradients.py.
"""

from jaxcifar.config import Study, shipped


def get_config() -> Study:
    return shipped.study("gradients")
