# SPDX-License-Identifier: Apache-2.0
"""
Whatever is sent to the receiver without the secret changes nothing: no 5xx, no 200, no row, nobody woken.

Requests come from three sources: the receiver's own OpenAPI (schemathesis), mutations of an address that is
expected, and broken HTTP by hand. Each group ends with a look at the whole database.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hmac
import json
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_async_provider._callbacks import address
from airflow_async_provider._callbacks.address import PREFIX, TaskKey, hash_of
from airflow_async_provider._callbacks.receiver import build_app
from airflow_async_provider._callbacks.registration import DURABLE_KEY, MAX_CALLBACKS, Registration
from tests.support.callback_world import (  # noqa: F401 - fixtures
    HAS_TASK_STATE,
    MUTE,
    Waiting,
    World,
    on_one_database,
    world_fixture,
)
from tests.support.inputs import examples
from tests.support.raw_requests import ENDED, ROOT, raw, request, undated

#: What the receiver declares for those who are not authentic, and what FastAPI and uvicorn answer themselves.
HARMLESS = {400, 401, 404, 405, 408, 411, 413, 414, 431, 501}

FUZZ = settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture
def task(world: World) -> Iterator[Waiting]:
    """A task that waits, past its settle time, and a database that must be the same afterwards."""
    waiting = world.task()
    rows, everything = world.counts(), world.everything()
    yield waiting
    assert waiting.state == "deferred"
    assert waiting.delivery is None
    assert world.counts() == rows
    assert world.everything() == everything


def code(answer: bytes) -> int:
    """The status of an answer; 400 where the server has hung up on what was no HTTP, or said no more."""
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(answer.split()[1]) if answer else 400


# -- from the receiver's own description


SCHEMA = schemathesis.openapi.from_dict(build_app().openapi())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


def test_the_description_has_both_kinds_of_address() -> None:
    assert sorted(OPERATIONS) == [
        f"{method} /{kind}/v1/{path}"
        for method in ("POST", "PUT")
        for kind in ("callbacks", "sources")
        for path in ("{token}", "{token}/{secret}")
    ]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@on_one_database
@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("known", [False, True], ids=["any task", "a task that waits"])
@FUZZ
@given(data=st.data(), body=st.none() | st.binary(max_size=200))
def test_requests_made_from_the_description(
    task: Waiting, session: requests.Session, label: str, known: bool, data: st.DataObject, body: bytes | None
) -> None:
    case = data.draw(OPERATIONS[label].as_strategy())
    if known:
        case.path_parameters["token"] = task.path.rsplit("/", 1)[1]
    kwargs = case.as_transport_kwargs(base_url=task.world.url + PREFIX)
    if body is not None:
        kwargs["data"] = body
    answer = session.request(**kwargs, timeout=60, allow_redirects=False)
    assert answer.status_code in HARMLESS
    if known:
        assert answer.status_code in (401, 404)


# -- from an address that is expected


def spelled(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


KEY_PARTS = st.text(max_size=20) | st.sampled_from(["\x00", "\ud800", "' or 1=1 --", "%", "x" * 300, "a\nb"])
ODD_PARTS = (
    KEY_PARTS | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.integers(), max_size=2)
)


@FUZZ
@given(parts=st.lists(ODD_PARTS, max_size=6), secret=st.text(st.characters(codec="ascii"), max_size=50))
def test_tokens_that_name_odd_tasks(task: Waiting, parts: list[Any], secret: str) -> None:
    made = "".join(c for c in secret if c.isalnum()) or "x"
    assert code(raw(task.world.url, request(f"{ROOT}/{spelled(*parts)}/{made}"))) == 401


@on_one_database
@FUZZ
@given(
    place=st.floats(0, 1, exclude_max=True),
    change=st.sampled_from(["flip", "drop", "double", "pad", "case", "dot", "encode", "nul"]),
    in_secret=st.booleans(),
    in_header=st.booleans(),
)
def test_an_address_that_is_almost_right(
    task: Waiting, place: float, change: str, in_secret: bool, in_header: bool
) -> None:
    token, secret = task.path.rsplit("/", 1)[1], task.address.secret
    text = secret if in_secret else token
    at = int(place * len(text))
    made = {
        "flip": text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :],
        "drop": text[:at] + text[at + 1 :],
        "double": text[:at] + text[at] + text[at:],
        "pad": text + "=",
        "case": text[:at] + text[at:].swapcase(),
        "dot": text[:at] + "." + text[at:],
        "encode": text[:at] + "%25" + text[at:],
        "nul": text[:at] + "%00" + text[at:],
    }[change]
    if made == text:
        return
    if not in_secret and (named := TaskKey.decode(made)) is not None:
        # Where another try of the same task is named, that is the same callback, with the right secret.
        assume(replace(named, attempt=task.key.attempt) != task.key)
    token, secret = (token, made) if in_secret else (made, secret)
    if in_header:
        sent = request(f"{ROOT}/{token}", ENDED, f"Authorization: Bearer {secret}")
    else:
        sent = request(f"{ROOT}/{token}/{secret}")
    # Half a group of base64 has bits to spare: another spelling of the same task is refused, too.
    assert code(raw(task.world.url, sent)) == 401


HEADER_NAMES = st.sampled_from(
    ["Authorization", "authorization", "Proxy-Authorization", "X-Forwarded-For", "X-HTTP-Method-Override",
     "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect", "Cookie", "Host", "X-Original-URL",
     "Content-Length", "Range", "Upgrade", "Connection", "Forwarded"]
)  # fmt: skip
HEADER_VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40) | (
    st.sampled_from(
        ["Bearer", "Bearer ", "Bearer null", "Basic OjA=", "chunked", "gzip, gzip", "identity",
         "100-continue", "-1", "99999999999999999999", "0x10", "websocket", "h2c", "bytes=0-1", "{}"]
    )
)  # fmt: skip


@on_one_database
@FUZZ
@given(
    headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=5),
    body=st.binary(max_size=100),
    method=st.sampled_from(["POST", "PUT"]),
)
def test_any_headers(task: Waiting, headers: list[tuple[str, str]], body: bytes, method: str) -> None:
    lines = [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join([f"{method} /{task.path} HTTP/1.1", "Host: a", "Connection: close", *lines, "", ""])
    # A length of its own in every request that does not bring one: else the server waits for the next.
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        head = head.replace("\r\n\r\n", f"\r\nContent-Length: {len(body)}\r\n\r\n", 1)
    assert code(raw_and_done(task.world.url, head.encode("latin-1") + body)) in HARMLESS | {426}


def raw_and_done(url: str, sent: bytes) -> bytes:
    """Bytes out, then the end of our side, so that a body that never comes is not waited for."""
    parts = urlsplit(url)
    answer = bytearray()
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(65536):
                answer += block
    return bytes(answer)


START = b"POST /{path} HTTP/1.1\r\nHost: a\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
BROKEN: dict[str, bytes] = {
    "no version": b"POST /{path}\r\n\r\n",
    "HTTP/0.9": b"POST /{path} HTTP/0.9\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "both lengths": START + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "negative length": START + b"Content-Length: -4\r\n\r\nabcd",
    "immense length": START + b"Content-Length: 99999999999999\r\n\r\nabcd",
    "length in words": START + b"Content-Length: four\r\n\r\nabcd",
    "chunk of no size": CHUNKED + b"xyz\r\n",
    "chunk of immense size": CHUNKED + b"ffffffffffffffff\r\nabc",
    "chunks without an end": CHUNKED + b"3\r\nabc\r\n",
    "odd transfer encoding": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "long chunk extension": CHUNKED + b"1;" + b"x" * 100_000 + b"\r\na\r\n0\r\n\r\n",
    "endless header": START + b"X-Long: " + b"x" * 1_000_000,
    "many headers": START + b"" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    "folded header": START + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "no host": b"POST /{path} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "absolute target": START.replace(b"/", b"http://elsewhere/", 1)
    + b"Content-Length: 0\r\nConnection: close\r\n\r\n",
    "bare line feeds": b"POST /{path} HTTP/1.1\nHost: a\nContent-Length: 0\nConnection: close\n\n",
    "NUL in the path": b"POST /{path}\x00 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "upgrade": b"GET /{path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "rubbish": bytes(range(256)) * 4,
}


@on_one_database
@pytest.mark.parametrize("name", BROKEN)
def test_broken_http(task: Waiting, name: str) -> None:
    answer = raw_and_done(task.world.url, BROKEN[name].replace(b"{path}", task.path.encode()))
    assert code(answer) in HARMLESS | {403}
    # And the next one is served as ever.
    assert task.post(ENDED, secret="wrong").status_code == 401


@on_one_database
@pytest.mark.parametrize("size", [0, 1, 65_536, 1024 * 1024, 1024 * 1024 + 1])
def test_anonymous_senders_bodies_of_any_size(task: Waiting, size: int) -> None:
    for method, body in (("POST", b"x" * size), ("PUT", iter([b"x" * size]) if size else b"")):
        assert task.post(body, secret="wrong", method=method).status_code == 401


# -- compressed bombs: nothing is unpacked, whoever sends it


BOMB = 64 * 1024 * 1024


@on_one_database
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes), ("gzip, gzip", gzip.compress)],
    ids=["gzip", "deflate", "br", "twice"],
)
@pytest.mark.parametrize("authentic", [True, False])
def test_a_compressed_bomb_is_not_unpacked(world: World, encoding: str, pack: Any, authentic: bool) -> None:
    bomb = BOMBS.setdefault(encoding, b"\x8b" * 50_000 if pack is bytes else pack(b" " * BOMB))
    assert len(bomb) < 1024 * 1024
    task = world.task(**MUTE)
    tracemalloc.start()
    try:
        answer = task.post(bomb, headers={"Content-Encoding": encoding}, secret="" if authentic else "wrong")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == (200 if authentic else 401)
    assert peak < BOMB / 4
    assert task.state == ("scheduled" if authentic else "deferred")
    if authentic:  # it proved who it is; what it said cannot be read, and its task is told
        assert (task.event["state"], task.event["error"]) == ("error", "CallbackError")


BOMBS: dict[str, bytes] = {}


# -- one answer and one effort for everybody who has no claim


@pytest.fixture
def effort(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Any]]]:
    """What the receiver does for a request: comparisons (lengths) and SQL statements."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    seen: dict[str, list[Any]] = {"compared": [], "asked": []}

    def compare_digest(a: Any, b: Any) -> bool:
        seen["compared"].append((len(a), len(b)))
        return hmac.compare_digest(a, b)

    def executed(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen["asked"].append(" ".join(statement.split()))

    monkeypatch.setattr(address, "hmac", SimpleNamespace(compare_digest=compare_digest, digest=hmac.digest))
    event.listen(Engine, "after_cursor_execute", executed)
    yield seen
    event.remove(Engine, "after_cursor_execute", executed)


#: In constant time, whatever was given: what the task expects and all that it may remember.
HASHES = [(64, 64)] * (1 + MAX_CALLBACKS)


def test_unknown_task_and_wrong_secret_cost_and_get_the_same(
    world: World, effort: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bool] = []
    decode = Registration.from_dict
    monkeypatch.setattr(Registration, "from_dict", lambda value: decoded.append(True) or decode(value))
    wrong, none = "x" * 43, TaskKey("no", "such", "task", -1, "0" * 32).encode()
    tasks = {name: world.task() for name in TASKS}
    for name, task in tasks.items():
        if HAS_TASK_STATE:
            TASKS[name](task)
    secret = tasks["no memory"].address.secret
    paths = {
        f"{what}, {name}": f"{task.path.rsplit('/', 1)[1]}{given}"
        for name, task in tasks.items()
        for what, given in {
            "wrong secret": f"/{wrong}",
            "another wrong secret": f"/{wrong[1:]}y",
        }.items()
    }
    paths |= {
        "unknown task": f"{none}/{wrong}",
        "unknown task, secret of another": f"{none}/{secret.partition('.')[0]}",
    }
    costs, answers = {}, {}
    raw(world.url, request(f"{ROOT}/{none}/{wrong}"))  # the first one also finds out what the database allows
    for name, path in paths.items():
        for seen in (*effort.values(), decoded):
            seen.clear()
        answers[name] = undated(raw(world.url, request(f"{ROOT}/{path}")))
        costs[name] = (list(effort["compared"]), list(effort["asked"]), len(decoded))

    assert answers["unknown task"].startswith(b"HTTP/1.1 401 ")
    assert set(answers.values()) == {answers["unknown task"]}
    assert costs["unknown task"][0] == [(16, 0)] * len(address.proof_keys()) + HASHES
    assert costs["unknown task"][1] != []
    assert {name: cost for name, cost in costs.items() if cost != costs["unknown task"]} == {}


def _too_much(task: Waiting) -> None:
    """More than a worker writes there, and rubbish among it."""
    task.remember(*[task.expect()] * (MAX_CALLBACKS + 3))
    memory = task.world.task_state(task.key, DURABLE_KEY)
    task.world.set_task_state(task.key, DURABLE_KEY, {**memory, "callbacks": [7, *memory["callbacks"]]})


def _new_try(task: Waiting) -> None:
    task.remember(task.expect(), handle={"job_id": "7"})
    task.new_try()


#: Tasks that a stranger may come upon, by what they remember.
TASKS: dict[str, Callable[[Waiting], None]] = {
    "no memory": lambda t: None,
    "an empty memory": lambda t: t.remember(),
    "no more than a job": lambda t: t.world.set_task_state(t.key, DURABLE_KEY, {"version": 1, "handle": {}}),
    "one callback": lambda t: t.remember(t.expect(), handle={"job_id": "7"}),
    "as many as there are": lambda t: t.remember(*[t.expect()] * MAX_CALLBACKS, handle={"job_id": "7"}),
    "too many": _too_much,
    "callbacks that are none": lambda t: t.world.set_task_state(
        t.key, DURABLE_KEY, {"version": 1, "callbacks": "rubbish"}
    ),
    "a new try that has announced nothing": _new_try,
}


@on_one_database
@pytest.mark.parametrize(
    "path",
    [
        "rubbish/{secret}",
        "{token}=/{secret}",
        "{token}",
        "{token}/{secret}x",
        "{token}/{secret}.",
        "{token}/x",
        "{token}/" + "x" * 42,
        "{token}/" + "x" * 43 + "." + "x" * 15,
        "{token}/" + "x" * 60,
        "{token}/" + "ä" * 43,
    ],
)
def test_what_this_package_has_not_made_is_refused_without_a_look_at_the_database(
    task: Waiting, effort: dict[str, list[Any]], path: str
) -> None:
    made = path.format(token=task.path.rsplit("/", 1)[1], secret=task.address.secret)
    assert code(raw(task.world.url, request(f"{ROOT}/{quote(made)}"))) == 401
    assert effort == {"compared": [], "asked": []}


@FUZZ
@given(secret=st.text(max_size=600), known=st.text(max_size=70) | st.none() | st.integers())
def test_secrets_match_their_own_hash_and_nothing_else(secret: str, known: Any) -> None:
    assert address.matches(secret, known) is False
    assert address.matches(secret, hash_of(secret)) is (0 < len(secret) <= address.MAX_SECRET)
    assert address.matches(None, hash_of("")) is False
