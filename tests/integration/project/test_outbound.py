# SPDX-License-Identifier: Apache-2.0
"""
Wherever a remote points to, its credentials stay at home: status URLs, headers, redirects, token endpoints.

One table of places, told by every way in which a remote can name a place, asked for by both HTTP clients.
What listens there is a real server that must not be asked; where nothing can listen, nothing may be tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._download import HttpSource
from airflow_async_provider._jobs.messages import surely_not_started
from airflow_async_provider._jobs.results.store import stream_of
from airflow_async_provider._transport import triggerer, worker
from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.errors import AsyncJobError, ConfigurationError, DownloadError, OriginError
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator
from airflow_async_provider.protocols import HttpRequest, HttpResponse, JobHandle, JobState, JobStatus, Result
from airflow_async_provider.triggers.async_job import AsyncJobTrigger
from tests.support.byte_server import ByteServer, make_certificate, redirect, running, status

CANARY = "canary-5e7b1c"
CREDENTIALS = StaticAuth({"Authorization": f"Bearer {CANARY}", "X-API-Key": f"key-{CANARY}"})

#: Places that are not the connection's own. ``{port}`` and ``{other}`` are another server's on this machine,
#: ``{own}`` is the connection's host and port.
ELSEWHERE = {
    "another port": "http://127.0.0.1:{port}/x",
    "loopback by name": "http://localhost:{port}/x",
    "loopback, short": "http://127.1:{port}/x",
    "loopback as a number": "http://2130706433:{port}/x",
    "loopback in octal": "http://0177.0.0.1:{port}/x",
    "loopback in IPv6": "http://[::1]:{port}/x",
    "loopback mapped": "http://[::ffff:127.0.0.1]:{port}/x",
    "this host": "http://0.0.0.0:{port}/x",
    "link-local": "http://169.254.169.254/latest/meta-data/",
    "link-local in IPv6": "http://[fe80::1]/x",
    "metadata by name": "http://metadata.google.internal/x",
    "another scheme": "https://127.0.0.1:{port}/x",
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1:{port}/x",
    "gopher": "gopher://127.0.0.1:{port}/x",
    "javascript": "javascript://127.0.0.1:{port}/x",
    "own host as the user": "http://{own}@127.0.0.1:{port}/x",
    "own host as user and password": "http://{own}:x@127.0.0.1:{port}/x",
    "a user on the own host": "http://someone:secret@{own}/x",
    "own host behind a backslash": "http://127.0.0.1:{port}\\@{own}/x",
    "backslashes": "http:\\\\127.0.0.1:{port}\\x",
    "own host as a prefix": "http://{own}.example/x",
    "full-width digits": "http://\uff11\uff12\uff17.0.0.1:{port}/x",
    "upper case": "HTTP://127.0.0.1:{port}/x",
    "no port at all": "http://127.0.0.1/x",
    "port out of range": "http://127.0.0.1:99999/x",
    "half an address": "http://[",
    "no host": "http:///x",
    "a line break": "http://127.0.0.1:{port}/x\r\nX-Evil: 1",
}
#: What is no address with a host leads nowhere but to the connection's own: as a path, or after a redirect.
NO_ADDRESS = (ELSEWHERE["backslashes"], ELSEWHERE["no host"])
elsewhere = pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)

Send = Callable[[Endpoint, HttpRequest], HttpResponse]


def send_from_triggerer(remote: Endpoint, request: HttpRequest) -> HttpResponse:
    return asyncio.run(triggerer.send(remote, request))


both = pytest.mark.parametrize("send", [worker.send, send_from_triggerer], ids=["worker", "triggerer"])


@pytest.fixture
def start() -> Iterator[Callable[..., ByteServer]]:
    with ExitStack() as stack:
        yield lambda *steps: stack.enter_context(running(steps=list(steps)))


Start = Callable[..., ByteServer]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def at(place: str, own: ByteServer, other: ByteServer) -> str:
    return place.replace("{own}", own.origin.removeprefix("http://")).replace("{port}", str(other.port))


def no_secret_in(error: BaseException | str | None) -> bool:
    return CANARY not in str(error) and "secret" not in str(error)


# -- the clients themselves


@both
@elsewhere
def test_a_url_of_the_remote_s(start: Start, send: Send, place: str) -> None:
    own, other = start(), start()
    remote, asked = Endpoint(own.origin, auth=CREDENTIALS), HttpRequest("GET", at(place, own, other))
    if place == ELSEWHERE["backslashes"]:
        send(remote, asked)
        assert len(own.requests) == 1
    else:
        with pytest.raises((OriginError, ConfigurationError)) as caught:
            send(remote, asked)
        assert not own.requests
        assert no_secret_in(caught.value)
    assert not other.requests


#: Where a redirect can lead to; a line break would end the header. The code does not decide what is made of a
#: place: each code leads to some, and all of them to one.
CODES = (301, 302, 303, 307, 308)
PLACES = [name for name, place in ELSEWHERE.items() if "\r" not in place]
REDIRECTS = sorted({(name, CODES[n % 5]) for n, name in enumerate(PLACES)} | {(PLACES[0], c) for c in CODES})


@both
@pytest.mark.parametrize(("name", "code"), REDIRECTS)
def test_a_redirect(start: Start, send: Send, name: str, code: int) -> None:
    place = ELSEWHERE[name]
    own, other = start(), start()
    own.steps.append(redirect(at(place, own, other).encode().decode("latin-1"), code))
    with contextlib.suppress(OriginError):  # too many
        answer = send(Endpoint(own.origin, auth=CREDENTIALS), HttpRequest("GET", "x"))
        assert answer.status == code or place in NO_ADDRESS
    assert len(own.requests) == 1 or place in NO_ADDRESS
    assert not other.requests


@both
@pytest.mark.parametrize(("name", "code"), REDIRECTS)
def test_a_redirect_of_the_token_endpoint(start: Start, send: Send, name: str, code: int) -> None:
    api, other = start(), start()
    tokens = start()
    location = at(ELSEWHERE[name], tokens, other)
    tokens.steps.append(redirect(location.encode().decode("latin-1"), code))
    auth = ClientCredentialsAuth(token_url=tokens.origin + "/token", client_id="me", client_secret=CANARY)
    with pytest.raises(AsyncJobError) as caught:
        send(Endpoint(api.origin, auth=auth), HttpRequest("GET", "x"))
    assert len(tokens.requests) == 1
    assert not other.requests
    assert not api.requests
    assert no_secret_in(caught.value)
    assert surely_not_started(caught.value)


# -- the ways in which remotes name a status URL


def aso(location: str) -> Any:
    return status(202, json.dumps({"statusUrl": location, "statusUrlExpiresInSeconds": 60}).encode())


def header(name: str) -> Callable[[str], Any]:
    return lambda location: status(202, b"{}", {name: location})


WAYS: dict[str, tuple[str, dict[str, Any], Callable[[str], Any]]] = {
    "ASO statusUrl": ("jaggaer_aso", {}, aso),
    "Location": ("http", {"profile": "location"}, header("Location")),
    "Operation-Location": ("http", {"profile": "azure"}, header("Operation-Location")),
    "Azure-AsyncOperation": ("http", {"profile": "azure"}, header("Azure-AsyncOperation")),
    "OData Location": ("http", {"profile": "odata"}, header("Location")),
    "a field": (
        "http",
        {"profile": "status_field", "profile_options": {"status_url_field": "statusUrl"}},
        lambda location: status(202, json.dumps({"statusUrl": location, "id": "7"}).encode()),
    ),
}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Callable[[ByteServer], None]:
    def define(server: ByteServer) -> None:
        for conn_id, kind in (("jaggaer_aso_default", "jaggaer_aso"), ("http_default", "http")):
            found: dict[str, Any] = {"conn_type": kind, "host": server.origin}
            if kind == "http":
                found["extra"] = {"Authorization": f"Bearer {CANARY}"}
            else:
                found["password"] = CANARY
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(found))

    return define


def operator(kind: str, options: dict[str, Any], target: Path) -> Any:
    common = {"task_id": "t", "deferrable": False, "poll_interval": 0.05, "timeout": 10}
    if kind == "jaggaer_aso":
        return JaggaerAsoDownloadOperator(endpoint="e/async", destination=str(target), **common)
    return HttpAsyncJobOperator(endpoint="jobs", json={}, **options, **common)


#: What becomes of an address is one thing's affair, whichever way it came: each way names two, all are named.
NAMED = ["another port", "loopback by name", "link-local", "another scheme", "file", "own host as the user"]


@pytest.mark.parametrize(
    ("way", "name"), [(way, NAMED[(n + k) % 6]) for n, way in enumerate(WAYS) for k in (0, 3)]
)
def test_a_status_url_is_not_asked_by_an_operator(
    start: Start, connections: Callable[[ByteServer], None], tmp_path: Path, way: str, name: str
) -> None:
    own, other = start(), start()
    connections(own)
    kind, options, accepted = WAYS[way]
    own.steps.append(accepted(at(ELSEWHERE[name], own, other)))
    context: Any = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=0)}
    with pytest.raises(AsyncJobError) as caught:
        operator(kind, options, tmp_path / "x").execute(context)
    assert len(own.requests) == 1
    assert own.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert not other.requests
    assert no_secret_in(caught.value)


@pytest.mark.parametrize(
    ("protocol", "place"),
    [("http_location", place) for place in ELSEWHERE.values()]
    + [(protocol, ELSEWHERE["another port"]) for protocol in ("jaggaer_aso", "http_azure", "http_odata")],
    ids=[*ELSEWHERE, "jaggaer_aso", "http_azure", "http_odata"],
)
def test_a_status_url_is_not_asked_by_the_trigger(
    start: Start, connections: Callable[[ByteServer], None], protocol: str, place: str
) -> None:
    own, other = start(), start()
    connections(own)
    job = JobHandle(protocol, "7", time.time(), at(place, own, other))
    trigger = AsyncJobTrigger(
        job=job.to_dict(),
        conn_id=None,
        policy={"poll_interval": 0.01, "max_poll_interval": 0.01, "max_consecutive_errors": 1},
        # only backslashes are asked for at all, at home, where they lead to no end
        deadline=time.time() + (0.5 if place == ELSEWHERE["backslashes"] else 20),
        deferred_at=time.time(),
        settle=0.0,
    )

    async def fire() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("it has not fired")

    event = asyncio.run(asyncio.wait_for(fire(), 60))
    if place != ELSEWHERE["backslashes"]:
        assert event["state"] == "error"
        assert event["error"] in ("OriginError", "ConfigurationError")
        assert not own.requests
    assert not other.requests
    assert no_secret_in(json.dumps(event))


# -- results


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/x?sig=secret", "HTTP://other.example/x?sig=secret"])
def test_a_result_over_http_is_refused_for_an_https_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    other = start()
    secure = {"conn_type": "jaggaer_aso", "host": "https://api.example", "password": CANARY}
    monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(secure))
    handle = JobHandle("jaggaer_aso", "7", time.time(), "https://api.example/s")
    done = JobStatus(JobState.SUCCEEDED, result=Result(url=url.replace("{port}", str(other.port))))
    with pytest.raises((OriginError, DownloadError)) as caught:
        stream_of(JaggaerAsoHook(), handle, done)
    assert not other.requests
    assert no_secret_in(caught.value)


@pytest.mark.parametrize("name", ["another port", "loopback by name", "upper case"])
def test_a_result_elsewhere_gets_no_credentials(
    start: Start, connections: Callable[[ByteServer], None], tmp_path: Path, name: str
) -> None:
    own, other = start(), start(status(200, b"result", {"Content-Length": "6"}))
    connections(own)
    own.steps += [
        aso(own.origin + "/s"),
        status(
            200, json.dumps({"status": "completed", "resultUrl": at(ELSEWHERE[name], own, other)}).encode()
        ),
    ]
    context: Any = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=0)}
    operator("jaggaer_aso", {}, tmp_path / "x").execute(context)
    assert (tmp_path / "x").read_bytes() == b"result"
    for request in other.requests:
        assert CANARY not in json.dumps(dict(request.headers))
        assert "authorization" not in request.headers


Redirected = Callable[..., tuple[HttpSource, ByteServer]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One of the remote and one of the storage, and nobody else knows either."""
    folder = tmp_path_factory.mktemp("tls")
    return make_certificate(folder / "own.pem"), make_certificate(folder / "storage.pem")


