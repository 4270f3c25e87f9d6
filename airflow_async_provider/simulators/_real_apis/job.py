# SPDX-License-Identifier: Apache-2.0
"""A job of any of the APIs: how far it is, how it ends, and which word its API has for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Job:
    """
    One started job; nothing runs in the background.

    :param job_id: the id that its API hands out
    :param outcome: how it ends: empty for well, else the name of one of its API's other outcomes
    :param seconds: simulated seconds that it takes, None: until :meth:`finish`
    :param polls: polls that find it running, instead of ``seconds``
    :param now: simulated epoch seconds
    :param about: whatever its API keeps
    """

    def __init__(
        self,
        job_id: str,
        outcome: str,
        *,
        seconds: float | None,
        polls: int | None,
        now: Callable[[], float],
        about: Mapping[str, Any],
    ) -> None:
        self.id = job_id
        self.outcome = outcome
        self.about = dict(about)
        self._seconds = seconds
        self._polls = polls
        self._now = now
        self._asked = 0
        self._began: float | None = now()
        self._finished = False
        self._stopped: tuple[float, int] | None = None

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        if self._finished:
            return 1.0
        if self._began is None:
            return 0.0
        if self._polls is not None:
            return min(1.0, self._asked / self._polls) if self._polls else 1.0
        if self._seconds is None:
            return 0.0
        return min(1.0, (self._now() - self._began) / self._seconds) if self._seconds else 1.0

    @property
    def percent(self) -> int:
        """The same, 0 to 100."""
        return int(100 * self.share)

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled."""
        return self._stopped is not None

    @property
    def over(self) -> bool:
        """Whether it has ended by itself."""
        return not self.stopped and self.share >= 1

    @property
    def ended(self) -> bool:
        """Whether it has ended in any way."""
        return self.stopped or self.over

    @property
    def good(self) -> bool:
        """Whether it has ended well."""
        return self.over and not self.outcome

    @property
    def bad(self) -> bool:
        """Whether it has ended in another way than well, but not by being cancelled."""
        return self.over and bool(self.outcome)

    @property
    def waits(self) -> bool:
        """Whether it was created but not yet started: its API wants a second request for that."""
        return self._began is None

    def hold(self) -> None:
        """Let it wait for :meth:`begin`."""
        self._began = None

    def begin(self) -> None:
        """Start a job that was only created."""
        self._began = self._now()
        self._asked = 0

    def asked(self) -> None:
        """Count a poll that has been answered."""
        self._asked += 1

    def finish(self, outcome: str | None = None) -> None:
        """
        End it now, if it runs.

        :param outcome: another outcome than the one that it was started with; empty for well
        """
        if not self.ended:
            self.outcome = self.outcome if outcome is None else outcome
            self._finished = True

    def cancel(self) -> bool:
        """Stop it; False when it had ended before."""
        if self.ended:
            return False
        self._stopped = self._now(), self._asked
        return True

    def word(
        self,
        running: Sequence[Any],
        done: Any,
        ended: Mapping[str, Any],
        stopped: Any = None,
        *,
        stopping: Any = None,
    ) -> Any:
        """
        The API's word for the state of this moment.

        :param running: words of a job on its way, in order
        :param done: word of one that has ended well, and of every outcome that ``ended`` does not name
        :param ended: words of the other outcomes
        :param stopped: word of a cancelled one
        :param stopping: word of one that is being cancelled, None: it is cancelled at once
        """
        if self.stopped:
            return stopping if stopping is not None and self._still_stopping() else stopped
        if not self.over:
            return running[min(int(self.share * len(running)), len(running) - 1)]
        return ended.get(self.outcome, done)

    def _still_stopping(self) -> bool:
        if self._stopped is None:
            return False
        since, asked = self._stopped
        if self._polls is not None:
            return asked == self._asked
        return self._now() - since < (self._seconds or 0.0) / 3

    def to_dict(self) -> dict[str, Any]:
        """What the control routes say about it."""
        return {"id": self.id, "outcome": self.outcome, "share": self.share, "stopped": self.stopped}
