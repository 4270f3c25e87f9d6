# SPDX-License-Identifier: Apache-2.0
"""What a callback of a job of one's own may say: nothing but a plain word is a success."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider.errors import CallbackError, ConfigurationError
from airflow_async_provider.protocols import Headers, HttpResponse, JobState
from airflow_async_provider.protocols._registry import protocol_for
from airflow_async_provider.protocols._remote_job import CallbackMapping, RemoteJobProtocol, read_word

NOTHING = Headers({})
MUTE = RemoteJobProtocol()


def read(body: Any, protocol: RemoteJobProtocol = MUTE) -> Any:
    return protocol.read_callback(NOTHING, body if isinstance(body, bytes) else json.dumps(body).encode())


@given(st.binary(max_size=200))
def test_no_made_up_body_is_a_success(body: bytes) -> None:
    try:
        status = MUTE.read_callback(NOTHING, body)
    except CallbackError:
        return
    assert json.loads(body)["state"].strip().casefold() == status.state.value


def test_an_end_a_sign_of_life_and_a_question() -> None:
    good = read({"state": "succeeded", "result": [1], "job_id": 7})
    assert (good.state, good.result.value, good.detail) == (JobState.SUCCEEDED, [1], {"job_id": "7"})
    assert not good.heartbeat
    alive = read({"state": "running", "progress": "0.25", "message": "half"})
    assert (alive.state, alive.progress, alive.message, alive.heartbeat) == (
        JobState.RUNNING,
        0.25,
        "half",
        True,
    )
    ask = RemoteJobProtocol(asked_by_worker=True).read_callback(NOTHING, b" \n")
    assert (ask.state, ask.heartbeat) == (JobState.RUNNING, False)
    with pytest.raises(CallbackError, match="cannot be polled"):
        read(b"")


@pytest.mark.parametrize("progress", [2, -1, "x", None, True, [], float("inf")])
def test_a_progress_that_is_none_is_left_out(progress: Any) -> None:
    assert read_word({"state": "running", "progress": progress}).progress is None


def test_a_mapping_looks_for_bad_news_first() -> None:
    mapping = {
        "succeeded_if": ["done"],
        "failed_if": ["error"],
        "progress": "percent",
        "running_if": ["percent"],
    }
    protocol = RemoteJobProtocol(mapping=mapping)
    assert read({"done": True, "error": "x"}, protocol).state is JobState.FAILED
    assert read({"done": True}, protocol).state is JobState.SUCCEEDED
    assert read({"percent": 40}, protocol).progress == 0.4
    with pytest.raises(CallbackError, match="fits none"):
        read({"finished": True}, protocol)
    # Its own form is not taken besides: a field of that name may mean something else there.
    with pytest.raises(CallbackError):
        read({"state": "succeeded"}, protocol)


def test_delivery_ids() -> None:
    assert MUTE.delivery_id(Headers({"Webhook-Id": "a"}), b"") == "a"
    assert MUTE.delivery_id(NOTHING, b'{"delivery_id": 7}') == "7"
    for body in (b"", b"{", b'{"delivery_id": []}', b"[]"):
        assert MUTE.delivery_id(NOTHING, body) is None


def test_what_travels_rebuilds_it() -> None:
    whole = RemoteJobProtocol(
        mapping={"succeeded_if": ["a"]},
        profile={"name": "http_api", "options": {"poll": "GET jobs/{job_id}", "outcome": {"state": "s"}}},
        asked_by_worker=True,
    )
    again = protocol_for("remote_job", json.loads(json.dumps(whole.options())))
    assert again.options() == whole.options()
    assert again.pollable
    # What the receiver gets holds no description of the remote system.
    assert set(whole.for_callbacks().options()) == {"mapping", "asked_by_worker"}
    assert protocol_for("remote_job", {}).options() == {}
    assert not protocol_for("remote_job", {}).askable


def test_a_job_is_asked_for_by_its_id_or_its_address() -> None:
    options = {
        "poll": "GET jobs/{job_id}/of/{region}",
        "outcome": {"state": "s"},
        "start": {"keep": {"region": "region"}},
        "cancel": "DELETE jobs/{job_id}",
    }
    protocol = RemoteJobProtocol(profile={"name": "http_api", "options": options})
    handle = protocol.handle("a b", submitted_at=1.0, data={"kept": {"region": "eu"}})
    assert handle.status_url == "jobs/a%20b/of/eu"
    assert protocol.status(handle).url == "jobs/a%20b/of/eu"
    cancel = protocol.cancel(handle)
    assert cancel is not None
    assert (cancel.method, cancel.url) == ("DELETE", "jobs/a%20b")
    status = protocol.read_status(handle, HttpResponse(200, Headers({}), b'{"s": "failed"}', 0.0))
    assert status.state is JobState.FAILED
    by_address = RemoteJobProtocol(profile={"name": "http_status_field", "options": {}})
    with pytest.raises(ConfigurationError, match="status_url"):
        by_address.handle("7", submitted_at=1.0)
    assert by_address.handle("7", submitted_at=1.0, status_url="x/7").status_url == "x/7"


def test_nobody_s_own_class_is_imported_because_of_an_option() -> None:
    with pytest.raises(ConfigurationError, match="not a profile"):
        RemoteJobProtocol(profile={"name": "os.path.Own"})


@pytest.mark.parametrize(
    "described", [{}, {"failed_if": ["a"]}, {"succeeded_if": "a"}, {"succeeded_if": ["a"], "x": 1}]
)
def test_a_mapping_that_means_no_success_or_nothing_is_refused(described: Any) -> None:
    with pytest.raises(ConfigurationError):
        CallbackMapping(described)
