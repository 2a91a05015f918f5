"""Train a config: `python scripts/run.py --config configs/vgg_bn.py`, the same as `jaxcifar run --config ...`."""

import sys

from jaxcifar.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
