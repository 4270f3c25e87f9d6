# SPDX-License-Identifier: Apache-2.0
"""Connections as people write them, against a token server of our own: who gets in, and what is told who
does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    TransientError,
)
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.protocols import HttpRequest, HttpResponse
from tests.support.byte_server import make_certificate
from tests.support.token_server import CLIENT, SECRET, TokenServer, token_server

GET = HttpRequest("GET", "api")
Call = Callable[[AsyncApiHook, HttpRequest], HttpResponse]


def in_triggerer(hook: AsyncApiHook, request: HttpRequest) -> HttpResponse:
    async def ask() -> HttpResponse:
        async with pool():
            return await hook.acall(request)

    return asyncio.run(ask())


@pytest.fixture(params=[AsyncApiHook.call, in_triggerer], ids=["worker", "triggerer"])
def call(request: pytest.FixtureRequest) -> Call:
    def ask(hook: AsyncApiHook, one: HttpRequest) -> HttpResponse:
        return hook.call(one) if request.param is AsyncApiHook.call else in_triggerer(hook, one)

    return ask


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., HttpAsyncJobHook]:
    def make(server: TokenServer, hook: type[AsyncApiHook] = HttpAsyncJobHook, **options: Any) -> Any:
        extra = {"token_url": f"{server.origin}/token", **options.pop("extra", {})}
        connection = {
            "conn_type": "http",
            "host": server.origin,
            "login": CLIENT,
            "password": SECRET,
            **options,
        }
        monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({**connection, "extra": extra}))
        return hook("mine")

    return make


Connect = Callable[..., Any]


def pem(key: Any) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


# -- OAuth 2


@pytest.mark.parametrize("way", ["basic", "body"])
def test_a_secret_by_basic_or_in_the_body(connect: Connect, call: Call, way: str) -> None:
    with token_server(way=way) as server:
        hook = connect(server, extra={"client_auth": way})
        assert call(hook, GET).status == 200
        assert call(hook, GET).status == 200


def test_all_parameters_of_the_token_request(connect: Connect) -> None:
    with token_server() as server:
        extra = {
            "scope": ["jobs.read", "jobs.write"],
            "audience": "https://api.example",
            "resource": ["urn:a", "urn:b"],
            "oauth_params": {"tenant": "t1"},
        }
        assert connect(server, extra=extra).call(GET).status == 200
        (form,) = server.forms
    assert form == {
        "grant_type": ["client_credentials"],
        "scope": ["jobs.read jobs.write"],
        "audience": ["https://api.example"],
        "resource": ["urn:a", "urn:b"],
        "tenant": ["t1"],
    }


@pytest.mark.parametrize("way", ["basic", "body"])
def test_the_token_endpoint_s_own_error_is_reported_without_the_secret(
    connect: Connect, call: Call, way: str
) -> None:
    with token_server(way=way) as server:
        hook = connect(server, password="wrong-canary", extra={"client_auth": way})
        with pytest.raises(AuthenticationError, match="invalid_client: Client unknown") as caught:
            call(hook, GET)
    assert "canary" not in str(caught.value)
    assert "Basic " not in str(caught.value) or "***" in str(caught.value)


@pytest.mark.parametrize("kind", ["rsa", "ec384", "ec256"])
@pytest.mark.parametrize("form", ["pem", "one line", "file", "jwk"])
def test_a_signed_assertion(connect: Connect, tmp_path: Path, kind: str, form: str) -> None:
    key: Any = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ec256": lambda: ec.generate_private_key(ec.SECP256R1()),
    }[kind]()
    private, public = pem(key)
    extra: dict[str, Any] = {"client_auth": "private_key_jwt", "key_id": "k-1", "private_key": private}
    if form == "one line":
        extra["private_key"] = private.replace("\n", "\\n")
    elif form == "file":
        (tmp_path / "key.pem").write_text(private)
        extra |= {"private_key": None, "private_key_file": str(tmp_path / "key.pem")}
    elif form == "jwk":
        from jwt.algorithms import ECAlgorithm, RSAAlgorithm

        jwk = (RSAAlgorithm if kind == "rsa" else ECAlgorithm).to_jwk(key, as_dict=True)
        extra["private_key"] = {**jwk, "alg": {"rsa": "RS384", "ec384": "ES384", "ec256": "ES256"}[kind]}
    with token_server(way="private_key_jwt", public_key=public) as server:
        assert connect(server, password=None, extra=extra).call(GET).status == 200
        (claims,) = server.assertions
    assert claims["alg"] == {"rsa": "RS384", "ec384": "ES384", "ec256": "ES256"}[kind]
    assert (claims["kid"], claims["iss"], claims["sub"]) == ("k-1", CLIENT, CLIENT)
    assert claims["exp"] - claims["iat"] <= 300
    assert len(claims["jti"]) > 20


def test_a_signed_assertion_is_made_outside_of_the_event_loop(connect: Connect) -> None:
    private, public = pem(ec.generate_private_key(ec.SECP384R1()))
    with token_server(way="private_key_jwt", public_key=public) as server:
        assert in_triggerer(connect(server, extra={"private_key": private}), GET).status == 200


@pytest.mark.parametrize(
    "extra",
    [
        {"private_key": "no key canary"},
        {"private_key_file": "/no/such/file"},
        {"private_key": '{"kty": "canary"}'},
    ],
)
def test_a_key_that_is_none_is_named_and_not_shown(connect: Connect, call: Call, extra: Any) -> None:
    with token_server(way="private_key_jwt") as server:
        with pytest.raises(ConfigurationError, match="key") as caught:
            call(connect(server, extra=extra), GET)
        assert not server.requests
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"login": None}, "needs login"),
        ({"password": None}, "private_key"),
        ({"extra": {"client_auth": "magic"}}, "must be one of basic, body, private_key_jwt, none"),
        ({"extra": {"client_auth": "none"}}, "needs cert"),
        ({"extra": {"private_key": "a", "private_key_file": "b"}}, "either"),
        ({"extra": {"token_url": None, "audience": "x"}}, "no token_url"),
        ({"extra": {"oauth_params": "x"}}, "oauth_params"),
    ],
)
def test_what_contradicts_itself_is_refused(connect: Connect, options: Any, about: str) -> None:
    with token_server() as server, pytest.raises(ConfigurationError, match=about):
        _ = connect(server, **options).endpoint


@pytest.mark.parametrize(
    ("hook", "extra"),
    [(JaggaerAsoHook, {"client_auth": "body"}), (AutomicHook, {"client_auth": "body", "client": 100})],
)
def test_the_other_systems_take_the_same_fields(connect: Connect, hook: Any, extra: Any) -> None:
    with token_server(way="body") as server:
        made = connect(server, hook, conn_type=hook.conn_type, extra=extra)
        assert made.call(GET).status == 200


# -- client certificates


def test_a_client_certificate_is_shown_to_the_token_endpoint_and_the_api(
    connect: Connect, call: Call, tmp_path: Path
) -> None:
    mine, theirs = make_certificate(tmp_path / "mine.pem"), make_certificate(tmp_path / "theirs.pem")
    with token_server(way="tls", tls=theirs, clients=mine) as server:
        extra = {"client_auth": "none", "cert": str(mine), "verify": str(theirs)}
        assert call(connect(server, password=None, extra=extra), GET).status == 200
        assert all(server.peers)
        assert len(server.peers) == 2


def test_without_it_the_remote_hangs_up(connect: Connect, call: Call, tmp_path: Path) -> None:
    mine, theirs = make_certificate(tmp_path / "mine.pem"), make_certificate(tmp_path / "theirs.pem")
    with token_server(tls=theirs, clients=mine) as server:
        with pytest.raises(TransientError):
            call(connect(server, extra={"verify": str(theirs)}), GET)
        assert not server.requests


@pytest.mark.parametrize("wrong", ["missing", "garbage", "passphrase", "another key"])
def test_a_client_certificate_that_cannot_be_used(
    connect: Connect, call: Call, tmp_path: Path, wrong: str
) -> None:
    theirs, mine = make_certificate(tmp_path / "theirs.pem"), make_certificate(tmp_path / "mine.pem")
    extra = {"verify": str(theirs), "cert": str(mine), "cert_key": str(mine)}
    if wrong == "missing":
        extra["cert_key"] = str(tmp_path / "none.pem")
    elif wrong == "garbage":
        (tmp_path / "garbage.pem").write_text("no certificate")
        extra["cert"] = str(tmp_path / "garbage.pem")
    elif wrong == "passphrase":
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
        (tmp_path / "locked.pem").write_bytes(key)
        extra["cert_key"] = str(tmp_path / "locked.pem")
    else:
        extra["cert_key"] = str(theirs)
    with token_server(tls=theirs) as server, pytest.raises(ConfigurationError, match="cert"):
        call(connect(server, extra=extra), GET)


# -- cookies and CSRF


CHANGE = HttpRequest("POST", "api", json={})


def test_a_csrf_token_is_fetched_before_the_first_change_and_again_when_it_is_refused(
    connect: Connect,
) -> None:
    with token_server(csrf=True) as server:
        hook = connect(server, extra={"csrf": "api"})
        assert hook.call(CHANGE).status == 202
        assert hook.call(GET).status == 202
        server.sessions += 1  # the remote has ended the session
        assert hook.call(CHANGE).status == 202
        assert csrf_headers(server) == ["Fetch", "csrf-1", None, "csrf-1", "Fetch", "csrf-3"]


async def test_the_same_in_the_triggerer(connect: Connect) -> None:
    with token_server(csrf=True) as server:
        hook = connect(server, extra={"csrf": "api"})
        async with pool():
            assert (await hook.acall(CHANGE)).status == 202
            assert (await hook.acall(GET)).status == 202
            server.sessions += 1
            assert (await hook.acall(CHANGE)).status == 202
        assert csrf_headers(server) == ["Fetch", "csrf-1", None, "csrf-1", "Fetch", "csrf-3"]


def csrf_headers(server: TokenServer) -> list[str | None]:
    return [headers.get("x-csrf-token") for _, path, headers in server.requests if path == "/api"]


def test_without_a_csrf_token_nothing_is_sent(connect: Connect, call: Call) -> None:
    with token_server() as server:
        with pytest.raises(AuthorizationError, match="gave no CSRF token"):
            call(connect(server, extra={"csrf": "api"}), HttpRequest("POST", "api", json={}))
        assert "POST" not in [method for method, path, _ in server.requests if path == "/api"]


def test_cookies_belong_to_one_job(connect: Connect, call: Call) -> None:
    with token_server(csrf=True) as server:
        first = connect(server, extra={"csrf": True, "cookies": True})
        call(first, HttpRequest("POST", "api", json={}))
        second = connect(server, extra={"cookies": True})
        call(second, GET)
        assert "cookie" not in server.requests[-1][2]
        assert "SESS" not in repr(first._session)


def test_cookies_are_not_kept_unless_asked_for(connect: Connect, call: Call) -> None:
    with token_server(csrf=True) as server:
        hook = connect(server)
        call(hook, HttpRequest("GET", "api", headers={"X-CSRF-Token": "Fetch"}))
        call(hook, GET)
        assert "cookie" not in server.requests[-1][2]
