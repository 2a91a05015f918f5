"""Train a config: `python scripts/run.py --config configs/vgg_bn.py`, the same as `jaxcifar run --config ...`."""

import sys

from jaxcifar.cli import main
from jaxcifar.streams import in_huge_pages

if __name__ == "__main__":
    in_huge_pages(__file__)
    sys.exit(main(["run", *sys.argv[1:]], ("python", "scripts/run.py")))
