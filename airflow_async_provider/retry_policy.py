# SPDX-License-Identifier: Apache-2.0
"""A retry policy for tasks of this package, from Airflow 3.3 on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider.errors import (
    ConfigurationError,
    ConnectionNotFoundError,
    DescriptionError,
    DestinationExistsError,
    JobElsewhereError,
    JobError,
    TransientError,
)

if TYPE_CHECKING:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
else:
    try:
        from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
    except ImportError:  # before Airflow 3.3, where no task takes one
        RetryDecision, RetryPolicy = None, object

#: What no retry helps: a person has to change something.
NO_RETRY_HELPS = (ConfigurationError, DescriptionError, DestinationExistsError)

#: But for these: the connection may be there again in a minute.
A_RETRY_MAY_HELP = (ConnectionNotFoundError, JobElsewhereError)

RATE_LIMITED = 429


def is_available() -> bool:
    """Whether this Airflow has retry policies (3.3 and later)."""
    return RetryDecision is not None


class RemoteJobRetryPolicy(RetryPolicy):
    """
    Waits as long as the remote system asks for, and gives up at once where no retry helps.

    Every other error is left to the task's ``retries`` and ``retry_delay``.

    :param max_rate_limits: from Airflow 3.4 on: how often within one try a rate limit (HTTP 429) may put the
        task off without costing one of its ``retries``; 0: each costs one, as before 3.4
    :raises ConfigurationError: this Airflow has no retry policies, or the number makes no sense
    """

    def __init__(self, *, max_rate_limits: int = 100) -> None:
        if not is_available():
            raise ConfigurationError("Retry policies need Airflow 3.3; leave retry_policy out.")
        if type(max_rate_limits) is not int or max_rate_limits < 0:
            raise ConfigurationError(f"max_rate_limits must be 0 or more, not {max_rate_limits!r}.")
        self.max_rate_limits = max_rate_limits

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Decide about one failure; Airflow asks on the worker."""
        if isinstance(exception, NO_RETRY_HELPS) and not isinstance(exception, A_RETRY_MAY_HELP):
            return RetryDecision.fail(reason=f"{type(exception).__name__}: a retry does not help")
        # A job that has ended badly, or whose time is over, is another matter than the last poll's failure.
        causes = () if isinstance(exception, JobError) else _causes(exception)
        cause = next((e for e in causes if isinstance(e, TransientError)), None)
        if cause is None:
            return RetryDecision.default()
        delay = _delay_of(cause)
        put_off: Any = getattr(RetryDecision, "reschedule", None)  # since Airflow 3.4
        if cause.http_status == RATE_LIMITED and self.max_rate_limits and put_off is not None:
            decision: RetryDecision = put_off(
                delay,
                max_reschedules=self.max_rate_limits,
                reason="the remote system limits the rate of requests (HTTP 429)",
            )
            return decision
        if delay is None:
            return RetryDecision.default()
        return RetryDecision.retry(delay, reason=f"the remote system asked for {delay.total_seconds():g} s")

    def serialize(self) -> dict[str, Any]:
        """Plain data."""
        return {"max_rate_limits": self.max_rate_limits}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RemoteJobRetryPolicy:
        """From plain data."""
        return cls(**data)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, as far as it is known."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _delay_of(error: TransientError) -> timedelta | None:
    seconds = error.retry_after
    if seconds is None or not 0 < seconds < math.inf:
        return None
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return None
