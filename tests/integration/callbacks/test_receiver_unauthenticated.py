# SPDX-License-Identifier: Apache-2.0
"""Who is not authentic gets the same answer whatever the reason, and leaves no trace."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_async_provider._callbacks import receiver
from airflow_async_provider._callbacks.address import PREFIX, ROUTE, TaskKey
from tests.support.callback_world import (  # noqa: F401 - fixtures
    HAS_TASK_STATE,
    MUTE,
    Waiting,
    World,
    logged,
    mounted,
    on_one_database,
    served,
    world_fixture,
)
from tests.support.inputs import examples
from tests.support.raw_requests import ENDED, ROOT, connected, raw, request, undated, whole_answer


@pytest.fixture
def fresh(world: World) -> Iterator[World]:
    """A receiver that has refused nobody yet."""
    with served(mounted()) as url:
        yield World(url, world.dialect)


STRANGERS: dict[str, Callable[[Waiting, Waiting], bytes]] = {
    "wrong secret": lambda t, o: request(f"/{t.path}", ENDED, "Authorization: Bearer " + "x" * 43),
    "wrong secret in the path": lambda t, o: request(f"/{t.path}/" + "x" * 43),
    "no secret": lambda t, o: request(f"/{t.path}"),
    "empty secret": lambda t, o: request(f"/{t.path}", ENDED, "Authorization: Bearer "),
    "half a secret": lambda t, o: request(f"/{t.path}/{t.address.secret[:-1]}"),
    "a secret and a bit": lambda t, o: request(f"/{t.path}/{t.address.secret}A"),
    "secret in another case": lambda t, o: request(f"/{t.path}/{t.address.secret.swapcase()}"),
    "another scheme": lambda t, o: request(f"/{t.path}", ENDED, f"Authorization: Basic {t.address.secret}"),
    "no scheme": lambda t, o: request(f"/{t.path}", ENDED, f"Authorization: {t.address.secret}"),
    "secret as a parameter": lambda t, o: request(f"/{t.path}?secret={t.address.secret}"),
    "another header": lambda t, o: request(f"/{t.path}", ENDED, f"X-Secret: {t.address.secret}"),
    "the right header, another path": lambda t, o: request(
        f"/{t.path}/nonsense", ENDED, f"Authorization: Bearer {t.address.secret}"
    ),
    "secret of another task": lambda t, o: request(f"/{t.path}/{o.address.secret}"),
    "hash of the secret": lambda t, o: request(f"/{t.path}/{t.expect().secret_hash}"),
    "a very long secret": lambda t, o: request(f"/{t.path}/" + "x" * 5000),
    "unknown task": lambda t, o: request(f"{ROOT}/{TaskKey('a', 'b', 'c').encode()}/{t.address.secret}"),
    "no token": lambda t, o: request(f"{ROOT}/rubbish/{t.address.secret}"),
    "a very long token": lambda t, o: request(f"{ROOT}/{'A' * 20_000}/{t.address.secret}"),
    "another spelling of the token": lambda t, o: request(f"/{t.path}=/{t.address.secret}"),
    "no text": lambda t, o: request(f"{ROOT}/%ff%fe%00/%00"),
    "too large": lambda t, o: request(f"/{t.path}/" + "x" * 43, b"x" * (1024 * 1024 + 1)),
}


def test_all_of_them_get_the_same_answer_and_leave_nothing_but_one_line(
    fresh: World, caplog: pytest.LogCaptureFixture
) -> None:
    task, other = fresh.task(), fresh.task()
    bad = fresh.task(conn_id="nowhere", hook="airflow_async_provider.hooks.automic.AutomicHook")
    bad.expect(signature={"header": "X-Signature"}, hook="os.path.join", conn_id="x")
    strangers = {name: make(task, other) for name, make in STRANGERS.items()}
    strangers["wrong signature"] = request(f"/{bad.path}/{bad.address.secret}", ENDED, "X-Signature: abc")
    before, dump = fresh.counts(), fresh.everything()
    caplog.clear()

    answers = {name: undated(raw(fresh.url, made)) for name, made in strangers.items()}

    (expected,) = {answers["wrong secret"]}
    assert expected.startswith(b"HTTP/1.1 401 ")
    assert {name: answer for name, answer in answers.items() if answer != expected} == {}
    # Whoever has the secret is no stranger: that its signature was wrong is in the record of deliveries.
    before["log"] += 1
    assert fresh.counts() == before
    known = set(dump.splitlines())
    (recorded,) = [line for line in fresh.everything().splitlines() if line not in known]
    assert '"outcome":"bad_signature"' in recorded
    lines = [line for line in logged(caplog).splitlines() if "signature of a callback" not in line]
    assert lines == ["Refused 1 callback(s) that were not authentic since the last such line."]
    assert "nonsense" not in caplog.text


@pytest.mark.parametrize(
    ("target", "method", "code"),
    [
        ("{task}/" + "x" * 43, "POST", 401),
        (f"{PREFIX}{ROUTE}/rubbish/x", "POST", 401),
        (f"{PREFIX}/admin", "POST", 404),
        ("{task}/" + "x" * 43, "DELETE", 405),
    ],
)
def test_who_is_refused_says_no_more_on_that_connection(
    fresh: World, target: str, method: str, code: int
) -> None:
    """Thousands of requests may lie behind the first one, and each would take its turn."""
    path = target.format(task=f"/{fresh.task().path}")
    once = f"{method} {path} HTTP/1.1\r\nHost: airflow\r\nContent-Length: 0\r\n\r\n".encode()
    answer = raw(fresh.url, once * 50)
    assert answer.startswith(f"HTTP/1.1 {code} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize("how", [f"Content-Length: {64 * 1024 + 1}", "Transfer-Encoding: chunked"])
def test_who_still_sends_a_large_body_gets_its_refusal(fresh: World, how: str) -> None:
    """Closing the connection under it would take the answer away."""
    head = f"POST /{fresh.task().path}/{'x' * 43} HTTP/1.1\r\nHost: airflow\r\n{how}\r\n\r\n"
    with connected(fresh.url) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" not in answer


def test_an_authentic_sender_keeps_its_connection(fresh: World) -> None:
    task = fresh.task()
    head = f"POST /{task.path}/{task.address.secret} HTTP/1.1\r\nHost: airflow\r\n"
    once = f"{head}Content-Length: {len(ENDED)}\r\n\r\n".encode() + ENDED
    last = once.replace(b"Host:", b"Connection: close\r\nHost:", 1)
    answer = raw(fresh.url, once * 2 + last)
    assert answer.count(b"HTTP/1.1 200 ") == 3


def test_the_line_is_repeated_once_a_minute_with_the_number(
    fresh: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = fresh.task()
    for _ in range(3):
        task.post(secret="wrong")
    now = time.monotonic
    monkeypatch.setattr(
        receiver, "time", SimpleNamespace(monotonic=lambda: now() + receiver.REFUSAL_LOG_PAUSE + 1)
    )
    task.post(secret="wrong")

    counts = [line.split()[1] for line in logged(caplog).splitlines()]
    assert counts == ["1", "3"]


@on_one_database
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_not_taken(world: World, method: str, caplog: pytest.LogCaptureFixture) -> None:
    task = world.task()
    answer = task.post(ENDED, method=method)
    assert answer.status_code == 405
    assert task.state == "deferred"
    assert task.delivery is None
    assert logged(caplog) == ""


@on_one_database
def test_nothing_else_is_served(world: World) -> None:
    def status(path: str, method: str = "GET") -> int:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, world.url + path, timeout=30, allow_redirects=False)
            return int(answer.status_code)

    assert status(f"{PREFIX}/openapi.json") == 200
    task = world.task()
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect", "/", ROUTE, f"{ROUTE}/"):
        assert status(PREFIX + path) == 404
    for path in (f"/{task.path}/", f"/{task.path}/a/b", f"/{task.path}/{task.address.secret}/"):
        assert status(path, "POST") == 404  # no redirect, which would repeat the secret


def test_the_api_says_what_it_answers() -> None:
    from airflow_async_provider._callbacks.receiver import build_app

    for operations in build_app().openapi()["paths"].values():
        for operation in operations.values():
            assert {"200", "401", "408", "413", "503"} <= set(operation["responses"])


# -- access logs


@on_one_database
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/{token}/{secret}", 200),
        ("PUT", "/{token}/{secret}?again={secret}", 200),
        ("POST", "/{token}?secret={secret}", 401),
        ("POST", "/{token}x/{secret}", 401),
        ("POST", "/{token}/{secret}/", 404),
        ("POST", "/{token}/more/{secret}", 404),
        ("GET", "/{token}/{secret}", 405),
        ("OPTIONS", "/{token}/{secret}", 405),
    ],
)
def test_access_logs_show_the_task_but_no_secret(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int,
) -> None:
    shown: list[Any] = []
    with contextlib.suppress(ImportError):  # Airflow 3.1 has uvicorn's only
        from airflow.api_fastapi.common import http_access_log

        recorder = SimpleNamespace(info=lambda *args, **facts: shown.append(facts))
        monkeypatch.setattr(http_access_log, "logger", recorder)
    task = world.task("running")
    caplog.set_level(logging.INFO, "uvicorn.access")

    made = path.format(token=task.path.rsplit("/", 1)[1], secret=task.address.secret)
    answer = raw(world.url, request(f"{ROOT}{made}", ENDED, method=method))

    assert answer.split()[1] == str(status).encode()
    deadline = time.monotonic() + 10  # the middleware writes after the answer
    while not (shown or "airflow.api_fastapi.common.http_access_log" not in sys.modules):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "uvicorn.access"]
    for text in [line, *map(str, shown)]:
        assert task.path.rsplit("/", 1)[1] in text
        assert task.address.secret not in text
        assert str(status) in text
    assert task.address.secret not in caplog.text


# -- sizes


def chunks(*parts: bytes) -> Iterator[bytes]:
    """A body without a length."""
    yield from parts


LIMIT = 1024 * 1024


@on_one_database
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("allowed", "size", "status"),
    [
        (LIMIT, LIMIT, 200),
        (LIMIT, LIMIT + 1, 413),
        (1000, 1000, 200),
        (1000, 1001, 413),
        (3 * LIMIT, 3 * LIMIT, 200),
        (3 * LIMIT, 3 * LIMIT + 1, 413),
    ],
)
def test_how_much_a_sender_may_send(
    world: World, allowed: int, size: int, status: int, chunked: bool
) -> None:
    task = world.task(max_bytes=allowed, **MUTE)
    frame = b'{"response": ""}'
    body = frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]

    answer = task.post(chunks(body[: size // 2], body[size // 2 :]) if chunked else body)

    assert answer.status_code == status
    assert task.state == "scheduled"
    assert task.delivery is not None
    if status == 413:
        assert (task.event["state"], task.event["error"]) == ("error", "CallbackTooLargeError")
        assert task.delivery.value is None
    else:
        assert len(task.delivery.value) == size - len(frame)


def test_one_that_was_too_large_may_come_again_smaller(world: World) -> None:
    task = world.task("running", max_bytes=1000, **MUTE)
    assert task.post(b"x" * 1001).status_code == 413
    assert task.delivery is not None
    assert task.delivery.error == "CallbackTooLargeError"
    assert task.post(b'{"response": 1}').status_code == 200
    assert task.delivery.value == 1


def test_the_limit_that_no_operator_can_raise_is_an_option(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_MAX_BYTES", "10")
    task = world.task()
    assert task.post(ENDED).status_code == 413
    assert task.post(b"{}").status_code == 200


# -- time


#: For a whole body in these tests, and between two pieces of one that drips (seconds): each piece by itself
#: comes well in time, and all of them would take twenty times as long as they may.
IN_TIME = 0.5
PAUSE = 0.1
DRIPS = 100


def drip(url: str, head: bytes, pieces: list[bytes]) -> tuple[bytes, int]:
    """A request whose body drips until an answer comes: the answer, and how many pieces were yet to come."""
    with connected(url) as connection:
        connection.sendall(head)
        for sent, piece in enumerate(pieces):
            if select.select([connection], [], [], PAUSE)[0]:
                return whole_answer(connection), len(pieces) - sent
            connection.sendall(piece)
        return whole_answer(connection), 0


def in_bytes(path: str) -> tuple[bytes, list[bytes]]:
    body = b" " * (DRIPS - len(ENDED)) + ENDED
    return request(path, body).removesuffix(body), [bytes([byte]) for byte in body]


def in_chunks(path: str) -> tuple[bytes, list[bytes]]:
    head = f"POST {path} HTTP/1.1\r\nHost: airflow\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode(), [b"1\r\nx\r\n"] * DRIPS


@on_one_database
@pytest.mark.parametrize(
    ("who", "framed"),
    [
        ("wrong secret", in_bytes),
        ("wrong secret", in_chunks),
        ("no secret", in_chunks),
        ("unknown task", in_bytes),
        ("no token", in_chunks),
    ],
)
def test_an_anonymous_sender_who_drips_is_refused_like_any_other(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str, framed: Callable[[str], Any]
) -> None:
    task = world.task()
    unknown = TaskKey("no", "such", "task").encode()
    path = {
        "wrong secret": f"/{task.path}/wrong",
        "no secret": f"/{task.path}",
        "unknown task": f"{ROOT}/{unknown}/{task.address.secret}",
        "no token": f"{ROOT}/rubbish/{task.address.secret}",
    }[who]
    monkeypatch.setattr(receiver, "MAX_READ", IN_TIME)

    answer, to_come = drip(world.url, *framed(path))

    assert to_come > 0
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert undated(answer) == undated(raw(world.url, request(f"/{task.path}/wrong")))
    assert (task.state, task.delivery) == ("deferred", None)


@on_one_database
@pytest.mark.parametrize("framed", [in_bytes, in_chunks])
def test_an_authentic_sender_who_drips_may_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch, framed: Callable[[str], Any]
) -> None:
    task = world.task()
    monkeypatch.setattr(receiver, "MAX_READ", IN_TIME)

    answer, to_come = drip(world.url, *framed(f"/{task.path}/{task.address.secret}"))

    assert to_come > 0
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert (task.state, task.delivery) == ("deferred", None)
    assert task.post(ENDED).status_code == 200


@on_one_database
def test_an_authentic_sender_who_falls_silent_may_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "MAX_READ", IN_TIME)
    task = world.task()
    slow = request(f"/{task.path}/{task.address.secret}", ENDED)
    assert raw(world.url, slow[:-10]).startswith(b"HTTP/1.1 408 ")
    assert task.delivery is None
    assert task.post(ENDED).status_code == 200


def test_a_sender_who_hangs_up_leaves_no_trace(world: World, caplog: pytest.LogCaptureFixture) -> None:
    task = world.task()
    for _ in range(5):
        with connected(world.url) as connection:
            connection.sendall(request(f"/{task.path}/{task.address.secret}", ENDED)[:-5])
    assert task.post(b"rubbish", secret="wrong").status_code == 401
    assert task.delivery is None
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


# -- anything at all


SEGMENTS = st.text(st.characters(codec="latin-1"), max_size=60) | st.sampled_from(
    ["", ".", "..", "%2e%2e", "a" * 9000]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            "Authorization: Bearer",
            "Authorization: \xff\xfe",
            "Content-Type: multipart/form-data",
            "Content-Type: application/x-www-form-urlencoded; charset=utf-99",
            "Content-Encoding: gzip",
            "Expect: 100-continue",
            "X-Request-Id: \xff\x80",
            "Cookie: _token=\xff",
            "Authorization: Bearer a, Bearer b",
            "X-Big: " + "x" * 20_000,
        ]
    ),
    max_size=4,
)


@on_one_database
@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    segments=st.lists(SEGMENTS, max_size=4),
    headers=HEADERS,
    body=st.binary(max_size=200),
    known=st.booleans(),
)
def test_no_request_breaks_it_or_wakes_anybody(
    world: World, segments: list[str], headers: list[str], body: bytes, known: bool
) -> None:
    task = _one_task(world)
    path = "/".join([task.path if known else ROOT[1:], *segments])
    made = request("/" + "".join(c for c in path if c > " " and c != "\x7f"), body, *headers)

    answer = raw(world.url, made)

    status = int(answer.split()[1]) if answer else 400
    assert status < 500
    assert status != 200
    assert task.state == "deferred"


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=500)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"status": value, "response": value, "error": value}).encode()
    )
)
@pytest.mark.parametrize("facts", [{}, MUTE], ids=["pollable", "mute"])
def test_no_body_of_an_authentic_sender_breaks_it(world: World, facts: dict[str, Any], body: bytes) -> None:
    task = world.task(**facts)
    answer = task.post(body)
    assert (answer.status_code, answer.content) == (200, b"{}")


_tasks: dict[str, Waiting] = {}


def _one_task(world: World) -> Waiting:
    return (
        _tasks.setdefault(world.url, None) or _tasks.__setitem__(world.url, world.task()) or _tasks[world.url]
    )


def test_a_flood_of_forgeries_lets_the_others_through(world: World) -> None:
    tasks = [world.task() for _ in range(5)]
    stop = threading.Event()

    def forge(number: int) -> int:
        done = 0
        while not stop.is_set():
            assert tasks[number % 5].post(ENDED, secret="x" * 43).status_code in (401, 503)
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        forgers = [pool.submit(forge, number) for number in range(8)]
        answers = [task.post(ENDED).status_code for task in tasks]
        stop.set()
        forged = sum(f.result() for f in forgers)

    assert answers == [200] * 5
    assert {task.state for task in tasks} == {"scheduled"}
    assert forged > 5
