# SPDX-License-Identifier: Apache-2.0
"""What lies in a mailbox after another delivery: first words stand, signs of life only move a date."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider._callbacks.merging import merge
from airflow_async_provider._callbacks.registration import Delivery, Registration

ALONE = Registration(
    secret_hash="0" * 64, deadline=0.0, protocol="remote_job", keep_body=True, pollable=False
)


def of(count: int, needed: int, **facts: Any) -> Registration:
    parties = [[name, "0" * 64] for name in "abcdefgh"[:count]]
    return Registration(
        secret_hash="0" * 64,
        deadline=0.0,
        protocol="remote_job",
        keep_body=True,
        parties=parties,
        needed=needed,
        **facts,
    )


def said(state: str, at: float = 1.0, **facts: Any) -> Delivery:
    return Delivery(state=state, received_at=at, heartbeat=state == "running", **facts)


def test_a_first_word_stands() -> None:
    first = merge(ALONE, None, said("succeeded", value=1), -1)
    assert first.wakes
    again = merge(ALONE, first.delivery, said("failed", 2.0), -1)
    assert (again.news, again.repeated, again.delivery.state) == (False, True, "succeeded")


def test_signs_of_life_wake_nobody_and_an_end_takes_their_place() -> None:
    one = merge(ALONE, None, said("running"), -1)
    assert (one.wakes, one.news, one.delivery.alive_at) == (False, True, 1.0)
    soon = merge(ALONE, one.delivery, said("running", 1.5), -1)
    assert (soon.wakes, soon.news) == (False, False)
    later = merge(ALONE, one.delivery, said("running", 9.0, progress=0.5), -1)
    assert (later.news, later.delivery.alive_at, later.delivery.progress) == (True, 9.0, 0.5)
    end = merge(ALONE, later.delivery, said("failed", 10.0), -1)
    assert (end.wakes, end.delivery.state) == (True, "failed")
    after = merge(ALONE, end.delivery, said("running", 20.0), -1)
    assert (after.news, after.delivery.state) == (False, "failed")


def test_a_question_stays_and_the_date_moves() -> None:
    ask = merge(ALONE, None, Delivery(state="running", received_at=1.0), -1)
    assert ask.wakes
    alive = merge(ALONE, ask.delivery, said("running", 9.0), -1)
    assert (alive.news, alive.repeated, alive.delivery.received_at, alive.delivery.alive_at) == (
        True,
        True,
        1.0,
        9.0,
    )
    end = merge(ALONE, alive.delivery, said("succeeded", 10.0), -1)
    assert (end.news, end.delivery.state) == (True, "succeeded")


def test_one_that_could_not_be_read_gives_way_to_one_that_can() -> None:
    bad = Delivery(state="error", received_at=1.0, error="CallbackError")
    assert merge(ALONE, bad, said("succeeded", 2.0), -1).delivery.state == "succeeded"
    assert merge(ALONE, bad, said("running", 2.0), -1).delivery is bad


@given(
    st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.lists(
        st.tuples(
            st.integers(0, 4), st.sampled_from(["succeeded", "failed", "cancelled", "running", "error"])
        )
    ),
)
def test_the_word_of_all_is_the_word_of_those_who_have_spoken_first(
    sizes: tuple[int, int], words: list[tuple[int, str]]
) -> None:
    count, needed = sizes
    known, first, at = None, {}, itertools.count(10, 10)
    for party, state in words:
        if party >= count:
            continue
        merged = merge(of(count, needed), known, said(state, float(next(at)), value=party), party)
        decided = known is not None and not known.heartbeat
        known = merged.delivery
        if state != "running" and not decided:
            first.setdefault(party, state)
        good = sum(s == "succeeded" for s in first.values())
        expected = (
            "succeeded" if good >= needed else "failed" if len(first) - good > count - needed else "running"
        )
        assert known.state == expected
        assert known.heartbeat == (expected == "running")
        assert set(known.value) == {"abcdefgh"[p] for p, s in first.items() if s == "succeeded"}


def test_the_silence_of_the_most_silent_one_counts() -> None:
    two = of(2, 2)
    one = merge(two, None, said("running", 5.0), 0).delivery
    assert one.alive_at == 0.0
    both = merge(two, one, said("running", 7.0), 1).delivery
    assert both.alive_at == 5.0
    ended = merge(two, both, said("succeeded", 8.0), 0).delivery
    assert ended.alive_at == 7.0


def test_what_all_have_sent_is_bounded_together() -> None:
    bounded = of(2, 2, max_bytes=100)
    one = merge(bounded, None, said("succeeded", value="x" * 60), 0).delivery
    both = merge(bounded, one, said("succeeded", 2.0, value="x" * 60), 1).delivery
    assert both.state == "failed"
    assert both.message is not None
    assert "callback_max_bytes" in both.message


@pytest.mark.parametrize("party", [0, 1])
def test_a_hash_is_for_one_address_only(party: int) -> None:
    hashes = ["a" * 64, "b" * 64]
    registration = Registration(
        secret_hash="a" * 64,
        deadline=0.0,
        protocol="remote_job",
        parties=list(zip("ab", hashes, strict=True)),
    )
    assert registration.hash_for(party) == hashes[party]
    assert registration.hash_for(-1) == registration.hash_for(2) == "0" * 64
