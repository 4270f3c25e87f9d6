# SPDX-License-Identifier: Apache-2.0
"""Lines in the task log that show how far a long download is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_async_provider._download.source.base import ByteSource

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Progress:
    """
    Watches a source and logs at most one line in so many seconds.

    :param log: where to
    :param every: seconds between two lines
    """

    def __init__(self, log: Any, *, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._every = every
        self._clock = clock
        self._began = self._last = clock()
        self._last_offset = 0

    def __call__(self, source: ByteSource) -> None:
        """After every block."""
        now = self._clock()
        if now - self._last < self._every:
            return
        # the rate since the last line says more about the rest than the average since the start
        rate = (source.offset - self._last_offset) / (now - self._last)
        self._last, self._last_offset = now, source.offset
        if source.length:
            rest = f", {duration((source.length - source.offset) / rate)} left" if rate > 0 else ""
            share = f" of {size(source.length)} ({100 * source.offset / source.length:.0f} %)"
        else:
            rest = share = ""
        self._log.info("Downloaded %s%s, %s/s%s", size(source.offset), share, size(rate), rest)


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def duration(seconds: float) -> str:
    """A number of seconds for people."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
