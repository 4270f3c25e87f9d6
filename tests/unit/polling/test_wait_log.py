# SPDX-License-Identifier: Apache-2.0
"""The task log of a wait: each line stands alone, and no line is written twice."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from airflow_async_provider._polling.policy import PollPolicy, Sleep, Stop, Wait
from airflow_async_provider._polling.wait_log import (
    MAX_KINDS,
    Heartbeat,
    WaitLogger,
    format_duration,
    format_range,
    format_status,
    kind_of,
)
from airflow_async_provider.errors import RequestRefusedError, TransientError, UnreadableAnswerError
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus

# -- in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 s"),
        (9.5, "9.5 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (3600, "60 min"),
        (7200, "2 h"),
        (11_100, "3 h 5 min"),
    ],
)
def test_times_for_a_person(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
    assert format_range(seconds, seconds) == words


def test_what_the_remote_said_in_one_line() -> None:
    assert format_status(JobStatus(JobState.RUNNING, "processing")) == "processing"
    assert (
        format_status(JobStatus(JobState.FAILED, "1800", "ENDED_NOT_OK -\n aborted"))
        == "1800: ENDED_NOT_OK - aborted"
    )
    assert format_status(JobStatus(JobState.FAILED, "", "no")) == "no"
    assert format_status(JobStatus(JobState.FAILED, "no", "no")) == "no"
    assert len(format_status(JobStatus(JobState.FAILED, "x", "y" * 5000))) < 250


def test_signs_of_life_get_rarer_but_come_every_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heartbeat = Heartbeat()
    beats = []
    for minute in range(12 * 60):
        now[0] = minute * 60.0
        if heartbeat.beats():
            beats.append(minute)
            assert not heartbeat.beats()
    assert beats[:6] == [1, 2, 4, 8, 16, 26]
    assert {later - earlier for earlier, later in pairwise(beats[5:])} == {10}


def test_a_range_of_times_is_one_time_where_both_read_alike() -> None:
    assert format_range(10, 300) == "10 s to 5 min"
    assert format_range(10, 10.2) == "10 s"


@pytest.mark.parametrize(("word", "text"), [("RUNNING", "RUNNING, 25%: half"), ("", "25%: half")])
def test_progress_stands_with_the_word(word: str, text: str) -> None:
    assert format_status(JobStatus(JobState.RUNNING, word, "half", progress=0.25)) == text


class Lines(list[str]):
    """A log."""

    def info(self, event: str, /, *args: Any) -> None:
        self.append("I " + event % args)

    def warning(self, event: str, /, *args: Any) -> None:
        self.append("W " + event % args)


def a_logger(log: Lines, wait: Wait | None = None) -> WaitLogger:
    handle = JobHandle("http_api", "7", 0.0)
    return WaitLogger(log, handle, wait or Wait(PollPolicy(), time.time() + 60), time.time)


def test_a_status_is_reported_when_it_changes_and_only_then() -> None:
    log = Lines()
    logger = a_logger(log)
    for word in ("queued", "queued", "working", "queued"):
        logger.status(JobStatus(JobState.RUNNING, word, progress=0.25), Sleep(12))
    assert log == [
        f"I Job 7: running ({word}, 25%); next poll in 12 s, deadline in 60 s"
        for word in ("queued", "working", "queued")
    ]


def test_an_end_has_no_next_poll() -> None:
    log = Lines()
    a_logger(log).status(JobStatus(JobState.SUCCEEDED, "done"), Stop("ended"))
    assert log == ["I Job 7: succeeded (done)"]


def test_a_word_that_nobody_knows_is_warned_of_once() -> None:
    log = Lines()
    logger = a_logger(log)
    for _ in range(2):
        logger.status(JobStatus(JobState.RUNNING, "odd", "what is this", recognised=False), Sleep(1))
        logger.status(JobStatus(JobState.RUNNING, "odder", unknown_words=("a", "b")), Sleep(1))
    warned = [line for line in log if line[0] == "W"]
    assert len(warned) == 2
    assert "the status 'odd' is not a known one" in warned[0]
    assert warned[0].endswith("what is this")
    assert "the status 'a', 'b' is not a known one" in warned[1]


def test_a_poll_that_failed_is_reported_once_for_each_kind_and_then_counted() -> None:
    log, wait = Lines(), Wait(PollPolicy(), time.time() + 60)
    logger = a_logger(log, wait)

    def fail(error: Exception) -> None:
        wait.failed(time.time(), error)
        logger.failed(error, Sleep(5))

    for _ in range(3):
        fail(TransientError("HTTP 503 from the gateway.", http_status=503))
    fail(TransientError("Connection refused"))
    assert log == [
        "W Job 7: poll 1 failed (1 in a row): HTTP 503 from the gateway; next poll in 5 s, deadline in 60 s",
        "W Job 7: poll 4 failed (4 in a row): Connection refused; next poll in 5 s, deadline in 60 s",
    ]
    del log[:]
    wait.answered(time.time(), ended=False, remote_status="working")
    logger.status(JobStatus(JobState.RUNNING, "working"), Sleep(5))
    logger.status(JobStatus(JobState.RUNNING, "working"), Sleep(5))
    assert log == [
        "I Job 7: answers again; 5 polls, 4 failed (3 x HTTP 503, 1 x no answer)",
        "I Job 7: running (working); next poll in 5 s, deadline in 60 s",
    ]
    fail(TransientError("HTTP 503 once more", http_status=503))
    assert len(log) == 2


def test_the_failure_that_ends_the_wait_is_reported_whatever_its_kind() -> None:
    log = Lines()
    logger = a_logger(log)
    for _ in range(2):
        logger.failed(RequestRefusedError("HTTP 400", http_status=400), Stop("error"))
    assert len(log) == 2


def test_however_many_kinds_there_are() -> None:
    log = Lines()
    logger = a_logger(log)
    for status in range(400, 499):
        logger.failed(RequestRefusedError("x", http_status=status), Sleep(1))
    assert len(log) == MAX_KINDS + 1


def test_kinds_of_failures() -> None:
    assert kind_of(UnreadableAnswerError("x", http_status=200)) == "unreadable answer (HTTP 200)"
    assert kind_of(TransientError("x")) == "no answer"
    assert kind_of(TransientError("x", http_status=429)) == "HTTP 429"


# -- what a person who opens the log in the middle of the night sees


def test_in_a_long_pause_a_sign_of_life_says_when_it_was_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = [1000.0], Lines()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    handle = JobHandle("http_api", "7", 1000.0 - 7200)
    logger = WaitLogger(log, handle, Wait(PollPolicy(), 1000.0 + 7200), lambda: now[0])
    logger.location = "https://api.example.com/jobs/7"
    logger.status(JobStatus(JobState.RUNNING, "working"), Sleep(600))
    now[0] += 240
    logger.alive()
    assert log == [
        "I Job 7: running (working); next poll in 10 min, deadline in 2 h; https://api.example.com/jobs/7",
        # Its age is that of the job, which may be older than this wait.
        (
            "I Job 7: still working after 2 h 4 min; 0 polls; last poll 4 min ago, next poll in 6 min, "
            "deadline in 1 h 56 min; https://api.example.com/jobs/7"
        ),
    ]


@pytest.mark.parametrize("first", ["sign of life", "failure"])
def test_what_can_be_done_is_told_once(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now, log, wait = [0.0], Lines(), Wait(PollPolicy(), time.time() + 7200)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    logger = WaitLogger(log, JobHandle("http_api", "7", 0.0), wait, time.time, "see the page")
    logger.status(JobStatus(JobState.RUNNING, "working"), Sleep(5))
    assert not [line for line in log if "see the page" in line]
    for _ in range(2):
        if first == "failure":
            logger.failed(TransientError("HTTP 503", http_status=503), Sleep(5))
        else:
            now[0] += 1200
            logger.alive()
    assert log[2] == "I Job 7: see the page"
    assert len([line for line in log if "see the page" in line]) == 1
