# SPDX-License-Identifier: Apache-2.0
"""What a worker sends, and where its socket really ends up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.environment import ca_for
from airflow_async_provider._transport.reach import Reach
from airflow_async_provider._transport.sender import Sender
from airflow_async_provider._transport.time_limit import TimeLimit
from airflow_async_provider.errors import OriginError
from tests.support.byte_server import ByteServer, redirect, running, status

#: An address of documentation (RFC 5737): the connection points to no machine of ours.
FAR = "http://192.0.2.1"


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender(connections=4, hosts=1)
    yield sender
    sender.close()


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(steps=[status(200, b"x")] * 200) as server:
        yield server


def send(sender: Sender, url: str, method: str = "GET", *, reach: Reach | None = None, **given: Any) -> int:
    with TimeLimit(10) as limit:
        answer = sender.send(
            method,
            url,
            shown=url.split("?", maxsplit=1)[0],
            limit=limit,
            timeout=(5, 5),
            verify=ca_for(url, True),
            reach=reach,
            **{"headers": {}, "proxy": None, **given},
        )
        with answer:
            answer.raw.read()
            return int(answer.status_code)


# -- what goes out


def test_a_request_is_what_was_given_and_how_long_its_body_is(sender: Sender, server: ByteServer) -> None:
    given: dict[str, Any] = {"headers": {"X-Own": "1"}, "body": b"12345"}
    assert send(sender, f"{server.origin}/a%2fb?sig=x%20y", "PUT", **given) == 200
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a%2fb?sig=x%20y", b"12345")
    assert (request.headers["x-own"], request.headers["content-length"]) == ("1", "5")
    assert given["headers"] == {"X-Own": "1"}


def test_an_empty_body_is_a_body_and_no_body_is_none(sender: Sender, server: ByteServer) -> None:
    send(sender, server.origin, "POST", body=b"")
    send(sender, server.origin)
    first, second = server.requests
    assert first.headers["content-length"] == "0"
    assert "content-length" not in second.headers


def test_redirects_are_the_caller_s_affair(sender: Sender) -> None:
    with running(steps=[redirect("/y"), status(200)]) as server:
        assert send(sender, f"{server.origin}/x") == 302
        assert len(server.requests) == 1


def test_many_threads_may_use_one_without_mixing_up_their_targets(sender: Sender, server: ByteServer) -> None:
    failures: list[Exception] = []

    def many(name: str) -> None:
        try:
            for i in range(25):
                send(sender, f"{server.origin}/{name}/{i}")
        except Exception as e:  # noqa: BLE001 - shown by the thread that waits
            failures.append(e)

    threads = [threading.Thread(target=many, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert sorted(r.target for r in server.requests) == sorted(f"/{n}/{i}" for n in "abcd" for i in range(25))


# -- connections


def test_a_connection_is_kept_until_it_is_dropped(sender: Sender, server: ByteServer) -> None:
    for _ in range(3):
        send(sender, server.origin)
    assert server.connections == 1
    sender.close()
    send(sender, server.origin)
    assert server.connections == 2


def test_a_connection_of_one_client_certificate_is_nobody_else_s(
    sender: Sender, server: ByteServer, tmp_path: Path
) -> None:
    (tmp_path / "pem").touch()
    mine = (str(tmp_path / "pem"), str(tmp_path / "pem"))
    for cert in (None, mine, None, mine):
        send(sender, server.origin, cert=cert)
    assert server.connections == 2


# -- where it may lead


def test_a_url_that_leads_where_it_may_not_is_not_even_connected_to(
    sender: Sender, server: ByteServer
) -> None:
    with pytest.raises(OriginError, match="nothing was fetched"):
        send(sender, server.origin, reach=Endpoint(FAR).reach)
    assert server.connections == 0
    assert send(sender, server.origin, reach=Endpoint(server.origin).reach) == 200


def test_a_name_that_leads_to_the_worker_itself_gets_no_request(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def lying(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if host == "files.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    with running(steps=[status(200)]) as server:
        with pytest.raises(OriginError, match="loopback"):
            send(sender, f"http://files.example:{server.port}/x", reach=Endpoint(FAR).reach)
        assert not server.requests
        # The connection itself is on this machine: then results may be, too.
        assert (
            send(sender, f"http://files.example:{server.port}/x", reach=Endpoint("http://127.0.0.1:1").reach)
            == 200
        )


def test_through_a_proxy_the_address_is_the_proxys(sender: Sender) -> None:
    with running(steps=[status(204)]) as proxy:
        assert send(sender, "http://files.example/x", reach=Endpoint(FAR).reach, proxy=proxy.origin) == 204


def test_the_owner_of_the_connections_name_cannot_open_the_worker(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote is the master of its own name: that it resolves to a forbidden address allows nothing."""
    real = socket.getaddrinfo

    def lying(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if host.endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    reach = Endpoint("http://api.example").reach
    with running(steps=[status(200)]) as server:
        for url in (f"http://127.0.0.1:{server.port}/x", f"http://files.example:{server.port}/x"):
            with pytest.raises(OriginError, match="loopback"):
                send(sender, url, reach=reach)
        assert not server.requests
        own = f"http://api.example:{server.port}"
        assert send(sender, f"{own}/x", reach=Endpoint(own).reach) == 200  # its own name in a hosts file
