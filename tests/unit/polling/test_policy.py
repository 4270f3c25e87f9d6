# SPDX-License-Identifier: Apache-2.0
"""When to ask again: every rule of the wait, without waiting."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider._polling.policy import (
    EXPIRY_MARGIN,
    SHORTEST_SLEEP,
    PollPolicy,
    Sleep,
    Stop,
    Wait,
)
from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    OriginError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from tests.support.inputs import examples

NOW = 1_700_000_000.0
DAY = 86_400.0
STEADY = PollPolicy(poll_interval=10, max_poll_interval=60, backoff=2, jitter=0)


def a_wait(policy: PollPolicy = STEADY, *, timeout: float = DAY, **options: Any) -> Wait:
    wait = Wait(policy, NOW + timeout, **options)
    wait.first(NOW)
    return wait


def seconds(step: Sleep | Stop) -> float:
    assert isinstance(step, Sleep), step
    return step.seconds


def running(wait: Wait, now: float = NOW, remote_status: str = "processing", **answer: Any) -> Sleep | Stop:
    return wait.answered(now, ended=False, remote_status=remote_status, **answer)


# -- the arguments


@pytest.mark.parametrize(
    "wrong",
    [
        {"poll_interval": 0},
        {"poll_interval": -1},
        {"poll_interval": math.nan},
        {"poll_interval": math.inf, "max_poll_interval": math.inf},
        {"poll_interval": 10, "max_poll_interval": 9},
        {"max_poll_interval": math.nan},
        {"max_poll_interval": math.inf},
        {"backoff": 0.5},
        {"backoff": math.nan},
        {"backoff": math.inf},
        {"jitter": -0.1},
        {"jitter": 1},
        {"jitter": math.nan},
        {"max_outage": 0},
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PollPolicy(**wrong)


def test_a_policy_survives_its_dictionary() -> None:
    policy = PollPolicy(poll_interval=3, max_poll_interval=7, backoff=1.1, jitter=0.2, max_outage=2)
    assert PollPolicy.from_dict({**policy.to_dict(), "of a later version": 1}) == policy


# -- the pace


def test_pauses_grow_up_to_the_longest() -> None:
    wait = a_wait()
    assert [seconds(running(wait)) for _ in range(6)] == [10, 20, 40, 60, 60, 60]


def test_a_new_word_sets_the_pace_back() -> None:
    wait = a_wait()
    for _ in range(4):
        running(wait)
    assert seconds(running(wait, remote_status="storing")) == 10
    assert seconds(running(wait, remote_status="storing")) == 20


def test_jitter_goes_both_ways_and_stays_within_bounds() -> None:
    policy = PollPolicy(poll_interval=10, max_poll_interval=10, jitter=0.1)
    wait = a_wait(policy, _random=random.Random(7))
    pauses = [seconds(running(wait)) for _ in range(500)]
    assert 9 <= min(pauses) < 9.5
    assert 10.5 < max(pauses) <= 11


def test_the_first_poll_is_spread_over_the_first_interval() -> None:
    policy = PollPolicy(poll_interval=10)
    firsts = [seconds(Wait(policy, NOW + DAY).first(NOW)) for _ in range(1000)]
    # A restarted triggerer starts all its waits in one moment: each tenth of the interval gets its share.
    shares = [sum(second // 1 == tenth for second in firsts) for tenth in range(10)]
    assert min(shares) > 50
    assert max(firsts) <= 10
    assert min(firsts) >= SHORTEST_SLEEP


# -- Retry-After


def test_retry_after_goes_before_the_own_pace_in_both_directions() -> None:
    wait = a_wait()
    assert seconds(running(wait, retry_after=1)) == 1
    assert seconds(running(wait, retry_after=300)) == 300


def test_jitter_never_undercuts_retry_after() -> None:
    wait = a_wait(PollPolicy(jitter=0.3, max_outage=1.0))
    pauses = [seconds(running(wait, retry_after=7)) for _ in range(300)]
    assert min(pauses) >= 7
    assert 8 < max(pauses) <= 7 * 1.3


@pytest.mark.parametrize("nothing", [None, 0, 0.0, math.nan, math.inf, -3])
def test_a_retry_after_that_says_nothing_leaves_the_own_pace(nothing: float | None) -> None:
    assert seconds(running(a_wait(), retry_after=nothing)) == 10


def test_a_tiny_retry_after_meets_the_floor() -> None:
    assert seconds(running(a_wait(), retry_after=1e-9)) == pytest.approx(SHORTEST_SLEEP)


def test_a_retry_after_that_is_too_short_does_not_use_up_all_patience() -> None:
    wait = a_wait(PollPolicy(poll_interval=10, max_poll_interval=60, backoff=2, jitter=0))
    pauses = [seconds(wait.failed(NOW, TransientError("busy", retry_after=1))) for _ in range(9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_long_retry_after_is_obeyed_however_often_it_is_said() -> None:
    wait = a_wait()
    for _ in range(5):
        assert seconds(wait.failed(NOW, TransientError("busy", retry_after=600))) == 600


# -- how a wait ends


def test_an_end_is_an_end() -> None:
    assert running_then(lambda wait: wait.answered(NOW, ended=True, remote_status="completed")) == Stop(
        "ended"
    )


def test_the_deadline_cuts_a_pause_and_leaves_one_last_poll() -> None:
    wait = a_wait(timeout=25)
    assert seconds(running(wait, NOW)) == 10
    assert seconds(running(wait, NOW + 10)) == 15
    assert running(wait, NOW + 25) == Stop("timeout")


def test_an_end_seen_by_the_last_poll_counts() -> None:
    wait = a_wait(timeout=25)
    assert wait.answered(NOW + 25.5, ended=True, remote_status="completed") == Stop("ended")


def test_a_deadline_that_has_passed_is_not_even_asked_for() -> None:
    assert Wait(STEADY, NOW - 1).first(NOW) == Stop("timeout")


def test_one_poll_is_sent_before_the_status_url_expires_and_one_at_its_end() -> None:
    wait = a_wait(expires_at=NOW + 100)
    assert seconds(running(wait, NOW)) == 10
    assert seconds(running(wait, NOW + 10)) == 20
    assert seconds(running(wait, NOW + 30)) == 40
    assert seconds(running(wait, NOW + 70)) == 100 - EXPIRY_MARGIN - 70
    assert seconds(running(wait, NOW + 100 - EXPIRY_MARGIN)) == EXPIRY_MARGIN
    assert running(wait, NOW + 100) == Stop("expired")


def test_a_short_life_is_asked_about_all_the_same() -> None:
    wait = a_wait(PollPolicy(poll_interval=0.5, jitter=0, backoff=1), expires_at=NOW + 2)
    assert seconds(running(wait, NOW)) == 0.5
    assert seconds(running(wait, NOW + 0.5)) == 0.5
    assert seconds(running(wait, NOW + 1.75)) == 0.25
    assert running(wait, NOW + 2) == Stop("expired")


def test_retry_after_does_not_lead_past_the_expiry() -> None:
    wait = a_wait(expires_at=NOW + 100)
    assert seconds(running(wait, retry_after=3600)) == 100 - EXPIRY_MARGIN


def test_a_status_url_that_has_expired_is_not_asked() -> None:
    assert Wait(STEADY, NOW + DAY, NOW - 1).first(NOW) == Stop("expired")


def test_the_deadline_goes_before_the_expiry() -> None:
    assert Wait(STEADY, NOW - 1, NOW - 2).first(NOW) == Stop("timeout")


def running_then(act: Callable[[Wait], Sleep | Stop]) -> Sleep | Stop:
    wait = a_wait()
    running(wait)
    return act(wait)


# -- failures


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("401"),
        AuthorizationError("403"),
        RequestRefusedError("404"),
        OriginError("elsewhere"),
        ConfigurationError("no host"),
    ],
)
def test_what_will_not_get_better_ends_the_wait_at_once(error: Exception) -> None:
    stop = running_then(lambda wait: wait.failed(NOW, error))
    assert stop == Stop("error", error)


def test_transient_failures_in_a_row_end_the_wait() -> None:
    wait = a_wait(PollPolicy(max_outage=1.0))
    error = TransientError("503")
    for later in (0.0, 0.9):
        assert isinstance(wait.failed(NOW + later, error), Sleep)
    assert wait.failed(NOW + 1.0, error) == Stop("error", error)
    assert (wait.polls, wait.errors) == (3, 3)


def test_an_answer_between_them_renews_the_patience() -> None:
    wait = a_wait(PollPolicy(max_outage=1.0))
    for _ in range(20):
        assert isinstance(wait.failed(NOW, TransientError("503")), Sleep)
        assert isinstance(running(wait), Sleep)
    assert (wait.polls, wait.errors, wait.errors_in_row) == (40, 20, 0)


def test_unreadable_answers_are_an_outage_too() -> None:
    wait = a_wait(PollPolicy(max_outage=60))
    error = UnreadableAnswerError("garbage")
    assert isinstance(wait.failed(NOW, error), Sleep)
    assert isinstance(running(wait), Sleep)
    assert isinstance(wait.failed(NOW + 100, error), Sleep)
    assert wait.failed(NOW + 160, error) == Stop("error", error)


def test_an_outage_is_counted_in_time_and_not_in_polls() -> None:
    wait = a_wait(PollPolicy(max_outage=3600))
    for second in range(0, 3600, 10):
        assert isinstance(wait.failed(NOW + second, TransientError("503")), Sleep)
    assert isinstance(wait.failed(NOW + 3600, TransientError("503")), Stop)
    assert wait.errors == 361


@pytest.mark.parametrize(("took", "pause"), [(0, 30), (10, 20), (45, 15)])
def test_who_has_waited_for_a_silent_host_waits_less_afterwards(took: float, pause: float) -> None:
    """From one question to the next it is never less than the pace, and with a short silence just that."""
    wait = a_wait(PollPolicy(poll_interval=30, max_poll_interval=30, jitter=0))
    wait.first(NOW)
    assert wait.failed(NOW + 100, TransientError("silent"), took=took) == Sleep(pause)
    # "Not before", said the remote system.
    asked_later = wait.failed(NOW + 200, TransientError("busy", retry_after=30), took=took)
    assert isinstance(asked_later, Sleep)
    assert asked_later.seconds >= 30


def test_failures_back_off_as_well() -> None:
    wait = a_wait()
    assert [seconds(wait.failed(NOW, TransientError("503"))) for _ in range(4)] == [20, 40, 60, 60]


# -- what holds on every path

moments = st.floats(0, 200_000, allow_nan=False)
errors = st.sampled_from(
    [TransientError("503"), TransientError("reset", sent=False), UnreadableAnswerError("garbage")]
)
hints = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
answers = st.tuples(st.sampled_from(["processing", "queued", "dancing"]), st.booleans(), hints)
policies = st.builds(
    lambda first, longer, backoff, jitter, outage: PollPolicy(
        poll_interval=first,
        max_poll_interval=first * longer,
        backoff=backoff,
        jitter=jitter,
        max_outage=outage,
    ),
    st.floats(1e-6, 1e5),
    st.floats(1, 1e4),
    st.floats(1, 1e300),
    st.floats(0, 0.99),
    st.floats(1, 1e4),
)


@settings(max_examples=examples(80), deadline=None)
@given(
    policies,
    moments,
    st.one_of(st.none(), moments),
    st.lists(st.one_of(answers, errors, hints), max_size=30),
    st.floats(0, 40),
)
def test_every_path_sleeps_or_stops_and_ends_with_the_deadline(
    policy: PollPolicy,
    timeout: float,
    life: float | None,
    script: list[Any],
    latency: float,
) -> None:
    """Whatever the remote does, with a clock that goes on by what was slept and by each answer's time."""
    now = NOW
    deadline = now + timeout
    wait = Wait(policy, deadline, None if life is None else now + life)
    step = wait.first(now)
    asked_after_expiry = 0
    for event in script:
        if isinstance(step, Stop):
            break
        assert step.seconds >= SHORTEST_SLEEP
        assert now < deadline
        assert now + step.seconds <= max(deadline, now + SHORTEST_SLEEP) + 1e-3
        now += step.seconds
        asked_after_expiry += wait.expires_at is not None and now > wait.expires_at + SHORTEST_SLEEP
        now += latency
        if isinstance(event, Exception):
            step = wait.failed(now, event)
        elif isinstance(event, tuple):
            remote_status, _, hint = event
            step = wait.answered(now, ended=False, remote_status=remote_status, retry_after=hint)
        else:
            step = wait.failed(now, TransientError("429", retry_after=event))
    assert asked_after_expiry <= 1
    if now >= deadline:
        assert isinstance(step, Stop)


