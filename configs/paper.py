"""The whole study, resumable at any point, ending in one report: runs/paper/report/index.html.

A flag wins in every study; runs whose config is equal, name aside, train once.

Command:  python scripts/run.py --config configs/paper.py
          --plan shows runs, steps, FLOPs, disk and the time that this device needs, and trains nothing;
          --scale 0.02 multiplies images and epochs, --seeds 3 repeats every member;
          --only cnn,losses and --max-minutes 30 train a slice, and the report merges the slices.
Cost:     made for a GPU; with --scale 0.02 under 45 minutes on two CPU cores.
Expect:   a verdict with numbers for every claim of the study; a scaled run decides none.
"""

from jaxcifar.config import Paper, shipped


def get_config() -> Paper:
    return Paper("paper", tuple(shipped.sections(but="paper")))
