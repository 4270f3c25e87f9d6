# SPDX-License-Identifier: Apache-2.0
"""
Whether a job that gives signs of life has stopped giving them.

Counted by the reader's own clock, from the moment at which a new sign was seen: the time in it is another
machine's. So a wait ends between one and one and a quarter of the timeout after the last sign.
"""

from __future__ import annotations

from airflow_async_provider._callbacks.registration import Delivery


class HeartbeatWatch:
    """
    Looks at what lies in the mailbox, again and again.

    :param timeout: how long no sign of life may be seen (seconds); None: for ever
    :param now: seconds of a clock that nothing sets, when the silence began
    :param alive_at: the last sign of life that was seen before, by its sender's clock
    """

    def __init__(self, timeout: float | None, now: float, *, alive_at: float = 0.0) -> None:
        self._timeout = timeout
        self._alive_at = alive_at
        self._seen = now
        #: The text of the last sign of life, for messages.
        self.last_words = ""

    @property
    def pause(self) -> float | None:
        """Seconds between two looks; None: any."""
        return None if self._timeout is None else self._timeout / 4

    def is_late(self, delivery: Delivery | None, now: float) -> bool:
        """
        Whether the last sign of life is too old.

        :param delivery: what lies in the mailbox now
        :param now: seconds of the same clock
        """
        if delivery is not None and delivery.alive_at > self._alive_at:
            self._alive_at, self._seen = delivery.alive_at, now
        if delivery is not None:
            self.last_words = words_of(delivery)
        return self._timeout is not None and now - self._seen >= self._timeout

    def to_event(self, now: float) -> dict[str, float]:
        """What the next wait must know, where one wait follows another."""
        return {} if self._timeout is None else {"alive_at": self._alive_at, "silent_for": now - self._seen}


def words_of(delivery: Delivery) -> str:
    """What a delivery says, in a few words."""
    words = [delivery.remote_status]
    if delivery.progress is not None:
        words.append(f"{delivery.progress:.0%}")
    if delivery.message:
        words.append(delivery.message[:200])
    return ", ".join(filter(None, words))
