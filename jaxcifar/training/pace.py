"""How many steps a chunk has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK_SECONDS = 1.0
MOST_SECONDS = 4.0
"""A stop asked for by a signal waits for the end of a chunk."""


@dataclass
class Pace:
    """The length of the next chunk: about a second for each program that runs in turn, four seconds at most.

    Args:
        longest: at most so many steps.
        programs: as many are called for one chunk; each has a cost of its own, whatever its length.
    """

    longest: int
    programs: int = 1
    steps: int = 1
    """Of the next chunk."""

    def took(self, steps: int, seconds: float) -> None:
        """Learns from a chunk of so many steps; a length grows eightfold at most."""
        wanted = min(CHUNK_SECONDS * self.programs, MOST_SECONDS)
        self.steps = int(np.clip(steps * wanted / max(seconds, 1e-9), 1, min(8 * self.steps, self.longest)))
