# SPDX-License-Identifier: Apache-2.0
"""Signatures, which stand between the secret and the store."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from airflow_async_provider._callbacks import signatures
from airflow_async_provider.protocols._signature_forms import SCHEMES
from tests.support.callback_world import (  # noqa: F401 - fixtures
    MUTE,
    Waiting,
    World,
    logged,
    on_one_database,
    wakes_fixture,
    world_fixture,
)

ENDED = b'{"runid": 7, "execution_status": 1900}'
KEY = "the key of the connection"
SCHEME = {
    "kind": "hmac",
    "header": "X-Signature",
    "prefix": "sha256=",
    "algorithm": "sha256",
    "encoding": "hex",
}
HOOK = "airflow_async_provider.hooks.http_async.HttpAsyncJobHook"


def connect(monkeypatch: pytest.MonkeyPatch, name: str, key: str | None, scheme: Any = None) -> None:
    extra = {} if key is None else {"callback_secret": key, "callback_signature": scheme or SCHEME}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "http", "extra": extra}))


@pytest.fixture
def signed(world: World, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """A task whose callback must be signed with the connection's key."""
    monkeypatch.setattr(signatures, "_keys", signatures._Keys())
    connect(monkeypatch, "signed", KEY)
    return world.task(conn_id="signed", hook=HOOK, signature=SCHEME)


def signature(body: bytes, key: str = KEY, algorithm: str = "sha256") -> str:
    return "sha256=" + hmac.new(key.encode(), body, algorithm).hexdigest()


def test_a_signed_callback_wakes(signed: Waiting) -> None:
    assert signed.post(ENDED, headers={"x-signature": signature(ENDED)}).status_code == 200
    assert signed.state == "scheduled"


def test_the_key_lies_in_airflows_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.connection import Connection  # noqa: TID251 - a person has made it

    monkeypatch.setattr(signatures, "_keys", signatures._Keys())
    extra = json.dumps({"callback_secret": KEY, "callback_signature": SCHEME})
    with world.session() as session:
        session.add(Connection(conn_id=f"signed_{world.dialect}", conn_type="http", extra=extra))
    task = world.task(conn_id=f"signed_{world.dialect}", hook=HOOK, signature=SCHEME)
    assert task.post(ENDED, headers={"X-Signature": signature(ENDED)}).status_code == 200
    assert task.state == "scheduled"


FORGED: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"X-Signature": ""},
    "no prefix": {"X-Signature": signature(ENDED).removeprefix("sha256=")},
    "another body": {"X-Signature": signature(ENDED + b" ")},
    "re-encoded": {"X-Signature": signature(b'{"runid":7,"execution_status":1900}')},
    "another key": {"X-Signature": signature(ENDED, "another key")},
    "another algorithm": {"X-Signature": "sha256=" + hmac.new(KEY.encode(), ENDED, "sha1").hexdigest()},
    "no key": {"X-Signature": "sha256=" + hashlib.sha256(ENDED).hexdigest()},
    "truncated": {"X-Signature": signature(ENDED)[:-1]},
    "base64": {
        "X-Signature": "sha256=" + base64.b64encode(hmac.digest(KEY.encode(), ENDED, "sha256")).decode()
    },
    "in another header": {"X-Signed": signature(ENDED)},
    "the key itself": {"X-Signature": KEY},
}


@on_one_database
@pytest.mark.parametrize("name", FORGED)
def test_no_other_signature_does(signed: Waiting, name: str, caplog: pytest.LogCaptureFixture) -> None:
    plain = signed.world.task().post(secret="wrong")
    answer = signed.post(ENDED, headers=FORGED[name])
    assert (answer.status_code, answer.content) == (plain.status_code, plain.content)
    assert signed.state == "deferred"
    assert signed.delivery is None
    assert KEY not in caplog.text


def test_a_body_that_was_changed_on_the_way_does_not_wake(signed: Waiting) -> None:
    headers = {"X-Signature": signature(ENDED)}
    for body in (ENDED.replace(b"1900", b"1800"), ENDED[:-1], ENDED + b"\n", b""):
        assert signed.post(body, headers=headers).status_code == 401
    assert signed.state == "deferred"


