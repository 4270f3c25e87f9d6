# SPDX-License-Identifier: Apache-2.0
"""
When to poll again, and when to stop: pure decisions.

Nothing here sleeps, sends or reads a clock. The worker's and the triggerer's loops hand in what happened
and the time, and get back a number of seconds or a reason to stop. So both wait by the same rules, and the
rules are tested without waiting.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from airflow_async_provider.errors import DescriptionError, TransientError, UnreadableAnswerError

#: No path through a wait sleeps less (seconds): a bug or a hostile Retry-After must not make a hot loop.
SHORTEST_SLEEP = 0.2

#: A last poll is sent this long before a status URL expires (seconds), as the remote's clock and the
#: way there take their share.
EXPIRY_MARGIN = 5.0

#: An outage is waited out for so long (seconds): longer than a reboot, shorter than a night.
DEFAULT_MAX_OUTAGE = 3600.0

#: One for all waits: the state of a generator takes more memory than all the rest of a wait.
_RANDOM = random.Random()  # noqa: S311 - spreads questions over time, no secret hangs on it


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """
    How a job is watched. All times in seconds.

    :param poll_interval: the first pause between two polls
    :param max_poll_interval: the longest pause; pauses grow towards it by ``backoff``
    :param backoff: factor from one pause to the next while nothing changes; 1 keeps the pace
    :param jitter: part of a pause that is random, so that many jobs do not poll at the same moment
    :param max_outage: how long the remote may bring no readable answer until the wait is given up
    :param safety_net: a callback is expected, so the remote's Retry-After makes pauses longer only
    """

    poll_interval: float = 10.0
    max_poll_interval: float = 60.0
    backoff: float = 1.5
    jitter: float = 0.1
    max_outage: float = DEFAULT_MAX_OUTAGE
    safety_net: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.poll_interval < math.inf:
            raise ValueError(f"poll_interval must be more than 0 seconds, not {self.poll_interval}")
        if not self.poll_interval <= self.max_poll_interval < math.inf:
            raise ValueError(
                f"max_poll_interval ({self.max_poll_interval}) must be a number of seconds and not less "
                f"than poll_interval ({self.poll_interval})"
            )
        if not 1 <= self.backoff < math.inf:
            raise ValueError(f"backoff must be at least 1, not {self.backoff}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be in [0, 1), not {self.jitter}")
        if not 0 < self.max_outage < math.inf:
            raise ValueError(f"max_outage must be more than 0 seconds, not {self.max_outage}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PollPolicy:
        """Rebuild; keys of later versions are ignored."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in value.items() if k in known})


@dataclass(frozen=True, slots=True)
class Sleep:
    """Poll again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """
    Do not poll again.

    :param reason: ``ended`` (the job has), ``timeout``, ``expired`` (no longer to be read) or ``error``
    :param error: the failure that ended the wait, for ``error``
    """

    reason: str
    error: Exception | None = None


@dataclass(slots=True)
class Wait:
    """
    One wait for one job: hand in what happened, get back what to do.

    :param policy: the pace
    :param deadline: epoch seconds at which to give up
    :param expires_at: epoch seconds after which the status can no longer be asked, None when it always can
    :param floor: the remote system's Retry-After makes no pause shorter than this, nor than ``poll_interval``
    """

    policy: PollPolicy
    deadline: float
    expires_at: float | None = None
    floor: float = 0.0
    polls: int = 0
    errors: int = 0
    errors_in_row: int = 0
    failing_since: float | None = None
    remote_status: str = ""
    _pause: float = 0.0
    _random: random.Random = field(default=_RANDOM, repr=False)

    def first(self, now: float) -> Sleep | Stop:
        """
        Pause before the first poll: anywhere within the first interval.

        A restarted triggerer starts all its waits at once; spread over the interval they are no burst.
        """
        self._pause = self.policy.poll_interval
        return self._sleep(now, self._random.uniform(0, self._pause))

    def answered(
        self,
        now: float,
        *,
        ended: bool,
        remote_status: str,
        retry_after: float | None = None,
    ) -> Sleep | Stop:
        """
        After an answer that could be read.

        :param ended: the job is in a state that will not change by itself
        :param remote_status: the remote's word; a new one sets the pace back to the start
        :param retry_after: seconds that the remote asked for
        """
        self.polls += 1
        self.errors_in_row = 0
        self.failing_since = None
        if ended:
            return Stop("ended")
        changed = remote_status != self.remote_status
        self.remote_status = remote_status
        return self._next(now, retry_after, changed=changed)

    def failed(self, now: float, error: Exception, *, took: float = 0.0) -> Sleep | Stop:
        """
        After a poll that brought no readable answer; only some failures are worth another try.

        :param took: seconds until it had failed. They count to the pause, up to half of it: who has waited
            for a silent remote system asks again when he would have had it answered at once
        """
        self.polls += 1
        self.errors += 1
        # What the description of an API promises and the first answers do not hold will not come later. Once
        # an answer was readable, it is the answer that is wrong, as a gateway's page would be.
        wrong = isinstance(error, DescriptionError) and self.polls == self.errors
        if wrong or not isinstance(error, TransientError | UnreadableAnswerError | DescriptionError):
            return Stop("error", error)
        self.errors_in_row += 1
        if self.failing_since is None:
            self.failing_since = now
        # Counted in time: how many questions fall into an outage depends on the pace alone.
        elif now - self.failing_since >= self.policy.max_outage:
            return Stop("error", error)
        return self._next(now, getattr(error, "retry_after", None), changed=False, took=took)

    def _next(
        self, now: float, retry_after: float | None, *, changed: bool, took: float = 0.0
    ) -> Sleep | Stop:
        policy = self.policy
        if changed or not self._pause:
            self._pause = policy.poll_interval
        else:
            self._pause = min(self._pause * policy.backoff, policy.max_poll_interval)
        if retry_after is not None and 0 < retry_after < math.inf:  # 0 says nothing: then our own pace
            least = self._pause if policy.safety_net else min(self.floor, policy.poll_interval)
            pause = max(retry_after, least, SHORTEST_SLEEP)
            if self.errors_in_row > 1:
                # It asked for too little: at that pace a short trouble would use up all our patience.
                growth = min(policy.backoff, 10.0) ** min(self.errors_in_row - 1, 20)
                pause = max(pause, min(pause * growth, policy.max_poll_interval))
            # The remote knows best; jitter only upwards, for it said "not before".
            return self._sleep(now, pause * (1 + self._random.uniform(0, policy.jitter)))
        pause = self._pause * (1 + self._random.uniform(-policy.jitter, policy.jitter))
        return self._sleep(now, max(pause - took, pause / 2))

    def _sleep(self, now: float, seconds: float) -> Sleep | Stop:
        if now >= self.deadline:
            return Stop("timeout")
        until = now + max(seconds, SHORTEST_SLEEP)
        if self.expires_at is not None:
            if now >= self.expires_at:
                return Stop("expired")
            last = self.expires_at - EXPIRY_MARGIN
            if until > last:
                # One poll while the status can be read for sure; the last one at the expiry.
                until = last if last - now >= SHORTEST_SLEEP else min(until, self.expires_at)
        return Sleep(max(min(until, self.deadline) - now, SHORTEST_SLEEP))
