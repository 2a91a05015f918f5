"""`python -m jaxcifar`, the same as the command `jaxcifar`."""

import sys

from jaxcifar.cli import command

if __name__ == "__main__":
    sys.exit(command())
