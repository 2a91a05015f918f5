"""How many steps are trained between two looks at the clock, the signals and the records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST_CHUNK = 8192
"""Steps; a chunk returns one value per step and measure, which stay on the device until it ends."""
CHUNK_SECONDS = 1.0
MOST_SECONDS = 4.0
"""A stop asked for by a signal waits for the end of a chunk."""


@dataclass
class ChunkLength:
    """The length of the next chunk: about a second for each program that runs in turn, four seconds at most.

    Args:
        longest: largest number of steps in a chunk.
        programs: number of compiled programs called per chunk; each call has a cost of its own, whatever its length.
    """

    longest: int
    programs: int = 1
    steps: int = 1
    """Number of steps in the next chunk."""

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a chunk of this many steps; the length grows by a factor of eight at most."""
        wanted = min(CHUNK_SECONDS * self.programs, MOST_SECONDS)
        # The factor limits how long a signal waits after a chunk that was quick by chance.
        self.steps = int(np.clip(steps * wanted / max(seconds, 1e-9), 1, min(8 * self.steps, self.longest)))
