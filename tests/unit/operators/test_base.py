# SPDX-License-Identifier: Apache-2.0
"""What all operators share, where a remote system adds nothing of its own."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.protocols import JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_for
from tests.support.one_task import OneTask
from tests.support.small_remote import BLOCKED, FAILED, SUCCEEDED, SmallRemote, SmallTask

PROTOCOL = protocol_for("http_location", {})


class OnceOnly(SmallTask):
    """A job that must not be done twice."""

    def may_start_again(self, status: JobStatus) -> bool:
        return False


class Stored(SmallTask):
    template_fields: Any = ("what", "endpoint", "destination", "aws_conn_id", "callback_base_url", "conn_id")
    endpoint, destination, aws_conn_id, callback_base_url = "e", "/x", "aws", "https://here"


class Plain(SmallTask):
    """With the return value that is nobody's own."""

    process_result = AsyncJobOperator.process_result


def test_what_says_where_a_job_is_started_or_its_result_goes_does_not_say_what_it_is() -> None:
    assert Stored(remote=SmallRemote()).job_arguments() == {"what": "a", "endpoint": "e"}


def test_the_return_value_is_the_job_s_handle_where_nothing_else_is_made_of_it() -> None:
    remote, task = SmallRemote(), OneTask()
    deferral = task.begin(lambda: Plain(remote=remote))
    remote.jobs["7"] = SUCCEEDED
    event = {"version": 1, "state": "succeeded", "via": "poll", "polls": 1, "errors": 0}
    done = Plain(remote=remote).execute_complete(task.context, event, **(deferral.kwargs or {}))
    assert (done["protocol"], done["job_id"], done["data"]["label"]) == ("http_location", "7", "job a")


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (SmallTask, FAILED, "A retry of this task starts another one."),
        (OnceOnly, FAILED, "clear the task with reattach=False"),
        (SmallTask, BLOCKED, "Resolve it at the remote system"),
    ],
)
def test_the_reader_of_a_failure_learns_what_to_do(kind: Any, state: JobState, words: str) -> None:
    assert words in kind(remote=SmallRemote()).failure_hint(JobStatus(state))


def test_a_job_that_got_lost_may_have_done_its_work() -> None:
    assert ended_for_sure(JobStatus(FAILED))
    assert not ended_for_sure(JobStatus(JobState.EXPIRED))


def test_a_task_that_has_done_nothing_cancels_nothing() -> None:
    remote = SmallRemote()
    SmallTask(remote=remote).on_kill()
    assert remote.cancelled == []


def test_a_word_that_no_operator_takes_is_reported_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match=r"no argument 'pol_interval'.*'poll_interval'"):
        SmallTask(remote=SmallRemote(), pol_interval=5)


# -- how it waits


@pytest.mark.parametrize("name", ["timeout", "poll_interval", "max_poll_interval", "max_outage", "linger"])
def test_no_time_but_linger_may_be_nothing(name: str) -> None:
    if name == "linger":
        assert SmallTask(remote=SmallRemote(), linger=0).wait_settings().linger == 0
        return
    with pytest.raises(ConfigurationError, match=f"^{name} must be more than 0 seconds"):
        SmallTask(remote=SmallRemote(), **{name: 0})


def test_the_wait_is_as_the_arguments_say() -> None:
    task = SmallTask(
        remote=SmallRemote(), poll_interval=5, max_poll_interval=3, max_outage=7, timeout=9, linger=2
    )
    settings = task.wait_settings()
    assert (settings.timeout, settings.linger, settings.deferrable) == (9, 2, True)
    policy = settings.policy
    # The longest pause is none that is shorter than the first.
    assert (policy.poll_interval, policy.max_poll_interval, policy.max_outage) == (5, 5, 7)


@pytest.mark.parametrize(("wanted", "kept"), [(True, True), (None, None)])
def test_a_callback_is_asked_for_where_wanted_or_where_an_address_is_set(wanted: Any, kept: Any) -> None:
    task = SmallTask(remote=SmallRemote(), poll_interval=200, max_poll_interval=300)
    settings = task.asks_for_callback(PROTOCOL, wanted=wanted, base_url="https://x", safety_poll_interval=120)
    assert settings is not None
    assert (settings.wanted, settings.base_url, settings.protocol) == (kept, "https://x", PROTOCOL)
    assert settings.protocol_name == "http_location"
    # While a callback is expected nothing is polled more often than without one.
    assert (settings.policy.poll_interval, settings.policy.max_poll_interval) == (200, 600)


def test_polls_get_rarer_while_a_callback_is_expected() -> None:
    task = SmallTask(remote=SmallRemote(), poll_interval=5, max_poll_interval=60)
    settings = task.asks_for_callback(
        PROTOCOL, wanted=None, base_url=None, safety_poll_interval=120, protocol_name="x.y.Z"
    )
    assert settings is not None
    assert (settings.policy.poll_interval, settings.policy.max_poll_interval) == (120, 600)
    assert settings.policy.safety_net
    assert settings.protocol_name == "x.y.Z"


def test_who_wants_no_callback_gets_none() -> None:
    task = SmallTask(remote=SmallRemote())
    assert task.callback_settings() is None
    asked = task.asks_for_callback(PROTOCOL, wanted=False, base_url="https://x", safety_poll_interval=120)
    assert asked is None
