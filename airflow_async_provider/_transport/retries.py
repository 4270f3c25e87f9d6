# SPDX-License-Identifier: Apache-2.0
"""Another try for one request, in the worker; how to wait between polls is decided in ``policy``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_async_provider.errors import AsyncJobError, TransientError, UnreadableAnswerError
from airflow_async_provider.protocols._http_messages import HttpRequest

T = TypeVar("T")

#: Tries of one request, and the longest pause between two that a task sits out on a worker (seconds).
MAX_TRIES = 5
MAX_PAUSE = 60.0


def may_repeat(request: HttpRequest, error: BaseException) -> bool:
    """
    Whether a failed request may be sent again without the risk of doing its work twice.

    Yes for requests that are repeatable, for those that never left, and after a 429, which says that the
    request was not taken. A longer Retry-After than we would sit out is left to Airflow's own retry.
    """
    return (
        isinstance(error, TransientError)
        and (request.repeatable or not error.sent or error.http_status == 429)
        and (error.retry_after or 0) <= MAX_PAUSE
    )


def with_retries(
    request: HttpRequest,
    exchange: Callable[[], T],
    *,
    tries: int = MAX_TRIES,
    unreadable: bool = False,
) -> T:
    """
    Send and read, and try again where :func:`may_repeat` allows it; Retry-After first, else growing pauses.

    :param request: decides what may be repeated
    :param exchange: sends the request and reads the answer
    :param unreadable: also try again after an answer that cannot be understood (a gateway's page)
    :raises AsyncJobError: what the last try raised; ``lost_before`` says whether an earlier one may have
        arrived
    """
    import tenacity

    growing = tenacity.wait_exponential(multiplier=0.5, max=MAX_PAUSE) + tenacity.wait_random(0, 0.5)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        return float(asked) if asked else growing(state)  # "Retry-After: 0" is no pause

    def again(error: BaseException) -> bool:
        return may_repeat(request, error) or (
            unreadable and request.repeatable and isinstance(error, UnreadableAnswerError)
        )

    lost_before = False

    def attempt() -> T:
        nonlocal lost_before
        try:
            return exchange()
        except AsyncJobError as e:
            e.lost_before = lost_before
            lost_before = lost_before or (isinstance(e, TransientError) and e.sent and e.http_status != 429)
            raise

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(again),
        stop=tenacity.stop_after_attempt(tries),
        wait=pause,
        reraise=True,
    )(attempt)
