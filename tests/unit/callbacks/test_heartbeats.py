# SPDX-License-Identifier: Apache-2.0
"""How long a sender may be silent, counted by the clock of whoever looks."""

from __future__ import annotations

from airflow_async_provider._callbacks.heartbeats import HeartbeatWatch, words_of
from airflow_async_provider._callbacks.registration import Delivery


def beat(at: float, **facts: object) -> Delivery:
    return Delivery(state="running", heartbeat=True, alive_at=at, received_at=at, **facts)  # type: ignore[arg-type] # as given


def test_silence_is_counted_from_the_moment_at_which_a_new_sign_was_seen() -> None:
    # The sender's clock is far away; only whether it has moved counts.
    watch = HeartbeatWatch(60.0, 1000.0)
    assert not watch.is_late(None, 1059.0)
    assert not watch.is_late(beat(5.0), 1059.5)
    assert not watch.is_late(beat(5.0), 1119.0)
    assert watch.is_late(beat(5.0), 1119.5)
    assert not watch.is_late(beat(6.0), 1119.6)


def test_without_a_timeout_nothing_is_late() -> None:
    watch = HeartbeatWatch(None, 0.0)
    assert not watch.is_late(None, 1e9)
    assert (watch.pause, watch.to_event(5.0)) == (None, {})


def test_one_wait_goes_on_where_the_other_stopped() -> None:
    first = HeartbeatWatch(60.0, 0.0)
    first.is_late(beat(9.0), 10.0)
    carried = first.to_event(50.0)
    assert carried == {"alive_at": 9.0, "silent_for": 40.0}
    second = HeartbeatWatch(60.0, 500.0 - carried["silent_for"], alive_at=carried["alive_at"])
    assert not second.is_late(beat(9.0), 519.0)
    assert second.is_late(beat(9.0), 520.0)


def test_it_is_looked_often_enough() -> None:
    assert HeartbeatWatch(60.0, 0.0).pause == 15.0


def test_what_a_sign_says() -> None:
    assert (
        words_of(beat(1.0, remote_status="running", progress=0.4, message="part 2")) == "running, 40%, part 2"
    )
    assert words_of(beat(1.0)) == ""
