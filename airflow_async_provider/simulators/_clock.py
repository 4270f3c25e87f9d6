# SPDX-License-Identifier: Apache-2.0
"""The simulators' own time, so that half an hour of expiry passes without anybody waiting for it."""

from __future__ import annotations

import time


class Clock:
    """
    Wall-clock time that can run faster and can be put forward.

    :param scale: simulated seconds per real second
    """

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError("a clock's scale must be greater than 0")
        self.scale = scale
        self.reset()

    def reset(self) -> None:
        """Set the clock to the real time again."""
        self._epoch = time.time()
        self._started = time.monotonic()
        self._offset = 0.0

    def now(self) -> float:
        """Simulated epoch seconds."""
        return self._epoch + self._offset + (time.monotonic() - self._started) * self.scale

    def advance(self, seconds: float) -> None:
        """Put the clock forward by so many simulated seconds."""
        if seconds < 0:
            raise ValueError("a clock can only be put forward; shift makes it wrong")
        self._offset += seconds

    def shift(self, seconds: float) -> None:
        """Let the clock go wrong by so many seconds, below 0 for one that is behind: a remote's can be."""
        self._offset += seconds