@settings(deadline=None)
@given(policies, st.integers(1, 60))
def test_an_endless_trouble_ends(policy: PollPolicy, wait_for: int) -> None:
    """With a remote that always fails, the wait ends with the first poll after the outage that is allowed."""
    wait = Wait(policy, NOW + 1e12)
    wait.first(NOW)
    now, before = NOW, NOW
    step: Sleep | Stop = Sleep(0)
    for _ in range(100_000):
        now += step.seconds
        step = wait.failed(now, TransientError("503", retry_after=wait_for))
        if isinstance(step, Stop):
            break
        before = now
    assert step == Stop("error", step.error)
    assert before - NOW < policy.max_outage <= now - NOW


# -- the safety net beside a callback

SAFETY = PollPolicy(poll_interval=120, max_poll_interval=600, safety_net=True)


@pytest.mark.parametrize("retry_after", [None, 5.0])
@pytest.mark.parametrize("seed", range(20))
def test_ten_polls_an_hour_and_none_after_the_deadline(seed: int, retry_after: float | None) -> None:
    wait = Wait(SAFETY, NOW + DAY, _random=random.Random(seed))
    now, polls = NOW, []
    step = wait.first(now)
    while isinstance(step, Sleep):
        now += step.seconds
        polls.append(now)
        step = running(wait, now, retry_after=retry_after)
    assert step == Stop("timeout")
    assert polls[-1] == pytest.approx(NOW + DAY)  # what has ended unnoticed is noticed then
    hours = [sum(NOW + h * 3600 <= poll < NOW + (h + 1) * 3600 for poll in polls) for h in range(24)]
    assert max(hours) <= 10


def test_a_remote_that_wants_longer_pauses_gets_them_beside_a_callback_too() -> None:
    assert seconds(running(a_wait(SAFETY), retry_after=1000.0)) >= 1000.0