@pytest.fixture
def redirected(certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Redirected]:
    """A result on the remote's own host, which redirects to a storage; by the connection's extra."""
    own_pem, storage_pem = certificates
    with running(content=b"result", tls=storage_pem) as storage, running(tls=own_pem) as own:

        def source(**extra: Any) -> tuple[HttpSource, ByteServer]:
            own.steps.append(redirect(storage.url))
            connection = {
                "conn_type": "jaggaer_aso",
                "host": own.origin,
                "password": CANARY,
                "extra": {name: str(value) for name, value in extra.items()},
            }
            monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(connection))
            done = JobStatus(JobState.SUCCEEDED, result=Result(url=own.origin + "/r", authorized=True))
            return stream_of(JaggaerAsoHook(), JobHandle("jaggaer_aso", "7", time.time()), done), storage

        yield source


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("verify", ["false", "own"])
def test_what_holds_for_the_remote_s_certificate_does_not_for_the_storage_s(
    certificates: tuple[Path, Path], redirected: Redirected, verify: str
) -> None:
    source, storage = redirected(verify=certificates[0] if verify == "own" else verify)
    with pytest.raises(DownloadError, match="certificate is not trusted") as caught:
        source.read()
    assert f"at {storage.origin}, where it redirects to" in str(caught.value)
    assert no_secret_in(caught.value)
    assert not storage.requests


def test_remote_and_storage_each_have_a_ca_file(
    certificates: tuple[Path, Path], redirected: Redirected
) -> None:
    own, storage = certificates
    source, _ = redirected(verify=own, result_verify=storage)
    assert source.read() == b"result"
    source.close()


def test_a_token_url_without_tls_is_refused_for_an_https_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "jaggaer_aso",
        "host": "https://api.example",
        "login": "me",
        "password": CANARY,
        "extra": {"token_url": "http://127.0.0.1:1/token"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_JAGGAER_ASO_DEFAULT", json.dumps(connection))
    with pytest.raises(ConfigurationError, match="in the clear") as caught:
        _ = JaggaerAsoHook().endpoint
    assert no_secret_in(str(caught.value).replace("client secret", ""))
