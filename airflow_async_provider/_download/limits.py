# SPDX-License-Identifier: Apache-2.0
"""How large, how slow and how long a result may be."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from airflow_async_provider._download.progress import duration, size
from airflow_async_provider.errors import ConfigurationError, ResultLimitError

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB

#: The defaults, as the operators' arguments have them.
MAX_RESULT_BYTES: Final = 100 * GIB
MIN_BYTES_PER_SECOND: Final = 1024.0
MAX_RESULT_SECONDS: Final = 24 * 3600.0

#: Seconds of waiting for bytes over which the throughput is measured.
THROUGHPUT_WINDOW: Final = 300.0

#: Unpacked bytes of one packed byte. Text reaches 5 to 50; deflate ends at 1,032.
MAX_UNPACK_RATIO: Final = 200.0

#: So many unpacked bytes may have any ratio.
FREE_OF_RATIO: Final = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """
    Bounds of one result; None takes a bound away.

    :param max_bytes: largest size, as it is stored; of several files, of all of them together
    :param min_bytes_per_second: lowest throughput, over five minutes of waiting for bytes
    :param max_seconds: longest time from the first request to the last byte
    :param max_unpack_ratio: unpacked bytes of one packed byte, after the first 64 MiB
    :raises ConfigurationError: a bound that is not a positive number
    """

    max_bytes: int | None = MAX_RESULT_BYTES
    min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND
    max_seconds: float | None = MAX_RESULT_SECONDS
    max_unpack_ratio: float | None = MAX_UNPACK_RATIO

    def __post_init__(self) -> None:
        check_bound("max_result_bytes", self.max_bytes)
        check_bound("min_bytes_per_second", self.min_bytes_per_second)
        check_bound("max_result_seconds", self.max_seconds)
        check_bound("max_unpack_ratio", self.max_unpack_ratio)


def check_bound(name: str, value: Any) -> None:
    """
    Check one bound.

    :raises ConfigurationError: neither None nor a number above 0
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{name} must be a number above 0, or None for no bound, not {value!r}.")


class Bounds:
    """
    Watches one download, or several that count together.

    :param limits: what is allowed
    """

    def __init__(self, limits: DownloadLimits) -> None:
        self.limits = limits
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._bytes = 0

    def expect(self, length: int | None, *, where: str = "The result") -> None:
        """
        Check a length that is known beforehand.

        :raises ResultLimitError: it is too large
        """
        if length is not None and self.limits.max_bytes is not None and length > self.limits.max_bytes:
            raise ResultLimitError(
                f"{where} has {length} bytes ({size(length)}), more than "
                f"max_result_bytes={self.limits.max_bytes}. Nothing was stored. Raise it if need be."
            )

    def add(self, count: int) -> None:
        """
        Count bytes that have come, and look at the time.

        :raises ResultLimitError: too many bytes, or too late
        """
        with self._lock:
            self._bytes += count
        if self.limits.max_bytes is not None and self._bytes > self.limits.max_bytes:
            raise ResultLimitError(
                f"The result has more than max_result_bytes={self.limits.max_bytes} "
                f"({size(self.limits.max_bytes)}). It was broken off, and nothing was stored. Raise "
                "max_result_bytes if need be."
            )
        self.check_time()

    def take_back(self, count: int) -> None:
        """Bytes that do not count: they come again."""
        with self._lock:
            self._bytes -= count

    def check_time(self) -> None:
        """
        Look at the time alone.

        :raises ResultLimitError: it is over
        """
        maximum = self.limits.max_seconds
        if maximum is not None and time.monotonic() - self._began > maximum:
            raise ResultLimitError(
                f"The result was not complete within max_result_seconds={maximum:g} ({duration(maximum)}): "
                f"{size(self._bytes)} had come. Nothing was stored. Raise max_result_seconds if need be."
            )

    def left(self) -> float | None:
        """Seconds until the time is over, None for no end."""
        maximum = self.limits.max_seconds
        return None if maximum is None else max(0.0, maximum - (time.monotonic() - self._began))


class Throughput:
    """
    The rate of one source, over windows of time in which it was waited for.

    Only that time counts: a slow destination, or a pause between two attempts, is no slow source.

    :param slowest: bytes per second, None for no bound
    """

    def __init__(self, slowest: float | None) -> None:
        self._slowest = slowest
        self._bytes = 0
        self._seconds = 0.0

    def note(self, count: int, seconds: float) -> None:
        """
        After a read.

        :raises ResultLimitError: too slow
        """
        self._bytes += count
        self._seconds += seconds
        if self._slowest is None or self._seconds < THROUGHPUT_WINDOW:
            return
        rate = self._bytes / self._seconds
        if rate < self._slowest:
            raise ResultLimitError(
                f"The result came with {size(rate)} a second over the last {duration(self._seconds)}, slower "
                f"than min_bytes_per_second={self._slowest:g} allows. It was broken off, and nothing was "
                "stored. Lower min_bytes_per_second if need be."
            )
        self._bytes, self._seconds = 0, 0.0
