# SPDX-License-Identifier: Apache-2.0
"""What the worker's client alone does; what it shares with the triggerer's is in ``test_transport``."""

from __future__ import annotations

import threading

import pytest

from airflow_async_provider._transport import worker
from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.multipart import MultipartFile
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.errors import OriginError, TransientError
from airflow_async_provider.protocols import HttpRequest
from tests.support.byte_server import hang_up, running, status

TOKEN = status(200, b'{"access_token": "t-1"}')


def test_a_thread_keeps_its_connection_and_another_has_its_own() -> None:
    with running(steps=[status(200, b"{}")] * 10) as server:
        remote = Endpoint(server.origin)
        for _ in range(5):
            worker.send(remote, HttpRequest("GET", "x"))
        assert server.connections == 1
        thread = threading.Thread(target=worker.send, args=(remote, HttpRequest("GET", "y")))
        thread.start()
        thread.join(20)
        assert [r.target for r in server.requests] == ["/x"] * 5 + ["/y"]
        assert server.connections == 2


@pytest.mark.parametrize("reset", [True, False])
def test_it_knows_that_nothing_passed_a_tunnel_that_never_was(reset: bool) -> None:
    with running(steps=[hang_up(reset=reset)]) as proxy:
        remote = Endpoint("https://no-such-host.invalid", proxy=proxy.origin)
        with pytest.raises(TransientError) as caught:
            worker.send(remote, HttpRequest("POST", "x", json={}))
        assert not caught.value.sent
        assert [r.method for r in proxy.requests] == ["CONNECT"]


# -- a form with a file


def a_form() -> MultipartFile:
    return MultipartFile(
        {"metaData": ("application/json", b"{}")},
        name="file",
        filename="a.csv",
        content_type="text/csv",
        chunks=lambda: [b"id\n", b"1\n"],
        size=5,
    )


def test_a_file_goes_out_with_the_credentials_and_the_form_s_own_type() -> None:
    form = a_form()
    with running(steps=[status(200, b"in")]) as server:
        remote = Endpoint(server.origin, auth=StaticAuth({"X-API-Key": "k"}))
        request = HttpRequest("POST", "up", headers={"Accept": "application/json"})
        assert worker.send_stream(remote, request, form, timeout=10).body == b"in"
        (came,) = server.requests
    assert (came.headers["content-type"], came.headers["x-api-key"]) == (form.content_type, "k")
    assert int(came.headers["content-length"]) == len(came.body) == len(form)
    assert b"id\n1\n" in came.body


def test_a_file_is_not_sent_again_whatever_the_remote_answers() -> None:
    with running(steps=[TOKEN, TOKEN]) as tokens, running(steps=[status(401), status(200)]) as server:
        auth = ClientCredentialsAuth(token_url=tokens.origin + "/token", client_id="id", client_secret="s")
        remote = Endpoint(server.origin, auth=auth)
        assert worker.send_stream(remote, HttpRequest("POST", "up"), a_form(), timeout=10).status == 401
        assert (len(server.requests), len(tokens.requests)) == (1, 1)


def test_a_file_goes_nowhere_but_to_the_remote() -> None:
    with running(steps=[status(200)]) as elsewhere:
        remote = Endpoint("http://127.0.0.1:1", auth=StaticAuth({"X-API-Key": "k"}))
        with pytest.raises(OriginError):
            worker.send_stream(remote, HttpRequest("POST", elsewhere.origin + "/up"), a_form(), timeout=10)
        assert not elsewhere.requests