def test_the_signature_does_not_replace_the_secret(signed: Waiting) -> None:
    assert signed.post(ENDED, secret=None, headers={"X-Signature": signature(ENDED)}).status_code == 401
    assert signed.state == "deferred"


def test_a_replayed_one_is_a_duplicate_and_an_old_one_is_refused_where_time_is_signed(
    world: World, signed: Waiting, monkeypatch: pytest.MonkeyPatch, wakes: list[Any]
) -> None:
    headers = {"X-Signature": signature(ENDED)}
    assert [signed.post(ENDED, headers=headers).status_code for _ in range(2)] == [200, 200]
    assert len(wakes) == 1

    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    connect(monkeypatch, "standard", secret, "standard_webhooks")
    task = world.task(conn_id="standard", hook=HOOK, signature=SCHEMES["standard-webhooks"].to_dict())

    def made(at: int) -> dict[str, str]:
        mac = hmac.digest(b"k" * 24, f"m1.{at}.".encode() + ENDED, "sha256")
        encoded = base64.b64encode(mac).decode()
        return {"webhook-id": "m1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{encoded}"}

    assert task.post(ENDED, headers=made(int(time.time()) - 600)).status_code == 401
    assert task.state == "deferred"
    assert task.post(ENDED, headers=made(int(time.time()))).status_code == 200
    assert task.state == "scheduled"


def test_a_new_key_counts_soon_and_the_old_one_no_longer(
    signed: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = signed.world.task(conn_id="signed", hook=HOOK, signature=SCHEME)
    assert other.post(ENDED, headers={"X-Signature": signature(ENDED)}).status_code == 200
    connect(monkeypatch, "signed", "a new key")
    new = {"X-Signature": signature(ENDED, "a new key")}
    assert signed.post(ENDED, headers=new).status_code == 401  # looked up a moment ago
    monkeypatch.setattr(signatures, "KEY_MIN_AGE", 0.0)
    assert signed.post(ENDED, headers=new).status_code == 200
    assert signed.state == "scheduled"


def test_without_its_key_nothing_is_lost_and_nothing_believed(
    signed: Waiting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Signature": signature(ENDED)}
    monkeypatch.delenv("AIRFLOW_CONN_SIGNED")
    assert signed.post(ENDED, headers=headers).status_code == 503
    assert "KeyMissingError" in logged(caplog)
    connect(monkeypatch, "signed", None)  # the connection is there, but somebody has removed its key
    assert signed.post(ENDED, headers=headers).status_code == 401
    assert signed.state == "deferred"
    monkeypatch.setattr(signatures, "KEY_MAX_AGE", 0.0)
    connect(monkeypatch, "signed", KEY)
    assert signed.post(ENDED, headers=headers).status_code == 200


@on_one_database
@pytest.mark.parametrize(
    "facts",
    [
        {"hook": "os.path.join"},
        {"hook": None},
        {"conn_id": None},
        {"signature": {"kind": "unheard of"}},
        {"signature": {"kind": "hmac"}},
        {"signature": {"header": "X-Signature", "algorithm": "md5"}},
        {"signature": []},
    ],
)
def test_a_signature_that_cannot_be_checked_is_none(signed: Waiting, facts: dict[str, Any]) -> None:
    signed.expect(**{"conn_id": "signed", "hook": HOOK, "signature": SCHEME, **facts})
    answer = signed.post(ENDED, headers={"X-Signature": signature(ENDED)})
    assert answer.status_code == 401
    assert signed.state == "deferred"


def test_too_large_and_unsigned_still_tells_the_task(signed: Waiting) -> None:
    # The secret has proved the sender; what was not read cannot be verified, and nothing of it is believed.
    signed.expect(conn_id="signed", hook=HOOK, signature=SCHEME, max_bytes=10, **MUTE)
    assert signed.post(ENDED).status_code == 413
    assert signed.event["error"] == "CallbackTooLargeError"
